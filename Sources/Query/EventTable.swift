import Analysis
import Events

/// What a column tells of a whole block, so that a constraint on it can pass the block over.
enum Prune: Sendable {
    enum Moment: Sendable { case start, end }
    enum Form: Sendable { case text, wall, monotonic }

    case time(Moment, Form)
    case container(@Sendable (ContainerKey, Names) -> Value)
    case socket(@Sendable (SocketID, Names) -> Value)
}

/// A column of an event table.
public struct Column<Row>: Sendable {
    public enum Kind: Sendable {
        case integer, text
        /// 0 or 1; in JSON false or true.
        case flag
    }

    public let name: String
    public let kind: Kind
    /// Left out of `SELECT *` and of exports for people.
    public let isHidden: Bool
    /// What it says, a line.
    public let about: String
    let prune: Prune?
    public let value: @Sendable (Row, Names) -> Value

    init(
        _ name: String, hidden: Bool = false, _ about: String, prune: Prune? = nil,
        _ value: @escaping @Sendable (Row, Names) -> Value
    ) { self.init(name, .integer, hidden: hidden, about, prune: prune, value) }

    init(
        _ name: String, _ kind: Kind, hidden: Bool = false, _ about: String, prune: Prune? = nil,
        _ value: @escaping @Sendable (Row, Names) -> Value
    ) {
        self.name = name
        self.kind = kind
        isHidden = hidden
        self.about = about
        self.prune = prune
        self.value = value
    }
}

/// One kind of event as a table: where its rows come from, and what they say.
public struct EventTable<Event, Row>: Sendable {
    public let name: String
    /// What `"kind"` is in JSON.
    public let kind: String
    public let about: String
    /// Of its blocks; none: its rows are in the capture's plain tables.
    public let kinds: [EventKind]
    public let events: @Sendable (Evidence) -> [Event]
    /// What `events` are in order of.
    public let at: @Sendable (Event) -> Instant
    /// Done only for rows of which a column is asked for.
    public let row: @Sendable (Event) -> Row
    /// Of what is told again in any of several blocks: the same number whichever of them were read.
    var identity: (@Sendable (Event) -> Int64)?
    public let columns: [Column<Row>]
}

/// A table whatever its rows are.
public protocol Table: Sendable {
    var name: String { get }
    var kind: String { get }
    var about: String { get }
    var kinds: [EventKind] { get }
    var columnFacts: [ColumnFact] { get }
    /// A scan of the blocks that `constraints` leave.
    func scan(_ capture: CaptureEvents, _ constraints: [Constraint]) -> any Scan
    /// Its events of `evidence`, in order of time.
    func rows(of evidence: Evidence, _ names: Names) -> any Rows
}

/// Events of one table, to walk through.
public protocol Rows: AnyObject {
    /// When the next one happened; `nil` at the end.
    var next: Instant? { get }
    /// Makes the next one current. Only while there is one.
    func advance()
    /// Of the current one.
    func value(_ column: Int) -> Value
}

/// A column without the type of its rows.
public struct ColumnFact: Sendable {
    public let name: String
    /// INTEGER or TEXT.
    public let type: String
    /// 0 or 1.
    public let isFlag: Bool
    public let isHidden: Bool
    public let about: String
    let prune: Prune?

    /// An instant as a number. Its text stands beside it.
    public var isWallClock: Bool { name.hasSuffix("_wall_ns") }
}

extension EventTable: Table {
    public var columnFacts: [ColumnFact] {
        columns.map {
            ColumnFact(
                name: $0.name, type: $0.kind == .text ? "TEXT" : "INTEGER", isFlag: $0.kind == .flag,
                isHidden: $0.isHidden,
                about: $0.about, prune: $0.prune)
        }
    }

    public func scan(_ capture: CaptureEvents, _ constraints: [Constraint]) -> any Scan {
        EventScan(self, capture, constraints)
    }

    public func rows(of evidence: Evidence, _ names: Names) -> any Rows { EventRows(self, evidence, names) }
}

private final class EventRows<Event, Row>: Rows {
    private let table: EventTable<Event, Row>
    private let events: [Event]
    private let names: Names
    private let values: [@Sendable (Row, Names) -> Value]
    private var position = 0
    private var row: Row?
    private(set) var next: Instant?

    init(_ table: EventTable<Event, Row>, _ evidence: Evidence, _ names: Names) {
        self.table = table
        self.names = names
        events = table.events(evidence)
        values = table.columns.map(\.value)
        next = events.first.map(table.at)
    }

    func advance() {
        row = table.row(events[position])
        position += 1
        next = position < events.count ? table.at(events[position]) : nil
    }

    func value(_ column: Int) -> Value {
        guard let row else { return .null }
        return values[column](row, names)
    }
}

extension Table {
    /// `CREATE TABLE` as SQLite is told of it. Names of columns are ours, and no keywords.
    public func declaration(hidden: Bool) -> String {
        let columns = columnFacts.map { "\($0.name) \($0.type)\(hidden && $0.isHidden ? " HIDDEN" : "")" }
        return "CREATE TABLE \(name)(\(columns.joined(separator: ", ")))"
    }
}
