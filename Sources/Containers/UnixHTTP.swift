import CLinux
import Foundation
import Glibc

/// HTTP/1.0 GETs over a unix socket: 1.0, so that the body is neither chunked nor kept alive (RFC 1945).
enum UnixHTTP {
    enum Answer {
        /// Of a 200.
        case body(Data)
        /// Nobody listens, or another status.
        case refused
        /// Somebody listens and does not answer in time.
        case silent
    }
    private static let limit = 4 << 20

    /// One answer within 600 ms and 4 MiB.
    static func get(_ path: String, socket socketPath: String) -> Answer {
        guard let descriptor = open(path, socketPath, timeout: 300_000) else { return .refused }
        defer { close(descriptor) }
        var answer = Data()
        var buffer = [UInt8](repeating: 0, count: 16384)
        let deadline = ContinuousClock.now + .milliseconds(600)
        while answer.count < limit {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count == 0 { break }
            guard count > 0, ContinuousClock.now < deadline else { return .silent }
            answer.append(contentsOf: buffer[..<count])
        }
        guard let split = answer.range(of: Data("\r\n\r\n".utf8)), isOK(answer[..<split.lowerBound]) else {
            return .refused
        }
        return .body(answer[split.upperBound...])
    }

    /// An endless answer, handed over line by line until the other side closes. Returns false when it never began.
    static func stream(_ path: String, socket socketPath: String, _ line: (Data) -> Void) -> Bool {
        guard let descriptor = open(path, socketPath, timeout: 0) else { return false }
        defer { close(descriptor) }
        var waiting = Data()
        var headed = false
        var buffer = [UInt8](repeating: 0, count: 16384)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0, waiting.count < limit else { return headed }
            waiting.append(contentsOf: buffer[..<count])
            if !headed {
                guard let split = waiting.range(of: Data("\r\n\r\n".utf8)) else { continue }
                guard isOK(waiting[..<split.lowerBound]) else { return false }
                headed = true
                waiting = Data(waiting[split.upperBound...])
            }
            while let end = waiting.firstIndex(of: 10) {
                line(waiting[..<end])
                waiting = Data(waiting[(end + 1)...])
            }
        }
    }

    private static func isOK(_ head: Data) -> Bool {
        let head = String(decoding: head, as: UTF8.self)
        return head.hasPrefix("HTTP/1.") && head.dropFirst(9).hasPrefix("200")
    }

    /// Connects and asks. `timeout` in µs, 0: none.
    private static func open(_ path: String, _ socketPath: String, timeout: Int) -> Int32? {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(socketPath.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        var limit = timeval(tv_sec: 0, tv_usec: timeout)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        let request = "GET \(path) HTTP/1.0\r\nHost: localhost\r\n\r\n"
        guard connected == 0, send(descriptor, request, request.utf8.count, Int32(MSG_NOSIGNAL)) > 0 else {
            close(descriptor)
            return nil
        }
        return descriptor
    }
}
