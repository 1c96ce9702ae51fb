import Analysis
import Containers
import Events

/// Looks at what hosts and containers say of themselves, when the schedule says so. Belongs to the pump thread.
public final class ContextReader {
    /// Containers whose files are kept open. Their descriptors leave half of the usual limit of 1024.
    private static let mostOpen = 512 / (CgroupFiles.most + 1)
    /// Physical interfaces read: a host has a few.
    private static let mostInterfaces = 8
    /// ns without a look after which a container's files make room for another's.
    private static let unused: UInt64 = 10_000_000_000
    /// ns between two looks at the host while nothing is slow.
    private static let quietInterval: UInt64 = 1_000_000_000

    private struct Open {
        var cgroup: CgroupFiles
        var network: NetworkFiles?
        var used: Instant
    }

    private let resolver: ContainerResolver
    private let scratch = ScratchBuffer()
    private var open: [ContainerKey: Open] = [:]
    private var layout = NetworkCounters()
    private let softnet = KernelFile("/proc/net/softnet_stat")
    private var softnetRead: Instant = 0
    private let interfaces: [PhysicalInterface]
    public var schedule = LookSchedule()
    public private(set) var history = ContextHistory()

    public init(_ resolver: ContainerResolver) {
        self.resolver = resolver
        let names = PhysicalInterface.names().prefix(Self.mostInterfaces)
        interfaces = names.compactMap { [scratch] in PhysicalInterface($0, scratch) }
    }

    /// One tick's looks. `slow`: something is, so the host is looked at every time.
    public func tick(at now: Instant, slow: Bool) {
        for look in schedule.due(at: now) { read(look, at: now) }
        if slow || now >= softnetRead &+ Self.quietInterval {
            softnetRead = now
            if let text = softnet?.read(scratch) { history.note(Softnet.parse(text, at: now)) }
            for interface in interfaces {
                if let reading = interface.read(at: now, scratch) { history.note(reading) }
            }
        }
    }

    /// Forgets what was read before `limit`, and closes the files of containers not looked at since: most have ended, and their
    /// cgroups can't go while somebody has a file of theirs open.
    public func expire(before limit: Instant) {
        history.expire(before: limit)
        if open.values.contains(where: { $0.used < limit }) { open = open.filter { $0.value.used >= limit } }
    }

    /// Containers whose files are open.
    var opened: Int { open.count }

    private func read(_ look: LookSchedule.Look, at now: Instant) {
        let key = look.container
        guard var files = open[key] ?? files(key) else { return }
        files.used = now
        var sample = files.cgroup.sample(key, at: now, scratch)
        if look.network { sample.network = readNetwork(&files, key, at: now) }
        let isGone = sample == ContainerSample(at: now, container: key)
        if !isGone { history.note(sample) }
        keep(files, of: key, isGone: isGone, at: now)
    }

    /// When there are more containers than may be kept open, the others are opened at each look: to let them take each
    /// other's place would have all of them opened.
    private func keep(_ files: Open, of key: ContainerKey, isGone: Bool, at now: Instant) {
        if isGone {
            open[key] = nil
        } else if open[key] != nil || open.count < Self.mostOpen {
            open[key] = files
        } else if let oldest = open.min(by: { $0.value.used < $1.value.used }), oldest.value.used &+ Self.unused < now {
            open[oldest.key] = nil
            open[key] = files
        }
    }

    private func files(_ key: ContainerKey) -> Open? {
        if key == 0 {
            return Open(cgroup: CgroupFiles(host: ()), network: NetworkFiles(process: "/proc/self"), used: 0)
        }
        return resolver.place(of: key).map { Open(cgroup: CgroupFiles($0, scratch), network: nil, used: 0) }
    }

    /// False: the container has no process that could be asked.
    private func readNetwork(_ files: inout Open, _ key: ContainerKey, at now: Instant) -> Bool {
        // The process asked before may be gone; then another one is tried, once.
        for _ in 0..<2 {
            if files.network == nil { files.network = resolver.place(of: key).flatMap { NetworkFiles($0, scratch) } }
            guard let network = files.network else { return false }
            let complete = network.read(scratch, &layout) { name, value in
                history.note(key, name, value, at: now)
            }
            if complete { return true }
            files.network = nil
        }
        return false
    }
}
