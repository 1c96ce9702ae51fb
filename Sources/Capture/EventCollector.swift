import Analysis
import CFlightrec
import Events

/// Turns packed records into the event arrays of an `Evidence`.
///
/// The recorder and the reader both go through it, so that what was analysed and what is shown later are the same:
/// events within [`from`, `to`] (a turn counts by its end), in order of time; of the reports about one open turn
/// the last, and none if its completion is there too.
struct EventCollector {
    private struct OpenKey: Hashable {
        let socket: SocketID
        let start: Instant
    }

    private struct SliceKey: Hashable {
        let tid: UInt32
        let start: Instant
    }

    private let from: Instant
    private let to: Instant
    private var open: [OpenKey: Turn] = [:]
    private var turns: [Turn] = []
    private var retransmits: [Retransmit] = []
    private var states: [StateChange] = []
    private var resets: [Reset] = []
    private var drops: [Drop] = []
    private var softirqs: [SlowSoftirq] = []
    private var slices: [SliceKey: Slice] = [:]
    private var stacks: [KernelStack] = []
    private var queued: [Queued] = []
    private var sockets: [SocketID: SocketInfo] = [:]

    init(from: Instant, to: Instant) {
        self.from = from
        self.to = to
    }

    /// Throws `Damage` when the bytes are not `count` records of `kind`.
    mutating func add(_ kind: EventKind, records: [UInt8], count: Int) throws(Damage) {
        guard !count.multipliedReportingOverflow(by: kind.size).overflow, records.count == count * kind.size else {
            throw Damage(why: "a block of \(kind.name) records has the wrong length")
        }
        let found = records.withUnsafeBytes { bytes in
            let wrong = (0..<count).first { row in
                bytes.loadUnaligned(fromByteOffset: row * kind.size, as: fr_header.self).kind != kind.rawValue
            }
            if wrong == nil { decode(kind, bytes, count) }
            return wrong
        }
        if found != nil { throw Damage(why: "a block of \(kind.name) records holds another kind") }
    }

    private mutating func decode(_ kind: EventKind, _ bytes: UnsafeRawBufferPointer, _ count: Int) {
        switch kind {
        case .socket: for raw in Records<fr_socket>(bytes, count) { sockets[raw.h.socket] = SocketInfo(raw) }
        case .turn: for raw in Records<fr_turn>(bytes, count) where holds(raw.h) { turns.append(Turn(raw)) }
        case .open: for raw in Records<fr_turn>(bytes, count) where holds(raw.h) { addOpen(Turn(raw)) }
        case .retransmit:
            for raw in Records<fr_retransmit>(bytes, count) where holds(raw.h) { retransmits.append(Retransmit(raw)) }
        case .state: for raw in Records<fr_state>(bytes, count) where holds(raw.h) { states.append(StateChange(raw)) }
        case .reset: for raw in Records<fr_reset>(bytes, count) where holds(raw.h) { resets.append(Reset(raw)) }
        case .drop: for raw in Records<fr_drop>(bytes, count) where holds(raw.h) { drops.append(Drop(raw)) }
        case .softirq:
            for raw in Records<fr_softirq>(bytes, count) where holds(raw.h) { softirqs.append(SlowSoftirq(raw)) }
        case .queued: for raw in Records<fr_queued>(bytes, count) where holds(raw.h) { queued.append(Queued(raw)) }
        case .stack: for raw in Records<fr_stack>(bytes, count) where holds(raw.h) { stacks.append(KernelStack(raw)) }
        case .slice:
            // Told again at each walk while it lasts: the longest is the whole.
            for raw in Records<fr_slice>(bytes, count) where raw.h.ts >= from && raw.start <= to {
                let slice = Slice(raw)
                let key = SliceKey(tid: slice.tid, start: slice.start)
                if slices[key].map({ $0.end < slice.end || $0.isOpen }) ?? true { slices[key] = slice }
            }
        }
    }

    private func holds(_ header: fr_header) -> Bool { header.ts >= from && header.ts <= to }

    private mutating func addOpen(_ turn: Turn) {
        let key = OpenKey(socket: turn.socket, start: turn.start)
        if let known = open[key], known.end >= turn.end { return }
        open[key] = turn
    }

    /// Moves everything into `evidence`. Names of sockets that `evidence` has already are left as they are.
    mutating func finish(into evidence: inout Evidence) {
        if !open.isEmpty {
            for turn in turns { open[OpenKey(socket: turn.socket, start: turn.start)] = nil }
            // By socket first: equal times then come out in the same order every time.
            turns += open.values.sorted { ($0.socket, $0.start) < ($1.socket, $1.start) }
        }
        evidence.turns = Self.inOrder(turns) { $0.end }
        evidence.retransmits = Self.inOrder(retransmits) { $0.at }
        evidence.states = Self.inOrder(states) { $0.at }
        evidence.resets = Self.inOrder(resets) { $0.at }
        evidence.drops = Self.inOrder(drops) { $0.at }
        evidence.slowSoftirqs = Self.inOrder(softirqs) { $0.at }
        evidence.slices = slices.values.sorted { ($0.end, $0.tid, $0.start) < ($1.end, $1.tid, $1.start) }
        evidence.stacks = Self.inOrder(stacks) { $0.at }
        evidence.queued = Self.inOrder(queued) { $0.at }
        evidence.sockets.merge(sockets) { named, _ in named }
    }

    /// Sorts keys with positions instead of the large structs: stable, and several times faster on a million turns.
    private static func inOrder<Event>(_ events: [Event], _ at: (Event) -> Instant) -> [Event] {
        var keys: [(at: Instant, position: Int)] = []
        keys.reserveCapacity(events.count)
        var sorted = true
        for (position, event) in events.enumerated() {
            let time = at(event)
            if let last = keys.last, last.at > time { sorted = false }
            keys.append((time, position))
        }
        if sorted { return events }
        keys.sort { ($0.at, $0.position) < ($1.at, $1.position) }
        return keys.map { events[$0.position] }
    }
}

/// Packed C structs as a sequence; the caller has checked the length.
private struct Records<Raw: BitwiseCopyable>: Sequence, IteratorProtocol {
    private let bytes: UnsafeRawBufferPointer
    private let count: Int
    private var row = 0

    init(_ bytes: UnsafeRawBufferPointer, _ count: Int) {
        self.bytes = bytes
        self.count = count
    }

    mutating func next() -> Raw? {
        guard row < count else { return nil }
        defer { row += 1 }
        return bytes.loadUnaligned(fromByteOffset: row * MemoryLayout<Raw>.stride, as: Raw.self)
    }
}
