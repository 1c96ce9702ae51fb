import CFlightrec

/// One request/response exchange on one socket, as its own end saw it. Stamps are `Instant`s; `nil`: did not happen.
///
/// Served: first request byte reaches TCP → last response byte handed to TCP.
/// Called: first request byte sent → last response byte read.
public struct Turn: Sendable, Equatable {
    /// `enum fr_turn_flag`.
    public struct Flags: OptionSet, Sendable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// Not completed when reported; `end` is the moment of the report.
        public static var open: Flags { Flags(rawValue: UInt8(FR_TURN_OPEN.rawValue)) }
        /// Three or more request bursts were read before any answer: an upload or a one-way stream.
        public static var stream: Flags { Flags(rawValue: UInt8(FR_TURN_STREAM.rawValue)) }
        /// The connection ended before an answer.
        public static var aborted: Flags { Flags(rawValue: UInt8(FR_TURN_ABORTED.rawValue)) }
        /// Open, and its first byte still waits in the receive queue.
        public static var unread: Flags { Flags(rawValue: UInt8(FR_TURN_UNREAD.rawValue)) }
        /// Open, and a send call is blocked in it.
        public static var sending: Flags { Flags(rawValue: UInt8(FR_TURN_SENDING.rawValue)) }
        /// The first turn seen on its socket.
        public static var first: Flags { Flags(rawValue: UInt8(FR_TURN_FIRST.rawValue)) }
        /// Not an exchange but the handshake, when it is slow; aborted: it failed.
        public static var connecting: Flags { Flags(rawValue: UInt8(FR_TURN_CONNECT.rawValue)) }
        /// Its first byte came before the application had accepted the connection.
        public static var unaccepted: Flags { Flags(rawValue: UInt8(FR_TURN_UNACCEPTED.rawValue)) }
    }

    public var container: ContainerKey
    public var socket: SocketID
    public var cpu: UInt16
    public var role: Role
    public var flags: Flags
    public var start: Instant
    public var end: Instant
    @Stamp public var receivedFirst: Instant?
    @Stamp public var receivedLast: Instant?
    @Stamp public var woken: Instant?
    @Stamp public var readFirst: Instant?
    @Stamp public var readLast: Instant?
    @Stamp public var sentFirst: Instant?
    @Stamp public var sentLast: Instant?
    public var receivedBytes: UInt64
    public var sentBytes: UInt64
    /// ns, jiffies resolution (`tcp_sock.chrono_stat`): the send buffer was what limited it, or the peer's window. See
    /// `bufferWaits`.
    public var sendBufferWait: UInt64
    public var receiverWindowWait: UInt64
    public var tid: UInt32
    /// The kernel's smoothed round-trip time, µs.
    public var smoothedRTT: UInt32
    /// Number of the turn on its socket, from 1.
    public var sequence: UInt32
    /// Sent again by this end within the turn.
    public var retransmits: UInt16
    /// Segments sent again within the turn by the kernel's count (`tcp_sock.total_retrans`) that no probe was told of: that
    /// they were is known, when is not.
    public var unseenRetransmits: UInt16 = 0
    /// Called: when the peer's TCP had acknowledged the whole request; `nil`: not known, or not yet.
    @Stamp public var acknowledged: Instant? = nil
    /// Thread that sent the first byte; 0: none did.
    public var sender: UInt32 = 0
    /// ns a small segment was held back until what was sent before it was acknowledged (Nagle's algorithm, RFC 896).
    public var nagle: UInt64 = 0
    /// How long the softirq that brought the first segment had been due, ns, and the CPU it ran on.
    public var arrival: (late: UInt64, cpu: UInt16)? {
        get { arrivalCPU.map { (arrivalLate, $0) } }
        set { (arrivalLate, arrivalCPU) = newValue.map { ($0.late, $0.cpu) } ?? (0, nil) }
    }
    /// ns a sender was blocked for send buffer, whatever kept that full (`sk_stream_wait_memory`); 0: none was, or no probe
    /// tells.
    public var sendBlocked: UInt64 = 0
    /// ns in which TCP took in what was to be read first, up to the end of `tcp_v4_do_rcv` or `tcp_v6_do_rcv` for each of its
    /// segments; 0: no probe tells.
    public var receiveProcessing: UInt64 = 0
    private var arrivalLate: UInt64 = 0
    private var arrivalCPU: UInt16?

    /// ns from start to end; 0 when a clock anomaly would make it negative.
    public var total: UInt64 { end > start ? end - start : 0 }
    /// ns that sending waited for room in the own send buffer, and for the peer's window.
    ///
    /// A sender that was blocked waited for nothing else meanwhile: those times then are exact in sum, and the kernel's
    /// chronograph only says what part of it the peer's window was closed for. One that waits in poll instead is not seen
    /// blocked: then the chronograph is all there is.
    public var bufferWaits: (sendBuffer: UInt64, peerWindow: UInt64) {
        guard sendBlocked > 0 else { return (sendBufferWait, receiverWindowWait) }
        let window = min(receiverWindowWait, sendBlocked)
        return (sendBlocked - window, window)
    }
    public var isOpen: Bool { flags.contains(.open) }

    public init(
        container: ContainerKey, socket: SocketID, cpu: UInt16 = 0, role: Role, flags: Flags = [], start: Instant,
        end: Instant, receivedFirst: Instant? = nil, receivedLast: Instant? = nil, woken: Instant? = nil,
        readFirst: Instant? = nil, readLast: Instant? = nil, sentFirst: Instant? = nil, sentLast: Instant? = nil,
        receivedBytes: UInt64 = 0, sentBytes: UInt64 = 0, sendBufferWait: UInt64 = 0, receiverWindowWait: UInt64 = 0,
        tid: UInt32 = 0, smoothedRTT: UInt32 = 0, sequence: UInt32 = 0, retransmits: UInt16 = 0
    ) {
        self.container = container
        self.socket = socket
        self.cpu = cpu
        self.role = role
        self.flags = flags
        self.start = start
        self.end = end
        self.receivedFirst = receivedFirst
        self.receivedLast = receivedLast
        self.woken = woken
        self.readFirst = readFirst
        self.readLast = readLast
        self.sentFirst = sentFirst
        self.sentLast = sentLast
        self.receivedBytes = receivedBytes
        self.sentBytes = sentBytes
        self.sendBufferWait = sendBufferWait
        self.receiverWindowWait = receiverWindowWait
        self.tid = tid
        self.smoothedRTT = smoothedRTT
        self.sequence = sequence
        self.retransmits = retransmits
    }

    /// Decodes an `fr_turn` record.
    public init(_ raw: fr_turn) {
        self.init(
            container: raw.h.cgroup, socket: raw.h.socket, cpu: raw.h.cpu, role: Role(rawValue: raw.role) ?? .unknown,
            flags: Flags(rawValue: raw.flags), start: raw.start, end: raw.h.ts, receivedFirst: raw.rx_first,
            receivedLast: raw.rx_last, woken: raw.woken, readFirst: raw.read_first, readLast: raw.read_last,
            sentFirst: raw.tx_first, sentLast: raw.tx_last,
            receivedBytes: raw.rx_bytes, sentBytes: raw.tx_bytes, sendBufferWait: raw.sndbuf_wait,
            receiverWindowWait: raw.rwnd_wait, tid: raw.tid, smoothedRTT: raw.srtt_us, sequence: raw.sequence,
            retransmits: raw.retransmits)
        acknowledged = raw.acked
        sender = raw.tx_tid
        nagle = UInt64(raw.nagle_us) * 1000
        unseenRetransmits = raw.unseen
        sendBlocked = raw.send_wait
        receiveProcessing = raw.tcp_receive
        if raw.rx_cpu != FR_NO_CPU { arrival = (UInt64(raw.rx_late_us) * 1000, raw.rx_cpu) }
    }
}

/// A moment that need not have come: 0 in a record. Half the size of an `Optional`, for captures hold a million turns.
@propertyWrapper
public struct Stamp: Sendable, Equatable {
    private var raw: UInt64

    public init(wrappedValue: Instant?) { raw = wrappedValue ?? 0 }

    /// `nil`: it did not happen.
    public var wrappedValue: Instant? {
        get { raw == 0 ? nil : raw }
        set { raw = newValue ?? 0 }
    }
}
