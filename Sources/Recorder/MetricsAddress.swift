import Glibc

/// Where `--metrics` listens: a unix socket's absolute path, or an IP address and a port. No names: which interface opens must
/// not depend on a resolver.
public enum MetricsAddress: Sendable, Equatable, CustomStringConvertible {
    case unix(String)
    case ip(host: String, port: UInt16)

    /// `/run/flightrec/metrics.sock`, `127.0.0.1:9464`, `[::1]:9464`; `nil` for anything else.
    public init?(_ text: String) {
        if text.hasPrefix("/") {
            guard text.utf8.count < MemoryLayout<sockaddr_un>.size - 2 else { return nil }
            self = .unix(text)
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            return nil
        }
        var host = text[..<colon]
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = host.dropFirst().dropLast() }
        var bytes = in6_addr()
        guard inet_pton(isBracketed ? AF_INET6 : AF_INET, String(host), &bytes) == 1 else { return nil }
        self = .ip(host: String(host), port: port)
    }

    public var description: String {
        switch self {
        case .unix(let path): path
        case .ip(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }

    /// A socket that listens here and blocks nobody. A unix socket is for its owner alone (0600).
    func listen() throws(SystemError) -> Int32 {
        let family =
            switch self {
            case .unix: AF_UNIX
            case .ip(let host, _): host.contains(":") ? AF_INET6 : AF_INET
            }
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(family, type, 0)
        guard descriptor >= 0 else { throw SystemError("making the socket of --metrics") }
        guard bind(descriptor) == 0, Glibc.listen(descriptor, 16) == 0 else {
            let code = errno
            close(descriptor)
            throw SystemError("listening on --metrics \(self) (is the address this host's, and free?)", code)
        }
        return descriptor
    }

    private func bind(_ descriptor: Int32) -> Int32 {
        switch self {
        case .unix(let path):
            // What is no socket, or one that somebody listens on, stays, and bind(2) refuses.
            if Self.isDead(path) { unlink(path) }
            let mask = umask(0o177)
            defer { umask(mask) }
            return UnixAddress.with(path) { Glibc.bind(descriptor, $0, $1) }
        case .ip(let host, let port):
            var yes: Int32 = 1
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
            if host.contains(":") {
                var address = sockaddr_in6()
                address.sin6_family = sa_family_t(AF_INET6)
                address.sin6_port = port.bigEndian
                inet_pton(AF_INET6, host, &address.sin6_addr)
                return Self.bind(descriptor, &address)
            }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            inet_pton(AF_INET, host, &address.sin_addr)
            return Self.bind(descriptor, &address)
        }
    }

    /// A socket that nobody listens on: left by a recorder that was killed.
    static func isDead(_ path: String) -> Bool {
        var info = stat()
        guard lstat(path, &info) == 0, info.st_mode & S_IFMT == S_IFSOCK else { return false }
        let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard probe >= 0 else { return false }
        defer { close(probe) }
        return UnixAddress.with(path) { connect(probe, $0, $1) } != 0 && errno == ECONNREFUSED
    }

    private static func bind<Address>(_ descriptor: Int32, _ address: inout Address) -> Int32 {
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
    }
}
