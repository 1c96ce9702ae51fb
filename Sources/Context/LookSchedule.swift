import Events

/// Which containers are looked at in a tick, and how closely: bounded, however many are slow or alive.
public struct LookSchedule: Sendable {
    public struct Look: Sendable, Equatable {
        public var container: ContainerKey
        /// The network counters too: they cost ten times what cgroup files do.
        public var network: Bool
    }

    /// Containers with a slow turn looked at in one tick: the first of them every time, the others in turn.
    static let watchedLooks = 16
    static let alwaysLooks = 8
    /// Containers watched at all; more are slow together only when the host is, and then these will do.
    static let mostWatched = 256
    /// Quiet containers looked at in one tick.
    static let quietLooks = 2
    static let mostActive = 1024
    /// ns between two looks at a quiet container, at least: so that a capture has a *before*.
    static let quietInterval: UInt64 = 4_000_000_000
    /// ns between two looks at the network counters of a watched one.
    static let networkInterval: UInt64 = 500_000_000

    private var watched: [(container: ContainerKey, until: Instant)] = []
    private var active: [ContainerKey] = []
    private var cursor = 0
    private var rotation = 0
    private var looked: [ContainerKey: Instant] = [:]
    private var lookedAtNetwork: [ContainerKey: Instant] = [:]

    public init() {}

    /// Looks closely at this container until `until`.
    public mutating func watch(_ container: ContainerKey, until: Instant) {
        if let index = watched.firstIndex(where: { $0.container == container }) {
            watched[index].until = max(watched[index].until, until)
        } else if watched.count < Self.mostWatched {
            watched.append((container, until))
        }
    }

    /// The containers that had turns lately.
    public mutating func setActive(_ containers: some Sequence<ContainerKey>) {
        active = Array(containers.prefix(Self.mostActive)).sorted()
        let known = Set(active).union(watched.map(\.container))
        looked = looked.filter { known.contains($0.key) }
        lookedAtNetwork = lookedAtNetwork.filter { known.contains($0.key) }
    }

    /// Whom to look at now.
    public mutating func due(at now: Instant) -> [Look] {
        watched.removeAll { $0.until < now }
        var looks: [Look] = watched.prefix(Self.alwaysLooks).map { look($0.container, at: now) }
        let others = watched.dropFirst(Self.alwaysLooks)
        let turns = min(others.count, Self.watchedLooks - Self.alwaysLooks)
        for step in 0..<turns {
            let index = others.startIndex + (rotation + step) % others.count
            looks.append(look(watched[index].container, at: now))
        }
        rotation = others.isEmpty ? 0 : (rotation + turns) % others.count
        return looks + quiet(at: now)
    }

    private mutating func quiet(at now: Instant) -> [Look] {
        var looks: [Look] = []
        // The least recently looked at are next: whoever follows the cursor.
        for _ in 0..<min(active.count, 64) where looks.count < Self.quietLooks {
            cursor = (cursor + 1) % active.count
            let container = active[cursor]
            guard looked[container].map({ now >= $0 &+ Self.quietInterval }) ?? true else { continue }
            looked[container] = now
            lookedAtNetwork[container] = now
            looks.append(Look(container: container, network: true))
        }
        return looks
    }

    private mutating func look(_ container: ContainerKey, at now: Instant) -> Look {
        looked[container] = now
        let network = lookedAtNetwork[container].map { now >= $0 &+ Self.networkInterval } ?? true
        if network { lookedAtNetwork[container] = now }
        return Look(container: container, network: network)
    }
}
