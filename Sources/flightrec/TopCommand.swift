import ArgumentParser
import Foundation
import Glibc
import Recorder
import Report

struct TopCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top", abstract: "Live latency of every container.",
        discussion: """
            Turns per second, p50, p99 and the slowest of the last five to ten seconds, retransmits, and the stage the slowest \
            turn spent longest in. A + after the slowest: it is still open. Asks the recorder that keeps its captures in --dir. \
            Piped, it prints once and ends.

            KEYS: q quit; t turns, p p99, m max, r retransmits, n name: sort by; arrows, j k, PgUp PgDn: scroll; space: hold.

            EXAMPLES:
              sudo flightrec top
              sudo flightrec top --once --sort p99
              sudo flightrec top --json | jq '.rows[] | select(.p99_ns > 1e8)'
            """)

    @Flag(help: "Print once and end.") var once = false
    @Flag(help: "Print JSON, once.") var json = false
    @Option(help: "turns, p99, max, retransmits or name.") var sort = TopOrder.turns
    @Option(help: ArgumentHelp("Time between two looks.", valueName: "duration"))
    var interval = Duration(nanoseconds: 1_000_000_000)
    @OptionGroup var directory: DirectoryOption

    func validate() throws {
        guard interval.nanoseconds >= 100_000_000 else { throw ValidationError("--interval must be 100ms or more") }
    }

    func run() throws {
        if json {
            let encoder = JSONEncoder()
            encoder.keyEncodingStrategy = .convertToSnakeCase
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            Terminal.print(String(decoding: try encoder.encode(try look()), as: UTF8.self))
        } else if once || !Terminal.isTerminal || isatty(STDIN_FILENO) != 1 {
            let report = TopReport(try look(), order: sort, style: Terminal.style)
            Terminal.print(report.lines().joined(separator: "\n"))
        } else {
            var screen = TopScreen(order: sort, interval: interval.nanoseconds, look: look)
            try screen.run()
        }
    }

    /// All rows, page by page: a datagram holds only so many.
    private func look() throws -> TopView { try look(sort) }

    private func look(_ order: TopOrder) throws -> TopView {
        var view: TopView?
        while true {
            let reply = try ask(ControlRequest(.top, offset: view?.rows.count ?? 0), directory: directory.path)
            guard let page = reply.top else { throw Failure(message: reply.error ?? "no rows in the answer") }
            if view == nil { view = page } else { view?.rows += page.rows }
            if page.rows.isEmpty || view?.rows.count ?? 0 >= reply.total ?? 0 { break }
        }
        guard var view else { throw Failure(message: "no rows in the answer") }
        view.sort(by: order)
        return view
    }
}

extension TopOrder: ExpressibleByArgument {}
