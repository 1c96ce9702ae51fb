import Events

/// A process of this host that passes connections on, bytes as they come: for each it accepts it opens another one, so
/// that a call through it is two TCP connections.
public struct Relay: Sendable, Hashable {
    /// Its comm: `docker-proxy`.
    public var program: String
    public var pid: UInt32
    /// Inode of its network namespace; 0: not known.
    public var netns: UInt32
    /// Where it is called. An address of zeros stands for every address of the host, of that family.
    public var listen: Endpoint
    /// Where it calls in turn.
    public var target: Endpoint

    public init(program: String, pid: UInt32, netns: UInt32, listen: Endpoint, target: Endpoint) {
        self.program = program
        self.pid = pid
        self.netns = netns
        self.listen = listen
        self.target = target
    }
}

extension Relay {
    /// Whether a connection from network namespace `netns` to `remote` reaches it, if no NAT rule takes it elsewhere.
    /// `addresses`: the host's own.
    func takes(_ remote: Endpoint, from netns: UInt32, _ addresses: Set<[UInt8]>) -> Bool {
        let remote = remote.unmapped
        guard remote.port == listen.port, remote.address.count == listen.address.count else { return false }
        // Every namespace has a loopback of its own.
        if remote.isLoopback, self.netns != netns, self.netns != 0 { return false }
        if listen.address.contains(where: { $0 != 0 }) { return remote.address == listen.address }
        return remote.isLoopback || addresses.contains(remote.address)
    }
}

/// A call that went through a relay, as far as its other side was seen.
struct Relayed {
    var relay: Relay
    /// The turn on the other side that answered it; `nil`: none began yet, or it was not seen.
    var turn: Turn?
    /// Why `turn` may be another call's, or why there is none; `nil`: it can be no other, or the relay has not passed
    /// the request on.
    var doubt: String?

    var isCertain: Bool { doubt == nil }

    /// `docker-proxy (pid 17) takes 10.0.0.1:80 to 172.17.0.2:8080`.
    var sentence: String { "\(relay.program) (pid \(relay.pid)) takes \(relay.listen) to \(relay.target)" }
}
