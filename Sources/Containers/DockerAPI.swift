import Foundation
import Synchronization

/// Docker's names: from what its event stream told, from the daemon's API socket, or from its state files.
public final class DockerNames: Sendable {
    public let sockets: [String]
    public let roots: [String]
    private struct State {
        /// Told by each socket's event stream, whose containers may be gone by the time they are asked for.
        var told: [String: [String: (name: String, image: String)]] = [:]
        /// Sockets that did not answer, and when they may be asked again.
        var deaf: [String: ContinuousClock.Instant] = [:]
    }
    private let state = Mutex(State())
    private static let remembered = 8192

    public init(sockets: [String] = [], roots: [String] = []) {
        self.sockets = sockets
        self.roots = roots
    }

    /// Name without Docker's leading slash, and image. `nil`: no daemon and no state file knows the id.
    ///
    /// - Parameters:
    ///   - id: 64 hexadecimal digits; anything else is no id and is not looked for.
    ///   - user: whose the container is, when it is a rootless daemon's. What listens below /run/user is a user's, who may tell of
    ///     no other's.
    public func lookUp(_ id: String, user: UInt32? = nil) -> (name: String, image: String)? {
        guard ContainerPath.isID(id) else { return nil }
        let sockets = sockets.filter { socket in Self.user(of: socket).map { $0 == user } ?? true }
        if let told = state.withLock({ told(of: id, by: sockets, $0) }) { return told }
        for socket in sockets {
            if let deaf = state.withLock({ $0.deaf[socket] }), deaf > .now { continue }
            switch UnixHTTP.get("/containers/\(id)/json", socket: socket) {
            case .body(let answer): if let found = Self.parse(answer) { return found }
            case .refused: break
            // Every container would wait for it: not again for some seconds.
            case .silent: state.withLock { $0.deaf[socket] = .now + .seconds(10) }
            }
        }
        for root in roots {
            if let data = StateFile.read("\(root)/containers/\(id)/config.v2.json"), let found = Self.parse(data) {
                return found
            }
        }
        return nil
    }

    private func told(of id: String, by sockets: [String], _ state: State) -> (name: String, image: String)? {
        for socket in sockets {
            if let told = state.told[socket]?[id] { return told }
        }
        return nil
    }

    /// Remembers what a socket's event stream said of a container.
    func note(_ id: String, name: String, image: String, from socket: String) {
        state.withLock { state in
            if state.told[socket, default: [:]].count >= Self.remembered { state.told[socket] = [:] }
            state.told[socket, default: [:]][id] = (Self.short(name), Self.short(image))
        }
    }

    /// The user whose runtime directory a socket is in (`/run/user/UID`); `nil`: it is the system's.
    static func user(of socket: String) -> UInt32? {
        guard let range = socket.range(of: "/run/user/") else { return nil }
        return UInt32(socket[range.upperBound...].prefix { $0 != "/" })
    }

    /// Docker sets no bound; a file name has this one.
    private static func short(_ name: String) -> String { name.utf8.count <= 255 ? name : String(name.prefix(255)) }

    private struct Inspect: Decodable {
        struct Config: Decodable {
            var image: String?
            private enum CodingKeys: String, CodingKey { case image = "Image" }
        }
        var name: String
        var config: Config?
        private enum CodingKeys: String, CodingKey {
            case name = "Name"
            case config = "Config"
        }
    }

    /// Both the API's answer and the state file carry `Name` and `Config.Image`.
    static func parse(_ data: Data) -> (name: String, image: String)? {
        guard let inspect = try? JSONDecoder().decode(Inspect.self, from: data) else { return nil }
        return (short(plain(inspect.name)), short(inspect.config?.image ?? ""))
    }

    /// Without the leading slash; a pod's container (cri-dockerd: `k8s_container_pod_namespace_uid_attempt`) as
    /// `namespace/pod/container`.
    static func plain(_ name: String) -> String {
        let name = name.hasPrefix("/") ? String(name.dropFirst()) : name
        let parts = name.split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count == 6, parts[0] == "k8s" else { return name }
        let own = parts[1] == "POD" ? "" : "/" + parts[1]
        return "\(parts[3])/\(parts[2])\(own)"
    }
}
