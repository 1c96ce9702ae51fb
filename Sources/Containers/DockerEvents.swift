import Foundation
import Glibc

/// Follows Docker's event stream (`GET /events`): a container that lives shorter than a look-up takes is known all the
/// same. One thread a socket, asleep but for events; they end with the process.
final class DockerEvents: Sendable {
    private let names: DockerNames
    private let started: @Sendable () -> Void
    private let renamed: @Sendable (String) -> Void

    private struct Event: Decodable {
        struct Actor: Decodable {
            var id: String
            var attributes: [String: String]
            private enum CodingKeys: String, CodingKey {
                case id = "ID"
                case attributes = "Attributes"
            }
        }
        var action: String
        var actor: Actor
        private enum CodingKeys: String, CodingKey {
            case action = "Action"
            case actor = "Actor"
        }
    }

    /// Both are called on a thread of this object's. `started`: a container has begun to run, its cgroup exists now; `renamed`: the
    /// one of this id has another name (`docker rename`).
    init(
        _ names: DockerNames, started: @escaping @Sendable () -> Void, renamed: @escaping @Sendable (String) -> Void
    ) {
        self.names = names
        self.started = started
        self.renamed = renamed
        for socket in names.sockets {
            let thread = Thread { [self] in follow(socket) }
            thread.name = "docker-events"
            thread.stackSize = 256 << 10
            thread.start()
        }
    }

    private func follow(_ socket: String) {
        // {"type":["container"],"event":["create","start","rename"]}
        let filters =
            "%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22create%22%2C%22start%22%2C%22rename%22%5D%7D"
        while true {
            _ = UnixHTTP.stream("/events?filters=\(filters)", socket: socket) { [self] line in take(line, socket) }
            // No daemon, or it restarts: it may come.
            sleep(5)
        }
    }

    private func take(_ line: Data, _ socket: String) {
        // Other versions may say other things; a line that is not understood names nobody.
        guard let event = try? JSONDecoder().decode(Event.self, from: line), ContainerPath.isID(event.actor.id) else {
            return
        }
        if let name = event.actor.attributes["name"] {
            names.note(
                event.actor.id, name: DockerNames.plain(name), image: event.actor.attributes["image"] ?? "",
                from: socket)
        }
        switch event.action {
        case "start": started()
        case "rename": renamed(event.actor.id)
        default: return
        }
        // Who listens in a user's directory may be anybody, and say it as often as they like.
        if DockerNames.user(of: socket) != nil { usleep(200_000) }
    }
}
