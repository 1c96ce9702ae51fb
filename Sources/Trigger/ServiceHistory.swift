import Analysis
import Events

/// The rolling history of one service: two generations of a minute each, the older one complete.
final class ServiceHistory {
    static let generation: UInt64 = 60_000_000_000
    /// Fewer turns than this say nothing about a p99.
    static let enough: UInt64 = 20

    private var current = LatencyHistogram()
    private var previous = LatencyHistogram()
    private var started: Instant
    /// The p99 in force and when it was worked out: a scan per turn would cost more than the turn.
    private var cached: (p99: UInt64, turns: UInt64, at: Instant) = (0, 0, 0)
    /// Last turns against the threshold: one bit each, newest lowest.
    private var recentSlow: UInt64 = 0
    private var recentCount = 0
    private(set) var lastUse: Instant

    init(at now: Instant) {
        started = now
        lastUse = now
    }

    func record(_ latency: UInt64, slow: Bool, at now: Instant) {
        lastUse = max(lastUse, now)
        if now > started &+ Self.generation {
            swap(&current, &previous)
            current.clear()
            if now > started &+ 2 * Self.generation { previous.clear() }
            started = now
        }
        current.record(latency)
        recentSlow = recentSlow << 1 | (slow ? 1 : 0)
        recentCount = min(recentCount + 1, 64)
    }

    /// p99 over both generations, at most a second old; `nil` while there is too little.
    func p99(at now: Instant) -> UInt64? {
        let turns = current.total + previous.total
        guard turns >= Self.enough else { return nil }
        if cached.turns == 0 || now > cached.at &+ 1_000_000_000 || turns > cached.turns * 2 {
            cached = (quantiles(0.99), turns, now)
        }
        return cached.p99
    }

    private func quantiles(_ fraction: Double) -> UInt64 {
        var both = previous
        both.add(current)
        return both.quantile(fraction)
    }

    /// A fifth of the last 50 or more turns over the threshold: slow is how this service is (long polls), not a spike.
    var habituallySlow: Bool { recentCount >= 50 && recentSlow.nonzeroBitCount * 5 >= recentCount }

    func baseline(_ key: ServiceKey, retransmitsPerSecond: Double) -> Baseline {
        Baseline(
            container: key.container, role: key.role.rawValue, port: key.port, turns: current.total + previous.total,
            p50: quantiles(0.5), p99: quantiles(0.99), retransmitsPerSecond: retransmitsPerSecond)
    }
}
