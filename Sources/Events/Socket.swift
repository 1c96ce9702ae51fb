import CFlightrec

/// Identifies one TCP socket for the life of a recording. Assigned by the kernel side, from 1.
public typealias SocketID = UInt32

/// Identifies a container in events: its cgroup id (kernfs inode), or `1 << 63 | netns inode` on hosts whose
/// sockets carry no cgroup. 0 is the host itself.
public typealias ContainerKey = UInt64

/// Nanoseconds of CLOCK_MONOTONIC.
public typealias Instant = UInt64

/// Which side of its turns a socket is on.
public enum Role: UInt8, Sendable, Codable {
    case unknown = 0
    case served = 1
    case called = 2

    public var name: String {
        switch self {
        case .unknown: "unknown"
        case .served: "served"
        case .called: "called"
        }
    }
}

/// An IP address and port, printable as `10.0.0.2:6379` or `[fd00::2]:6379`.
public struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// Network byte order; 4 bytes for IPv4, 16 for IPv6.
    public var address: [UInt8]
    public var port: UInt16

    public init(address: [UInt8], port: UInt16) {
        self.address = address
        self.port = port
    }

    /// From a record: 16 bytes of address, of which IPv4 uses the first four.
    init<Bytes>(family: UInt16, _ bytes: Bytes, _ port: UInt16) {
        address = withUnsafeBytes(of: bytes) { Array($0.prefix(family == 10 ? 16 : 4)) }
        self.port = port
    }

    /// IPv4 where it is IPv4 mapped into IPv6 (RFC 4291 §2.5.5.2), as sockets for both families have it and packets don't.
    public var unmapped: Endpoint {
        guard address.count == 16, address[..<10].allSatisfy({ $0 == 0 }), address[10] == 0xff, address[11] == 0xff
        else { return self }
        return Endpoint(address: Array(address[12...]), port: port)
    }

    /// 127.0.0.0/8 (RFC 1122) or ::1 (RFC 4291).
    public var isLoopback: Bool {
        address.count == 4 ? address[0] == 127 : address.dropLast().allSatisfy { $0 == 0 } && address.last == 1
    }

    public var description: String {
        addressText.contains(":") ? "[\(addressText)]:\(port)" : "\(addressText):\(port)"
    }

    /// The address alone. IPv4-mapped IPv6 prints as IPv4, IPv6 in the form of RFC 5952.
    public var addressText: String {
        if address.count == 4 { return address.map(String.init).joined(separator: ".") }
        guard address.count == 16 else { return "?" }
        if address[0..<10].allSatisfy({ $0 == 0 }) && address[10] == 0xff && address[11] == 0xff {
            return address[12...].map(String.init).joined(separator: ".")
        }
        let groups = (0..<8).map { UInt16(address[$0 * 2]) << 8 | UInt16(address[$0 * 2 + 1]) }
        return Self.compress(groups)
    }

    /// RFC 5952: the longest run of two or more zero groups (the first of equals) becomes `::`.
    private static func compress(_ groups: [UInt16]) -> String {
        var best = 0..<0
        var start = 0
        while start < groups.count {
            guard groups[start] == 0 else {
                start += 1
                continue
            }
            var end = start
            while end < groups.count && groups[end] == 0 { end += 1 }
            if end - start > max(best.count, 1) { best = start..<end }
            start = end
        }
        let hex = groups.map { String($0, radix: 16) }
        guard !best.isEmpty else { return hex.joined(separator: ":") }
        return hex[..<best.lowerBound].joined(separator: ":") + "::" + hex[best.upperBound...].joined(separator: ":")
    }
}

/// What is known of one socket: names for an id that events carry.
public struct SocketInfo: Sendable, Hashable {
    public var id: SocketID
    public var container: ContainerKey
    public var leafCgroup: UInt64
    public var netns: UInt32
    public var role: Role
    public var local: Endpoint
    public var remote: Endpoint
    /// Thread group that first read or wrote; `nil` until one did.
    public var pid: UInt32?
    /// Its comm; empty until known.
    public var process: String
    /// When it was first reported.
    public var seen: Instant
    /// `nil`: unknown, because older than the recorder, or not established yet.
    public var established: Instant?
    public var olderThanRecorder: Bool
    /// (write_seq, rcv_nxt) at ESTABLISHED; the other end holds the mirror image. `nil` when unknown.
    public var sequence: (sent: UInt32, received: UInt32)? {
        sentSequence.map { ($0, receivedSequence) }
    }
    public var sentSequence: UInt32?
    public var receivedSequence: UInt32

    public init(
        id: SocketID, container: ContainerKey, leafCgroup: UInt64 = 0, netns: UInt32 = 0, role: Role, local: Endpoint,
        remote: Endpoint, pid: UInt32? = nil, process: String = "", seen: Instant = 0, established: Instant? = nil,
        olderThanRecorder: Bool = false, sentSequence: UInt32? = nil, receivedSequence: UInt32 = 0
    ) {
        self.id = id
        self.container = container
        self.leafCgroup = leafCgroup
        self.netns = netns
        self.role = role
        self.local = local
        self.remote = remote
        self.pid = pid
        self.process = process
        self.seen = seen
        self.established = established
        self.olderThanRecorder = olderThanRecorder
        self.sentSequence = sentSequence
        self.receivedSequence = receivedSequence
    }

    /// Whether a packet with these addresses is this connection's, in either direction. One that is connecting learns its port
    /// with the SYN.
    public func carries(_ source: Endpoint, _ destination: Endpoint) -> Bool {
        let (local, remote) = (local.unmapped, remote.unmapped)
        let (source, destination) = (source.unmapped, destination.unmapped)
        let isOut = remote == destination && (local == source || local.port == 0)
        let isIn = remote == source && (local == destination || local.port == 0)
        return isOut || isIn
    }

    /// Decodes an `fr_socket` record.
    public init(_ raw: fr_socket) {
        func bytes<T>(_ tuple: T, _ count: Int) -> [UInt8] {
            withUnsafeBytes(of: tuple) { Array($0.prefix(count)) }
        }
        let width = raw.family == 10 ? 16 : 4
        let owned = raw.flags & UInt8(FR_SOCKET_OWNED.rawValue) != 0
        let old = raw.flags & UInt8(FR_SOCKET_OLD.rawValue) != 0
        self.init(
            id: raw.h.socket, container: raw.h.cgroup, leafCgroup: raw.leaf_cgroup, netns: raw.netns,
            role: Role(rawValue: raw.role) ?? .unknown,
            local: Endpoint(address: bytes(raw.local, width), port: raw.local_port),
            remote: Endpoint(address: bytes(raw.remote, width), port: raw.remote_port),
            pid: owned ? raw.pid : nil,
            process: owned ? String(decoding: bytes(raw.comm, 16).prefix { $0 != 0 }, as: UTF8.self) : "",
            seen: raw.h.ts, established: raw.established == 0 ? nil : raw.established, olderThanRecorder: old,
            sentSequence: raw.established == 0 ? nil : raw.write_seq, receivedSequence: raw.rcv_nxt)
    }
}
