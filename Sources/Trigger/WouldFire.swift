import Events

/// What other thresholds than the one in force would have fired on since the recorder started: for a ladder of absolute
/// thresholds, how many turns were over each, and how many incidents they make. Fixed memory, no allocation.
///
/// Judged as `TriggerEngine` judges an absolute threshold: turns that ended, of a known role, not aborted, a stream without
/// its transfer, and of no service a fifth of whose turns are that slow anyway. The rate limit is not applied.
public struct WouldFire: Sendable, Equatable {
    /// One threshold's account.
    public struct Level: Sendable, Equatable {
        /// ns.
        public let threshold: UInt64
        /// Turns as slow as this, by role.
        public fileprivate(set) var served: UInt64 = 0
        public fileprivate(set) var called: UInt64 = 0
        /// Incidents these turns make: one goes on while the next turn ends within `after` of the last, up to the cap.
        public fileprivate(set) var incidents: UInt64 = 0
        fileprivate var opened: Instant = 0
        fileprivate var until: Instant = 0
    }

    /// The ladder, ns, ascending: 10 ms to a minute.
    static let thresholds: [UInt64] = [
        10, 20, 30, 50, 80, 100, 200, 300, 500, 800, 1000, 2000, 3000, 5000, 8000, 10_000, 20_000, 30_000, 60_000,
    ].map { $0 * 1_000_000 }
    /// ns; what is shorter is no threshold's business.
    static let least: UInt64 = 10_000_000

    public private(set) var levels = Self.thresholds.map { Level(threshold: $0) }
    /// Turns judged at all.
    public private(set) var judged: UInt64 = 0
    private let after: UInt64
    private let cap: UInt64

    /// Times in ns, as `IncidentTracker` takes them.
    init(after: UInt64, cap: UInt64) {
        self.after = after
        self.cap = max(cap, after)
    }

    @inline(__always)
    mutating func count(_ turns: UInt64 = 1) { judged &+= turns }

    /// A turn of `least` ns or more. `usual`: thresholds up to this would be a habit of its service, ns.
    mutating func note(_ latency: UInt64, _ role: Role, usual: UInt64, at end: Instant) {
        for index in levels.indices {
            guard levels[index].threshold <= latency else { break }
            guard levels[index].threshold > usual else { continue }
            if role == .served { levels[index].served += 1 } else { levels[index].called += 1 }
            if levels[index].incidents == 0 || end > levels[index].until {
                levels[index].incidents += 1
                levels[index].opened = end
            }
            levels[index].until = max(levels[index].until, min(end &+ after, levels[index].opened &+ cap))
        }
    }
}
