import ArgumentParser
import Capture
import Foundation
import Glibc
import Query

struct SQLCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sql", abstract: "SQL over a capture, events included; a prompt when no query is given.",
        discussion: """
            Events are tables: \(Tables.all.map(\.name).joined(separator: ", ")). So are the capture's own tables, which \
            stock sqlite3 reads too. A query can't change anything. `.tables` and `.schema TABLE` say what there is, at the \
            prompt and as QUERY. A query is also read from a pipe.

            EXAMPLES:
              flightrec sql latest
              flightrec sql latest '.schema turns'
              flightrec sql latest --csv 'SELECT * FROM turns' > turns.csv
              echo 'SELECT count(*) FROM drops;' | flightrec sql latest --json

            QUERIES:
            \(Help.examples.map { "  -- \($0.about)\n  \($0.sql.replacing("\n", with: "\n  "));" }.joined(separator: "\n"))
            """)

    @Argument(help: "An id, a unique prefix of one, `latest`, or a file's path.") var id: String
    @Argument(help: "Statements, apart by semicolons.") var query: String?
    @Flag(help: "Print each statement's rows as a JSON array of objects.") var json = false
    @Flag(help: "Print CSV with a header line.") var csv = false
    @OptionGroup var directory: DirectoryOption

    func validate() throws {
        if json && csv { throw ValidationError("--json and --csv exclude each other") }
    }

    func run() throws {
        let database: CaptureDatabase
        do {
            database = try CaptureDatabase(path: try directory.capture(id))
        } catch let error as CaptureError {
            throw Failure(error)
        } catch let error as QueryError {
            throw Failure(message: error.description)
        }
        database.interrupt.catchSignal()
        let format: ResultFormat = json ? .json : csv ? .csv(isTerminal: Terminal.isTerminal) : .table
        var interrupted = false
        let shell = Shell(
            database, format: format, isTerminal: Terminal.isTerminal, output: TextOutput(Terminal.write)
        ) { why in
            interrupted = why == QueryError.interrupted.description
            Terminal.complain(why)
        }
        if let query {
            _ = shell.take(query)
            shell.end()
        } else {
            try Self.read(shell, LineReader(database.interrupt), stopAtFailure: isatty(STDIN_FILENO) != 1)
            if isatty(STDIN_FILENO) == 1 { return }
        }
        if shell.failed { throw ExitCode(interrupted ? 130 : Exit.failed) }
    }

    /// Lines until the end of the input or `.quit`. A script stops at its first failure; a person goes on.
    private static func read(_ shell: Shell, _ lines: LineReader, stopAtFailure: Bool) throws {
        if lines.isInteractive {
            Terminal.print("flightrec: statements end with ;  .help says what there is, .quit or Ctrl-D ends")
        }
        var step = Shell.Step.ready
        while step != .quit {
            switch lines.next(prompt: step == .more ? "      ...> " : "flightrec> ") {
            case .line(let line):
                step = shell.take(line)
                if stopAtFailure && shell.failed { return }
            case .interrupted:
                guard lines.isInteractive else { throw ExitCode(130) }
                shell.clear()
                step = .ready
            case .end:
                shell.end()
                return
            }
        }
    }
}
