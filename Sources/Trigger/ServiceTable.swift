import Events

/// Histories by service, bounded. A small direct-mapped cache stands before the dictionary: hashing a key costs more than
/// all else that is done for a turn.
struct ServiceTable {
    private(set) var all: [ServiceKey: ServiceHistory] = [:]
    /// Those it holds are in `all`.
    private var cache: [(key: ServiceKey, history: Unmanaged<ServiceHistory>)?]
    private let capacity: Int
    private static let slots = 256

    init(capacity: Int) {
        self.capacity = max(8, capacity)
        cache = Array(repeating: nil, count: Self.slots)
    }

    @inline(__always)
    private static func slot(_ key: ServiceKey) -> Int {
        // Fibonacci hashing: cgroup ids and ports are small and close together.
        let mixed = (key.container ^ UInt64(key.port) << 32 ^ UInt64(key.role.rawValue) << 48) &* 0x9e37_79b9_7f4a_7c15
        return Int(truncatingIfNeeded: mixed >> 56)
    }

    /// The service's history, made when there is none. It is held until the next one is made.
    @inline(__always)
    mutating func history(_ key: ServiceKey, at now: Instant) -> Unmanaged<ServiceHistory> {
        let slot = Self.slot(key)
        if let entry = cache[slot], entry.key == key { return entry.history }
        return find(key, slot, at: now)
    }

    @inline(never)
    private mutating func find(_ key: ServiceKey, _ slot: Int, at now: Instant) -> Unmanaged<ServiceHistory> {
        let history = Unmanaged.passUnretained(all[key] ?? make(key, at: now))
        cache[slot] = (key, history)
        return history
    }

    private mutating func make(_ key: ServiceKey, at now: Instant) -> ServiceHistory {
        if all.count >= capacity { evict() }
        let history = ServiceHistory(at: now)
        all[key] = history
        return history
    }

    /// An eighth at once: a scan for each newcomer would make a port scan inside a container expensive here.
    private mutating func evict() {
        let oldest = all.sorted { $0.value.lastUse < $1.value.lastUse }.prefix(max(1, capacity / 8))
        for (key, _) in oldest { all[key] = nil }
        for slot in cache.indices { cache[slot] = nil }
    }
}
