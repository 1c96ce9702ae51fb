import Analysis
import CFlightrec
import Events

/// ns each CPU spent in softirqs between two readings. Ten a second while something is slow, on hosts of hundreds of CPUs:
/// hence 12 bytes each, and a bound.
struct SoftirqLoad {
    /// About 12 MB; the oldest go first.
    private static let most = 1 << 20
    private static let netRX = 3

    private struct Load {
        var total: UInt32
        var netRX: UInt32
        var cpu: UInt16
    }
    private struct Reading {
        var from: Instant
        var to: Instant
        /// CPUs that had any.
        var loads: [Load]
    }

    /// By CPU, since attach.
    private var last: [(total: UInt64, netRX: UInt64)] = []
    private var lastAt: Instant = 0
    private var readings: [Reading] = []
    private var count = 0

    /// `totals`: `[vector][cpu]` since attach. `timedSince`: from when on they are all of it; `nil`: they are not. Of a time in
    /// which some was not timed nothing is noted.
    mutating func note(_ totals: [[fr_softirq_total]], at now: Instant, timedSince: Instant?) {
        var sums = Array(repeating: (total: UInt64(0), netRX: UInt64(0)), count: totals.first?.count ?? 0)
        for (vector, cpus) in totals.enumerated() {
            for (cpu, value) in cpus.enumerated() where cpu < sums.count {
                sums[cpu].total &+= value.total
                if vector == Self.netRX { sums[cpu].netRX &+= value.total }
            }
        }
        if last.count == sums.count, now > lastAt, let timedSince, timedSince <= lastAt {
            var loads: [Load] = []
            for (cpu, sum) in sums.enumerated() where sum.total > last[cpu].total {
                loads.append(
                    Load(
                        total: UInt32(clamping: sum.total - last[cpu].total),
                        netRX: UInt32(clamping: sum.netRX &- last[cpu].netRX), cpu: UInt16(clamping: cpu)))
            }
            readings.append(Reading(from: lastAt, to: now, loads: loads))
            count += loads.count
        }
        last = sums
        lastAt = now
    }

    mutating func expire(before limit: Instant) {
        var gone = 0
        for reading in readings {
            guard reading.to < limit || count > Self.most else { break }
            count -= reading.loads.count
            gone += 1
        }
        readings.removeFirst(gone)
    }

    func over(_ from: Instant, _ to: Instant) -> [SoftirqTick] {
        readings.filter { $0.to >= from && $0.from <= to }.flatMap { reading in
            reading.loads.map {
                SoftirqTick(
                    cpu: $0.cpu, from: reading.from, to: reading.to, total: UInt64($0.total), netRX: UInt64($0.netRX))
            }
        }
    }
}
