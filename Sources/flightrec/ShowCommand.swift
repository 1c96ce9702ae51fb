import Analysis
import ArgumentParser
import Capture
import Events
import Foundation
import Report

struct ShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Where the time went: verdict, waterfall, timeline, evidence.",
        discussion: """
            EXAMPLES:
              flightrec show latest
              flightrec show 20261123T1652 --events | less
              flightrec show ./copied.flightrec --json | jq .turn.stages
            """)

    @Argument(help: "An id, a unique prefix of one, `latest`, or a file's path.") var id: String
    @Flag(help: "After the report every event, a line each.") var events = false
    @Option(help: ArgumentHelp("Only this socket: its number without the #.", valueName: "number")) var socket: UInt32?
    @Option(help: ArgumentHelp("Only these containers.", valueName: "glob")) var container: String?
    @Flag(help: "Judge anew from all events, instead of showing what was found when it was captured.") var anew = false
    @Flag(help: "Print JSON.") var json = false
    @OptionGroup var directory: DirectoryOption

    func run() throws {
        do {
            let path = try path()
            let incident = try incident(try CaptureReader.open(path))
            guard let stored = CaptureStore.inspect(path) else {
                throw Failure(message: "no capture at \(path)", code: Exit.nothing)
            }
            let row = ListRow(stored)
            let options = ShowOptions(events: events, socket: socket, containerGlob: container)
            if json {
                let some = try showJSON(incident, row: row, options: options, to: Terminal.print)
                if !some { throw ExitCode(Exit.nothing) }
                return
            }
            let some = renderShow(
                incident: incident, row: row, options: options, style: Terminal.style, to: Terminal.print)
            if !some { throw ExitCode(Exit.nothing) }
        } catch let error as CaptureError {
            throw Failure(error)
        }
    }

    /// As it was found when it was captured, unless all events are wanted or it is too old to hold that.
    private func incident(_ reader: CaptureReader) throws(CaptureError) -> Incident {
        guard !anew, !events, var stored = try reader.incident() else { return analyze(try reader.evidence()) }
        if !json {
            stored.inView = try reader.briefs(
                overlapping: timelineSpan(stored, Terminal.style), of: stored.evidence)
        }
        return stored
    }

    private func path() throws -> String {
        if id.contains("/") { return id }
        return try CaptureStore(CaptureDirectory(existing: directory.path)).resolve(id)
    }
}
