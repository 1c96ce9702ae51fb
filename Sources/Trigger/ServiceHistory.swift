import Analysis
import Events

/// The rolling history of one service: two generations of a minute each, the older one complete.
final class ServiceHistory {
    static let generation: UInt64 = 60_000_000_000
    /// Fewer turns than this say nothing about a p99.
    static let enough: UInt64 = 20

    /// So many slow turns in so long, ns, or a fifth of few turns is chance: a spike every three minutes on a service that is
    /// asked once a minute is what we are for.
    private static let habit = (count: 10, time: UInt64(600_000_000_000))

    private var current = LatencyHistogram()
    private var previous = LatencyHistogram()
    private var started: Instant
    private let born: Instant
    /// The p99 in force and when it was worked out: a scan per turn would cost more than the turn.
    private var cached: (p99: UInt64, turns: UInt64, at: Instant) = (0, 0, 0)
    private var cachedUsual: (latency: UInt64, at: Instant) = (0, 0)
    /// Last turns against the threshold: one bit each, newest lowest.
    private var recentSlow: UInt64 = 0
    private var recentCount = 0
    /// When the last of them ended that were slow, a ring.
    private var slowEnds = [Instant](repeating: 0, count: habit.count)
    private var slowCount = 0
    private var completed: UInt64 = 0
    private var onlySlowSoFar = true
    private(set) var lastUse: Instant
    var retransmits: RetransmitRate

    init(at now: Instant) {
        retransmits = RetransmitRate(since: now)
        started = now
        born = now
        lastUse = now
    }

    /// Known for less than one generation.
    func isBeingLearned(at now: Instant) -> Bool { now < born &+ Self.generation }

    /// `slow`: over the threshold in force. `spike`: it fires, and not for want of history. Spikes stay out of the
    /// figures: two of them a minute would be the p99 of a quiet service, and hide the third. Should they go on they
    /// become a habit, and are learned from then on.
    func record(_ latency: UInt64, slow: Bool, spike: Bool, at now: Instant) {
        lastUse = max(lastUse, now)
        roll(now)
        if !spike { current.record(latency) }
        recentSlow = recentSlow << 1 | (slow ? 1 : 0)
        recentCount = min(recentCount + 1, 64)
        completed += 1
        guard slow else {
            onlySlowSoFar = false
            return
        }
        slowEnds[slowCount % Self.habit.count] = now
        slowCount += 1
    }

    /// So many turns that took about so long were counted in the kernel; none was slow.
    func counted(_ latency: UInt64, _ count: UInt64, at now: Instant) {
        lastUse = max(lastUse, now)
        roll(now)
        current.record(latency, times: UInt32(clamping: count))
        recentSlow = count < 64 ? recentSlow << count : 0
        recentCount = min(recentCount + Int(clamping: count), 64)
        completed += count
        onlySlowSoFar = false
    }

    /// Gives back what no longer counts: latencies of two generations ago. What is its habit stays.
    func trim(at now: Instant) {
        guard now > lastUse &+ 2 * Self.generation else { return }
        current.release()
        previous.release()
    }

    private func roll(_ now: Instant) {
        guard now > started &+ Self.generation else { return }
        swap(&current, &previous)
        current.clear()
        if now > started &+ 2 * Self.generation { previous.clear() }
        started = now
    }

    /// p99 over both generations, at most a second old; `nil` while there is too little.
    func p99(at now: Instant) -> UInt64? {
        roll(now)
        let turns = current.total + previous.total
        guard turns >= Self.enough else { return nil }
        if cached.turns == 0 || now > cached.at &+ 1_000_000_000 || turns > cached.turns * 2 {
            cached = (Self.p99(both), turns, now)
        }
        return cached.p99
    }

    /// Thresholds up to this are passed by a fifth of the turns or more, ns, at most a second old; 0 while there are fewer
    /// than 50. What `isHabituallySlow` would say of thresholds that are not in force.
    func usual(at now: Instant) -> UInt64 {
        roll(now)
        guard current.total + previous.total >= 50 else { return 0 }
        if cachedUsual.at == 0 || now > cachedUsual.at &+ 1_000_000_000 { cachedUsual = (both.quantile(0.8), now) }
        return cachedUsual.latency
    }

    private var both: LatencyHistogram {
        var both = previous
        both.add(current)
        return both
    }

    /// Of fewer than 100 turns the slowest would be the p99: one slow start must not hide what follows for two minutes,
    /// so it is left out.
    private static func p99(_ histogram: LatencyHistogram) -> UInt64 {
        let turns = histogram.total
        return turns < 100 && turns > 1 ? histogram.value(rank: turns - 1) : histogram.quantile(0.99)
    }

    /// A fifth of the last 50 or more turns (64 are remembered) over the threshold, and ten of them in ten minutes: long polls, or
    /// a slow service.
    func isHabituallySlow(at now: Instant) -> Bool {
        guard recentCount >= 50, recentSlow.nonzeroBitCount * 5 >= recentCount, slowCount >= Self.habit.count else {
            return false
        }
        return now < slowEnds[slowCount % Self.habit.count] &+ Self.habit.time
    }

    /// Three or more turns completed, none of them ever under the threshold: a port for long polls only. Asked for
    /// open turns alone, so a service that is slow from its start on still fires when its turns complete.
    var onlySlow: Bool { completed >= 3 && onlySlowSoFar }

    func baseline(_ key: ServiceKey, before began: Instant) -> Baseline {
        let both = both
        return Baseline(
            container: key.container, role: key.role.rawValue, port: key.port, turns: both.total,
            p50: both.quantile(0.5), p99: Self.p99(both),
            retransmitsPerSecond: retransmits.perSecond(before: began))
    }
}
