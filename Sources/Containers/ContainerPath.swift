import Foundation

/// What a cgroup path says of the container it belongs to.
public struct ContainerPath: Equatable, Sendable {
    /// docker, podman, containerd, cri-o, kubernetes' runtimes under their own names, demo, or unknown.
    public var runtime: String
    /// 64 hexadecimal digits.
    public var id: String
    /// Kubernetes pod UID, when the path lies below `kubepods`.
    public var pod: String?
    /// Of a rootless runtime's: the user it runs as, below whose slice the path lies.
    public var user: UInt32?

    /// Reads a path below the cgroup root. Of nested containers (docker in docker) the outermost wins: it is the one the
    /// host's runtime knows. `nil`: no component is a container's.
    public static func parse(_ path: String) -> ContainerPath? {
        let parts = path.split(separator: "/").map(String.init)
        for (index, part) in parts.enumerated() {
            var name = Substring(part)
            if name.hasSuffix(".scope") { name = name.dropLast(6) }
            guard name.count >= 64, isID(name.suffix(64)) else { continue }
            // The runtime's own monitor of a container is not in it.
            guard !name.hasPrefix("libpod-conmon-"), !name.hasPrefix("crio-conmon-") else { return nil }
            let id = String(name.suffix(64))
            let prefix = String(name.dropLast(64))
            let parent = index > 0 ? parts[index - 1] : ""
            let pod = parts[..<index].compactMap(podUID).last
            let user = parts[..<index].lazy.compactMap(Self.user).first
            return ContainerPath(runtime: runtime(prefix, parent, pod), id: id, pod: pod, user: user)
        }
        return nil
    }

    /// 64 hexadecimal digits in lower case: safe in a path, and what every runtime uses.
    static func isID(_ text: some StringProtocol) -> Bool {
        text.utf8.count == 64 && text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }

    private static func runtime(_ prefix: String, _ parent: String, _ pod: String?) -> String {
        switch prefix {
        case "docker-": "docker"
        case "libpod-": "podman"
        case "cri-containerd-", "nerdctl-": "containerd"
        case "crio-": "cri-o"
        default:
            switch parent {
            case _ where pod != nil: "containerd"
            case "docker": "docker"
            case "libpod_parent": "podman"
            case _ where parent.hasPrefix("flightrec-demo"): "demo"
            case "default": "containerd"
            default: "unknown"
            }
        }
    }

    /// `user-<uid>.slice`, as systemd-logind names it.
    private static func user(_ part: String) -> UInt32? {
        part.hasPrefix("user-") && part.hasSuffix(".slice") ? UInt32(part.dropFirst(5).dropLast(6)) : nil
    }

    /// `pod<uid>` or `kubepods-burstable-pod<uid>.slice`, where systemd writes `_` for `-`.
    private static func podUID(_ part: String) -> String? {
        var name = Substring(part)
        if name.hasSuffix(".slice") { name = name.dropLast(6) }
        guard let range = name.range(of: "pod", options: .backwards) else { return nil }
        let uid = name[range.upperBound...].map { $0 == "_" ? "-" : $0 }
        return uid.count == 36 ? String(uid) : nil
    }
}
