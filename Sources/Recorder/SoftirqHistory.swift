import Analysis
import CFlightrec
import Events

/// Readings of the kernel's softirq totals, for as long as the window reaches back: of every vector at the slow ticks, and
/// how busy each CPU was at every reading.
struct SoftirqHistory {
    /// One CPU and vector that ran between two readings.
    private struct Delta {
        var cpu: UInt16
        var vector: UInt32
        var count: UInt64
        var total: UInt64
        var maximum: UInt64
        var deferred: UInt64
    }
    private struct Reading {
        var from: Instant
        var to: Instant
        var deltas: [Delta]
    }

    private var last: [[fr_softirq_total]] = []
    private var lastAt: Instant = 0
    private var readings: [Reading] = []
    private var load = SoftirqLoad()

    /// `totals`: `[vector][cpu]` since attach. `whole`: a slow tick; the readings between them only say how busy it was, where
    /// the hooks were on throughout: `timedSince`.
    mutating func note(_ totals: [[fr_softirq_total]], at now: Instant, whole: Bool, timedSince: Instant?) {
        load.note(totals, at: now, timedSince: timedSince)
        if whole { noteVectors(totals, at: now) }
    }

    private mutating func noteVectors(_ totals: [[fr_softirq_total]], at now: Instant) {
        defer {
            last = totals
            lastAt = now
        }
        guard !last.isEmpty else { return }
        var deltas: [Delta] = []
        for (vector, cpus) in totals.enumerated() where vector < last.count {
            for (cpu, value) in cpus.enumerated() where cpu < last[vector].count {
                let before = last[vector][cpu]
                guard value.count > before.count else { continue }
                deltas.append(
                    Delta(
                        cpu: UInt16(cpu), vector: UInt32(vector), count: value.count - before.count,
                        total: value.total &- before.total,
                        // The kernel keeps maxima since attach: one that did not move bounds, but is not this tick's.
                        maximum: value.max > before.max ? value.max : 0,
                        deferred: value.deferred_max > before.deferred_max ? value.deferred_max : 0))
            }
        }
        readings.append(Reading(from: lastAt, to: now, deltas: deltas))
    }

    mutating func expire(before limit: Instant) {
        load.expire(before: limit)
        guard let first = readings.first, first.to < limit else { return }
        readings.removeAll { $0.to < limit }
    }

    /// How busy each CPU was, reading by reading.
    func ticks(_ from: Instant, _ to: Instant) -> [SoftirqTick] { load.over(from, to) }

    /// Sums per CPU and vector over the slow ticks that overlap the interval.
    func totals(_ from: Instant, _ to: Instant) -> [SoftirqTotal] {
        struct Key: Hashable {
            var cpu: UInt16
            var vector: UInt32
        }
        var sums: [Key: SoftirqTotal] = [:]
        for reading in readings where reading.to >= from && reading.from <= to {
            for delta in reading.deltas {
                let key = Key(cpu: delta.cpu, vector: delta.vector)
                var sum =
                    sums[key]
                    ?? SoftirqTotal(
                        cpu: delta.cpu, vector: delta.vector, count: 0, total: 0, max: 0, deferredMax: 0)
                sum.count += delta.count
                sum.total &+= delta.total
                sum.max = max(sum.max, delta.maximum)
                sum.deferredMax = max(sum.deferredMax, delta.deferred)
                sums[key] = sum
            }
        }
        return sums.values.sorted { ($0.cpu, $0.vector) < ($1.cpu, $1.vector) }
    }
}
