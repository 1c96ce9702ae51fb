import Glibc

/// The demo's client: asks, waits for the answer, and times it as a user would.
public final class DemoClient {
    private let socket: Int32

    public init(host: String, port: UInt16) throws { socket = try TCP.connect(host, port: port) }

    deinit { close(socket) }

    /// One request; returns the client's own measure, ns.
    public func ask(_ request: String = "work") throws -> UInt64 {
        let line = request + "\n"
        let start = Self.now()
        guard send(socket, line, line.utf8.count, Int32(MSG_NOSIGNAL)) > 0 else {
            throw DemoError.system("sending a request")
        }
        var buffer = [UInt8](repeating: 0, count: 64)
        guard recv(socket, &buffer, buffer.count, 0) > 0 else { throw DemoError.system("reading an answer") }
        return Self.now() - start
    }

    private static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
