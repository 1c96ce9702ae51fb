import Foundation
import Glibc

/// Finds the directory of a cgroup id. A cgroup's id is its directory's inode (kernfs): true on 64-bit kernels since 5.5.
public struct CgroupIndex: Sendable {
    /// Where the v2 hierarchy is mounted; `nil` on a host with v1 alone.
    public let root: String?
    /// Mount points of v1 controllers, by controller.
    public let controllers: [String: String]
    private var paths: [UInt64: String] = [:]
    /// Paths of those that are gone; names of containers that ended are still asked for.
    private var gone: [UInt64: String] = [:]
    private static let remembered = 8192

    /// `mounts`: the text of /proc/self/mountinfo (proc_pid_mountinfo(5)).
    public init(mounts: String) {
        var root: String?
        var controllers: [String: String] = [:]
        for line in mounts.split(separator: "\n") {
            let halves = line.components(separatedBy: " - ")
            guard halves.count == 2 else { continue }
            let left = halves[0].split(separator: " ")
            let right = halves[1].split(separator: " ")
            guard left.count >= 5, let type = right.first else { continue }
            let mount = String(left[4])
            if type == "cgroup2" {
                root = root ?? mount
            } else if type == "cgroup", let options = right.last {
                for option in options.split(separator: ",") { controllers[String(option)] = mount }
            }
        }
        self.root = root
        self.controllers = controllers
    }

    /// Path below the v2 root (`/docker/<id>`), as of the last scan.
    public func known(_ id: UInt64) -> String? { paths[id] ?? gone[id] }

    /// Reads the whole tree again. Directories that vanish on the way are left out; paths known before stay known, up to
    /// a bound.
    public mutating func scan() {
        guard let root else { return }
        let before = paths
        paths.removeAll(keepingCapacity: true)
        defer {
            for (id, path) in before where paths[id] == nil {
                if gone.count >= Self.remembered { gone.removeAll() }
                gone[id] = path
            }
        }
        var pending = [""]
        while let relative = pending.popLast() {
            let full = root + relative
            var info = stat()
            guard lstat(full, &info) == 0 else { continue }
            paths[UInt64(info.st_ino)] = relative.isEmpty ? "/" : relative
            guard let directory = opendir(full) else { continue }
            defer { closedir(directory) }
            while let entry = readdir(directory) {
                guard entry.pointee.d_type == UInt8(DT_DIR) else { continue }
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name != "." && name != ".." { pending.append(relative + "/" + name) }
            }
        }
    }

    /// Every cgroup there was at the last scan.
    public var all: [UInt64: String] { paths }
}
