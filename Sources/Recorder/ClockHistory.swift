import Analysis
import Events
import Glibc

/// What the wall clock said at which moment: it can be set, back and forth, while a recording runs.
struct ClockHistory {
    private var pairs: [ClockPair] = []
    /// ns the wall clock must be set by to be worth a pair. NTP slews both clocks alike (clock_gettime(2)): that is no setting.
    private static let step: UInt64 = 1_000_000
    /// ns between the readings of one pair: longer, and this thread lost the CPU meanwhile.
    private static let together: UInt64 = 100_000
    /// Somebody who sets the clock all day must not fill the memory.
    private static let most = 1024

    mutating func look() {
        let before = Clock.monotonic()
        let wall = Clock.wall()
        let after = Clock.monotonic()
        if after - before <= Self.together { note(ClockPair(monotonic: before + (after - before) / 2, wall: wall)) }
    }

    mutating func note(_ pair: ClockPair) {
        if let last = pairs.last {
            let expected = last.wall &+ Int64(bitPattern: pair.monotonic &- last.monotonic)
            guard (pair.wall &- expected).magnitude >= Self.step else { return }
        }
        pairs.append(pair)
        if pairs.count > Self.most { pairs.removeFirst() }
    }

    /// The one in force at `limit` stays.
    mutating func expire(before limit: Instant) {
        while pairs.count > 1, pairs[1].monotonic < limit { pairs.removeFirst() }
    }

    /// In order of time; the first was in force at `from`.
    func over(_ from: Instant, _ to: Instant) -> [ClockPair] {
        let first = pairs.lastIndex { $0.monotonic <= from } ?? 0
        return pairs.dropFirst(first).filter { $0.monotonic <= to }
    }
}
