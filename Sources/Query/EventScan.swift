import Analysis
import Capture
import Events

/// A capture's events, block by block. Belongs to one thread.
public final class CaptureEvents {
    public let reader: CaptureReader
    /// All but the events.
    public let frame: Evidence
    public let names: Names
    let blocks: [BlockEntry]
    /// Blocks decoded so far.
    public private(set) var decoded = 0
    /// Asked between blocks; true ends a scan.
    var isInterrupted: () -> Bool = { false }
    private var open: [Turn]?

    /// Throws `CaptureError.unreadable`, `.tooLarge` or `.read`.
    public init(_ reader: CaptureReader, limits: CaptureLimits = CaptureLimits()) throws(CaptureError) {
        self.reader = reader
        frame = try reader.frame()
        names = Names(frame)
        blocks = try reader.blocks(limits: limits)
    }

    func events(in blocks: [BlockEntry]) throws -> Evidence {
        if isInterrupted() { throw Interruption() }
        decoded += blocks.count
        return try reader.events(in: blocks, of: frame)
    }

    /// Turns that no block has the end of. A report about an open turn does not count when its end was recorded too,
    /// in whatever block that is.
    func openTurns() throws -> [Turn] {
        if let open { return open }
        let reports = blocks.filter { $0.kind == .open }
        let told = try events(in: reports).turns
        let candidates = blocks.filter { block in
            block.kind == .turn
                && told.contains { turn in
                    block.container == turn.container && block.began <= turn.start && block.to >= turn.end
                        && block.sockets.contains(sorted: turn.socket)
                }
        }
        let turns = candidates.isEmpty ? told : try events(in: reports + candidates).turns.filter { $0.isOpen }
        open = turns
        return turns
    }
}

/// A scan was stopped by Ctrl-C.
struct Interruption: Error {}

/// Rows of one table, in no order.
public protocol Scan: AnyObject {
    /// Moves to the next row, at first to the first; false at the end. Throws `CaptureError`, or that it was interrupted.
    func advance() throws -> Bool
    func value(_ column: Int) -> Value
    /// Tells the current row from all others of the table, the same in every scan: of two scans for the terms of an OR, SQLite
    /// leaves out what has a number it had already.
    var rowID: Int64 { get }
}

/// Decodes one block after another, those alone that the constraints leave.
final class EventScan<Event, Row>: Scan {
    private let table: EventTable<Event, Row>
    private let capture: CaptureEvents
    private let names: Names
    /// What `table.columns` compute, apart from all that describes them.
    private let values: [@Sendable (Row, Names) -> Value]
    /// Still to be decoded, last first, with the number of the first row.
    private var pending: [(first: Int64, decode: () throws -> [Event])] = []
    private var events: [Event] = []
    private var first: Int64 = 0
    private var position = -1
    private var row: Row?

    init(_ table: EventTable<Event, Row>, _ capture: CaptureEvents, _ constraints: [Constraint]) {
        self.table = table
        self.capture = capture
        names = capture.names
        values = table.columns.map(\.value)
        guard !table.kinds.isEmpty else {
            pending = [(0, { table.events(capture.frame) })]
            return
        }
        let pruner = Pruner(table.columnFacts, constraints, capture.names)
        let admitted = capture.blocks.enumerated().filter { table.kinds.contains($1.kind) && pruner.admits($1) }
        let retold = admitted.map(\.element).filter { $0.kind.isRetold }
        if !retold.isEmpty {
            // Open turns are all of them or none: below the numbers of all blocks.
            let decode: () throws -> [Event] = {
                guard table.kinds.contains(.open) else { return table.events(try capture.events(in: retold)) }
                var evidence = capture.frame
                evidence.turns = try capture.openTurns()
                return table.events(evidence)
            }
            pending.append((.min, decode))
        }
        for (index, block) in admitted.reversed() where !block.kind.isRetold {
            // A block has 2^24 records at most (schema/BLOCKS.md).
            pending.append((Int64(index) << 24, { table.events(try capture.events(in: [block])) }))
        }
    }

    func advance() throws -> Bool {
        row = nil
        position += 1
        while position >= events.count {
            guard let next = pending.popLast() else { return false }
            events = try next.decode()
            first = next.first
            position = 0
        }
        return true
    }

    var rowID: Int64 { table.identity?(events[position]) ?? first + Int64(position) }

    func value(_ column: Int) -> Value {
        if let row { return values[column](row, names) }
        let made = table.row(events[position])
        row = made
        return values[column](made, names)
    }
}

extension [SocketID] {
    /// Whether it holds `id`; it must be ascending.
    func contains(sorted id: SocketID) -> Bool {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < id { low = middle + 1 } else { high = middle }
        }
        return low < count && self[low] == id
    }
}
