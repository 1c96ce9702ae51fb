import Analysis
import CFlightrec
import Events

/// Turns packed records into the event arrays of an `Evidence`.
///
/// The recorder and the reader both go through it, so that what was analysed and what is shown later are the same:
/// events within [`from`, `to`] (a turn counts by its end), in order of time; of the reports about one open turn
/// the last, and none if its completion is there too.
struct EventCollector {
    private struct SliceKey: Hashable {
        let tid: UInt32
        let start: Instant
        /// What is not known of a thread may begin where a slice does.
        let isGap: Bool
    }

    private let from: Instant
    private let to: Instant
    private var open = OpenTurns()
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
        case .open: for raw in Records<fr_turn>(bytes, count) where holds(raw.h) { open.add(Turn(raw)) }
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
                let key = SliceKey(tid: slice.tid, start: slice.start, isGap: slice.why == .forgotten)
                if slices[key].map({ $0.end < slice.end || $0.isOpen }) ?? true { slices[key] = slice }
            }
        }
    }

    private func holds(_ header: fr_header) -> Bool { header.ts >= from && header.ts <= to }

    /// Moves everything into `evidence`. Names of sockets that `evidence` has already are left as they are.
    mutating func finish(into evidence: inout Evidence) {
        if !open.isEmpty {
            for turn in turns where turn.start >= open.earliest { open.end(turn.socket, turn.start) }
            turns += open.left
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

    /// Sorts keys with positions instead of the large structs, and moves those within their array: stable, several times
    /// faster on a million turns, and never two copies of them.
    static func inOrder<Event>(_ events: consuming [Event], _ at: (Event) -> Instant) -> [Event] {
        var keys: [(at: Instant, position: Int)] = []
        keys.reserveCapacity(events.count)
        var sorted = true
        for position in 0..<events.count {
            let time = at(events[position])
            if let last = keys.last, last.at > time { sorted = false }
            keys.append((time, position))
        }
        if sorted { return events }
        keys.sort { ($0.at, $0.position) < ($1.at, $1.position) }
        // Each goes where it belongs, and the one that lay there next, until the round is closed.
        for first in 0..<keys.count where keys[first].position != first {
            let displaced = events[first]
            var place = first
            while keys[place].position != first {
                let from = keys[place].position
                events[place] = events[from]
                keys[place].position = place
                place = from
            }
            events[place] = displaced
            keys[place].position = place
        }
        return events
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
