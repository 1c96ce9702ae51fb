import Analysis
import Events

/// The part of a turn the trigger looks at.
public struct TurnObservation: Sendable {
    public var service: ServiceKey
    public var socket: SocketID
    public var sequence: UInt32
    public var flags: Turn.Flags
    public var start: Instant
    public var end: Instant
    /// ns of it that a stream's request took to arrive or be sent; not latency when the flags say `.stream`.
    public var transfer: UInt64
    /// Served: when its first byte was read; 0: not yet, or not known.
    public var read: Instant

    public init(
        service: ServiceKey, socket: SocketID, sequence: UInt32, flags: Turn.Flags, start: Instant, end: Instant,
        transfer: UInt64 = 0, read: Instant = 0
    ) {
        self.service = service
        self.socket = socket
        self.sequence = sequence
        self.flags = flags
        self.start = start
        self.end = end
        self.transfer = transfer
        self.read = read
    }

    /// The other end's TCP has not taken the connection, or its own application not the request.
    var isNotTaken: Bool { !flags.isDisjoint(with: [.connecting, .unread]) }

    /// ns of its latency until its first byte was read; 0: not known.
    var unread: UInt64 { read > start ? min(read - start, latency) : 0 }

    /// ns. What someone waited for: the whole turn, less an upload's own transfer.
    public var latency: UInt64 {
        let total = end > start ? end - start : 0
        guard flags.contains(.stream) else { return total }
        return total > transfer ? total - transfer : 0
    }
}
