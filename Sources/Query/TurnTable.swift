import Analysis
import Events

/// A turn of which stages may be asked for.
public final class TurnRow {
    let turn: Turn
    lazy var waterfall = Waterfall(turn)

    init(_ turn: Turn) { self.turn = turn }
}

/// Stages as `Waterfall` names them, of a turn by itself: what only the other end's turn tells apart
/// (request-transit, response-transit) is within waiting-for-peer.
private let stages = [
    ("connect", "the handshake"),
    ("request-send", "called: until the request was handed to TCP"),
    ("network", "called: until the peer's TCP had it, where that is known"),
    ("waiting-for-peer", "called: until the first byte of the answer arrived"),
    ("tcp-stack", "from TCP to the wake-up of the reader"),
    ("receive-queue", "waiting to be read"),
    ("request-transfer", "served: the rest of the request was under way"),
    ("request-read", "served: reading it"),
    ("application", "served: from the last read to the first byte of the answer"),
    ("response", "served: handing the answer to TCP"),
    ("response-read", "called: reading the answer"),
    ("send-buffer", "waiting for room in the own send buffer"),
    ("peer-window", "waiting for the peer's window"),
]

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
        kinds: [.turn, .open], events: { $0.turns }, row: { TurnRow($0) }, columns: turnColumns)

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
        + stages.map { stage, about in
            Column(stage.replacing("-", with: "_") + "_ns", about) { row, _ in .integer(row.waterfall[stage]) }
        }
        + [
            Column("unexplained_ns", "what no stage accounts for; all of them sum to total_ns") { row, _ in
                .integer(row.waterfall.unexplained)
            },
            Column("received_bytes", "bytes") { row, _ in .integer(row.turn.receivedBytes) },
            Column("sent_bytes", "bytes") { row, _ in .integer(row.turn.sentBytes) },
            Column("retransmits", "sent again by this end") { row, _ in .integer(row.turn.retransmits) },
            Column("smoothed_rtt_ns", "the kernel's smoothed round trip") { row, _ in
                .integer(UInt64(row.turn.smoothedRTT) * 1000)
            },
            Column("tid", "thread that read (served) or sent (called); null: none yet") { row, _ in
                row.turn.tid == 0 ? .null : .integer(row.turn.tid)
            },
            Column("cpu", "where it ended") { row, _ in .integer(row.turn.cpu) },
            Column("in_flight", "1: not complete when last seen, at its end") { row, _ in .flag(row.turn.isOpen) },
            Column("flags", .text, "words of: open stream aborted unread sending first connecting unaccepted") { row, _ in
                .text(row.turn.flags.words)
            },
        ]
}
