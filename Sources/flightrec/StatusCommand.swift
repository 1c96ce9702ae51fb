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
        func line(_ name: String, _ value: String) {
            Terminal.print(name.padding(toLength: 12, withPad: " ", startingAt: 0) + value)
        }
        let coverage = String(format: "%.2f", status.coverage * 100)
        line(
            "armed",
            "\(Format.duration(status.armedNs)), coverage \(coverage) %, \(status.gaps) gaps (pid \(status.pid))")
        line(
            "window",
            "reaches \(Format.duration(status.windowNs)) back, \(Format.size(UInt64(status.windowBytes))) of "
                + Format.size(UInt64(status.windowBudget)))
        line(
            "events", "\(Format.count(Int(clamping: status.events))), \(Format.count(Int(clamping: status.lost))) lost")
        line(
            "captures",
            "\(status.captures) made, \(status.failedCaptures) failed"
                + (status.collecting ? ", one being collected" : ""))
        if let disk = status.disk { diskLine(disk, line) }
        for held in status.suppressed {
            line("suppressed", "\(held.container): \(held.count) triggers, worst \(Format.duration(held.worstNs))")
        }
        if status.habitual > 0 { line("habitual", "\(status.habitual) slow turns of services that are always slow") }
        line(
            "own cost",
            "\(Format.size(UInt64(status.rssBytes))) resident, \(Format.duration(status.cpuNs)) of CPU, "
                + "\(status.sockets) sockets known")
        if !status.missingHooks.isEmpty { line("missing", status.missingHooks.joined(separator: ", ")) }
    }
}

/// Only where there is something to say.
private func diskLine(_ disk: RecorderStatus.Disk, _ line: (String, String) -> Void) {
    var text: [String] = []
    let free = "\(Format.size(disk.freeBytes)) free, of which --keep-free takes \(Format.size(disk.keepFreeBytes))"
    switch disk.state {
    case "ok": break
    case "smaller": text.append("LOW: \(free): captures are made without some of their events")
    default: text.append("FULL: \(free): no capture can be made. Free some space, or lower --keep-free")
    }
    if disk.cut > 0 { text.append("\(disk.cut) captures made smaller") }
    if disk.unsaved > 0 {
        text.append("\(disk.unsaved) not saved, the worst of \(Format.duration(disk.unsavedWorstNs))")
    }
    if !text.isEmpty { line("disk", text.joined(separator: "; ")) }
}

struct SnapshotCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot", abstract: "Freeze the last seconds now (asks the running recorder).",
        discussion: """
            EXAMPLES:
              sudo flightrec snapshot --reason "users complain"
            """)

    @Option(help: "Kept in the capture.") var reason: String?
    @OptionGroup var directory: DirectoryOption

    func run() throws {
        let reply = try ask(ControlRequest(.snapshot, reason: reason), directory: directory.path)
        guard let id = reply.id else { throw Failure(message: reply.error ?? "no capture in the answer") }
        Terminal.print(id)
    }
}

private func ask(_ request: ControlRequest, directory: String) throws -> ControlReply {
    do {
        return try askRecorder(request, directory: directory)
    } catch let error as SystemError {
        let code = error.code == EACCES ? Exit.privilege : Exit.nothing
        throw Failure(message: "\(error): is `flightrec record` running, with the same --dir?", code: code)
    }
}
