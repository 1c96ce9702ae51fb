import CSQLite
import Capture
import Events

/// `column OP value`, from a query's WHERE.
public struct Constraint: Sendable, Equatable {
    /// `SQLITE_INDEX_CONSTRAINT_*`, those that can pass a block over.
    public enum Operator: UInt8, Sendable {
        case equal = 2
        case greater = 4
        case lessOrEqual = 8
        case less = 16
        case greaterOrEqual = 32
        case like = 65
        case glob = 66
    }

    /// Index in the table's columns.
    public var column: Int
    public var comparison: Operator
    public var value: Value

    public init(column: Int, comparison: Operator, value: Value) {
        self.column = column
        self.comparison = comparison
        self.value = value
    }

    /// Whether a row with `found` in the column could match. SQLite checks every row itself: what is not certain
    /// is true.
    func admits(_ found: Value) -> Bool { admits(found, found) }

    /// Whether one of the values from `low` to `high` could.
    func admits(_ low: Value, _ high: Value) -> Bool {
        if value == .null { return false }
        func order(_ found: Value) -> Int? { Value.compare(found, value) }
        switch comparison {
        case .equal: return order(low) ?? 0 <= 0 && order(high) ?? 0 >= 0
        case .greater: return order(high) ?? 1 > 0
        case .greaterOrEqual: return order(high) ?? 0 >= 0
        case .less: return order(low) ?? -1 < 0
        case .lessOrEqual: return order(low) ?? 0 <= 0
        case .like, .glob:
            guard low == high, case .text(let text) = low, case .text(let pattern) = value else { return true }
            return comparison == .glob ? sqlite3_strglob(pattern, text) == 0 : sqlite3_strlike(pattern, text, 0) == 0
        }
    }
}

/// Tells which blocks could hold a row that meets all constraints.
struct Pruner {
    private let columns: [ColumnFact]
    private let constraints: [Constraint]
    private let names: Names

    init(_ columns: [ColumnFact], _ constraints: [Constraint], _ names: Names) {
        self.columns = columns
        self.constraints = constraints.filter { columns.indices.contains($0.column) }
        self.names = names
    }

    func admits(_ block: BlockEntry) -> Bool {
        var sockets: [(Constraint, @Sendable (SocketID, Names) -> Value)] = []
        for constraint in constraints {
            switch columns[constraint.column].prune {
            case .time(let moment, let form):
                let range = range(of: moment, in: block)
                guard constraint.admits(value(range.low, form), value(range.high, form)) else { return false }
            case .container(let value):
                guard constraint.admits(value(block.container, names)) else { return false }
            case .socket(let value): sockets.append((constraint, value))
            case nil: break
            }
        }
        // One and the same socket must meet all that is asked of it.
        return sockets.isEmpty || block.sockets.contains { id in sockets.allSatisfy { $0.admits($1(id, names)) } }
    }

    /// Open turns and slices are told again while they last, and the last report counts: an earlier one, in a block
    /// whose times would fit, must not be taken for the whole. Their start is the same in every report.
    private func range(of moment: Prune.Moment, in block: BlockEntry) -> (low: Instant, high: Instant) {
        switch moment {
        case .start: (block.began, block.to)
        case .end: block.kind.isRetold ? (block.began, block.to) : (block.from, block.to)
        }
    }

    private func value(_ instant: Instant, _ form: Prune.Form) -> Value {
        switch form {
        case .text: .text(names.time(instant))
        case .wall: .integer(names.frame.wall(instant))
        case .monotonic: .bits(instant)
        }
    }
}

extension EventKind {
    /// One thing has several records, of which the last counts.
    var isRetold: Bool { self == .open || self == .slice }
}
