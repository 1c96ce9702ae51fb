import Analysis
import CSQLite
import Capture
import Events
import Query

/// Why a SQLite file could not be made, in SQLite's words.
public struct SQLiteExportError: Error, CustomStringConvertible {
    public let description: String
}

/// Writes an ordinary SQLite database: the capture's plain tables as they are, and `Tables.all` with all their columns in
/// the place of the blocks, with indices on time, socket and container. It is no capture any more, and says so: its
/// `application_id` is 0.
/// - Parameters:
///   - path: an empty or missing file.
///   - capture: where `evidence` was read.
/// Throws `SQLiteExportError`.
public func exportSQLite(_ evidence: Evidence, capture: String, to path: String) throws {
    let target = try Target(path)
    // Whoever reads it does so after it is complete: a journal and syncs would protect nothing.
    try target.run("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE")
    try target.copyTables(of: capture)
    try target.run("BEGIN")
    let names = Names(evidence)
    for table in Tables.all {
        try target.run(table.declaration(hidden: false))
        try target.insert(table, table.rows(of: evidence, names))
        for column in table.columnFacts where Target.indexed.contains(column.name) {
            try target.run("CREATE INDEX \(table.name)_\(column.name) ON \(table.name)(\(column.name))")
        }
    }
    try target.run("COMMIT")
}

private final class Target {
    static let indexed: Set<String> = ["start_ns", "at_ns", "socket", "container"]

    private let handle: OpaquePointer

    init(_ path: String) throws {
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX
        let code = sqlite3_open_v2(path, &opened, flags, nil)
        guard code == SQLITE_OK, let opened, flightrec_harden(opened) == SQLITE_OK else {
            let why = opened.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
            sqlite3_close_v2(opened)
            throw SQLiteExportError(description: why)
        }
        handle = opened
    }

    deinit { sqlite3_close_v2(handle) }

    func run(_ sql: String) throws {
        guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else { throw failure() }
    }

    private func failure() -> SQLiteExportError {
        SQLiteExportError(description: String(cString: sqlite3_errmsg(handle)))
    }

    /// By our own definitions, never the file's: its tables are STRICT here whatever they are there.
    func copyTables(of capture: String) throws {
        try run(CaptureSchemaText.all)
        try run("PRAGMA application_id = 0; PRAGMA user_version = 0; DROP TABLE block")
        var statement: OpaquePointer?
        guard sqlite3_prepare_v2(handle, "ATTACH ? AS capture", -1, &statement, nil) == SQLITE_OK else {
            throw failure()
        }
        let location = CaptureGuard.location(capture)
        flightrec_bind_text(statement, 1, location, Int32(location.utf8.count))
        let code = sqlite3_step(statement)
        sqlite3_finalize(statement)
        guard code == SQLITE_DONE else { throw failure() }
        try run(CaptureGuard.pragmas)
        var names: [String] = []
        // A capture of an earlier version has not all of them.
        let list = """
            SELECT name FROM main.sqlite_schema WHERE type = 'table'
            AND name IN (SELECT name FROM capture.sqlite_schema) ORDER BY name
            """
        guard sqlite3_prepare_v2(handle, list, -1, &statement, nil) == SQLITE_OK else { throw failure() }
        while sqlite3_step(statement) == SQLITE_ROW { names.append(String(cString: sqlite3_column_text(statement, 0))) }
        sqlite3_finalize(statement)
        for name in names {
            let columns = try commonColumns(name)
            try run("INSERT INTO main.\(name) (\(columns)) SELECT \(columns) FROM capture.\(name)")
        }
        try run("DETACH capture")
    }

    /// Those of ours that the capture has too, comma-separated: earlier versions had fewer.
    private func commonColumns(_ table: String) throws -> String {
        var statement: OpaquePointer?
        let list = """
            SELECT group_concat(name) FROM pragma_table_info('\(table)', 'main')
            WHERE name IN (SELECT name FROM pragma_table_info('\(table)', 'capture'))
            """
        guard sqlite3_prepare_v2(handle, list, -1, &statement, nil) == SQLITE_OK else { throw failure() }
        defer { sqlite3_finalize(statement) }
        guard sqlite3_step(statement) == SQLITE_ROW, let text = sqlite3_column_text(statement, 0) else {
            throw SQLiteExportError(description: "the capture's table \(table) has none of its columns")
        }
        return String(cString: text)
    }

    func insert(_ table: any Table, _ rows: any Rows) throws {
        let columns = table.columnFacts
        let marks = columns.map { _ in "?" }.joined(separator: ",")
        var statement: OpaquePointer?
        guard
            sqlite3_prepare_v2(handle, "INSERT INTO \(table.name) VALUES (\(marks))", -1, &statement, nil) == SQLITE_OK
        else { throw failure() }
        defer { sqlite3_finalize(statement) }
        while rows.next != nil {
            rows.advance()
            for index in columns.indices { bind(rows.value(index), to: statement, at: Int32(index + 1)) }
            guard sqlite3_step(statement) == SQLITE_DONE else { throw failure() }
            sqlite3_reset(statement)
        }
    }

    private func bind(_ value: Value, to statement: OpaquePointer?, at index: Int32) {
        switch value {
        // No column of an event table has bytes.
        case .null, .blob: sqlite3_bind_null(statement, index)
        case .integer(let number): sqlite3_bind_int64(statement, index, number)
        case .real(let number): sqlite3_bind_double(statement, index, number)
        case .text(var text):
            text.withUTF8 { bytes in
                _ = bytes.withMemoryRebound(to: CChar.self) { bytes in
                    flightrec_bind_text(statement, index, bytes.baseAddress ?? flightrec_empty, Int32(bytes.count))
                }
            }
        }
    }
}
