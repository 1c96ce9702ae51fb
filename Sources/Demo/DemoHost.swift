import Foundation
import Glibc

/// A container-like place of the demo's own: a cgroup named like a container's and a network namespace behind a veth
/// pair. Everything it makes, it removes.
public final class DemoHost {
    public let namespace: String
    public let cgroup: String
    /// What a runtime would call the container's id.
    public let id: String
    public let serverAddress: String
    private let hostAddress: String
    private let link: String

    /// Makes them. Needs CAP_NET_ADMIN and CAP_SYS_ADMIN, and iproute2.
    public init() throws {
        Self.sweep()
        let tag = String(getpid())
        namespace = Self.prefix + tag
        link = "frd\(tag)"
        // 198.18.0.0/15 is set aside for benchmarks (RFC 2544): no route of the host's is shadowed.
        let third = getpid() % 250 + 1
        hostAddress = "198.18.\(third).1"
        serverAddress = "198.18.\(third).2"
        id = (0..<4).map { _ in String(format: "%016lx", UInt64.random(in: .min ... .max)) }.joined()
        let root = try Self.cgroupRoot()
        cgroup = "\(root)/\(Self.prefix)\(tag)/\(id)"
        do {
            try FileManager.default.createDirectory(atPath: cgroup, withIntermediateDirectories: true)
            try Self.ip("netns", "add", namespace)
            try Self.ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", namespace)
            try Self.ip("addr", "add", "\(hostAddress)/30", "dev", link)
            try Self.ip("link", "set", link, "up")
            try Self.ip("-n", namespace, "addr", "add", "\(serverAddress)/30", "dev", "eth0")
            try Self.ip("-n", namespace, "link", "set", "eth0", "up")
            try Self.ip("-n", namespace, "link", "set", "lo", "up")
        } catch {
            remove()
            throw error
        }
    }

    /// Removes the namespace (and with it the veth pair) and the cgroup. Processes in it must have ended.
    public func remove() {
        // Best effort by design: it also undoes a half-made setup, whose missing parts are no news.
        _ = try? Self.ip("netns", "del", namespace)
        _ = try? Self.ip("link", "del", link)
        for _ in 0..<40 where rmdir(cgroup) != 0 && errno == EBUSY { usleep(25_000) }
        rmdir((cgroup as NSString).deletingLastPathComponent)
    }

    /// Before the pid, in the names of all it makes.
    private static let prefix = "flightrec-demo-"

    /// Removes what demos left that were killed: those whose pid is gone.
    private static func sweep() {
        func dead(in directory: String) -> [String] {
            ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).filter { name in
                guard name.hasPrefix(prefix), let pid = Int32(name.dropFirst(prefix.count)) else { return false }
                return kill(pid, 0) != 0 && errno == ESRCH
            }
        }
        for name in dead(in: "/run/netns") { _ = try? ip("netns", "del", name) }
        guard let root = try? cgroupRoot() else { return }
        for parent in dead(in: root) {
            for id in (try? FileManager.default.contentsOfDirectory(atPath: "\(root)/\(parent)")) ?? [] {
                rmdir("\(root)/\(parent)/\(id)")
            }
            rmdir("\(root)/\(parent)")
        }
    }

    /// Freezes or thaws every process of the cgroup (cgroup v2 freezer: Documentation/admin-guide/cgroup-v2.rst).
    public func setFrozen(_ frozen: Bool) throws {
        let path = "\(cgroup)/cgroup.freeze"
        let file = open(path, O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { throw DemoError.system("opening \(path)") }
        defer { close(file) }
        guard write(file, frozen ? "1" : "0", 1) == 1 else { throw DemoError.system("writing \(path)") }
    }

    /// Where cgroup v2 is mounted: alone, or beside v1 on a hybrid host.
    private static func cgroupRoot() throws -> String {
        for root in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        where FileManager.default.fileExists(atPath: "\(root)/cgroup.controllers") {
            return root
        }
        throw DemoError("the demo needs cgroup v2 at /sys/fs/cgroup or /sys/fs/cgroup/unified")
    }

    private static func ip(_ arguments: String...) throws {
        let places: [String] = ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip"]
        guard let tool = places.first(where: { access($0, X_OK) == 0 }) else {
            throw DemoError("the demo needs the `ip` command: apt-get install iproute2")
        }
        let process = Process()
        process.executableURL = URL(filePath: tool)
        process.arguments = arguments
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        let text = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            let why = String(decoding: text, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
            throw DemoError("ip \(arguments.joined(separator: " ")): \(why)")
        }
    }
}
