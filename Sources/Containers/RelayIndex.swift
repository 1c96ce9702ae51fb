import Analysis
import CLinux
import Events
import Foundation
import Glibc
import Synchronization

/// Knows the relays of this host's own network namespace, and its addresses.
///
/// A scan reads the names of all processes, so it belongs off the pump thread: when a container has started, and when a
/// capture is written.
public final class RelayIndex: Sendable {
    private struct Known {
        var relay: Relay
        /// When a scan first missed it.
        var gone: Instant?
    }
    private struct State {
        var known: [Known] = []
        var addresses: Set<[UInt8]> = []
    }
    private let state = Mutex(State())
    private let root: String
    /// Relays kept, those that ended among them; the oldest of these go first.
    private static let remembered = 4096
    /// Addresses kept.
    private static let mostAddresses = 4096
    /// ns that one which ended stays known: longer than any window reaches back.
    private static let kept: UInt64 = 3_600_000_000_000

    /// `root`: where `/proc` is, for tests.
    public init(root: String = "") { self.root = root }

    /// Looks at every process there is.
    public func scan() {
        let now = Self.now()
        let own = Self.namespace("\(root)/proc/self")
        var found: Set<Relay> = []
        for name in StateFile.list("\(root)/proc") {
            guard let pid = UInt32(name), found.count < Self.remembered,
                let relay = Self.relay(pid, "\(root)/proc/\(name)"),
                // Another namespace has other addresses, and its ports are not this host's.
                relay.netns == 0 || relay.netns == own
            else { continue }
            found.insert(relay)
        }
        let addresses = Self.ownAddresses()
        state.withLock { state in
            for index in state.known.indices {
                let isThere = found.remove(state.known[index].relay) != nil
                state.known[index].gone = isThere ? nil : state.known[index].gone ?? now
            }
            state.known.removeAll { $0.gone.map { $0 &+ Self.kept < now } ?? false }
            state.known += found.sorted { $0.pid < $1.pid }.map { Known(relay: $0) }
            if state.known.count > Self.remembered { state.known.removeFirst(state.known.count - Self.remembered) }
            // Bridges come and go with their networks; a capture reaches back.
            if state.addresses.count > Self.mostAddresses { state.addresses.removeAll() }
            state.addresses.formUnion(addresses)
        }
    }

    /// Those that may have run since `instant` (CLOCK_MONOTONIC), as far as scans have seen them.
    public func relays(since instant: Instant) -> [Relay] {
        state.withLock { $0.known.filter { $0.gone.map { $0 >= instant } ?? true }.map(\.relay) }
    }

    /// IP addresses this host has or had, 4 or 16 bytes in network order.
    public var addresses: Set<[UInt8]> { state.withLock { $0.addresses } }

    private static func now() -> Instant {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
    }

    private static func relay(_ pid: UInt32, _ directory: String) -> Relay? {
        // Most processes are something else: their command line is not read.
        guard let comm = StateFile.readStream("\(directory)/comm", limit: 64),
            String(decoding: comm, as: UTF8.self) == "\(DockerProxy.program)\n",
            let line = StateFile.readStream("\(directory)/cmdline", limit: 4096)
        else { return nil }
        let arguments = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        return DockerProxy.relay(pid: pid, netns: namespace(directory), arguments: arguments)
    }

    /// 0: gone, or not allowed to know (CAP_SYS_PTRACE).
    private static func namespace(_ directory: String) -> UInt32 {
        var info = stat()
        return stat("\(directory)/ns/net", &info) == 0 ? UInt32(truncatingIfNeeded: info.st_ino) : 0
    }

    private static func ownAddresses() -> Set<[UInt8]> {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return [] }
        defer { freeifaddrs(list) }
        var found: Set<[UInt8]> = []
        var next = list
        while let entry = next, found.count < mostAddresses {
            next = entry.pointee.ifa_next
            guard let address = entry.pointee.ifa_addr else { continue }
            switch Int32(address.pointee.sa_family) {
            case AF_INET:
                address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                    _ = found.insert(withUnsafeBytes(of: $0.pointee.sin_addr) { Array($0) })
                }
            case AF_INET6:
                address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                    _ = found.insert(withUnsafeBytes(of: $0.pointee.sin6_addr) { Array($0) })
                }
            default: break
            }
        }
        return found
    }
}

/// Docker's userland proxy, one process a published port and address family (moby, cmd/docker-proxy).
///
/// Of the relays of other runtimes none says on its command line what it relays: rootlessport is told through its standard
/// input, rootlesskit through an API.
enum DockerProxy {
    static let program = "docker-proxy"

    /// `nil`: not TCP, or not a command line it understands. Options are Go's: `-name value` or `--name=value`.
    static func relay(pid: UInt32, netns: UInt32, arguments: [String]) -> Relay? {
        var options: [String: String] = [:]
        var words = arguments.dropFirst()[...]
        while let word = words.popFirst() {
            guard word.hasPrefix("-") else { return nil }
            let name = word.drop { $0 == "-" }
            if let equals = name.firstIndex(of: "=") {
                options[String(name[..<equals])] = String(name[name.index(after: equals)...])
            } else if let value = words.first, !value.hasPrefix("-") {
                options[String(name)] = value
                words.removeFirst()
            }
        }
        guard options["proto"] ?? "tcp" == "tcp",
            let listen = endpoint(options["host-ip"], options["host-port"]),
            let target = endpoint(options["container-ip"], options["container-port"])
        else { return nil }
        return Relay(program: program, pid: pid, netns: netns, listen: listen, target: target)
    }

    private static func endpoint(_ address: String?, _ port: String?) -> Endpoint? {
        guard let address, let port = port.flatMap({ UInt16($0) }), port != 0 else { return nil }
        var four = in_addr()
        if inet_pton(AF_INET, address, &four) == 1 {
            return Endpoint(address: withUnsafeBytes(of: four) { Array($0) }, port: port)
        }
        var six = in6_addr()
        guard inet_pton(AF_INET6, address, &six) == 1 else { return nil }
        return Endpoint(address: withUnsafeBytes(of: six) { Array($0) }, port: port)
    }
}
