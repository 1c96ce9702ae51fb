import ArgumentParser
import Foundation
import Recorder
import Report

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Is it armed, since when, what was lost, what it costs.",
        discussion: """
            Asks the recorder that keeps its captures in --dir. Exit code 3 when none runs.

            EXAMPLES:
              sudo flightrec status
              sudo flightrec status --json | jq .coverage
            """)

    @Flag(help: "Print JSON.") var json = false
    @OptionGroup var directory: DirectoryOption

    func run() throws {
        let reply = try ask(ControlRequest(.status), directory: directory.path)
        guard let status = reply.status else { throw Failure(message: reply.error ?? "no status in the answer") }
        if json {
            let encoder = JSONEncoder()
            encoder.keyEncodingStrategy = .convertToSnakeCase
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            Terminal.print(String(decoding: try encoder.encode(status), as: UTF8.self))
            return
        }
        for (name, value) in StatusLines(status).all {
            // In a pipe a line is for grep.
            let lines = Terminal.isTerminal ? DisplayWidth.wrap(value, max(20, Terminal.style.width - 12)) : [value]
            for (index, line) in lines.enumerated() {
                Terminal.print((index == 0 ? name : "").padding(toLength: 12, withPad: " ", startingAt: 0) + line)
            }
        }
    }
}

struct SnapshotCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot", abstract: "Freeze the last seconds now (asks the running recorder).",
        discussion: """
            Prints the id at once, and ends when the file is there. Retention never removes it: `flightrec delete` does.

            EXAMPLES:
              sudo flightrec snapshot --reason "users complain"
            """)

    @Option(help: "Kept in the capture.") var reason: String?
    @OptionGroup var directory: DirectoryOption

    func run() throws {
        let reply = try ask(ControlRequest(.snapshot, reason: reason), directory: directory.path)
        guard let id = reply.id else { throw Failure(message: reply.error ?? "no capture in the answer") }
        Terminal.print(id)
        try waitUntilWritten(id)
    }

    /// Until it is written, or never will be.
    private func waitUntilWritten(_ id: String) throws {
        // Its events are analyzed first: on a busy host a second or two.
        for _ in 0..<600 {
            let fate = try ask(ControlRequest(.fate, id: id), directory: directory.path)
            if let error = fate.error { throw Failure(message: "it could not be written: \(error)") }
            if fate.written == true { return }
            usleep(50_000)
        }
        throw Failure(message: "the recorder has not written it in 30 s: its log may say why")
    }
}

func ask(_ request: ControlRequest, directory: String) throws -> ControlReply {
    do {
        return try askRecorder(request, directory: directory)
    } catch let error as SystemError {
        if error.code == EACCES { throw Failure(message: "\(error): run with sudo", code: Exit.privilege) }
        throw Failure(message: "\(error): is `flightrec record` running, with the same --dir?", code: Exit.nothing)
    }
}
