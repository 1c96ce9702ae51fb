import CFlightrec

/// Raw value of `enum fr_kind`, validated.
public enum EventKind: UInt16, Sendable, CaseIterable {
    case socket = 1
    case turn = 2
    case open = 3
    case retransmit = 4
    case state = 5
    case reset = 6
    case drop = 7
    case softirq = 8
    case slice = 9
    case queued = 10
    case stack = 11

    public var name: String {
        switch self {
        case .socket: "socket"
        case .turn: "turn"
        case .open: "open"
        case .retransmit: "retransmit"
        case .state: "state"
        case .reset: "reset"
        case .drop: "drop"
        case .softirq: "softirq"
        case .slice: "slice"
        case .queued: "queued"
        case .stack: "stack"
        }
    }

    /// Bytes of its record on the ring.
    public var size: Int {
        switch self {
        case .socket: MemoryLayout<fr_socket>.size
        case .turn, .open: MemoryLayout<fr_turn>.size
        case .retransmit: MemoryLayout<fr_retransmit>.size
        case .state: MemoryLayout<fr_state>.size
        case .reset: MemoryLayout<fr_reset>.size
        case .drop: MemoryLayout<fr_drop>.size
        case .softirq: MemoryLayout<fr_softirq>.size
        case .slice: MemoryLayout<fr_slice>.size
        case .queued: MemoryLayout<fr_queued>.size
        case .stack: MemoryLayout<fr_stack>.size
        }
    }
}

/// Why a record could not be decoded.
public enum RecordError: Error, Equatable, Sendable {
    /// Shorter than a header, or than its kind demands.
    case truncated(size: Int)
    case unknownKind(UInt16)
}

/// The kind of the record at `record`, after its size was checked against it.
@inlinable
public func validate(_ record: UnsafeRawBufferPointer) throws(RecordError) -> EventKind {
    guard record.count >= MemoryLayout<fr_header>.size else { throw .truncated(size: record.count) }
    let header = record.loadUnaligned(as: fr_header.self)
    guard let kind = EventKind(rawValue: header.kind) else { throw .unknownKind(header.kind) }
    guard record.count >= kind.size else { throw .truncated(size: record.count) }
    return kind
}

/// One decoded record, for readers; the recording path works on the raw structs.
public enum Event: Sendable {
    case socket(SocketInfo)
    case turn(Turn)
    case retransmit(Retransmit)
    case state(StateChange)
    case reset(Reset)
    case drop(Drop)
    case softirq(SlowSoftirq)
    case slice(Slice)
    case queued(Queued)
    case stack(KernelStack)

    /// Decodes one ring record. Errors: see `RecordError`.
    public init(_ record: UnsafeRawBufferPointer) throws(RecordError) {
        switch try validate(record) {
        case .socket: self = .socket(SocketInfo(record.loadUnaligned(as: fr_socket.self)))
        case .turn, .open: self = .turn(Turn(record.loadUnaligned(as: fr_turn.self)))
        case .retransmit: self = .retransmit(Retransmit(record.loadUnaligned(as: fr_retransmit.self)))
        case .state: self = .state(StateChange(record.loadUnaligned(as: fr_state.self)))
        case .reset: self = .reset(Reset(record.loadUnaligned(as: fr_reset.self)))
        case .drop: self = .drop(Drop(record.loadUnaligned(as: fr_drop.self)))
        case .softirq: self = .softirq(SlowSoftirq(record.loadUnaligned(as: fr_softirq.self)))
        case .slice: self = .slice(Slice(record.loadUnaligned(as: fr_slice.self)))
        case .queued: self = .queued(Queued(record.loadUnaligned(as: fr_queued.self)))
        case .stack: self = .stack(KernelStack(record.loadUnaligned(as: fr_stack.self)))
        }
    }

    /// When it happened (a turn: when it ended).
    public var at: Instant {
        switch self {
        case .socket(let socket): socket.seen
        case .turn(let turn): turn.end
        case .retransmit(let retransmit): retransmit.at
        case .state(let state): state.at
        case .reset(let reset): reset.at
        case .drop(let drop): drop.at
        case .softirq(let softirq): softirq.at
        case .slice(let slice): slice.end
        case .queued(let queued): queued.at
        case .stack(let stack): stack.at
        }
    }
}

/// A TCP segment, SYN or SYN-ACK sent again (`tcp_retransmit_skb`, `tcp_retransmit_synack`).
public struct Retransmit: Sendable, Equatable {
    public enum Kind: UInt8, Sendable {
        /// Anything the recorder did not recognise.
        case other = 0
        /// Retransmission timeout (RFC 6298).
        case rto = 1
        /// Fast retransmit or recovery (RFC 5681, RFC 6675).
        case fast = 2
        /// Tail loss probe (RFC 8985).
        case tlp = 3
        case syn = 4
        case synack = 5

        public var name: String {
            switch self {
            case .other: "other"
            case .rto: "rto"
            case .fast: "fast"
            case .tlp: "tlp"
            case .syn: "syn"
            case .synack: "synack"
            }
        }
    }

    public var at: Instant
    public var container: ContainerKey
    public var socket: SocketID
    public var kind: Kind
    /// The retransmission timer in force, ms.
    public var rtoMilliseconds: UInt32
    /// The kernel's smoothed round trip when it was sent again, µs; 0: not known.
    public var smoothedRTT: UInt32
    public var backoff: UInt8

    public init(
        at: Instant, container: ContainerKey, socket: SocketID, kind: Kind, rtoMilliseconds: UInt32 = 0,
        smoothedRTT: UInt32 = 0, backoff: UInt8 = 0
    ) {
        self.at = at
        self.container = container
        self.socket = socket
        self.kind = kind
        self.rtoMilliseconds = rtoMilliseconds
        self.smoothedRTT = smoothedRTT
        self.backoff = backoff
    }

    public init(_ raw: fr_retransmit) {
        self.init(
            at: raw.h.ts, container: raw.h.cgroup, socket: raw.h.socket, kind: Kind(rawValue: raw.rtx_kind) ?? .other,
            rtoMilliseconds: raw.rto_ms, smoothedRTT: raw.srtt_us, backoff: raw.backoff)
    }
}

/// A socket became established, closed, or failed to connect (`inet_sock_set_state`).
public struct StateChange: Sendable, Equatable {
    public enum Kind: UInt8, Sendable {
        case other = 0
        case established = 1
        case closed = 2
        case connectFailed = 3

        public var name: String {
            switch self {
            case .other: "other"
            case .established: "established"
            case .closed: "closed"
            case .connectFailed: "connect-failed"
            }
        }
    }

    public var at: Instant
    public var container: ContainerKey
    public var socket: SocketID
    public var kind: Kind
    /// Established: ns the handshake took (called only). Closed: ns spent in ESTABLISHED.
    public var duration: UInt64
    /// ns over the socket's life, at jiffies resolution (`tcp_sock.chrono_stat`).
    public var sendBufferWait: UInt64
    public var receiverWindowWait: UInt64
    public var turns: UInt32
    public var retransmits: UInt32
    public var synRetries: UInt16

    public init(_ raw: fr_state) {
        at = raw.h.ts
        container = raw.h.cgroup
        socket = raw.h.socket
        kind = Kind(rawValue: raw.state_kind) ?? .other
        duration = raw.duration
        sendBufferWait = raw.sndbuf_wait
        receiverWindowWait = raw.rwnd_wait
        turns = raw.turns
        retransmits = raw.retransmits
        synRetries = raw.syn_retries
    }
}

/// An RST sent or received.
public struct Reset: Sendable, Equatable {
    public var at: Instant
    public var container: ContainerKey
    public var socket: SocketID
    public var sent: Bool

    public init(_ raw: fr_reset) {
        at = raw.h.ts
        container = raw.h.cgroup
        socket = raw.h.socket
        sent = raw.reset_kind == FR_RESET_SENT.rawValue
    }
}

/// A packet the kernel dropped, with its reason (`kfree_skb`).
public struct Drop: Sendable, Equatable {
    public var at: Instant
    public var container: ContainerKey
    /// Value of the recording kernel's `enum skb_drop_reason`; captures carry the names.
    public var reason: UInt32
    /// This one and those of the same reason since the last report on that CPU.
    public var count: UInt32
    public var netns: UInt32
    /// `nil` when the packet was not TCP over IP.
    public var source: Endpoint?
    public var destination: Endpoint?

    public init(_ raw: fr_drop) {
        at = raw.h.ts
        container = raw.h.cgroup
        reason = raw.reason
        count = raw.count
        netns = raw.netns
        guard raw.family != 0 else { return }
        source = Endpoint(family: raw.family, raw.source, raw.source_port)
        destination = Endpoint(family: raw.family, raw.destination, raw.destination_port)
    }
}

/// One softirq that ran long or started late.
public struct SlowSoftirq: Sendable, Equatable {
    public static let vectors = [
        "HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU",
    ]

    public var at: Instant
    public var cpu: UInt16
    public var vector: UInt32
    /// ns from entry to exit.
    public var run: UInt64
    /// ns from when it was due to entry, at the most: ksoftirqd, to which it was left, waited for the CPU, or a slow one
    /// ran before it. 0: it ran right where it was raised.
    public var deferred: UInt64
    /// NET_RX: packets that waited in the CPU's backlog when it ended.
    public var waiting: UInt32
    /// What the next of these were, up to 16; `nil`: none waited, or nobody could look.
    public var backlog: Backlog?

    /// How many of the packets next in a CPU's backlog were the first one's sender's.
    public struct Backlog: Sendable, Equatable {
        /// The container that sent them; 0: none of this host that is known.
        public var from: ContainerKey
        /// The first came in on it; where `from` is 0, all that are alike did.
        public var device: String
        public var alike: Int
        /// Packets looked at.
        public var of: Int
    }

    public init(_ raw: fr_softirq) {
        at = raw.h.ts
        cpu = raw.h.cpu
        vector = raw.vector
        run = raw.run
        deferred = raw.deferred
        waiting = raw.waiting
        guard raw.looked_at > 0 else { return }
        backlog = Backlog(
            from: raw.from,
            device: withUnsafeBytes(of: raw.device) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) },
            alike: Int(raw.alike), of: Int(raw.looked_at))
    }

    public var vectorName: String {
        Int(vector) < Self.vectors.count ? Self.vectors[Int(vector)] : "\(vector)"
    }
}
