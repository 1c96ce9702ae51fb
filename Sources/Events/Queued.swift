import CFlightrec

/// A packet waited in a device's queueing discipline (`qdisc_enqueue`, `qdisc_dequeue`).
public struct Queued: Sendable, Equatable {
    /// When it left the queue.
    public var at: Instant
    /// ns.
    public var waited: UInt64
    /// This one and those that waited as long since the last report on that CPU.
    public var count: UInt32
    /// Packets still queued behind it.
    public var backlog: UInt32
    public var device: String
    public var netns: UInt32
    /// `nil` when the packet was not TCP over IP.
    public var source: Endpoint?
    public var destination: Endpoint?

    public init(
        at: Instant, waited: UInt64, count: UInt32 = 1, backlog: UInt32 = 0, device: String, netns: UInt32 = 0,
        source: Endpoint? = nil, destination: Endpoint? = nil
    ) {
        self.at = at
        self.waited = waited
        self.count = count
        self.backlog = backlog
        self.device = device
        self.netns = netns
        self.source = source
        self.destination = destination
    }

    public init(_ raw: fr_queued) {
        self.init(
            at: raw.h.ts, waited: raw.waited, count: raw.count, backlog: raw.backlog,
            device: withUnsafeBytes(of: raw.device) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) },
            netns: raw.netns)
        guard raw.family != 0 else { return }
        source = Endpoint(family: raw.family, raw.source, raw.source_port)
        destination = Endpoint(family: raw.family, raw.destination, raw.destination_port)
    }

    /// From when to when it waited.
    public var span: Range<Instant> { (at > waited ? at - waited : 0)..<at }
}

/// Where in the kernel a thread was blocked (`bpf_get_task_stack`), taken while it was.
public struct KernelStack: Sendable, Equatable {
    public var at: Instant
    public var container: ContainerKey
    public var tid: UInt32
    /// `start` of the slice it belongs to.
    public var start: Instant
    /// Kernel text addresses of the recording kernel, innermost first; captures carry the names.
    public var frames: [UInt64]

    public init(_ raw: fr_stack) {
        at = raw.h.ts
        container = raw.h.cgroup
        tid = raw.tid
        start = raw.start
        frames = withUnsafeBytes(of: raw.frames) { bytes in
            (0..<min(Int(raw.depth), Int(FR_FRAMES))).map { bytes.load(fromByteOffset: $0 * 8, as: UInt64.self) }
        }
    }
}
