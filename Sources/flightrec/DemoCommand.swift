import ArgumentParser
import Demo
import Foundation
import Glibc
import Recorder

struct DemoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo", abstract: "See it work on this host: a small server, a real 800 ms fault, a capture.",
        discussion: """
            Makes its own network namespace, cgroup and veth pair, runs a server that answers in 30 ms, injects a fault, \
            records it, prints `list` and `show`, and removes all it made. Needs root.

            EXAMPLES:
              sudo flightrec demo
              sudo flightrec demo --cause app.sleep
            """)

    @Option(help: "The fault to inject: \(Demo.Fault.allCases.map(\.rawValue).joined(separator: ", ")).")
    var cause = Demo.Fault.frozen
    @Option(help: "Keep the capture in this directory. Default: thrown away.") var dir: String?

    func run() throws {
        guard geteuid() == 0 else {
            throw Failure(message: "the demo makes a network namespace: run with sudo", code: Exit.privilege)
        }
        let directory = dir ?? "/tmp/flightrec-demo-\(getpid())"
        defer { if dir == nil { try? FileManager.default.removeItem(atPath: directory) } }
        let demo = Demo(
            executable: try executable(), directory: directory,
            // It answers from when it watches; before, nobody does.
            isArmed: { (try? askRecorder(ControlRequest(.status), directory: directory))?.status != nil },
            say: { line in Terminal.say(line) })
        do {
            _ = try demo.run(cause)
        } catch let error as DemoError where error == .interrupted {
            throw ExitCode(130)
        } catch let error as DemoError {
            throw Failure(message: error.description, code: error.exitCode)
        }
        for arguments in [["list", "--dir", directory], ["show", "latest", "--dir", directory]] {
            Terminal.print("\n$ flightrec \(arguments.prefix { $0 != "--dir" }.joined(separator: " "))")
            var command = try FlightRec.parseAsRoot(arguments)
            try command.run()
        }
    }

    private func executable() throws -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        guard count > 0 else { throw Failure(message: "can't find this program's own file") }
        return String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

extension Demo.Fault: ExpressibleByArgument {}

/// The demo's server, started by the demo itself.
struct DemoServerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "demo-server", shouldDisplay: false)

    @Option var cgroup: String
    @Option var namespace: String
    @Option var port: UInt16

    func run() throws { try DemoServer.run(cgroup: cgroup, namespace: namespace, port: port, delay: 30) }
}
