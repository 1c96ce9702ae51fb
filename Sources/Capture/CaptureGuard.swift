import Foundation
import GRDB

/// How a capture is opened and what its schema may hold, for whoever opens one: every file is taken to be hostile.
package enum CaptureGuard {
    /// For a connection, before anything else.
    package static let pragmas = "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0"

    /// Yields a row when there are more than plain tables: a view or trigger would run its author's SQL, a virtual
    /// table its module's code.
    package static let oddSchema = """
        SELECT name FROM sqlite_schema
        WHERE type <> 'table' AND NOT (type = 'index' AND sql IS NULL) OR coalesce(rootpage, 0) < 1 LIMIT 1
        """
    package static let oddSchemaWhy = "it holds more than plain tables"

    /// Yields a row when a table has a generated column, which would run its author's expression for every row read, or a column whose
    /// default is more than a number: rows may end before it, and each would have that text, which the file has once.
    /// The pragma costs time for each table, so a listing names those it reads; none: all.
    package static func computedColumns(of tables: [String] = []) -> String {
        let names = tables.isEmpty ? "" : "AND s.name IN ('\(tables.joined(separator: "','"))')"
        return """
            SELECT 1 FROM sqlite_schema AS s, pragma_table_xinfo(s.name) AS x
            WHERE s.type = 'table' \(names) AND (x.hidden <> 0 OR length(x.dflt_value) > 8) LIMIT 1
            """
    }
    package static let computedColumnsWhy = "it holds columns whose values are not in its rows"

    /// The name to open `path` by, read-only. `immutable` spares the locks and any look at a journal beside the file.
    /// It needs a SQLite that takes URIs; without, a read-only open is as safe, for it cannot play a journal back.
    package static func location(_ path: String) -> String {
        guard takesURI else { return path }
        let absolute = URL(fileURLWithPath: path).path
        var allowed = CharacterSet.urlPathAllowed
        allowed.remove(charactersIn: "?#%")
        guard let escaped = absolute.addingPercentEncoding(withAllowedCharacters: allowed) else { return path }
        return "file:\(escaped)?mode=ro&immutable=1"
    }

    private static let takesURI: Bool = {
        let answer = try? DatabaseQueue().read {
            try Int.fetchOne($0, sql: "SELECT sqlite_compileoption_used('USE_URI')")
        }
        return answer == 1
    }()
}
