import CLinux
import Foundation
import Glibc

/// Docker's names: from the daemon's API socket, or from its state files when it does not answer.
public struct DockerNames: Sendable {
    public var sockets: [String]
    public var roots: [String]

    public init(
        sockets: [String] = ["/var/run/docker.sock", "/run/docker.sock"], roots: [String] = ["/var/lib/docker"]
    ) {
        self.sockets = sockets
        self.roots = roots
    }

    /// Name without Docker's leading slash, and image. `nil`: no daemon and no state file knows the id.
    public func lookUp(_ id: String) -> (name: String, image: String)? {
        for socket in sockets {
            if let answer = UnixHTTP.get("/containers/\(id)/json", socket: socket), let found = Self.parse(answer) {
                return found
            }
        }
        for root in roots {
            let path = "\(root)/containers/\(id)/config.v2.json"
            if let data = FileManager.default.contents(atPath: path), let found = Self.parse(data) { return found }
        }
        return nil
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
        let name = inspect.name.hasPrefix("/") ? String(inspect.name.dropFirst()) : inspect.name
        return (name, inspect.config?.image ?? "")
    }
}

/// One HTTP/1.0 GET over a unix socket: 1.0, so that the body is neither chunked nor kept alive (RFC 1945).
enum UnixHTTP {
    /// Body of a 200 answer within 300 ms and 4 MiB; `nil` otherwise.
    static func get(_ path: String, socket socketPath: String) -> Data? {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var limit = timeval(tv_sec: 0, tv_usec: 300_000)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(socketPath.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        let request = "GET \(path) HTTP/1.0\r\nHost: localhost\r\n\r\n"
        guard connected == 0, send(descriptor, request, request.utf8.count, Int32(MSG_NOSIGNAL)) > 0 else {
            return nil
        }
        var answer = Data()
        var buffer = [UInt8](repeating: 0, count: 16384)
        let deadline = Date().addingTimeInterval(0.6)
        while answer.count < 4 << 20, Date() < deadline {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0 { return nil }
            if count == 0 { break }
            answer.append(contentsOf: buffer[..<count])
        }
        guard let split = answer.range(of: Data("\r\n\r\n".utf8)) else { return nil }
        let head = String(decoding: answer[..<split.lowerBound], as: UTF8.self)
        guard head.hasPrefix("HTTP/1."), head.dropFirst(9).hasPrefix("200") else { return nil }
        return answer[split.upperBound...]
    }
}
