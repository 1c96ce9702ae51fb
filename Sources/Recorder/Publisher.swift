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
import Report
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

    /// What it holds besides its blocks, most of all by look for each CPU and container of the host. What a string has outside is not in.
    var ownBytes: UInt64 {
        func size<Element>(_ all: [Element]) -> Int { all.count * MemoryLayout<Element>.stride }
        let looks =
            size(evidence.softirqTicks) + size(evidence.softirqTotals) + size(evidence.samples)
            + size(evidence.counters) + size(evidence.softnet) + size(evidence.interfaces)
        return UInt64(looks + size(sockets) + size(evidence.clocks) + size(evidence.costs) + size(evidence.gaps))
    }
}

/// Writes captures off the pump thread, one after another.
final class Publisher: Sendable {
    private let queue = DispatchQueue(label: "flightrec.publisher")
    private let directory: CaptureDirectory
    private let resolver: ContainerResolver
    private let settings: Mutex<(retention: RetentionPolicy, execute: String?)>
    private let waiting = WaitingCaptures()
    private let logger: Logger
    private let failures = Mutex(0)
    /// What became of the last captures, oldest first; `failed`: why one could not be written.
    private let fates = Mutex<[(id: String, failed: String?)]>([])
    private static let knownFates = 64
    /// Files of incidents that a worse one may replace yet, oldest first.
    private let written = Mutex<[(name: IncidentOpening, file: String)]>([])
    private static let remembered = 1024
    private let interfaces = InterfaceSettings()
    private let space: DiskSpace
    private let commands: CommandRunner

    init(
        directory: CaptureDirectory, resolver: ContainerResolver, retention: RetentionPolicy, execute: String?,
        logger: Logger
    ) {
        self.directory = directory
        self.resolver = resolver
        settings = Mutex((retention, execute))
        self.logger = logger
        commands = CommandRunner(logger: logger)
        space = DiskSpace(directory, keepFree: retention.freeBytes ?? 0)
        queue.async { [interfaces] in interfaces.refresh() }
    }

    /// Captures that could not be written.
    var failed: Int { failures.withLock { $0 } }

    /// For the captures to come.
    func set(retention: RetentionPolicy, execute: String?) {
        settings.withLock { $0 = (retention, execute) }
        space.set(keepFree: retention.freeBytes ?? 0)
    }

    /// What the file system has room for. Throws `CaptureError.read`.
    func disk() throws(CaptureError) -> RecorderStatus.Disk { try space.status() }

    /// Has it written, and returns at once. `memory`: bytes that those waiting may take (`WaitingCaptures`); one that has no place is given
    /// up, and that is said. `isLast`: the recorder ends.
    func publish(_ finished: Finished, memory: Int, isLast: Bool) {
        let handed = Clock.monotonic()
        let bytes = CaptureCut.size(of: finished.blocks) + finished.ownBytes
        guard waiting.admit(bytes, limit: UInt64(memory), at: handed, isLast: isLast) else {
            let why = "\(waiting.count) captures before it still wait for the disk of \(directory.path)"
            return gaveUp(finished.evidence.id, why)
        }
        queue.async { [self] in
            defer { waiting.leave(bytes, at: Clock.monotonic()) }
            do {
                // A capture's events were decoded for it: the heap would keep their room.
                defer { malloc_trim(0) }
                try write(finished, handed)
            } catch {
                gaveUp(finished.evidence.id, "\(error)")
            }
        }
    }

    private func gaveUp(_ id: String, _ why: String) {
        failures.withLock { $0 += 1 }
        note(id, failed: why)
        logger.error("capture \(id) could not be written: \(why)")
    }

    private func note(_ id: String, failed: String?) {
        fates.withLock { fates in
            // What follows when the file is there, like --exec, takes nothing back.
            guard !fates.contains(where: { $0.id == id }) else { return }
            fates.append((id, failed))
            if fates.count > Self.knownFates { fates.removeFirst() }
        }
    }

    /// What became of one of the last captures.
    func fate(of id: String) -> ControlReply {
        guard let fate = fates.withLock({ $0.first { $0.id == id } }) else { return ControlReply(id: id) }
        return ControlReply(id: id, written: fate.failed == nil, error: fate.failed)
    }

    /// Waits for what was handed over before, and a while for the commands run for it.
    func finish() {
        queue.sync {}
        commands.finish()
    }

    private func write(_ finished: Finished, _ handed: Instant) throws {
        let (retention, execute) = settings.withLock { $0 }
        var evidence = finished.evidence
        let turns = try BlockTurns(finished.blocks, from: evidence.from, to: evidence.to)
        try evidence.collectAllButTurns(finished.blocks)
        let heard = evidence.heardSockets.union(turns.figures.keys)
        var containers = finished.containers
        for raw in CaptureSockets.named(finished.sockets, heard: heard) {
            evidence.sockets[raw.h.socket] = SocketInfo(raw)
            containers.insert(raw.h.cgroup)
        }
        evidence.symbols = KernelSymbols.names(of: Set(evidence.stacks.flatMap(\.frames)))
        let senders = evidence.slowSoftirqs.compactMap(\.backlog?.from).filter { $0 != 0 }
        for key in containers.union(senders) { evidence.containers[key] = resolver.name(for: key) }
        // Where no runtime tells of its containers, this is the first look at what they brought along.
        resolver.relays.scan()
        evidence.relays = resolver.relays.relays(since: evidence.from)
        evidence.hostAddresses = resolver.relays.addresses
        interfaces.refresh()
        evidence.coalescing = interfaces.coalescing
        let incident = try analyze(evidence, turns)
        let size = CaptureCut.size(of: finished.blocks)
        space.want(size)
        makeRoom(retention, size)
        let (file, cut) = try save(incident, finished.blocks, turns.indices)
        note(evidence.id, failed: nil)
        let took = (Clock.monotonic() - handed) / 1_000_000
        // One that lacks history or events stands for no other.
        let begun = evidence.from
        let own = Set(evidence.triggers.map(\.container))
        let isWhole =
            cut == .whole
            && evidence.gaps.allSatisfy {
                $0.to <= begun || $0.from == $0.to || $0.from > begun || !$0.concerns(own)
            }
        replace(finished, with: file.path, isWhole: isWhole)
        let summary = incident.summary
        logger.notice(
            """
            captured \(summary.id): \(Sanitizer.clean(summary.container.name)): \(Sanitizer.clean(summary.verdict.summary)) \
            [\(summary.verdict.cause)], \
            \(summary.events) events in \(took) ms
            """)
        guard let execute else { return }
        commands.run(
            execute, for: summary.id,
            [
                "FLIGHTREC_ID": summary.id, "FLIGHTREC_FILE": file.path, "FLIGHTREC_CONTAINER": summary.container.name,
                "FLIGHTREC_CAUSE": summary.verdict.cause, "FLIGHTREC_SUMMARY": summary.verdict.summary,
            ])
    }

    /// Removes what retention has no place for beside a capture of so many bytes. Where that can't be done, the capture comes first.
    private func makeRoom(_ retention: RetentionPolicy, _ size: UInt64) {
        do throws(CaptureError) {
            let store = CaptureStore(directory)
            let evictions = try store.plan(retention, incoming: size).evictions
            let freed = evictions.reduce(0) { $0 + $1.capture.bytes }
            // Where not even the findings would fit then, nothing is to go for them.
            guard !evictions.isEmpty, try space.room() + freed >= CaptureCut.overhead else { return }
            let plan = try store.enforce(retention, incoming: size)
            for eviction in plan.evictions {
                logger.notice("removed \(eviction.capture.id): over the bound on \(eviction.reason.rawValue)")
            }
            for refusal in plan.refused {
                logger.warning("retention passes over what it can't remove: \(refusal.error)")
            }
        } catch {
            logger.warning("retention could not look at the captures: \(error)")
        }
    }

    /// Writes as much of it as there is room for. Throws `CaptureError.noSpace` when that is nothing.
    private func save(
        _ incident: Incident, _ blocks: [Block], _ indices: [BlockIndex]
    ) throws(CaptureError) -> (URL, CaptureCut) {
        for cut in CaptureCut.allCases {
            let kept = cut.kept(of: blocks, triggers: incident.evidence.triggers)
            let some = kept.map { blocks[$0] }
            guard try CaptureCut.size(of: some) <= space.room() else { continue }
            do throws(CaptureError) {
                let file = try CaptureWriter.publish(
                    incident: cut == .whole ? incident : incident.without(blocks.events(beyond: some)), blocks: some,
                    indices: kept.map { indices[$0] }, into: directory)
                if space.note(cut, peak: incident.summary.peak) {
                    if cut == .whole {
                        logger.notice("the disk has room again: captures are whole")
                    } else {
                        logger.warning(
                            """
                            the disk of \(directory.path) is nearly full: captures are made without events of other \
                            containers, or without any. Free some space, or lower --keep-free or --keep
                            """)
                    }
                }
                return (file, cut)
            } catch .noSpace {
                // Somebody else took the room meanwhile: less may fit.
                continue
            }
        }
        _ = space.note(nil, peak: incident.summary.peak)
        throw .noSpace(path: directory.path)
    }

    /// Removes the captures this one stands for, a milder spike's and those of its turns while they hung, unless somebody
    /// pinned them.
    private func replace(_ finished: Finished, with file: String, isWhole: Bool) {
        let gone = written.withLock { written -> [String] in
            if let name = finished.opened { written.append((name, file)) }
            if written.count > Self.remembered { written.removeFirst() }
            guard isWhole else { return [] }
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
}

extension Incident {
    /// Says in it that `left` events are not in its file.
    fileprivate func without(_ left: Int) -> Incident {
        guard left > 0 else { return self }
        var incident = self
        incident.summary.events = max(0, incident.summary.events - left)
        incident.summary.lost += UInt64(left)
        incident.evidence.gaps.append(
            Gap(
                from: evidence.from, to: evidence.to, lost: UInt64(left),
                why: "left out: the disk was nearly full"))
        return incident
    }
}

extension [Block] {
    /// Events in these that are not in `some` of them.
    fileprivate func events(beyond some: [Block]) -> Int {
        reduce(0) { $0 + $1.count } - some.reduce(0) { $0 + $1.count }
    }
}
