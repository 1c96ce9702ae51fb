import Foundation
import Glibc

/// Finds the directory of a cgroup id. A cgroup's id is its directory's inode (kernfs): true on 64-bit kernels since 5.5.
public struct CgroupIndex: Sendable {
    /// Where the v2 hierarchy is mounted; `nil` on a host with v1 alone.
    public let root: String?
    /// Mount points of v1 controllers, by controller.
    public let controllers: [String: String]
    private var paths: [UInt64: String] = [:]

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

    /// Path below the v2 root (`/docker/<id>`), after a look at the tree when it was not known.
    public mutating func path(of id: UInt64) -> String? {
        if let known = paths[id] { return known }
        scan()
        return paths[id]
    }

    /// Reads the whole tree again. Directories that vanish on the way are left out; known paths stay, because names of
    /// containers that ended are still asked for.
    public mutating func scan() {
        guard let root else { return }
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

    /// Every cgroup known after a scan.
    public var all: [UInt64: String] { paths }
}
