import Events

/// What is known of a turn before all of it is decoded.
public struct TurnBrief: Sendable, Equatable {
    public var container: ContainerKey
    public var socket: SocketID
    public var role: Role
    public var flags: Turn.Flags
    public var start: Instant
    public var end: Instant

    public init(
        container: ContainerKey, socket: SocketID, role: Role, flags: Turn.Flags, start: Instant, end: Instant
    ) {
        self.container = container
        self.socket = socket
        self.role = role
        self.flags = flags
        self.start = start
        self.end = end
    }

    public init(_ turn: Turn) {
        self.init(
            container: turn.container, socket: turn.socket, role: turn.role, flags: turn.flags, start: turn.start,
            end: turn.end)
    }

    /// ns from start to end; 0 when a clock anomaly would make it negative.
    public var total: UInt64 { end > start ? end - start : 0 }
    public var isOpen: Bool { flags.contains(.open) }
}

/// Which turns are asked for. A source may give others too: who asks looks again.
public struct TurnFilter: Sendable {
    /// `nil`: of all.
    public var containers: Set<ContainerKey>?
    /// Those that overlap it; `nil`: at any time.
    public var span: ClosedRange<Instant>?
    /// ns.
    public var shortest: UInt64
    /// This one is left out, always.
    public var except: Turn?

    public init(
        containers: Set<ContainerKey>? = nil, span: ClosedRange<Instant>? = nil, shortest: UInt64 = 0,
        except: Turn? = nil
    ) {
        self.containers = containers
        self.span = span
        self.shortest = shortest
        self.except = except
    }
}

/// A socket's turns, added up.
public struct SocketFigures: Sendable, Equatable {
    public var turns = 0
    /// ns, the longest turn.
    public var maximum: UInt64 = 0
    /// ns waiting for a buffer: own send buffer and the peer's window.
    public var bufferWait: UInt64 = 0

    public init() {}

    /// Of one turn.
    public init(_ turn: Turn) {
        turns = 1
        maximum = turn.total
        let waits = turn.bufferWaits
        let (wait, overflow) = waits.sendBuffer.addingReportingOverflow(waits.peerWindow)
        bufferWait = overflow ? .max : wait
    }

    /// Sums stay at the top: captures are opened as hostile.
    public mutating func add(_ other: SocketFigures) {
        turns += other.turns
        maximum = max(maximum, other.maximum)
        let (sum, overflow) = bufferWait.addingReportingOverflow(other.bufferWait)
        bufferWait = overflow ? .max : sum
    }
}

/// Who read a turn's request.
public struct TurnReader: Sendable, Equatable {
    /// Number of the turn on its socket.
    public var sequence: UInt32
    public var tid: UInt32

    public init(sequence: UInt32, tid: UInt32) {
        self.sequence = sequence
        self.tid = tid
    }
}

/// The turns of a capture, given out as they are asked for: there may be a million, and few of them matter.
///
/// An open turn that was recorded completed too counts once, as what it came to. Whole turns come in order of `end`.
public protocol TurnSource {
    /// Why a turn could not be had: `Never` where all are in memory.
    associatedtype Failure: Error

    var count: Int { get }
    var figures: [SocketID: SocketFigures] { get }
    /// Those that took at least `total` ns.
    func lasting(atLeast total: UInt64) throws(Failure) -> [Turn]
    /// The one that took longest; of equals the first.
    func longest() throws(Failure) -> Turn?
    /// Those that began before the span's end and ended after its beginning.
    func overlapping(_ span: ClosedRange<Instant>) throws(Failure) -> [Turn]
    /// How many `overlapping` would give.
    func count(overlapping span: ClosedRange<Instant>) throws(Failure) -> Int
    /// On each socket the last turn with a reader before the one of that number; sockets without are left out.
    func lastReaders(before sequences: [SocketID: UInt32]) throws(Failure) -> [SocketID: TurnReader]
    /// Calls `body` for all that `filter` asks for, in no order.
    func briefs(_ filter: TurnFilter, _ body: (TurnBrief) -> Void) throws(Failure)
}

/// Turns that are all in memory.
struct ArrayTurns: TurnSource {
    typealias Failure = Never

    private let all: [Turn]
    private let settled: [Turn]

    init(_ turns: [Turn]) {
        all = turns
        settled = settledTurns(turns)
    }

    var count: Int { all.count }

    var figures: [SocketID: SocketFigures] {
        var figures: [SocketID: SocketFigures] = [:]
        for turn in settled {
            figures[turn.socket, default: SocketFigures()].add(SocketFigures(turn))
        }
        return figures
    }

    func lasting(atLeast total: UInt64) -> [Turn] { settled.filter { $0.total >= total } }

    func longest() -> Turn? { settled.max { $0.total < $1.total } }

    func overlapping(_ span: ClosedRange<Instant>) -> [Turn] {
        settled.filter { $0.end >= span.lowerBound && $0.start <= span.upperBound }
    }

    func count(overlapping span: ClosedRange<Instant>) -> Int {
        settled.count { $0.end >= span.lowerBound && $0.start <= span.upperBound }
    }

    func lastReaders(before sequences: [SocketID: UInt32]) -> [SocketID: TurnReader] {
        guard !sequences.isEmpty else { return [:] }
        var found: [SocketID: TurnReader] = [:]
        for turn in settled where turn.tid != 0 {
            guard let limit = sequences[turn.socket], turn.sequence < limit else { continue }
            if let known = found[turn.socket], known.sequence >= turn.sequence { continue }
            found[turn.socket] = TurnReader(sequence: turn.sequence, tid: turn.tid)
        }
        return found
    }

    func briefs(_ filter: TurnFilter, _ body: (TurnBrief) -> Void) {
        for turn in all {
            if let except = filter.except, turn.socket == except.socket, turn.sequence == except.sequence { continue }
            body(TurnBrief(turn))
        }
    }
}

/// Completed turns, and open ones that never were completed; in order of `end`, as they came.
package func settledTurns(_ turns: [Turn]) -> [Turn] {
    struct Key: Hashable {
        var socket: SocketID
        var sequence: UInt32

        init(_ turn: Turn) {
            socket = turn.socket
            sequence = turn.sequence
        }
    }
    // Of a million turns a handful are open: only their like is looked at twice.
    let open = turns.indices.filter { turns[$0].isOpen }
    guard !open.isEmpty else { return turns }
    var last: [Key: Int] = [:]
    for index in open { last[Key(turns[index])] = index }
    let sockets = Set(open.map { turns[$0].socket })
    for index in turns.indices where sockets.contains(turns[index].socket) && !turns[index].isOpen {
        last[Key(turns[index])] = nil
    }
    let kept = Set(last.values)
    return turns.indices.filter { !turns[$0].isOpen || kept.contains($0) }.map { turns[$0] }
}
