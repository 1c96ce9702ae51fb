import Analysis
import CFlightrec
import Events

/// Readings of the kernel's softirq totals, one per tick, for as long as the window reaches back.
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

    /// `totals`: `[vector][cpu]` since attach.
    mutating func note(_ totals: [[fr_softirq_total]], at now: Instant) {
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
        guard let first = readings.first, first.to < limit else { return }
        readings.removeAll { $0.to < limit }
    }

    /// Sums per CPU and vector, and load per tick, over the ticks that overlap the interval.
    func over(_ from: Instant, _ to: Instant) -> (totals: [SoftirqTotal], ticks: [SoftirqTick]) {
        struct Key: Hashable {
            var cpu: UInt16
            var vector: UInt32
        }
        var sums: [Key: SoftirqTotal] = [:]
        var ticks: [SoftirqTick] = []
        for reading in readings where reading.to >= from && reading.from <= to {
            var tick = SoftirqTick(from: reading.from, to: reading.to, total: 0, netRX: 0)
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
                tick.total &+= delta.total
                if delta.vector == 3 { tick.netRX &+= delta.total }
            }
            ticks.append(tick)
        }
        return (sums.values.sorted { ($0.cpu, $0.vector) < ($1.cpu, $1.vector) }, ticks)
    }
}
