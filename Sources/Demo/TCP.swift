import Glibc

/// The two socket calls the demo needs.
enum TCP {
    private static func address(_ text: String?, _ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        if let text { inet_pton(AF_INET, text, &address.sin_addr) }
        return address
    }

    private static func withAddress(
        _ address: sockaddr_in, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var address = address
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    static func listen(port: UInt16) throws -> Int32 {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var one: Int32 = 1
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &one, 4)
        guard withAddress(address(nil, port), { bind(socket, $0, $1) }) == 0, Glibc.listen(socket, 64) == 0 else {
            throw DemoError.system("listening on port \(port)")
        }
        return socket
    }

    /// Retries for half a minute: the server may still be starting, which takes a moment on a host and seconds where one is emulated.
    static func connect(_ host: String, port: UInt16) throws -> Int32 {
        for _ in 0..<600 {
            let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            if withAddress(address(host, port), { Glibc.connect(socket, $0, $1) }) == 0 { return socket }
            close(socket)
            usleep(50_000)
        }
        throw DemoError.system("connecting to \(host):\(port)")
    }
}
