import Dispatch
import Foundation
import Glibc
import Report

/// What a command asks of the running recorder.
public struct ControlRequest: Codable, Sendable {
    public enum Command: String, Codable, Sendable {
        case status, snapshot, top
        /// What became of a capture.
        case fate
        /// Let go of every probe, and take them again: what the overhead benchmark alternates.
        case detach, attach
    }

    public var command: Command
    /// Why the snapshot is taken.
    public var reason: String?
    /// Of `top`: rows to leave out.
    public var offset: Int?
    /// Of `fate`: the capture.
    public var id: String?

    public init(_ command: Command, reason: String? = nil, offset: Int? = nil, id: String? = nil) {
        self.command = command
        self.reason = reason
        self.offset = offset
        self.id = id
    }
}

/// What it answers.
public struct ControlReply: Codable, Sendable {
    public var status: RecorderStatus?
    /// Id of the capture being written.
    public var id: String?
    /// Of `fate`: whether its file is there; `nil`: not yet. `error` says why it never will be.
    public var written: Bool?
    /// A page of rows, and how many there are in all.
    public var top: TopView?
    public var total: Int?
    public var error: String?
}

/// How a request is answered.
enum ControlAnswer {
    case now(ControlReply)
    /// Off the pump thread: nothing in it may be the pump's.
    case later(@Sendable () -> ControlReply)
}

/// A unix datagram socket in the capture directory, for its owner alone (mode 0600). Datagrams, so that no client can
/// hold up the pump: what can't be sent at once is dropped, and the client says that nobody answered.
final class ControlSocket: Sendable {
    static let name = "control.sock"
    let descriptor: Int32
    /// Makes answers that take more than the pump has time for.
    private let queue = DispatchQueue(label: "flightrec.control")
    private let path: String

    init(directory: String) throws(SystemError) {
        path = "\(directory)/\(Self.name)"
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemError("making the control socket") }
        // The directory's lock is ours: a socket that is there was left by a recorder that was killed.
        unlink(path)
        let mask = umask(0o177)
        let bound = UnixAddress.with(path) { bind(descriptor, $0, $1) }
        let code = errno
        umask(mask)
        guard bound == 0 else {
            close(descriptor)
            throw SystemError("binding \(path)", code)
        }
    }

    /// No answer is being made: each holds on to this.
    deinit {
        close(descriptor)
        unlink(path)
    }

    /// Answers every request that waits.
    func serve(_ answer: (ControlRequest) -> ControlAnswer) {
        var buffer = [UInt8](repeating: 0, count: 4096)
        var sender = sockaddr_un()
        while true {
            var length = socklen_t(MemoryLayout<sockaddr_un>.size)
            let count = withUnsafeMutablePointer(to: &sender) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT), $0, &length)
                }
            }
            guard count >= 0 else { return }
            guard let request = try? JSONDecoder().decode(ControlRequest.self, from: Data(buffer[..<count])) else {
                deliver(ControlReply(error: "not a request this recorder knows"), to: sender, length)
                continue
            }
            switch answer(request) {
            case .now(let reply): deliver(reply, to: sender, length)
            case .later(let make): queue.async { [self, sender, length] in deliver(make(), to: sender, length) }
            }
        }
    }

    private func deliver(_ reply: ControlReply, to sender: sockaddr_un, _ length: socklen_t) {
        guard let data = try? JSONEncoder().encode(reply) else { return }
        var sender = sender
        _ = data.withUnsafeBytes { bytes in
            withUnsafePointer(to: &sender) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    sendto(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT), $0, length)
                }
            }
        }
    }

    /// Asks the recorder that keeps its captures in `directory`. Throws when none runs, or none answers in 2 s.
    public static func ask(_ request: ControlRequest, directory: String) throws -> ControlReply {
        let path = "\(directory)/\(name)"
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemError("making a socket") }
        defer { close(descriptor) }
        var limit = timeval(tv_sec: 2, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        // Binding to the family alone makes the kernel choose an abstract address to answer to (unix(7), autobind).
        var own = sockaddr_un()
        own.sun_family = sa_family_t(AF_UNIX)
        let bound = withUnsafePointer(to: &own) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sa_family_t>.size))
            }
        }
        guard bound == 0 else { throw SystemError("binding a socket") }
        guard UnixAddress.with(path, { connect(descriptor, $0, $1) }) == 0 else {
            throw SystemError("no recorder answers at \(path)")
        }
        let data = try JSONEncoder().encode(request)
        guard data.withUnsafeBytes({ send(descriptor, $0.baseAddress, $0.count, 0) }) == data.count else {
            throw SystemError("asking the recorder at \(path)")
        }
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count > 0 else { throw SystemError("the recorder at \(path) did not answer") }
        return try JSONDecoder().decode(ControlReply.self, from: Data(buffer[..<count]))
    }
}

/// Asks the recorder that keeps its captures in `directory`.
public func askRecorder(_ request: ControlRequest, directory: String) throws -> ControlReply {
    try ControlSocket.ask(request, directory: directory)
}

enum UnixAddress {
    static func with(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            errno = ENAMETOOLONG
            return -1
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
    }
}

/// One recorder for a directory: a lock that dies with its holder.
final class DirectoryLock {
    private let descriptor: Int32

    init(directory: String) throws(SystemError) {
        let path = "\(directory)/.lock"
        descriptor = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SystemError("opening \(path)") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(descriptor)
            throw SystemError(
                code == EWOULDBLOCK
                    ? "another recorder keeps its captures in \(directory): stop it, or use another --dir"
                    : "locking \(path)", code)
        }
    }

    deinit { close(descriptor) }
}
