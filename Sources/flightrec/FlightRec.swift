import ArgumentParser
import Foundation
import Glibc

@main
struct FlightRec: ParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "flightrec", abstract: "A flight recorder for container latency.",
        discussion: """
            Leave `flightrec record` running. When a container's latency spikes, it freezes the seconds around the spike \
            into one file that says where the time went.

            EXAMPLES:
              sudo flightrec demo                        see it work on this host
              sudo flightrec record                      leave running, for days
              flightrec list                             what was caught, newest first
              flightrec show latest                      where the time went
              sudo flightrec top                         live latency of every container
              flightrec sql latest                       ask it in SQL
              flightrec export latest --format perfetto -o latest.pftrace
            """,
        version: version,
        subcommands: [
            RecordCommand.self, ListCommand.self, ShowCommand.self, StatusCommand.self, TopCommand.self,
            SnapshotCommand.self,
            PinCommand.self, UnpinCommand.self, DeleteCommand.self, VacuumCommand.self, DoctorCommand.self,
            DemoCommand.self, SQLCommand.self, ExportCommand.self,
            ServiceCommand.self, DemoServerCommand.self,
        ],
        defaultSubcommand: ListCommand.self)

    static func main() {
        Terminal.openStandardDescriptors()
        // A reader that goes away must not kill a recorder; writes then fail with EPIPE and say so themselves.
        signal(SIGPIPE, SIG_IGN)
        do {
            let arguments = Array(CommandLine.arguments.dropFirst())
            try knowsCommand(arguments.first)
            var command = try parseAsRoot(RecordSettings.layered(arguments))
            try command.run()
        } catch let error as Failure {
            Terminal.complain(error.message)
            Glibc.exit(error.code)
        } catch let code as ExitCode {
            Glibc.exit(code.rawValue)
        } catch {
            let message = fullMessage(for: error)
            let status = exitCode(for: error)
            if status == .success {
                Terminal.print(message)
                Glibc.exit(0)
            }
            Terminal.say(message)
            Glibc.exit(status == .validationFailure ? Exit.usage : Exit.failed)
        }
    }

    /// `list` takes no arguments: a first word that is no option is a command that does not exist.
    private static func knowsCommand(_ word: String?) throws {
        guard let word, !word.hasPrefix("-") else { return }
        var names: [String] = []
        for command in configuration.subcommands {
            let name = command.configuration.commandName ?? ""
            if name == word { return }
            if command.configuration.shouldDisplay { names.append(name) }
        }
        if word == "help" { return }
        throw Failure(
            message: "there is no command '\(word)'; there are \(names.joined(separator: ", "))", code: Exit.usage)
    }
}

/// An error with the exit code scripts expect.
struct Failure: Error {
    var message: String
    var code: Int32 = Exit.failed
}

/// `--dir`, the same for every command.
struct DirectoryOption: ParsableArguments {
    @Option(
        name: .customLong("dir"),
        help: "Where captures are kept. [$FLIGHTREC_DIR, dir in /etc/flightrec.conf, or /var/lib/flightrec]")
    var dir: String?

    var path: String {
        dir ?? ProcessInfo.processInfo.environment["FLIGHTREC_DIR"] ?? RecordSettings.directory ?? "/var/lib/flightrec"
    }
}
