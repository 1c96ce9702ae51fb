import CSQLite

/// A statement's row while it is current.
struct ResultRow {
    let statement: OpaquePointer

    var count: Int { Int(sqlite3_column_count(statement)) }

    subscript(index: Int) -> Value {
        let index = Int32(index)
        switch sqlite3_column_type(statement, index) {
        case SQLITE_INTEGER: return .integer(sqlite3_column_int64(statement, index))
        case SQLITE_FLOAT: return .real(sqlite3_column_double(statement, index))
        case SQLITE_TEXT:
            let start = sqlite3_column_text(statement, index)
            let bytes = UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, index)))
            return .text(String(decoding: bytes, as: UTF8.self))
        case SQLITE_BLOB:
            let start = sqlite3_column_blob(statement, index)
            let bytes = UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, index)))
            return .blob(Array(bytes))
        default: return .null
        }
    }
}

extension CaptureDatabase {
    /// Runs each statement of `sql`, and gives its rows to a writer of `format`'s making, one for each that has columns.
    /// Throws `QueryError`; what was written until then stays written.
    public func execute(_ sql: String, format: ResultFormat, to output: TextOutput) throws(QueryError) {
        interrupt.forget()
        var writer: (any ResultWriter)?
        try run(sql) { row, statement in
            if let row {
                writer?.add((0..<row.count).map { row[$0] })
            } else {
                let columns = (0..<sqlite3_column_count(statement)).map {
                    sqlite3_column_name(statement, $0).map { String(cString: $0) } ?? ""
                }
                writer = columns.isEmpty ? nil : format.writer(columns, output)
            }
        } finished: { succeeded in
            if succeeded || writer?.isEmpty == false { writer?.finish() }
            output.flush()
            writer = nil
        }
    }

    /// Calls `body` for each statement of `sql` once without a row when it starts, if `finished` is given, and then for
    /// each row; and `finished` at its end, a failed one's too. Throws `QueryError`.
    func run(
        _ sql: String, _ body: (ResultRow?, OpaquePointer) -> Void, finished: ((_ succeeded: Bool) -> Void)? = nil
    ) throws(QueryError) {
        // SQLite hands back a pointer into the text, so that must stay where it is.
        let text = Array(sql.utf8CString)
        let problem: QueryError? = text.withUnsafeBufferPointer { text in
            var rest = text.baseAddress
            while let start = rest, start.pointee != 0 {
                var statement: OpaquePointer?
                guard sqlite3_prepare_v2(handle, start, -1, &statement, &rest) == SQLITE_OK else { return failure() }
                // White space or a comment.
                guard let statement else { continue }
                var succeeded = false
                defer {
                    finished?(succeeded)
                    sqlite3_finalize(statement)
                }
                if finished != nil { body(nil, statement) }
                while true {
                    let code = sqlite3_step(statement)
                    succeeded = code == SQLITE_DONE
                    if succeeded { break }
                    guard code == SQLITE_ROW else { return failure() }
                    body(ResultRow(statement: statement), statement)
                }
            }
            return nil
        }
        if let problem { throw problem }
    }

    private func failure() -> QueryError {
        if sqlite3_errcode(handle) & 0xff == SQLITE_INTERRUPT { return .interrupted }
        return .statement(String(cString: sqlite3_errmsg(handle)))
    }

    /// Whether `text` ends with a statement's semicolon, outside strings and comments; white space alone does not.
    public static func isComplete(_ text: String) -> Bool { sqlite3_complete(text) != 0 }
}
