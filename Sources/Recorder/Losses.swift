import Analysis
import CFlightrec
import Events
import Kernel

/// Keeps the books: emitted = delivered + lost, and when each loss happened.
struct Losses {
    private(set) var gaps: [Gap] = []
    private(set) var delivered = [UInt64](repeating: 0, count: Int(FR_KINDS.rawValue))
    /// Gaps since the start, and ns in them.
    private(set) var gapCount = 0
    private(set) var timeInGaps: UInt64 = 0
    /// The last gaps, however long ago.
    private(set) var latest: [Gap] = []
    static let mostLatest = 8
    private var lastLost: UInt64 = 0
    private var last: RecordCounters?
    private var lastAt: Instant = 0

    /// Called for every record of the ring.
    @inline(__always)
    mutating func count(_ kind: UInt16) {
        if Int(kind) < delivered.count { delivered[Int(kind)] &+= 1 }
    }

    mutating func note(_ counters: RecordCounters, at now: Instant) {
        let lost = counters.totalMissed
        if lost > lastLost {
            let from = lastAt == 0 ? now : lastAt
            let more = lost - lastLost
            timeInGaps += now - from
            if var gap = gaps.last, gap.to == from, gap.lost > 0 {
                gap.to = now
                gap.lost += more
                gaps[gaps.count - 1] = gap
                if !latest.isEmpty { latest[latest.count - 1] = gap }
            } else {
                append(Gap(from: from, to: now, lost: more, why: Self.reason(counters, last)))
            }
        }
        lastLost = lost
        lastAt = now
        last = counters
    }

    private static func reason(_ counters: RecordCounters, _ before: RecordCounters?) -> String {
        var reasons: [String] = []
        if counters.totalLost > before?.totalLost ?? 0 { reasons.append("ring buffer full") }
        if counters.skipped > before?.skipped ?? 0 { reasons.append("the kernel skipped a probe") }
        if counters.untracked > before?.untracked ?? 0 { reasons.append("no memory for a socket's state") }
        return reasons.joined(separator: ", ")
    }

    /// A time without any events, for another reason than a full ring.
    mutating func gap(from: Instant, to: Instant, why: String) {
        timeInGaps += to - from
        append(Gap(from: from, to: to, lost: 0, why: why))
    }

    private mutating func append(_ gap: Gap) {
        gapCount += 1
        gaps.append(gap)
        if latest.count >= Self.mostLatest { latest.removeFirst() }
        latest.append(gap)
    }

    mutating func expire(before limit: Instant) {
        if let first = gaps.first, first.to < limit { gaps.removeAll { $0.to < limit } }
    }

    func over(_ from: Instant, _ to: Instant) -> [Gap] { gaps.filter { $0.to >= from && $0.from <= to } }

    /// emitted − delivered − lost by kind, once the ring is drained; all zero when the books balance.
    func unaccounted(_ counters: RecordCounters) -> [Int64] {
        delivered.indices.map {
            Int64(bitPattern: counters.emitted[$0] &- counters.lost[$0] &- delivered[$0])
        }
    }
}
