import Containers
import Glibc

/// Reads the counters of a container's network namespace through one of its processes.
///
/// The process' directory is kept, not its files: an open file of /proc/PID/net keeps the namespace alive, and with it the
/// container's interfaces, after the container is gone.
final class NetworkFiles {
    private let process: Int32

    init?(process directory: String) {
        process = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard process >= 0 else { return nil }
    }

    /// Through the container's first process; `nil` without one.
    convenience init?(_ place: CgroupPlace, _ scratch: ScratchBuffer) {
        guard let directory = place.unified ?? place.controllers.values.min(),
            let pid = Self.firstProcess(directory, scratch, depth: 2)
        else { return nil }
        self.init(process: "/proc/\(pid)")
    }

    deinit { close(process) }

    /// The first process in the cgroup or, when it has none itself, in those below it: Podman and systemd in a container
    /// put them there. A container whose processes do not share their network namespace is read by its first.
    static func firstProcess(_ directory: String, _ scratch: ScratchBuffer, depth: Int) -> UInt64? {
        // 0: a process outside of our own PID namespace.
        if let pid = scratch.read("\(directory)/cgroup.procs")?.decimal, pid > 0 { return pid }
        guard depth > 0, let stream = opendir(directory) else { return nil }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            guard entry.pointee.d_type == UInt8(DT_DIR) else { continue }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name != ".", name != "..", let pid = firstProcess("\(directory)/\(name)", scratch, depth: depth - 1)
            else { continue }
            return pid
        }
        return nil
    }

    /// Calls `body` with every counter that is not 0; false: the process is gone.
    func read(
        _ scratch: ScratchBuffer, _ counters: inout NetworkCounters, _ body: (String, UInt64) -> Void
    ) -> Bool {
        for file in ["net/snmp", "net/netstat"] {
            guard let text = scratch.read(file, in: process) else { return false }
            counters.parse(text) { index, value in if value > 0 { body(NetworkCounters.wanted[index], value) } }
        }
        guard let text = scratch.read("net/dev", in: process) else { return false }
        InterfaceCounters.parse(text, body)
        return true
    }
}
