import CFlightrec
import Events
import Trigger

/// One container in one role: two generations of five seconds each, the older one complete, and totals.
final class TallyEntry {
    static let generation: UInt64 = 5_000_000_000

    private struct Generation {
        var started: Instant
        var latencies = LatencyHistogram()
        var retransmits: UInt64 = 0
        /// ns; 0: no turn.
        var slowestLatency: UInt64 = 0
        var slowest = fr_turn()

        mutating func restart(at now: Instant) {
            started = now
            latencies.clear()
            retransmits = 0
            slowestLatency = 0
            slowest = fr_turn()
        }
    }

    let key: Tally.Key
    private let began: Instant
    private(set) var lastUse: Instant
    @exclusivity(unchecked) private var current: Generation
    private var previous: Generation
    @exclusivity(unchecked) private var total = TallyTotal()

    init(_ key: Tally.Key, at now: Instant) {
        self.key = key
        began = now
        lastUse = now
        current = Generation(started: now)
        previous = Generation(started: now)
    }

    @inline(__always)
    func note(_ latency: UInt64, _ raw: fr_turn, at now: Instant) {
        lastUse = max(lastUse, now)
        if now > current.started &+ Self.generation { roll(now) }
        current.latencies.record(latency)
        total.note(latency)
        if latency >= current.slowestLatency {
            current.slowestLatency = latency
            current.slowest = raw
        }
    }

    /// None of them is shown as the slowest: of those only times are known.
    func counted(_ latency: UInt64, _ count: UInt64, at now: Instant) {
        lastUse = max(lastUse, now)
        if now > current.started &+ Self.generation { roll(now) }
        current.latencies.record(latency, times: UInt32(clamping: count))
        total.note(latency, times: count)
        if latency > current.slowestLatency {
            current.slowestLatency = latency
            current.slowest = fr_turn()
        }
    }

    func retransmitted(at now: Instant) {
        lastUse = max(lastUse, now)
        if now > current.started &+ Self.generation { roll(now) }
        current.retransmits += 1
        total.retransmits += 1
    }

    /// Gives back what is only of the last seconds, when there was nothing in them: containers come and go.
    func trim(at now: Instant) {
        // The next look, or turn, begins both anew.
        guard now > lastUse &+ 2 * Self.generation else { return }
        current.latencies.release()
        previous.latencies.release()
    }

    private func roll(_ now: Instant) {
        let quiet = now > current.started &+ 2 * Self.generation
        swap(&current, &previous)
        current.restart(at: now)
        // What came before a silence is no longer of now.
        if quiet { previous.restart(at: now - Self.generation) }
    }

    func row(at now: Instant) -> TallyRow {
        if now > current.started &+ Self.generation { roll(now) }
        var both = previous.latencies
        both.add(current.latencies)
        let slowest = current.slowestLatency >= previous.slowestLatency ? current : previous
        let longest = slowest.slowestLatency
        // A generation that has just begun says little of a rate by itself.
        let from = min(previous.started, current.started)
        return TallyRow(
            key: key, began: began, over: max(now > from ? now - from : 0, 1_000_000_000), turns: both.total,
            p50: min(both.quantile(0.5), longest), p99: min(both.quantile(0.99), longest), max: longest,
            retransmits: previous.retransmits + current.retransmits,
            slowest: slowest.slowest.h.ts > 0 ? slowest.slowest : nil,
            total: total)
    }
}
