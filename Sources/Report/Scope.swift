import Analysis
import Events

/// What of a capture is asked for, and what its things are called.
struct Scope {
    let evidence: Evidence
    private let style: Style
    private let names: [ContainerKey: String]
    /// `nil`: every container.
    private let containers: Set<ContainerKey>?
    /// `nil`: every socket.
    private let socket: SocketID?

    init(_ evidence: Evidence, _ options: ShowOptions, _ style: Style) {
        self.evidence = evidence
        self.style = style
        let names = evidence.containers.mapValues { style.name($0.name) }
        self.names = names
        socket = options.socket
        containers = options.containerGlob.map { glob in
            let known = Set(evidence.containers.keys).union(evidence.sockets.values.map(\.container))
            return known.filter { key in
                Glob.matches(evidence.containers[key]?.name ?? containerLabel(key), glob)
            }
        }
    }

    var isFiltered: Bool { socket != nil || containers != nil }

    /// True when the filter leaves no socket and no container.
    var isEmpty: Bool {
        if let socket, evidence.sockets[socket] == nil { return true }
        if let containers { return containers.isEmpty }
        return false
    }

    func includes(_ container: ContainerKey, _ socket: SocketID) -> Bool {
        if let wanted = self.socket, wanted != socket { return false }
        return includes(container)
    }

    func includes(_ container: ContainerKey) -> Bool {
        containers.map { $0.contains(container) } ?? true
    }

    /// A drop names no socket, but its addresses may.
    func includes(_ drop: Drop) -> Bool {
        includes(drop.container) && includes(drop.source, drop.destination)
    }

    /// A packet names no socket, but its addresses may.
    func includes(_ source: Endpoint?, _ destination: Endpoint?) -> Bool {
        guard let socket, let info = evidence.sockets[socket] else { return socket == nil }
        guard let source, let destination else { return false }
        return info.carries(source, destination)
    }

    /// The container's name, ready to print.
    func container(_ key: ContainerKey) -> String {
        if let name = names[key], !name.isEmpty { return name }
        return containerLabel(key)
    }

    /// `172.17.0.2:6379 ← 172.17.0.1:46780`; the arrow points from the caller.
    func endpoints(_ info: SocketInfo) -> String {
        "\(info.local) \(info.role == .called ? style.outward : style.inward) \(info.remote)"
    }

    func dropReason(_ reason: UInt32) -> String {
        evidence.dropReasons[reason].map(style.name) ?? "reason \(reason)"
    }
}

/// Shell patterns of `*` and `?`, as `--container` takes them.
enum Glob {
    /// Whether all of `text` matches `pattern`; linear in their product at worst.
    static func matches(_ text: String, _ pattern: String) -> Bool {
        let text = Array(text)
        let pattern = Array(pattern)
        var at = 0
        var next = 0
        var star: Int?
        var retry = 0
        while at < text.count {
            if next < pattern.count, pattern[next] == "*" {
                star = next
                retry = at
                next += 1
            } else if next < pattern.count, pattern[next] == "?" || pattern[next] == text[at] {
                at += 1
                next += 1
            } else if let star {
                retry += 1
                at = retry
                next = star + 1
            } else {
                return false
            }
        }
        return pattern[next...].allSatisfy { $0 == "*" }
    }
}
