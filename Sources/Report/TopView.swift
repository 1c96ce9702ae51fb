/// What `top` shows: one container in one role. Times in ns, over the last five to ten seconds.
public struct TopRow: Codable, Sendable, Equatable {
    public struct Container: Codable, Sendable, Equatable {
        public var id: String
        public var name: String
        public var runtime: String

        public init(id: String, name: String, runtime: String) {
            self.id = id
            self.name = name
            self.runtime = runtime
        }
    }

    public var container: Container
    /// `served` or `called`.
    public var role: String
    public var turns: UInt64
    public var turnsPerSecond: Double
    public var p50Ns: UInt64
    public var p99Ns: UInt64
    /// Of turns that ended.
    public var maxNs: UInt64
    public var retransmits: UInt64
    public var retransmitsPerSecond: Double
    /// Turns that are open for longer than the recorder looks after them, and the longest.
    public var open: Int
    public var oldestOpenNs: UInt64
    /// The longest stage of the slowest turn, ended or open; `nil` without one.
    public var worstStage: String?
    public var worstStageNs: UInt64
    /// 0…1 of that turn.
    public var worstStageShare: Double

    public init(
        container: Container, role: String, turns: UInt64, turnsPerSecond: Double, p50Ns: UInt64, p99Ns: UInt64,
        maxNs: UInt64, retransmits: UInt64, retransmitsPerSecond: Double, open: Int, oldestOpenNs: UInt64,
        worstStage: String?, worstStageNs: UInt64, worstStageShare: Double
    ) {
        self.container = container
        self.role = role
        self.turns = turns
        self.turnsPerSecond = turnsPerSecond
        self.p50Ns = p50Ns
        self.p99Ns = p99Ns
        self.maxNs = maxNs
        self.retransmits = retransmits
        self.retransmitsPerSecond = retransmitsPerSecond
        self.open = open
        self.oldestOpenNs = oldestOpenNs
        self.worstStage = worstStage
        self.worstStageNs = worstStageNs
        self.worstStageShare = worstStageShare
    }

    /// The slowest turn, ended or not, ns.
    var slowest: UInt64 { max(maxNs, oldestOpenNs) }
}

/// Rows and what the recorder says of itself.
public struct TopView: Codable, Sendable, Equatable {
    public var armedNs: UInt64
    public var coverage: Double
    public var eventsPerSecond: Double
    public var lost: UInt64
    public var captures: Int
    /// Of one CPU.
    public var cpuShare: Double
    public var rssBytes: Int
    public var rows: [TopRow]

    public init(
        armedNs: UInt64, coverage: Double, eventsPerSecond: Double, lost: UInt64, captures: Int, cpuShare: Double,
        rssBytes: Int, rows: [TopRow]
    ) {
        self.armedNs = armedNs
        self.coverage = coverage
        self.eventsPerSecond = eventsPerSecond
        self.lost = lost
        self.captures = captures
        self.cpuShare = cpuShare
        self.rssBytes = rssBytes
        self.rows = rows
    }
}

/// What the rows are sorted by; all but the name from the most down.
public enum TopOrder: String, CaseIterable, Sendable {
    case turns, p99, max, retransmits, name

    func before(_ a: TopRow, _ b: TopRow) -> Bool {
        switch self {
        case .turns where a.turnsPerSecond != b.turnsPerSecond: a.turnsPerSecond > b.turnsPerSecond
        case .p99 where a.p99Ns != b.p99Ns: a.p99Ns > b.p99Ns
        case .max where a.slowest != b.slowest: a.slowest > b.slowest
        case .retransmits where a.retransmitsPerSecond != b.retransmitsPerSecond:
            a.retransmitsPerSecond > b.retransmitsPerSecond
        // Names for equals too: rows that jump about can't be read.
        default: (a.container.name, a.container.id, a.role) < (b.container.name, b.container.id, b.role)
        }
    }
}

extension TopView {
    public mutating func sort(by order: TopOrder) { rows.sort(by: order.before) }
}
