import CFlightrec
import Events

/// One field of a record and how its column is written.
struct Field: Sendable {
    enum Mode: Sendable {
        /// Difference to the record before.
        case delta
        /// Difference to the last record of the same socket, or to the record before when there is none.
        case socketDelta
        /// A stamp, as its difference to another stamp of the same record that depends on the turn's role.
        /// 0 means absent and stays 0. When the other stamp is absent, `start` stands in for it.
        case since(served: Int, called: Int)
        /// Copied as they are.
        case bytes
    }

    var offset: Int
    var width: Int
    var mode: Mode
}

/// Where the fields of a kind's record lie, in the order their columns are written: a column only refers to those
/// before it. A change here, or of a struct, is a new codec number: old captures must stay readable. So new fields go to the
/// ends of the struct and of the list.
struct ColumnLayout: Sendable {
    var fields: [Field]
    /// The last so many of them came later: codecs before `BlockCodec.timed` do not have them, nor their records.
    var later = 0
    /// Of the turn's role and start; only `since` fields use them.
    var role = 0
    var start = 0
    /// In the order of `SidedColumns`; empty: its records have no sides.
    var sidedFields: [Field] = []

    /// Those that a codec writes, in its order; `nil`: it does not write this kind.
    func fields(_ codec: UInt8) -> ArraySlice<Field>? {
        switch codec {
        case BlockCodec.columns: fields.dropLast(later)
        case BlockCodec.sided where !sidedFields.isEmpty: sidedFields.dropLast(later)
        case BlockCodec.timed where !sidedFields.isEmpty: sidedFields[...]
        case BlockCodec.timed where later > 0: fields[...]
        default: nil
        }
    }

    /// Bytes of a record without the later fields.
    func earlierSize(_ kind: EventKind) -> Int { fields.suffix(later).map(\.offset).min() ?? kind.size }

    static func of(_ kind: EventKind) -> ColumnLayout {
        switch kind {
        case .socket: socket
        case .turn, .open: turn
        case .retransmit: retransmit
        case .state: state
        case .reset: reset
        case .drop: drop
        case .softirq: softirq
        case .slice: slice
        case .queued: queued
        case .stack: stack
        }
    }

    /// Offset of the socket id, common to all records.
    static let socketOffset = offset(\fr_header.socket)

    /// Offset of the time a record's interval starts at; `nil`: it is about a moment.
    static func startOffset(_ kind: EventKind) -> Int? {
        switch kind {
        case .turn, .open: offset(\fr_turn.start)
        case .slice: offset(\fr_slice.start)
        default: nil
        }
    }

    private static func offset<Record>(_ path: PartialKeyPath<Record>) -> Int {
        guard let offset = MemoryLayout<Record>.offset(of: path) else {
            preconditionFailure("\(path) is not a stored field")
        }
        return offset
    }

    private static func field<Record, Value>(_ path: KeyPath<Record, Value>, _ mode: Field.Mode) -> Field {
        Field(offset: offset(path), width: MemoryLayout<Value>.size, mode: mode)
    }

    private static let header: [Field] = [
        field(\fr_header.ts, .delta), field(\fr_header.cgroup, .delta), field(\fr_header.socket, .delta),
        field(\fr_header.kind, .delta), field(\fr_header.cpu, .socketDelta),
    ]

    /// A stamp is written against the one it follows most closely: what remains is the duration of one step, and 0
    /// where two stamps are one (a request of one segment, read at once).
    private static let turn: ColumnLayout = {
        let end = offset(\fr_turn.h.ts)
        let start = offset(\fr_turn.start)
        let receivedFirst = offset(\fr_turn.rx_first)
        let sentFirst = offset(\fr_turn.tx_first)
        let sentLast = offset(\fr_turn.tx_last)
        let readFirst = offset(\fr_turn.read_first)
        let woken = offset(\fr_turn.woken)
        var layout = ColumnLayout(
            fields: header + [
                field(\fr_turn.role, .socketDelta), field(\fr_turn.flags, .socketDelta),
                field(\fr_turn.start, .since(served: end, called: end)),
                field(\fr_turn.rx_first, .since(served: start, called: end)),
                field(\fr_turn.rx_last, .since(served: receivedFirst, called: receivedFirst)),
                field(\fr_turn.woken, .since(served: receivedFirst, called: receivedFirst)),
                field(\fr_turn.read_first, .since(served: woken, called: end)),
                field(\fr_turn.read_last, .since(served: readFirst, called: end)),
                // Served: the last send ends the turn. Called: the first one starts it.
                field(\fr_turn.tx_last, .since(served: end, called: start)),
                field(\fr_turn.tx_first, .since(served: sentLast, called: start)),
                field(\fr_turn.rx_bytes, .socketDelta), field(\fr_turn.tx_bytes, .socketDelta),
                field(\fr_turn.sndbuf_wait, .socketDelta), field(\fr_turn.rwnd_wait, .socketDelta),
                field(\fr_turn.tid, .socketDelta), field(\fr_turn.srtt_us, .socketDelta),
                field(\fr_turn.sequence, .socketDelta), field(\fr_turn.retransmits, .socketDelta),
                // Called: an answer carries the acknowledgement more often than not.
                field(\fr_turn.acked, .since(served: end, called: receivedFirst)),
                field(\fr_turn.tx_tid, .socketDelta), field(\fr_turn.nagle_us, .delta),
                field(\fr_turn.rx_late_us, .delta), field(\fr_turn.rx_cpu, .socketDelta),
                field(\fr_turn.unseen, .delta), field(\fr_turn.send_wait, .socketDelta),
                field(\fr_turn.tcp_receive, .delta),
            ], later: 2, role: offset(\fr_turn.role), start: start)
        // The role goes first: it says which side all others are of.
        layout.sidedFields =
            [field(\fr_turn.role, .delta)] + layout.fields.filter { $0.offset != layout.role }
        return layout
    }()

    private static let socket = ColumnLayout(
        fields: header + [
            field(\fr_socket.established, .delta), field(\fr_socket.leaf_cgroup, .delta),
            field(\fr_socket.netns, .delta), field(\fr_socket.pid, .delta), field(\fr_socket.family, .delta),
            field(\fr_socket.local_port, .delta), field(\fr_socket.remote_port, .delta),
            field(\fr_socket.role, .delta), field(\fr_socket.flags, .delta), field(\fr_socket.local, .bytes),
            field(\fr_socket.remote, .bytes), field(\fr_socket.comm, .bytes), field(\fr_socket.write_seq, .delta),
            field(\fr_socket.rcv_nxt, .delta),
        ])

    private static let retransmit = ColumnLayout(
        fields: header + [
            field(\fr_retransmit.rto_ms, .socketDelta), field(\fr_retransmit.rtx_kind, .delta),
            field(\fr_retransmit.ca_state, .delta), field(\fr_retransmit.backoff, .socketDelta),
            field(\fr_retransmit.state, .delta), field(\fr_retransmit.srtt_us, .socketDelta),
            field(\fr_retransmit.pad, .delta),
        ], later: 2)

    private static let state = ColumnLayout(
        fields: header + [
            field(\fr_state.duration, .delta), field(\fr_state.sndbuf_wait, .delta),
            field(\fr_state.rwnd_wait, .delta), field(\fr_state.turns, .delta), field(\fr_state.retransmits, .delta),
            field(\fr_state.syn_retries, .delta), field(\fr_state.state_kind, .delta), field(\fr_state.pad, .bytes),
        ])

    private static let reset = ColumnLayout(
        fields: header + [field(\fr_reset.reset_kind, .delta), field(\fr_reset.pad, .delta)])

    private static let drop = ColumnLayout(
        fields: header + [
            field(\fr_drop.location, .delta), field(\fr_drop.reason, .delta), field(\fr_drop.count, .delta),
            field(\fr_drop.netns, .delta), field(\fr_drop.family, .delta), field(\fr_drop.source_port, .delta),
            field(\fr_drop.destination_port, .delta), field(\fr_drop.pad, .bytes), field(\fr_drop.source, .bytes),
            field(\fr_drop.destination, .bytes),
        ])

    private static let slice = ColumnLayout(
        fields: header + [
            field(\fr_slice.start, .delta), field(\fr_slice.woken, .delta), field(\fr_slice.tid, .delta),
            field(\fr_slice.pid, .delta), field(\fr_slice.syscall, .delta), field(\fr_slice.why, .delta),
            field(\fr_slice.flags, .delta), field(\fr_slice.pad, .bytes), field(\fr_slice.spent, .delta),
        ])

    private static let queued = ColumnLayout(
        fields: header + [
            field(\fr_queued.waited, .delta), field(\fr_queued.netns, .delta), field(\fr_queued.ifindex, .delta),
            field(\fr_queued.count, .delta), field(\fr_queued.backlog, .delta), field(\fr_queued.family, .delta),
            field(\fr_queued.source_port, .delta), field(\fr_queued.destination_port, .delta),
            field(\fr_queued.pad, .bytes), field(\fr_queued.source, .bytes), field(\fr_queued.destination, .bytes),
            field(\fr_queued.device, .bytes),
        ])

    private static let stack = ColumnLayout(
        fields: header + [
            field(\fr_stack.start, .delta), field(\fr_stack.tid, .delta), field(\fr_stack.depth, .delta),
            field(\fr_stack.frames, .bytes),
        ])

    private static let softirq = ColumnLayout(
        fields: header + [
            field(\fr_softirq.run, .delta), field(\fr_softirq.deferred, .delta), field(\fr_softirq.vector, .delta),
            field(\fr_softirq.from, .delta), field(\fr_softirq.waiting, .delta),
            field(\fr_softirq.looked_at, .delta), field(\fr_softirq.alike, .delta),
            field(\fr_softirq.ifindex, .delta), field(\fr_softirq.device, .bytes),
        ])
}
