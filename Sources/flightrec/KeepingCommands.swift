import ArgumentParser
import Capture
import Foundation
import Report

/// Runs `body` on every capture named; all are tried, and the first failure's code is the command's.
private func forEach(_ ids: [String], _ directory: DirectoryOption, _ body: (CaptureStore, String) throws -> Void)
    throws
{
    var code: Int32 = 0
    for id in ids {
        do {
            let store = CaptureStore(try CaptureDirectory(existing: directory.path))
            try body(store, try store.resolve(id))
        } catch let error as CaptureError {
            let failure = Failure(error)
            Terminal.complain(failure.message)
            if code == 0 { code = failure.code }
        }
    }
    if code != 0 { throw ExitCode(code) }
}

struct PinCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pin", abstract: "Keep captures whatever retention says.",
        discussion: """
            Says nothing when it is done; `list` then shows a * after the id.

            EXAMPLES:
              sudo flightrec pin latest
              sudo flightrec pin 20261123T1652 20261123T1710
            """)
    @Argument(help: "Ids, unique prefixes of them, or `latest`.") var ids: [String]
    @OptionGroup var directory: DirectoryOption

    func run() throws { try forEach(ids, directory) { try $0.pin(path: $1) } }
}

struct UnpinCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "unpin", abstract: "Let retention have them again.")
    @Argument(help: "Ids, unique prefixes of them, or `latest`.") var ids: [String]
    @OptionGroup var directory: DirectoryOption

    func run() throws { try forEach(ids, directory) { try $0.unpin(path: $1) } }
}

struct DeleteCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Remove captures.",
        discussion: """
            Does not ask, and removes pinned captures too. Prints the ids of what it removed.

            EXAMPLES:
              sudo flightrec delete 20261123T1652
            """)
    @Argument(help: "Ids, unique prefixes of them, or `latest`.") var ids: [String]
    @OptionGroup var directory: DirectoryOption

    func run() throws {
        try forEach(ids, directory) { store, path in
            try store.delete(path: path)
            Terminal.print(Sanitizer.clean(URL(filePath: path).deletingPathExtension().lastPathComponent))
        }
    }
}

struct VacuumCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vacuum", abstract: "Apply retention now, or say what it would remove.",
        discussion: """
            Pinned captures and snapshots stay whatever is asked for.

            EXAMPLES:
              sudo flightrec vacuum --keep 500M --dry-run
            """)
    @Option(help: ArgumentHelp("Captures may take this much together.", valueName: "size"))
    var keep = Size(bytes: 2 << 30)
    @Option(
        help: ArgumentHelp(
            "Leave this much of the file system free (default: 1G, or a tenth of a smaller one).", valueName: "size"))
    var keepFree: Size?
    @Option(help: ArgumentHelp("Remove captures older than this.", valueName: "duration")) var keepAge: Duration?
    @Option(help: ArgumentHelp("Keep at most this many captures.", valueName: "n")) var keepCount: Int?
    @Flag(help: "Only say what would be removed.") var dryRun = false
    @OptionGroup var directory: DirectoryOption

    func run() throws {
        var policy = RetentionPolicy(
            maximumBytes: UInt64(keep.bytes), freeBytes: keepFree.map { UInt64($0.bytes) },
            maximumAge: keepAge.map { Int64($0.nanoseconds) }, maximumCount: keepCount)
        do {
            let captures = try CaptureDirectory(existing: directory.path)
            if policy.freeBytes == nil { policy.freeBytes = try captures.usualFreeBytes() }
            let store = CaptureStore(captures)
            let plan: RetentionPlan
            if dryRun {
                plan = try store.plan(policy)
            } else {
                plan = try store.enforce(policy)
            }
            for eviction in plan.evictions {
                Terminal.print(
                    "\(dryRun ? "would remove" : "removed") \(Sanitizer.clean(eviction.capture.id)) "
                        + "(\(Format.size(eviction.capture.bytes)), \(eviction.reason.rawValue))")
            }
            if plan.evictions.isEmpty { Terminal.print("nothing to remove") }
            if plan.unmet.contains(.free) {
                Terminal.complain("--keep-free is not met: what may be removed would not make that room")
            }
            for refusal in plan.refused { Terminal.complain("\(refusal.error)") }
            if let refusal = plan.refused.first { throw ExitCode(Failure(refusal.error).code) }
        } catch let error as CaptureError {
            throw Failure(error)
        }
    }
}
