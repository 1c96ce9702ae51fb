import Analysis
import CFlightrec
import Events

/// ns each CPU spent in softirqs between two readings, and ns the hypervisor took of it. Ten a second while something is slow, on hosts of
/// hundreds of CPUs: hence 16 bytes each, and a bound.
struct SoftirqLoad {
    /// About 16 MB; the oldest go first.
    private static let most = 1 << 20
    private static let netRX = 3

    private struct Load {
        var total: UInt32
        var netRX: UInt32
        var stolen: UInt32
        var cpu: UInt16
    }
    private struct Reading {
        var from: Instant
        var to: Instant
        /// CPUs that had any.
        var loads: [Load]
    }

    private struct Sum {
        var total: UInt64 = 0
        var netRX: UInt64 = 0
        /// Since boot, + 1; 0: not looked at.
        var stolen: UInt64 = 0
        /// When that was, at the latest: a CPU without timer ticks is not looked at for long.
        var looked: Instant = 0
    }

    /// By CPU, since attach.
    private var last: [Sum] = []
    private var lastAt: Instant = 0
    private var readings: [Reading] = []
    private var count = 0

    /// `totals`: `[vector][cpu]` since attach. `timedSince`: from when on they are all of it; `nil`: they are not. Of a time in
    /// which some was not timed nothing is noted.
    mutating func note(_ totals: [[fr_softirq_total]], at now: Instant, timedSince: Instant?) {
        var sums = Array(repeating: Sum(), count: totals.first?.count ?? 0)
        for (vector, cpus) in totals.enumerated() {
            for (cpu, value) in cpus.enumerated() where cpu < sums.count {
                sums[cpu].total &+= value.total
                // What stands there from before the hooks were attached is not of this time.
                if let timedSince, value.left > timedSince, value.stolen > 0 {
                    sums[cpu].stolen = max(sums[cpu].stolen, value.stolen)
                    sums[cpu].looked = max(sums[cpu].looked, value.left)
                }
                if vector == Self.netRX { sums[cpu].netRX &+= value.total }
            }
        }
        if last.count == sums.count, now > lastAt, let timedSince, timedSince <= lastAt {
            var loads: [Load] = []
            for (cpu, sum) in sums.enumerated() {
                let before = last[cpu]
                let stolen = Self.stolen(before, sum, since: lastAt, now)
                guard sum.total > before.total || stolen > 0 else { continue }
                loads.append(
                    Load(
                        total: UInt32(clamping: sum.total > before.total ? sum.total - before.total : 0),
                        netRX: UInt32(clamping: sum.netRX &- before.netRX), stolen: UInt32(clamping: stolen),
                        cpu: UInt16(clamping: cpu)))
            }
            readings.append(Reading(from: lastAt, to: now, loads: loads))
            count += loads.count
        }
        last = sums
        lastAt = now
    }

    /// What was taken since `lastAt`: of what was since the look before, evenly, that part. No CPU can lose more than the time.
    private static func stolen(_ before: Sum, _ sum: Sum, since lastAt: Instant, _ now: Instant) -> UInt64 {
        guard before.stolen > 0, sum.stolen > before.stolen, sum.looked > before.looked else { return 0 }
        let all = Double(sum.looked - before.looked)
        let inside = Double(sum.looked > lastAt ? min(all, Double(sum.looked - lastAt)) : 0)
        return min(UInt64(Double(sum.stolen - before.stolen) * inside / all), now - lastAt)
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
                    cpu: $0.cpu, from: reading.from, to: reading.to, total: UInt64($0.total), netRX: UInt64($0.netRX),
                    stolen: UInt64($0.stolen))
            }
        }
    }
}
