import Analysis
import ArgumentParser
import Capture
import Foundation
import Glibc
import Report

struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "What was caught, newest first. `flightrec` alone does this.",
        discussion: """
            As wide as the terminal, 80 columns in a pipe, or $COLUMNS. An ID is as long as tells it from the others: all of \
            it is in --json. In less than 100 columns it stands for the time, with which it begins. A file is read whole, and \
            its checksum compared, by `show`, `sql` and `export` only.

            EXAMPLES:
              flightrec list --since 24h
              flightrec list --container 'api-*' --cause app.frozen
              flightrec list --json | jq -r '.[].verdict.summary'
            """)

    @Option(help: ArgumentHelp("Only those of the last 30m, 24h, 7d.", valueName: "duration")) var since: Duration?
    @Option(help: ArgumentHelp("Only of these containers.", valueName: "glob")) var container: String?
    @Option(help: ArgumentHelp("Only of this cause, e.g. app.frozen.", valueName: "cause")) var cause: String?
    @Option(name: .customShort("n"), help: "At most this many.") var count: Int?
    @Flag(help: "Print JSON.") var json = false
    @OptionGroup var directory: DirectoryOption

    func run() throws {
        do {
            let all = try CaptureStore(CaptureDirectory(existing: directory.path)).list().map(ListRow.init)
            var rows = all
            if let since {
                let limit = Int64(Date().timeIntervalSince1970 * 1e9) - Int64(since.nanoseconds)
                rows.removeAll { $0.summary.startedAt < limit }
            }
            if let container { rows.removeAll { fnmatch(container, $0.summary.container.name, 0) != 0 } }
            if let cause { rows.removeAll { $0.summary.verdict.cause != cause } }
            if let count { rows = Array(rows.prefix(max(0, count))) }
            if rows.isEmpty && !all.isEmpty && !json {
                Terminal.print("None of \(all.count) matches; `flightrec list` alone shows all.")
            } else {
                Terminal.print(json ? try listJSON(rows) : renderList(rows, style: Terminal.style))
            }
            let unread = all.count(where: { $0.state == .unreadable })
            if unread > 0, container != nil || cause != nil {
                Terminal.complain("\(unread) of \(all.count) can't be read: whether they match is not known")
            }
        } catch let error as CaptureError {
            throw Failure(error)
        }
    }
}

extension ListRow {
    init(_ capture: StoredCapture) {
        let nothing = IncidentSummary(
            id: capture.id, startedAt: capture.modifiedAt, endedAt: capture.modifiedAt,
            container: ContainerName(id: "", name: "", runtime: "unknown"), peak: 0, threshold: 0, slowTurns: 0,
            trigger: .manual,
            verdict: Verdict(
                layer: "unknown", cause: "unknown", summary: "", share: 0, confidence: .low, evidence: []),
            events: 0, lost: 0)
        self.init(
            summary: capture.summary ?? nothing, bytes: capture.bytes,
            state: Report.CaptureState(rawValue: capture.state.rawValue) ?? .corrupt, pinned: capture.pinned,
            path: capture.path, note: capture.problem)
    }
}
