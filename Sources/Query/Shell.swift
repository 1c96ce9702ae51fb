/// A session of statements and commands, line by line.
public final class Shell {
    public enum Step: Sendable, Equatable {
        /// Ready for a statement or command.
        case ready
        /// Within a statement.
        case more
        /// `.quit`.
        case quit
    }

    private let database: CaptureDatabase
    private let output: TextOutput
    private let complain: (String) -> Void
    private var format: ResultFormat
    private let isTerminal: Bool
    private var statement = ""
    /// A statement or command failed.
    public private(set) var failed = false

    /// - Parameters:
    ///   - isTerminal: results end on one.
    ///   - output: takes results; it is flushed after each statement.
    ///   - complain: takes what went wrong, in words.
    public init(
        _ database: CaptureDatabase, format: ResultFormat, isTerminal: Bool, output: TextOutput,
        complain: @escaping (String) -> Void
    ) {
        self.database = database
        self.format = format
        self.isTerminal = isTerminal
        self.output = output
        self.complain = complain
    }

    /// Takes a line without its end. Statements run when the semicolon is there.
    public func take(_ line: String) -> Step {
        if statement.isEmpty {
            let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
            guard let first = words.first else { return .ready }
            if first.hasPrefix(".") { return command(first, Array(words.dropFirst())) }
        }
        statement += line + "\n"
        guard CaptureDatabase.isComplete(statement) else { return .more }
        run()
        return .ready
    }

    /// Drops what was typed of a statement.
    public func clear() { statement = "" }

    /// Runs what is left without a semicolon, at the end of the input.
    public func end() {
        if !statement.isEmpty { run() }
    }

    private func run() {
        let sql = statement
        statement = ""
        do throws(QueryError) {
            try database.execute(sql, format: format, to: output)
        } catch {
            fail(error.description)
        }
    }

    private func write(_ text: String) {
        output.line(text)
        output.flush()
    }

    private func fail(_ why: String) {
        failed = true
        complain(why)
    }

    private func command(_ name: String, _ words: [String]) -> Step {
        switch name {
        case ".quit", ".exit": return .quit
        case ".help": write(Help.commands)
        case ".tables": write(tables())
        case ".schema":
            do throws(QueryError) {
                try schema(words.first)
            } catch {
                fail(error.description)
            }
        case ".mode":
            switch words.first {
            case "table": format = .table
            case "csv": format = .csv(isTerminal: isTerminal)
            case "json": format = .json
            default: fail(".mode is one of: table, csv, json")
            }
        default: fail("no command \(name); .help lists them")
        }
        return .ready
    }

    private func tables() -> String {
        let width = Tables.all.reduce(0) { max($0, $1.name.count) } + 2
        let events = Tables.all.map { "  " + $0.name.padded(to: width) + $0.about }
        return
            (["events, with names and times in words:"] + events
            + ["plain tables, as sqlite3 sees them too:", "  " + plain().map(\.name).joined(separator: " ")])
            .joined(separator: "\n")
    }

    /// Those of the file, and the SQL that made them.
    private func plain() -> [(name: String, sql: String)] {
        var found: [(String, String)] = []
        do throws(QueryError) {
            try database.run("SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY name") { row, _ in
                if let row, case .text(let name) = row[0], case .text(let sql) = row[1] { found.append((name, sql)) }
            }
        } catch {
            fail(error.description)
        }
        return found
    }

    private func schema(_ name: String?) throws(QueryError) {
        let tables = Tables.all.filter { name == nil || $0.name == name }
        let plain = plain().filter { name == nil || $0.name == name }
        if tables.isEmpty && plain.isEmpty { throw .statement("no table \(name ?? ""); .tables lists them") }
        for table in tables { write(Help.describe(table)) }
        for table in plain { write(safe(table.sql) + ";") }
    }

    /// A file's text keeps its lines, but not what may act on a terminal.
    private func safe(_ sql: String) -> String {
        sql.split(separator: "\n", omittingEmptySubsequences: false).map { Names.clean(String($0)) }
            .joined(separator: "\n")
    }
}

extension String {
    func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
