import CLinux
import Glibc

/// The attributes of a netlink message (linux/netlink.h), from bytes: type, its flags taken off, and payload.
struct NetlinkAttributes: Sequence, IteratorProtocol {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// Ends at the first whose length can't be.
    mutating func next() -> (type: UInt16, payload: ArraySlice<UInt8>)? {
        let header = 4
        guard rest.count >= header else { return nil }
        let length = Int(rest.number(0, as: UInt16.self))
        guard length >= header, length <= rest.count else { return nil }
        let type = rest.number(2, as: UInt16.self) & 0x3fff  // NLA_TYPE_MASK
        let payload = rest.dropFirst(header).prefix(length - header)
        rest = rest.dropFirst((length + 3) & ~3)
        return (type, payload)
    }
}

/// The messages of a netlink datagram: type and what follows the header.
struct NetlinkMessages: Sequence, IteratorProtocol {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    mutating func next() -> (type: UInt16, payload: ArraySlice<UInt8>)? {
        let header = 16
        guard rest.count >= header, let length = Int(exactly: rest.number(0, as: UInt32.self)), length >= header,
            length <= rest.count
        else { return nil }
        let type = rest.number(4, as: UInt16.self)
        let payload = rest.dropFirst(header).prefix(length - header)
        rest = rest.dropFirst((length + 3) & ~3)
        return (type, payload)
    }
}

extension ArraySlice<UInt8> {
    /// In the host's order, as netlink has it; the caller has checked the length.
    func number<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: T.Type) -> T {
        withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: type) }
    }

    /// The number it consists of; `nil`: it has another size.
    func whole<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type) -> T? {
        count == MemoryLayout<T>.size ? number(0, as: type) : nil
    }
}

/// A generic netlink socket (Documentation/userspace-api/netlink/intro.rst).
final class GenericNetlink {
    private let descriptor: Int32
    private var sequence: UInt32 = 0

    init?() {
        descriptor = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), NETLINK_GENERIC)
        guard descriptor >= 0 else { return nil }
        // The kernel answers at once; this only bounds a fault.
        var limit = timeval(tv_sec: 0, tv_usec: 500_000)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    /// Number of the family of that name; `nil`: the kernel has none.
    func family(_ name: String) -> UInt16? {
        let attribute = Self.attribute(UInt16(CTRL_ATTR_FAMILY_NAME), Array(name.utf8) + [0])
        guard send(type: UInt16(GENL_ID_CTRL), flags: 0, command: UInt8(CTRL_CMD_GETFAMILY), attribute) else {
            return nil
        }
        for message in receive().flatMap({ NetlinkMessages($0[...]) }) where message.type == UInt16(GENL_ID_CTRL) {
            for one in NetlinkAttributes(message.payload.dropFirst(4)) where one.type == UInt16(CTRL_ATTR_FAMILY_ID) {
                return one.payload.whole(UInt16.self)
            }
        }
        return nil
    }

    /// All answers to a dump, as the kernel sent them; `nil`: it refused, or did not come to an end.
    func dump(family: UInt16, command: UInt8, _ attributes: [UInt8]) -> [[UInt8]]? {
        guard send(type: family, flags: UInt16(NLM_F_ROOT | NLM_F_MATCH), command: command, attributes) else {
            return nil
        }
        var answers: [[UInt8]] = []
        // A message an interface: far above any host's.
        for _ in 0..<1024 {
            let received = receive()
            guard let bytes = received.first else { return nil }
            answers.append(bytes)
            for message in NetlinkMessages(bytes[...]) {
                if message.type == UInt16(NLMSG_DONE) { return answers }
                if message.type == UInt16(NLMSG_ERROR) { return nil }
            }
        }
        return nil
    }

    static func attribute(_ type: UInt16, _ payload: [UInt8]) -> [UInt8] {
        let length = UInt16(4 + payload.count)
        let padding = [UInt8](repeating: 0, count: (4 - payload.count % 4) % 4)
        return bytes(length) + bytes(type) + payload + padding
    }

    private static func bytes<T: FixedWidthInteger>(_ number: T) -> [UInt8] {
        withUnsafeBytes(of: number) { Array($0) }
    }

    private func send(type: UInt16, flags: UInt16, command: UInt8, _ attributes: [UInt8]) -> Bool {
        sequence += 1
        let body: [UInt8] = [command, 1, 0, 0] + attributes
        let head =
            Self.bytes(UInt32(16 + body.count)) + Self.bytes(type) + Self.bytes(flags | UInt16(NLM_F_REQUEST))
            + Self.bytes(sequence) + Self.bytes(UInt32(0))
        let message = head + body
        return Glibc.send(descriptor, message, message.count, 0) == message.count
    }

    /// One datagram; none: an error, or nothing came.
    private func receive() -> [[UInt8]] {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        return count > 0 ? [Array(buffer[..<count])] : []
    }
}
