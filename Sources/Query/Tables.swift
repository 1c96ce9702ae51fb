import Analysis
import Events

/// The tables events are read through.
public enum Tables {
    /// Every kind of event. The rest of `all` are names and looks at files.
    public static let events: [any Table] = [
        turns, retransmits, slices, stacks, softirqs, drops, queued, states, resets,
    ]
    public static let all: [any Table] = events + [samples, sockets]

    static let retransmits = EventTable<Retransmit, Retransmit>(
        name: "retransmits", kind: "retransmit", about: "segments sent again", kinds: [.retransmit],
        events: { $0.retransmits }, at: { $0.at }, row: { $0 },
        columns: Column.time("at", "at") { $0.at } + Column.container { $0.container } + Column.socket { $0.socket } + [
            Column("retransmit", .text, "rto, fast, tlp, syn, synack or other") { row, _ in .text(row.kind.name) },
            Column("rto_ms", "the retransmission timer in force, ms") { row, _ in .integer(row.rtoMilliseconds) },
            Column("backoff", "times it was doubled") { row, _ in .integer(row.backoff) },
            Column("srtt_us", "the kernel's smoothed round trip before, µs; 0: not known") { row, _ in
                .integer(row.smoothedRTT)
            },
        ])

    static let states = EventTable<StateChange, StateChange>(
        name: "states", kind: "state", about: "connections established, closed or failed", kinds: [.state],
        events: { $0.states }, at: { $0.at }, row: { $0 },
        columns: Column.time("at", "at") { $0.at } + Column.container { $0.container } + Column.socket { $0.socket } + [
            Column("state", .text, "established, closed, connect-failed or other") { row, _ in .text(row.kind.name) },
            Column("duration_ns", "established: of the handshake (called only); closed: time established") { row, _ in
                .integer(row.duration)
            },
            Column("send_buffer_wait_ns", "over its life") { row, _ in .integer(row.sendBufferWait) },
            Column("receiver_window_wait_ns", "over its life") { row, _ in .integer(row.receiverWindowWait) },
            Column("turns", "over its life") { row, _ in .integer(row.turns) },
            Column("retransmits", "over its life") { row, _ in .integer(row.retransmits) },
            Column("syn_retries", "SYNs sent again") { row, _ in .integer(row.synRetries) },
        ])

    static let resets = EventTable<Reset, Reset>(
        name: "resets", kind: "reset", about: "RSTs", kinds: [.reset], events: { $0.resets }, at: { $0.at },
        row: { $0 },
        columns: Column.time("at", "at") { $0.at } + Column.container { $0.container } + Column.socket { $0.socket } + [
            Column("reset", .text, "sent or received") { row, _ in .text(row.sent ? "sent" : "received") }
        ])

    static let drops = EventTable<Drop, Drop>(
        name: "drops", kind: "drop", about: "packets the kernel dropped", kinds: [.drop], events: { $0.drops },
        at: { $0.at },
        row: { $0 },
        columns: Column.time("at", "at") { $0.at } + Column.container { $0.container } + [
            Column("reason", .text, "the recording kernel's name for it") { row, names in
                .text(names.dropReason(row.reason))
            },
            Column("count", "this one and those of the same reason since the last report on that CPU") { row, _ in
                .integer(row.count)
            },
        ] + packet({ $0.source }, { $0.destination }, { $0.netns }))

    static let queued = EventTable<Queued, Queued>(
        name: "queued", kind: "queued", about: "packets that waited in a device's queue", kinds: [.queued],
        events: { $0.queued }, at: { $0.at }, row: { $0 },
        columns: Column.time("at", "at") { $0.at } + [
            Column("device", .text, "its name, in netns") { row, _ in .text(Names.clean(row.device)) },
            Column("waited_ns", "in the queue, until at") { row, _ in .integer(row.waited) },
            Column("count", "this one and those that waited as long since the last report") { row, _ in
                .integer(row.count)
            },
            Column("backlog", "packets still behind it") { row, _ in .integer(row.backlog) },
        ] + packet({ $0.source }, { $0.destination }, { $0.netns }))

    static let softirqs = EventTable<SlowSoftirq, SlowSoftirq>(
        name: "softirqs", kind: "softirq", about: "softirqs that ran long or started late", kinds: [.softirq],
        events: { $0.slowSoftirqs }, at: { $0.at }, row: { $0 },
        columns: Column.time("at", "at") { $0.at } + [
            Column("cpu", "number") { row, _ in .integer(row.cpu) },
            Column("vector", .text, "NET_RX, NET_TX, TIMER, ...") { row, _ in .text(row.vectorName) },
            Column("run_ns", "from entry to exit") { row, _ in .integer(row.run) },
            Column("deferred_ns", "from when it was due, behind a slow one or left to ksoftirqd, to entry") { row, _ in
                .integer(row.deferred)
            },
            Column("waiting", "NET_RX: packets left in the CPU's backlog") { row, _ in .integer(row.waiting) },
            Column("sender", .text, "container of the next of these; NULL: none, or not one's here") { row, names in
                guard let backlog = row.backlog, backlog.from != 0 else { return .null }
                return .text(names.container(backlog.from))
            },
            Column("device", .text, "it came in on") { row, _ in row.backlog.map { .text($0.device) } ?? .null },
        ])

    private static func packet<Row>(
        _ source: @escaping @Sendable (Row) -> Endpoint?, _ destination: @escaping @Sendable (Row) -> Endpoint?,
        _ netns: @escaping @Sendable (Row) -> UInt32
    ) -> [Column<Row>] {
        [
            Column("source", .text, "address and port; null: not TCP over IP") { row, _ in
                .text(source(row).map { "\($0)" })
            },
            Column("destination", .text, "address and port") { row, _ in .text(destination(row).map { "\($0)" }) },
            Column("netns", "inode of the network namespace; 0: not known") { row, _ in .integer(netns(row)) },
        ]
    }
}
