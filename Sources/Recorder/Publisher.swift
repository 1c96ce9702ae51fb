import Analysis
import CFlightrec
import CLinux
import Capture
import Containers
import Context
import Dispatch
import Events
import Foundation
import Kernel
import Logging
import Synchronization
import Trigger
import Window

/// Everything of one incident, pinned: nothing in it changes while the pump goes on.
struct Finished: Sendable {
    var evidence: Evidence
    /// As they came from the kernel: decoded off the pump thread.
    var sockets: [fr_socket]
    var blocks: [Block]
    var containers: Set<ContainerKey>
    /// Who opened it and when, and which of its incidents a worse one makes room for.
    var opened: IncidentOpening?
    var replaces: [IncidentOpening]
}

/// Writes captures off the pump thread, one after another.
final class Publisher: Sendable {
    /// Bytes of a capture's plain tables, about.
    private static let overhead = 64 << 10

    private let queue = DispatchQueue(label: "flightrec.publisher")
    private let directory: CaptureDirectory
    private let resolver: ContainerResolver
    private let settings: Mutex<(retention: RetentionPolicy, execute: String?)>
    private let logger: Logger
    private let failures = Mutex(0)
    /// Files of incidents that a worse one may replace yet, oldest first.
    private let written = Mutex<[(name: IncidentOpening, file: String)]>([])
    private static let remembered = 1024
    private let interfaces = InterfaceSettings()

    init(
        directory: CaptureDirectory, resolver: ContainerResolver, retention: RetentionPolicy, execute: String?,
        logger: Logger
    ) {
        self.directory = directory
        self.resolver = resolver
        settings = Mutex((retention, execute))
        self.logger = logger
        queue.async { [interfaces] in interfaces.refresh() }
    }

    /// Captures that could not be written.
    var failed: Int { failures.withLock { $0 } }

    /// For the captures to come.
    func set(retention: RetentionPolicy, execute: String?) { settings.withLock { $0 = (retention, execute) } }

    func publish(_ finished: Finished) {
        queue.async { [self] in
            do {
                // A capture's events were decoded for it: the heap would keep their room.
                defer { malloc_trim(0) }
                try write(finished)
            } catch {
                failures.withLock { $0 += 1 }
                logger.error("capture \(finished.evidence.id) could not be written: \(error)")
            }
        }
    }

    /// Waits for what was handed over before.
    func finish() { queue.sync {} }

    private func write(_ finished: Finished) throws {
        let (retention, execute) = settings.withLock { $0 }
        var evidence = finished.evidence
        try evidence.collect(finished.blocks)
        let heard = evidence.heardSockets
        for raw in finished.sockets where heard.contains(raw.h.socket) {
            evidence.sockets[raw.h.socket] = SocketInfo(raw)
        }
        evidence.symbols = KernelSymbols.names(of: Set(evidence.stacks.flatMap(\.frames)))
        let senders = evidence.slowSoftirqs.compactMap(\.backlog?.from).filter { $0 != 0 }
        for key in finished.containers.union(senders) { evidence.containers[key] = resolver.name(for: key) }
        // Where no runtime tells of its containers, this is the first look at what they brought along.
        resolver.relays.scan()
        evidence.relays = resolver.relays.relays(since: evidence.from)
        evidence.hostAddresses = resolver.relays.addresses
        interfaces.refresh()
        evidence.coalescing = interfaces.coalescing
        let incident = analyze(evidence)
        let size = finished.blocks.reduce(0) { $0 + $1.bytes.count } + Self.overhead
        let plan = try CaptureStore(directory).enforce(retention, incoming: UInt64(size))
        for eviction in plan.evictions {
            logger.notice("removed \(eviction.capture.id): over the bound on \(eviction.reason.rawValue)")
        }
        if plan.unmet.contains(.free) {
            logger.warning("less free space than --keep-free asks for, and nothing left that may be removed")
        }
        let file = try CaptureWriter.publish(incident: incident, blocks: finished.blocks, into: directory)
        replace(finished, with: file.path)
        let summary = incident.summary
        logger.notice(
            "captured \(summary.id): \(summary.container.name): \(summary.verdict.summary) [\(summary.verdict.cause)]")
        if let execute { try run(execute, incident, file) }
    }

    /// Removes the captures this one stands for, a milder spike's and those of its turns while they hung, unless somebody
    /// pinned them.
    private func replace(_ finished: Finished, with file: String) {
        let gone = written.withLock { written in
            if let name = finished.opened { written.append((name, file)) }
            if written.count > Self.remembered { written.removeFirst() }
            let gone = written.filter { finished.replaces.contains($0.name) }.map(\.file)
            written.removeAll { finished.replaces.contains($0.name) }
            return gone
        }
        for path in gone {
            guard let stored = CaptureStore.inspect(path), !stored.pinned else { continue }
            do throws(CaptureError) {
                try CaptureStore(directory).delete(path: path)
                logger.notice("removed \(stored.id): \(finished.evidence.id) takes its place, with a longer turn")
            } catch {
                logger.warning("the capture it takes the place of stays: \(error)")
            }
        }
    }

    private func run(_ command: String, _ incident: Incident, _ file: URL) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = ["-c", command]
        var environment = ProcessInfo.processInfo.environment
        environment["FLIGHTREC_ID"] = incident.summary.id
        environment["FLIGHTREC_FILE"] = file.path
        environment["FLIGHTREC_CONTAINER"] = incident.summary.container.name
        environment["FLIGHTREC_CAUSE"] = incident.summary.verdict.cause
        environment["FLIGHTREC_SUMMARY"] = incident.summary.verdict.summary
        process.environment = environment
        process.standardOutput = FileHandle.standardError
        try process.run()
        process.waitUntilExit()
        if process.terminationStatus != 0 {
            logger.warning("--exec ended with status \(process.terminationStatus) for \(incident.summary.id)")
        }
    }
}
