import Analysis
import Events

/// A turn of which stages may be asked for.
public final class TurnRow {
    let turn: Turn
    lazy var waterfall = Waterfall(turn)

    init(_ turn: Turn) { self.turn = turn }
}

/// A stage as `Waterfall` names it, of a turn by itself: what only the other end's turn tells apart (request-transit,
/// response-transit) is within waiting-for-peer.
private struct StageColumn {
    /// Turns that have it.
    enum Of { case served, called, both, connecting }

    let name: String
    let of: Of
    let about: String

    static let all = [
        StageColumn(name: "connect", of: .connecting, about: "the handshake"),
        StageColumn(name: "request-send", of: .called, about: "called: until the request was handed to TCP"),
        StageColumn(name: "network", of: .called, about: "called: until the peer's TCP had it, where that is known"),
        StageColumn(name: "waiting-for-peer", of: .called, about: "called: until the answer's first byte arrived"),
        StageColumn(name: "tcp-stack", of: .both, about: "from TCP to the wake-up of the reader"),
        StageColumn(
            name: "tcp-receive", of: .both,
            about: "TCP taking in what is to be read first, with record --tcp-receive; else in what follows"),
        StageColumn(name: "receive-queue", of: .both, about: "waiting to be read"),
        StageColumn(name: "request-transfer", of: .served, about: "served: the rest of the request was under way"),
        StageColumn(name: "request-read", of: .served, about: "served: reading it"),
        StageColumn(name: "application", of: .served, about: "served: from the last read to the answer's first byte"),
        StageColumn(name: "response", of: .served, about: "served: handing the answer to TCP"),
        StageColumn(name: "response-read", of: .called, about: "called: reading the answer"),
        StageColumn(
            name: "send-buffer", of: .both, about: "waiting for room in the own send buffer, but for the peer's window"),
        StageColumn(name: "peer-window", of: .both, about: "waiting for the peer's window"),
    ]

    /// Null: turns of this kind have no such stage.
    func value(_ row: TurnRow) -> Value {
        let has =
            switch of {
            case .connecting: row.turn.flags.contains(.connecting)
            case .served: row.turn.role == .served
            case .called: row.turn.role == .called
            case .both: true
            }
        return has ? .integer(row.waterfall[name]) : .null
    }
}

extension Turn.Flags {
    /// In words, apart by spaces; empty for none.
    var words: String {
        let known: [(Turn.Flags, String)] = [
            (.open, "open"), (.stream, "stream"), (.aborted, "aborted"), (.unread, "unread"), (.sending, "sending"),
            (.first, "first"), (.connecting, "connecting"), (.unaccepted, "unaccepted"),
        ]
        return known.filter { contains($0.0) }.map(\.1).joined(separator: " ")
    }
}

extension Tables {
    public static let turns = EventTable<Turn, TurnRow>(
        name: "turns", kind: "turn", about: "requests and their responses, one row for each end that was watched",
        kinds: [.turn, .open], events: { $0.turns }, at: { $0.end }, row: { TurnRow($0) }, columns: turnColumns)

    private static let turnColumns: [Column<TurnRow>] =
        Column.container { $0.turn.container }
        + Column.socket({ $0.turn.socket }, role: false)
        + [
            Column("role", .text, "served or called") { row, _ in .text(row.turn.role.name) },
            Column("sequence", "number of the turn on its socket, from 1") { row, _ in .integer(row.turn.sequence) },
        ]
        + Column.time("started_at", "start", .start) { $0.turn.start }
        + Column.time("ended_at", "end") { $0.turn.end }
        + [Column("total_ns", "from start to end") { row, _ in .integer(row.turn.total) }]
        + StageColumn.all.map { stage in
            Column(stage.name.replacing("-", with: "_") + "_ns", stage.about) { row, _ in stage.value(row) }
        }
        + [
            Column("unexplained_ns", "what no stage accounts for; it and they sum to total_ns") { row, _ in
                .integer(row.waterfall.unexplained)
            },
            Column(
                "send_blocked_ns",
                "a sender was blocked for send buffer, for whatever reason; 0: none, or no hook on sk_stream_wait_memory"
            ) { row, _ in .integer(row.turn.sendBlocked) },
            Column("received_bytes", "bytes") { row, _ in .integer(row.turn.receivedBytes) },
            Column("sent_bytes", "bytes") { row, _ in .integer(row.turn.sentBytes) },
            Column("retransmits", "sent again by this end") { row, _ in .integer(row.turn.retransmits) },
            Column("unseen_retransmits", "segments sent again by the kernel's count that no probe was told of") {
                row, _ in
                .integer(row.turn.unseenRetransmits)
            },
            Column("smoothed_rtt_ns", "the kernel's smoothed round trip") { row, _ in
                .integer(UInt64(row.turn.smoothedRTT) * 1000)
            },
            Column("tid", "thread that read (served) or sent (called); null: none yet") { row, _ in
                row.turn.tid == 0 ? .null : .integer(row.turn.tid)
            },
            Column("cpu", "where it ended") { row, _ in .integer(row.turn.cpu) },
            Column("in_flight", .flag, "1: not complete when last seen, at its end") { row, _ in .flag(row.turn.isOpen)
            },
            Column("flags", .text, "words of: open stream aborted unread sending first connecting unaccepted") {
                row, _ in
                .text(row.turn.flags.words)
            },
        ]
}
