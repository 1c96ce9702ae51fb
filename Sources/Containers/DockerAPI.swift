import Foundation
import Synchronization

/// Docker's names: from what its event stream told, from the daemon's API socket, or from its state files.
public final class DockerNames: Sendable {
    public let sockets: [String]
    public let roots: [String]
    private struct State {
        /// Told by the event stream, whose containers may be gone by the time they are asked for.
        var told: [String: (name: String, image: String)] = [:]
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
    /// - Parameter id: 64 hexadecimal digits; anything else is no id and is not looked for.
    public func lookUp(_ id: String) -> (name: String, image: String)? {
        guard ContainerPath.isID(id) else { return nil }
        if let told = state.withLock({ $0.told[id] }) { return told }
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

    /// Remembers what the event stream said of a container.
    func note(_ id: String, name: String, image: String) {
        state.withLock { state in
            if state.told.count >= Self.remembered { state.told.removeAll() }
            state.told[id] = (name, image)
        }
    }

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
        return (plain(inspect.name), inspect.config?.image ?? "")
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
