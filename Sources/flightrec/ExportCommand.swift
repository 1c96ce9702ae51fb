import Analysis
import ArgumentParser
import Capture
import Export
import Foundation
import Glibc
import Query

struct ExportCommand: ParsableCommand {
    enum Format: String, ExpressibleByArgument, CaseIterable {
        case perfetto, json, sqlite, csv

        /// A terminal can show it.
        var isText: Bool { self == .json || self == .csv }
    }

    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "A capture for other tools.",
        discussion: """
            FORMATS:
              perfetto  a trace for https://ui.perfetto.dev, with lanes for containers,
                        processes, threads and sockets
              json      one event a line, an object with names, in order of time
              sqlite    an ordinary database: the capture's tables, and one more for
                        every kind of event
              csv       one kind of event, with a header line; --kind says which

            Columns and keys are those of `flightrec sql`; its `.schema` describes them.

            EXAMPLES:
              flightrec export latest --format perfetto -o latest.pftrace
              flightrec export latest --format json |
                jq -c 'select(.kind == "turn" and .total_ns > 1e8)'
              flightrec export latest --format csv --kind retransmits -o r.csv
              flightrec export latest --format sqlite -o latest.db &&
                sqlite3 latest.db 'SELECT count(*) FROM turns'
            """)

    @Argument(help: "An id, a unique prefix of one, `latest`, or a file's path.") var id: String
    @Option(help: "perfetto, json, sqlite or csv.") var format: Format
    @Option(name: [.customShort("o"), .customLong("output")], help: "A file to write. Default: stdout.") var file:
        String?
    @Option(help: ArgumentHelp("With csv, the table to write. Default: turns.", valueName: "table")) var kind: String?
    @OptionGroup var directory: DirectoryOption

    func validate() throws {
        if kind != nil && format != .csv { throw ValidationError("--kind goes with --format csv") }
        if let kind, !Tables.all.contains(where: { $0.name == kind }) {
            throw ValidationError("--kind is one of: \(Tables.all.map(\.name).joined(separator: ", "))")
        }
    }

    func run() throws {
        let toStandardOutput = file == nil || file == "-"
        if toStandardOutput && !format.isText && Terminal.isTerminal {
            throw Failure(
                message: "a terminal can't show \(format.rawValue): give a file with -o, or send it to one",
                code: Exit.usage)
        }
        do {
            let path = try directory.capture(id)
            let evidence = try CaptureReader.open(path).evidence()
            if toStandardOutput {
                try write(evidence, path, to: STDOUT_FILENO, "stdout")
            } else if let file {
                try write(evidence, path, to: file)
            }
        } catch let error as CaptureError {
            throw Failure(error)
        } catch let error as OutputError {
            throw Failure(message: error.description)
        } catch let error as SQLiteExportError {
            throw Failure(message: "cannot make the database: \(error)")
        }
    }

    /// Whole or not at all; into what is no file (a pipe, /dev/null), as it comes.
    private func write(_ evidence: Evidence, _ capture: String, to file: String) throws {
        var status = stat()
        var source = stat()
        let exists = stat(file, &status) == 0
        if exists, stat(capture, &source) == 0, source.st_dev == status.st_dev, source.st_ino == status.st_ino {
            throw Failure(message: "\(file) is the capture itself", code: Exit.usage)
        }
        if exists, status.st_mode & S_IFMT != S_IFREG {
            let opened = Glibc.open(file, O_WRONLY | O_CLOEXEC)
            guard opened >= 0 else {
                throw Failure(message: "cannot write \(file): \(String(cString: strerror(errno)))")
            }
            defer { close(opened) }
            return try write(evidence, capture, to: opened, file)
        }
        let output = try OutputFile(file)
        if format == .sqlite {
            try exportSQLite(evidence, capture: capture, to: output.temporary)
        } else {
            let opened = Glibc.open(output.temporary, O_WRONLY | O_CLOEXEC)
            guard opened >= 0 else {
                throw Failure(message: "cannot write \(file): \(String(cString: strerror(errno)))")
            }
            defer { close(opened) }
            try write(evidence, capture, to: opened, file)
        }
        try output.publish()
    }

    private func write(_ evidence: Evidence, _ capture: String, to descriptor: Int32, _ name: String) throws {
        var failure: OutputError?
        let output = TextOutput { bytes in
            guard failure == nil else { return }
            do throws(OutputError) {
                try OutputFile.write(bytes, to: descriptor, name)
            } catch {
                // A reader that went away (`… | head`) ends us quietly, as SIGPIPE would.
                if errno == EPIPE { Glibc.exit(0) }
                failure = error
            }
        }
        switch format {
        case .perfetto: exportPerfetto(evidence, to: output)
        case .json: exportJSONLines(evidence, to: output)
        case .csv:
            let name = kind ?? "turns"
            if kind == nil { Terminal.complain("csv of turns; --kind gives the others") }
            guard let table = Tables.all.first(where: { $0.name == name }) else { return }
            exportCSV(table, evidence, to: output)
        case .sqlite: try copyDatabase(evidence, capture, to: output)
        }
        if let failure { throw failure }
    }

    /// SQLite needs a file it can go to and fro in.
    private func copyDatabase(_ evidence: Evidence, _ capture: String, to output: TextOutput) throws {
        let temporary = try OutputFile(scratch: NSTemporaryDirectory())
        try exportSQLite(evidence, capture: capture, to: temporary.temporary)
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: temporary.temporary))
        // Its name goes at once: a reader that goes away ends us without a way back here.
        unlink(temporary.temporary)
        while let piece = try file.read(upToCount: 1 << 20), !piece.isEmpty { output.append(Array(piece)) }
        output.flush()
    }
}
