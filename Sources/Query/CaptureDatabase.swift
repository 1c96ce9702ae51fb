import CSQLite
import Capture

/// A capture open for SQL: its plain tables and `Tables.all`. Belongs to one thread, `interrupt` to all.
///
/// The file is taken to be hostile and the query to be anybody's: the connection is read-only, immutable and defensive,
/// and its authorizer lets nothing through but reading.
public final class CaptureDatabase {
    /// Bytes one value may have; SQLite's own limit is 1 GB.
    private static let longestValue: Int32 = 256 << 20

    public let events: CaptureEvents
    public let interrupt: Interrupt
    let handle: OpaquePointer

    /// Throws `CaptureError` for what is wrong with the file, or `QueryError.open`.
    public init(path: String) throws {
        events = try CaptureEvents(try CaptureReader.open(path))
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE
        let code = sqlite3_open_v2(CaptureGuard.location(path), &opened, flags, nil)
        guard code == SQLITE_OK, let opened else {
            let why = opened.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
            sqlite3_close_v2(opened)
            throw QueryError.open(path: path, why: why)
        }
        handle = opened
        interrupt = Interrupt(opened)
        do {
            try prepare(path)
        } catch {
            sqlite3_close_v2(handle)
            throw error
        }
        events.isInterrupted = { [interrupt] in interrupt.isFired }
    }

    deinit {
        interrupt.close()
        sqlite3_close_v2(handle)
    }

    private func prepare(_ path: String) throws {
        guard flightrec_harden(handle) == SQLITE_OK else {
            throw QueryError.open(path: path, why: String(cString: sqlite3_errmsg(handle)))
        }
        sqlite3_extended_result_codes(handle, 1)
        sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, Self.longestValue)
        sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0)
        sqlite3_limit(handle, SQLITE_LIMIT_WORKER_THREADS, 0)
        // The reader has judged the file already, but on a connection of its own.
        func refuse(_ sql: String, _ why: String) throws {
            var any = false
            do {
                try run(sql) { _, _ in any = true }
            } catch QueryError.statement(let why) {
                throw CaptureError.unreadable(path: path, state: .corrupt, why: why)
            }
            if any { throw CaptureError.unreadable(path: path, state: .corrupt, why: why) }
        }
        try run(CaptureGuard.pragmas) { _, _ in }
        try refuse(CaptureGuard.oddSchema, CaptureGuard.oddSchemaWhy)
        try refuse(CaptureGuard.computedColumns(), CaptureGuard.computedColumnsWhy)
        let names = Tables.all.map { "'\($0.name)'" }.joined(separator: ",")
        try refuse(
            "SELECT 1 FROM sqlite_schema WHERE lower(name) IN (\(names))", "it holds a table that hides its events")
        for table in Tables.all where VirtualTable.register(table, of: events, in: handle) != SQLITE_OK {
            throw QueryError.open(path: path, why: String(cString: sqlite3_errmsg(handle)))
        }
        sqlite3_set_authorizer(handle, authorize, nil)
    }
}

/// Reading alone, and pragmas that tell and set nothing: no ATTACH (and so no VACUUM INTO), no writing, no transactions.
private func authorize(
    _: UnsafeMutableRawPointer?, action: Int32, first: UnsafePointer<CChar>?, second: UnsafePointer<CChar>?,
    _: UnsafePointer<CChar>?, _: UnsafePointer<CChar>?
) -> Int32 {
    switch action {
    case SQLITE_SELECT, SQLITE_READ, SQLITE_FUNCTION, SQLITE_RECURSIVE: return SQLITE_OK
    case SQLITE_PRAGMA:
        let telling = ["table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo"]
        let bare = ["application_id", "user_version", "compile_options", "function_list", "module_list", "encoding"]
        let name = first.map { String(cString: $0).lowercased() } ?? ""
        return telling.contains(name) || (second == nil && bare.contains(name)) ? SQLITE_OK : SQLITE_DENY
    // SQLite asks for this when it declares a virtual table. A real one ends at the defensive mode.
    case SQLITE_UPDATE: return first.map { String(cString: $0) } == "sqlite_master" ? SQLITE_OK : SQLITE_DENY
    default: return SQLITE_DENY
    }
}
