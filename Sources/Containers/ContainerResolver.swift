import Analysis
import Foundation
import Glibc
import Synchronization

/// Names containers. Look-ups may read files and ask the Docker daemon, so they belong off the pump thread; what was
/// found once stays known after the container is gone.
public final class ContainerResolver: Sendable {
    private struct State {
        var index: CgroupIndex
        var names: [UInt64: ContainerName] = [:]
        var paths: [UInt64: String] = [:]
        /// Keys of `names` as they came.
        var order: [UInt64] = []
    }
    private let state: Mutex<State>
    private let sources: NameSources
    /// docker-proxy, which comes and goes with containers.
    public let relays = RelayIndex()
    private let docker: DockerNames
    /// Names kept; the oldest go first.
    private static let remembered = 8192

    public init(sources: NameSources = NameSources()) {
        self.sources = sources
        docker = DockerNames(sockets: sources.dockerSockets, roots: sources.dockerRoots)
        // Without mountinfo there is no cgroup to name: every look-up then says so by the runtime "unknown".
        // Foundation takes a short read for the end, and procfs gives a page at most: not with its functions.
        let mounts = StateFile.read("/proc/self/mountinfo").map { String(decoding: $0, as: UTF8.self) } ?? ""
        state = Mutex(State(index: CgroupIndex(mounts: mounts)))
    }

    /// Follows the runtimes' own news of containers, so that those that live only for a moment are named too.
    ///
    /// `started`: called, on another thread, when a container has begun to run.
    public func follow(started: @escaping @Sendable () -> Void) {
        _ = DockerEvents(
            docker,
            started: { [self] in
                // Its cgroup may be gone when the first packet is looked at.
                scan()
                relays.scan()
                started()
            }, renamed: { [self] id in renew(id) })
    }

    /// Looks up again what is known by this id: whoever said so need not be the one who may name it.
    private func renew(_ id: String) {
        let known = state.withLock { state in
            state.names.filter { $0.value.id == id }.keys.compactMap { key in state.paths[key].map { (key, $0) } }
        }
        for (key, path) in known { _ = remember(key, resolve(path), path) }
    }

    /// Known already, without any I/O.
    public func cached(_ key: UInt64) -> ContainerName? { state.withLock { $0.names[key] } }

    /// The name behind a container key; see `ContainerKey`.
    public func name(for key: UInt64) -> ContainerName {
        if let known = cached(key) { return known }
        if key == 0 { return remember(key, ContainerName(id: "host", name: hostName(), runtime: "host")) }
        let path = key >> 63 == 1 ? pathOfNamespace(UInt32(truncatingIfNeeded: key)) : path(of: key)
        guard let path else {
            // Not remembered: a cgroup in the making may be found the next time.
            let name = key >> 63 == 1 ? "netns \(key & ~(1 << 63))" : "cgroup \(key)"
            return ContainerName(id: String(key, radix: 16), name: name, runtime: "unknown")
        }
        return remember(key, resolve(path), path)
    }

    private func remember(_ key: UInt64, _ name: ContainerName, _ path: String? = nil) -> ContainerName {
        state.withLock { state in
            if state.paths.count > 2 * Self.remembered { state.paths.removeAll() }
            if let path { state.paths[key] = path }
            // Only an id so far: the runtime may still write the name down.
            guard name.isNamed || key == 0 else { return }
            if state.names.updateValue(name, forKey: key) == nil { state.order.append(key) }
            guard state.order.count > Self.remembered else { return }
            for old in state.order.prefix(Self.remembered / 4) {
                state.names[old] = nil
                state.paths[old] = nil
            }
            state.order.removeFirst(Self.remembered / 4)
        }
        return name
    }

    private func path(of key: UInt64) -> String? {
        if let known = state.withLock({ $0.index.known(key) }) { return known }
        scan()
        return state.withLock { $0.index.known(key) }
    }

    /// Reads the cgroup tree outside the lock: the pump asks for samples meanwhile.
    private func scan() {
        var index = state.withLock { $0.index }
        index.scan()
        state.withLock { $0.index = index }
    }

    private func resolve(_ path: String) -> ContainerName {
        guard let found = ContainerPath.parse(path) else {
            let last = path.split(separator: "/").last.map(String.init) ?? "/"
            return ContainerName(id: path, name: last, runtime: "unknown")
        }
        if let known = sources.lookUp(found, docker: docker) {
            return ContainerName(id: found.id, name: known.name, runtime: known.runtime, image: known.image)
        }
        return ContainerName(id: found.id, name: String(found.id.prefix(12)), runtime: found.runtime)
    }

    /// Path of the cgroup of any process in a network namespace, for hosts whose sockets carry no cgroup.
    private func pathOfNamespace(_ inode: UInt32) -> String? {
        guard let processes = try? FileManager.default.contentsOfDirectory(atPath: "/proc") else { return nil }
        for pid in processes where pid.utf8.allSatisfy({ (48...57).contains($0) }) {
            var info = stat()
            guard stat("/proc/\(pid)/ns/net", &info) == 0, UInt32(truncatingIfNeeded: info.st_ino) == inode,
                let text = StateFile.read("/proc/\(pid)/cgroup").map({ String(decoding: $0, as: UTF8.self) })
            else { continue }
            for line in text.split(separator: "\n") {
                let path = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).last.map(
                    String.init)
                if let path, ContainerPath.parse(path) != nil { return path }
            }
        }
        return nil
    }

    /// All container cgroups present now.
    public func containers() -> [(key: UInt64, name: ContainerName)] {
        scan()
        let found = state.withLock { state in
            state.index.all.filter { ContainerPath.parse($0.value) != nil && isOutermost($0.value) }
        }
        return found.keys.sorted().map { ($0, name(for: $0)) }
    }

    private func isOutermost(_ path: String) -> Bool {
        guard let id = ContainerPath.parse(path)?.id, let last = path.split(separator: "/").last else { return false }
        return last.contains(id)
    }

    /// Shell glob on the name (fnmatch(3)), or a prefix of the id of at least 4 digits.
    public static func matches(_ pattern: String, _ name: ContainerName) -> Bool {
        fnmatch(pattern, name.name, 0) == 0 || (pattern.count >= 4 && name.id.hasPrefix(pattern))
    }

    private func hostName() -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        gethostname(&buffer, buffer.count - 1)
        return buffer.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    /// Where the container's cgroup files are, without any I/O; `nil` while its cgroup is not known.
    public func place(of key: UInt64) -> CgroupPlace? {
        state.withLock { state in
            guard let path = state.paths[key] ?? state.index.known(key) else { return nil }
            return CgroupPlace(
                unified: state.index.root.map { $0 + path },
                controllers: state.index.controllers.mapValues { $0 + path })
        }
    }
}

/// The directories of one cgroup. A hybrid host has some of its files in the one, some in the others.
public struct CgroupPlace: Sendable, Equatable {
    /// In the v2 hierarchy.
    public var unified: String?
    /// In the v1 hierarchies, by controller.
    public var controllers: [String: String]

    public init(unified: String?, controllers: [String: String]) {
        self.unified = unified
        self.controllers = controllers
    }
}
