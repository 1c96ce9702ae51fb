import CFlightrec
import Events
import Trigger

/// What each container's turns were lately and since the start, for `top` and `--metrics`. Bounded: containers come and go.
/// Belongs to the pump thread; `rows` are copies that may leave it.
struct Tally {
    struct Key: Hashable, Sendable {
        var container: ContainerKey
        var role: Role
    }

    /// Containers' roles kept, about 5 KB each with turns, 0.6 KB without; the longest quiet go first.
    static let capacity = 2048
    private static let slots = 256
    private var all: [Key: TallyEntry] = [:]
    /// Stands before the dictionary, which holds them, as in `ServiceTable`: hashing costs more than counting.
    private var cache = [Unmanaged<TallyEntry>?](repeating: nil, count: Self.slots)

    var count: Int { all.count }

    /// A turn that ended. Allocates only for a container that is new.
    @inline(__always)
    mutating func note(_ turn: TurnObservation, _ raw: fr_turn) {
        guard turn.service.role != .unknown, !turn.flags.contains(.aborted) else { return }
        entry(Key(container: turn.service.container, role: turn.service.role), at: turn.end)
            ._withUnsafeGuaranteedRef { $0.note(turn.latency, raw, at: turn.end) }
    }

    /// Turns that were counted in the kernel: how many took about so long, ns.
    mutating func counted(_ service: ServiceKey, latency: UInt64, count: UInt64, at now: Instant) {
        guard service.role != .unknown else { return }
        entry(Key(container: service.container, role: service.role), at: now)
            ._withUnsafeGuaranteedRef { $0.counted(latency, count, at: now) }
    }

    mutating func retransmitted(_ container: ContainerKey, _ role: Role, at now: Instant) {
        guard role != .unknown else { return }
        entry(Key(container: container, role: role), at: now)._withUnsafeGuaranteedRef { $0.retransmitted(at: now) }
    }

    @inline(__always)
    private mutating func entry(_ key: Key, at now: Instant) -> Unmanaged<TallyEntry> {
        let mixed = (key.container ^ UInt64(key.role.rawValue) << 48) &* 0x9e37_79b9_7f4a_7c15
        let slot = Int(truncatingIfNeeded: mixed >> 56)
        if let hit = cache[slot], hit._withUnsafeGuaranteedRef({ $0.key == key }) { return hit }
        return find(key, slot, at: now)
    }

    @inline(never)
    private mutating func find(_ key: Key, _ slot: Int, at now: Instant) -> Unmanaged<TallyEntry> {
        let entry = Unmanaged.passUnretained(all[key] ?? make(key, at: now))
        cache[slot] = entry
        return entry
    }

    private mutating func make(_ key: Key, at now: Instant) -> TallyEntry {
        if all.count >= Self.capacity {
            for old in all.values.sorted(by: { $0.lastUse < $1.lastUse }).prefix(Self.capacity / 8) {
                all[old.key] = nil
            }
            for slot in cache.indices { cache[slot] = nil }
        }
        let entry = TallyEntry(key, at: now)
        all[key] = entry
        return entry
    }

    /// For once in a while.
    func trim(at now: Instant) {
        for entry in all.values { entry.trim(at: now) }
    }

    /// Figures of every container that had a turn at `since` or later and is wanted.
    func rows(at now: Instant, since: Instant, _ isWanted: (ContainerKey) -> Bool) -> [TallyRow] {
        all.values.filter { $0.lastUse >= since && isWanted($0.key.container) }.map { $0.row(at: now) }
    }
}

/// A copy of one container's figures in one role.
struct TallyRow: Sendable {
    var key: Tally.Key
    /// When its figures began: a key that was forgotten begins anew.
    var began: Instant
    /// ns the figures up to `slowest` are over: five to ten seconds, or less of a newcomer.
    var over: UInt64
    var turns: UInt64
    /// ns.
    var p50: UInt64
    var p99: UInt64
    var max: UInt64
    var retransmits: UInt64
    /// The one that took `max`.
    var slowest: fr_turn?
    /// Since the container was seen first.
    var total: TallyTotal
}

/// Counts that only grow.
struct TallyTotal: Sendable {
    /// Upper bounds of the buckets, ns; what is longer has one more.
    static let bounds: [UInt64] = [
        100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
        5_000_000, 10_000_000,
    ].map { $0 * 1000 }

    /// Turns in each bucket, not in those below.
    var buckets = [UInt64](repeating: 0, count: Self.bounds.count + 1)
    /// ns.
    var sum: UInt64 = 0
    var retransmits: UInt64 = 0

    @inline(__always)
    mutating func note(_ latency: UInt64, times: UInt64 = 1) {
        var index = 0
        while index < Self.bounds.count, latency > Self.bounds[index] { index += 1 }
        buckets[index] &+= times
        sum &+= latency &* times
    }
}
