import Events

/// One thing that was not, while the slow turn lasted, as it had been before.
public struct Difference: Sendable, Equatable, Codable {
    public enum Unit: String, Sendable, Codable {
        case perSecond = "/s"
        case nanoseconds = "ns"
        /// ns per ns: 0.18 is 18 % of one CPU.
        case cpu
        /// ns per ns: 0.18 is 18 % of the time.
        case time
        /// Part of the limit, 0…1.
        case limit
        /// Events; `before` is how many the quiet time had in as long.
        case count
    }

    /// `retransmits`, `softirq NET_RX on CPU 1`; counters as the kernel calls them.
    public var what: String
    /// Whose it is; `nil`: the host's.
    public var container: ContainerKey?
    /// `nil`: nobody looked.
    public var before: Double?
    public var during: Double
    public var unit: Unit
    /// How many times more (or less) than before, where next to nothing counts as nothing.
    public var weight: Double

    public init(
        what: String, container: ContainerKey?, before: Double?, during: Double, unit: Unit, weight: Double
    ) {
        self.what = what
        self.container = container
        self.before = before
        self.during = during
        self.unit = unit
        self.weight = weight
    }
}

/// The slow turn against the quiet time before it in the same capture. Pure.
public struct Comparison: Sendable {
    /// From the capture's beginning to the first slow turn that overlaps the one explained.
    public let quiet: Range<Instant>
    /// The slow turn.
    public let incident: Range<Instant>
    /// What differs noticeably, most first.
    public private(set) var differences: [Difference] = []

    let turn: Turn
    let evidence: Evidence
    /// Twice as much is noticeable, or half.
    private static let noticeable = 2.0
    /// ns. Shorter quiet times say nothing.
    static let shortest: UInt64 = 500_000_000

    /// `nil`: there is no turn to compare.
    public init?(_ capture: Incident) {
        if let known = capture.surroundings {
            guard let comparison = known.comparison else { return nil }
            self = comparison
        } else {
            self.init(capture, ArrayTurns(capture.evidence.turns))
        }
    }

    /// As it was found before. `nil`: there was no turn to compare.
    package init?(_ capture: Incident, quiet: Range<Instant>, differences: [Difference]) {
        guard let turn = capture.turn else { return nil }
        self.turn = turn
        evidence = capture.evidence
        incident = turn.start..<max(turn.start, turn.end)
        self.quiet = quiet
        self.differences = differences
    }

    /// Throws what `turns` throws.
    init?<Source: TurnSource>(_ capture: Incident, _ turns: Source) throws(Source.Failure) {
        guard let turn = capture.turn else { return nil }
        self.turn = turn
        evidence = capture.evidence
        incident = turn.start..<max(turn.start, turn.end)
        // Those it waited behind, or that waited with it, began earlier; what they saw is no quiet time.
        let began = capture.slow.filter { $0.end > turn.start && $0.start < turn.end }.map(\.start).min() ?? turn.start
        let end = min(began, turn.start)
        quiet = min(evidence.from, end)..<end
        differences = (try traffic(turns) + softirqs() + softnet() + cgroup() + network()).sorted {
            ($1.weight, $0.what) < ($0.weight, $1.what)
        }
    }

    /// The quiet time is long enough to say what is usual.
    var isKnown: Bool { quiet.length >= Self.shortest }

    /// A count of events. `expected`: the quiet time's in as long; `nil`: not known, then one is noticeable.
    func count(_ what: String, _ container: ContainerKey?, _ during: Double, expected: Double?) -> Difference? {
        let weight = (during + 0.5) / ((expected ?? 0) + 0.5)
        guard during > 0, weight >= Self.noticeable else { return nil }
        return Difference(
            what: what, container: container, before: expected, during: during, unit: .count, weight: weight)
    }

    /// A figure that should not grow; `floor`: so little of it does not matter.
    func growth(
        _ what: String, _ container: ContainerKey?, _ before: Double?, _ during: Double, _ unit: Difference.Unit,
        floor: Double
    ) -> Difference? {
        let weight = (during + floor) / ((before ?? 0) + floor)
        guard weight >= Self.noticeable else { return nil }
        return Difference(
            what: what, container: container, before: before, during: during, unit: unit, weight: weight)
    }

    /// Events a second. `isEitherWay`: usual ones, of which fewer are worth telling too where there were enough to miss
    /// them, and none when nobody knows what is usual.
    func rate(_ what: String, quiet before: Int, incident during: Int, isEitherWay: Bool = false) -> Difference? {
        let span = max(Double(incident.length), 1)
        let quietLength = max(Double(quiet.length), 1)
        let expected = isKnown ? Double(before) * span / quietLength : 0
        let ratio = (Double(during) + 0.5) / (expected + 0.5)
        if isEitherWay, !isKnown { return nil }
        let fewer = isEitherWay && expected >= 5
        let weight = fewer ? max(ratio, 1 / ratio) : ratio
        guard weight >= Self.noticeable, during > 0 || fewer else { return nil }
        return Difference(
            what: what, container: turn.container, before: isKnown ? Double(before) * 1e9 / quietLength : nil,
            during: Double(during) * 1e9 / span, unit: .perSecond, weight: weight)
    }
}

/// What was different at the time of the slow turn, and who else was slow then: it takes a look at every turn.
public struct Surroundings: Sendable {
    /// `nil`: there is no turn to compare.
    public var comparison: Comparison?
    public var alsoSlow: [AlsoSlow]

    public init(comparison: Comparison?, alsoSlow: [AlsoSlow]) {
        self.comparison = comparison
        self.alsoSlow = alsoSlow
    }
}

/// What a counter that only grows said at a few looks.
struct Looks {
    /// In order of time.
    private let looks: [(at: Instant, value: UInt64)]

    init(_ looks: [(at: Instant, value: UInt64)]) { self.looks = looks.sorted { $0.at < $1.at } }

    /// What it grew by from the last look before the turn to the first after, how long that was, and what it grew by per
    /// ns in the looks before; `nil` without two looks, a rate of `nil` without two before.
    func growth(_ turn: Range<Instant>) -> (grown: Double, time: UInt64, before: Double?)? {
        guard let last = looks.last else { return nil }
        let start = looks.last { $0.at <= turn.lowerBound } ?? looks[0]
        let end = looks.first { $0.at >= turn.upperBound && $0.at > start.at } ?? last
        guard end.at > start.at else { return nil }
        return (Self.grown(start, end), end.at - start.at, Self.rate(looks[0], start))
    }

    /// Per ns: the most of the whole stretch around the turn and of the looks within it. The look before may lie seconds
    /// back, and thin out what happened in half of one.
    func share(_ turn: Range<Instant>) -> (during: Double, before: Double?)? {
        guard let all = growth(turn) else { return nil }
        let whole = all.grown / Double(all.time)
        let inside = looks.filter { turn.contains($0.at) }
        let part = inside.first.flatMap { first in inside.last.flatMap { Self.rate(first, $0) } }
        return (max(whole, part ?? 0), all.before)
    }

    private static func rate(_ from: (at: Instant, value: UInt64), _ to: (at: Instant, value: UInt64)) -> Double? {
        to.at > from.at ? grown(from, to) / Double(to.at - from.at) : nil
    }

    /// A counter that fell began anew: how much it grew is not known, and no reason to say so.
    private static func grown(_ from: (at: Instant, value: UInt64), _ to: (at: Instant, value: UInt64)) -> Double {
        to.value > from.value ? Double(to.value - from.value) : 0
    }
}
