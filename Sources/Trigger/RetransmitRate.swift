import Events

/// Retransmits of one service in each of the last 128 seconds: what happens in an incident must not count as usual.
struct RetransmitRate {
    private static let seconds: UInt64 = 128
    private static let second: UInt64 = 1_000_000_000

    /// By second, modulo `seconds`; empty until the first, as most services never have one.
    private var counts: [UInt32] = []
    /// The newest second counted.
    private var newest: UInt64 = 0
    private let since: Instant

    /// `since`: when the service was seen first.
    init(since: Instant) { self.since = since }

    mutating func count(at now: Instant) {
        let second = now / Self.second
        if counts.isEmpty {
            counts = Array(repeating: 0, count: Int(Self.seconds))
            newest = second
        }
        // CPUs interleave: one of a second that is overwritten already is left out.
        guard second + Self.seconds > newest else { return }
        while newest < second {
            // After a long silence nothing of the old round is left.
            newest = max(newest + 1, second > Self.seconds ? second - Self.seconds : 0)
            counts[Int(newest % Self.seconds)] = 0
        }
        counts[Int(second % Self.seconds)] += 1
    }

    /// Over the time before `began` that is remembered, in whole seconds; 0 when that is none.
    func perSecond(before began: Instant) -> Double {
        let end = began / Self.second
        let oldest = max(since / Self.second, newest >= Self.seconds ? newest - Self.seconds + 1 : 0)
        guard !counts.isEmpty, end > oldest else { return 0 }
        // Seconds after the newest had none.
        let first = max(oldest, end > Self.seconds ? end - Self.seconds : 0)
        var sum: UInt64 = 0
        for second in first..<end where second <= newest { sum += UInt64(counts[Int(second % Self.seconds)]) }
        return Double(sum) / Double(end - first)
    }
}
