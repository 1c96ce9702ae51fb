import Analysis
import Events
import Report

/// What the numbers in events stand for, safe to print, and times on the wall clock.
public final class Names: Sendable {
    /// A socket, in words.
    package struct Socket: Sendable {
        package var role: String
        package var local: String
        package var remote: String
        /// `nil`: not known.
        package var process: String?
        package var pid: UInt32?
    }

    let frame: Evidence
    private let containers: [ContainerKey: String]
    private let sockets: [SocketID: Socket]
    private let processes: [UInt32: String]
    private let symbols: [UInt64: String]
    private let reasons: [UInt32: String]

    /// - Parameter frame: the capture's facts; events in it are not looked at.
    public init(_ frame: Evidence) {
        self.frame = frame
        containers = frame.containers.mapValues { Sanitizer.clean($0.name) }
        sockets = frame.sockets.mapValues { info in
            Socket(
                role: info.role.name, local: "\(info.local)", remote: "\(info.remote)",
                process: info.process.isEmpty ? nil : Sanitizer.clean(info.process), pid: info.pid)
        }
        var processes: [UInt32: String] = [:]
        for info in frame.sockets.values where !info.process.isEmpty {
            if let pid = info.pid { processes[pid] = Sanitizer.clean(info.process) }
        }
        self.processes = processes
        symbols = frame.symbols.mapValues { Sanitizer.clean($0) }
        reasons = frame.dropReasons.mapValues { Sanitizer.clean($0) }
    }

    package func container(_ key: ContainerKey) -> String {
        if let name = containers[key], !name.isEmpty { return name }
        return containerLabel(key)
    }

    package func socket(_ id: SocketID) -> Socket? { sockets[id] }

    /// `text` from outside, safe to print.
    package static func clean(_ text: String) -> String { Sanitizer.clean(text) }

    /// Of a process that used a socket; `nil`: not known.
    package func process(_ pid: UInt32) -> String? { processes[pid] }

    package func dropReason(_ reason: UInt32) -> String { reasons[reason] ?? "reason \(reason)" }

    package func symbol(_ address: UInt64) -> String { symbols[address] ?? "?" }

    package func syscall(_ number: UInt32?) -> String? { number.map { frame.syscallName($0) } }

    /// `2026-11-23T16:52:04.188123456Z`; of equal length for all times, so that text compares as time does.
    func time(_ instant: Instant) -> String { WallTime.rfc3339(frame.wall(instant)) }
}
