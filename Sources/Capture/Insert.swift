import GRDB

/// A prepared INSERT, used row after row.
struct Insert {
    private let statement: Statement

    /// `columns`: their names, apart by white space.
    init(_ db: Database, _ table: String, _ columns: String) throws {
        let names = columns.split(whereSeparator: \.isWhitespace)
        let marks = names.map { _ in "?" }.joined(separator: ",")
        statement = try db.makeStatement(
            sql: "INSERT INTO \(table) (\(names.joined(separator: ","))) VALUES (\(marks))")
    }

    func row(_ values: (any DatabaseValueConvertible)?...) throws { try row(values) }

    func row(_ values: [(any DatabaseValueConvertible)?]) throws {
        try statement.execute(arguments: StatementArguments(values))
    }
}

extension UInt64 {
    /// As the format stores it: the signed integer of the same bits.
    var signed: Int64 { Int64(bitPattern: self) }
}
