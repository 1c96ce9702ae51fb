import Analysis
import CFlightrec
import Events
import Window

/// The turns of pinned blocks, each block decoded as far as a question needs: of a million turns a few thousand are looked
/// at whole. Belongs to one thread.
public final class BlockTurns: TurnSource {
    private struct Entry {
        var block: Block
        var began: Instant
        /// ns, of its turns within the capture.
        var longest: UInt64
        var sockets: [SocketID]
        var packed: [PackedTurn]?

        func names(_ socket: SocketID) -> Bool {
            guard let low = sockets.first, let high = sockets.last, socket >= low, socket <= high else { return false }
            return sockets[sockets.partitioningIndex { $0 >= socket }] == socket
        }

        /// One of the sockets, and ends no earlier than what is told of it: as fast with a hundred thousand of them as with a few.
        func names(_ since: [SocketID: Instant]) -> Bool {
            guard since.count > sockets.count else {
                return since.contains { block.to >= $0.value && names($0.key) }
            }
            return sockets.contains { socket in since[socket].map { block.to >= $0 } ?? false }
        }

        func each(_ packed: [PackedTurn], except: Turn?, _ body: (TurnBrief) -> Void) {
            for one in packed {
                let socket = sockets[Int(one.socket)]
                let end = block.from &+ UInt64(one.end)
                let start = end &- UInt64(one.length)
                if let except, except.socket == socket, except.start == start { continue }
                body(
                    TurnBrief(
                        container: block.container, socket: socket, role: Role(rawValue: one.role) ?? .unknown,
                        flags: Turn.Flags(rawValue: one.flags), start: start, end: end))
            }
        }
    }

    private let from: Instant
    private let to: Instant
    private var entries: [Entry] = []
    /// Without those that ended, by socket and start.
    private var open: [Turn] = []
    public private(set) var count = 0
    public private(set) var figures: [SocketID: SocketFigures] = [:]
    /// Of each block it was made of, in their order.
    public private(set) var indices: [BlockIndex] = []
    /// The last stretch asked for: the next one is often a part of it.
    private var remembered: (span: ClosedRange<Instant>, turns: [Turn])?

    /// Of `blocks`, those about turns that ended, or were last seen open, within `from`…`to`. Throws
    /// `CaptureError.unreadable` for a damaged block.
    public init(_ blocks: [Block], from: Instant, to: Instant) throws(CaptureError) {
        self.from = from
        self.to = to
        var reported = OpenTurns()
        for block in blocks where block.kind == .open {
            for turn in try Self.turns(block) where turn.end >= from && turn.end <= to { reported.add(turn) }
        }
        let ended = blocks.filter { $0.kind == .turn }
        let earliest = reported.earliest
        var surveys = try inParallel(ended.count) { number throws(CaptureError) in
            try Self.survey(ended[number], from: from, to: to, openSince: earliest)
        }.makeIterator()
        for block in blocks {
            if block.kind == .turn, let survey = surveys.next() {
                for (socket, start) in survey.ended { reported.end(socket, start) }
                count += survey.count
                for (socket, sum) in survey.figures { figures[socket, default: SocketFigures()].add(sum) }
                indices.append(survey.index)
                entries.append(
                    Entry(
                        block: block, began: survey.index.began, longest: survey.longest,
                        sockets: survey.index.sockets, packed: survey.packed))
            } else {
                do {
                    indices.append(try block.index())
                } catch {
                    throw Self.damaged(error)
                }
            }
        }
        let told = reported.left
        count += told.count
        // One told twice has one number; one that ended has the number of its end.
        var alike: [Turn] = []
        let since = Dictionary(told.lazy.map { ($0.socket, $0.start) }, uniquingKeysWith: min)
        for entry in entries where entry.names(since) { alike += try whole(entry) }
        open = settledTurns(alike + told).filter(\.isOpen)
        for turn in open {
            figures[turn.socket, default: SocketFigures()].add(SocketFigures(turn))
        }
    }

    public func lasting(atLeast total: UInt64) throws(CaptureError) -> [Turn] {
        var found: [Turn] = []
        for entry in entries where entry.longest >= total {
            found += try whole(entry).filter { $0.total >= total }
        }
        return EventCollector.inOrder(found + open.filter { $0.total >= total }) { $0.end }
    }

    public func longest() throws(CaptureError) -> Turn? {
        let most = entries.lazy.map(\.longest).max() ?? 0
        return try lasting(atLeast: max(most, open.lazy.map(\.total).max() ?? 0)).first
    }

    public func overlapping(_ span: ClosedRange<Instant>) throws(CaptureError) -> [Turn] {
        func overlaps(_ turn: Turn) -> Bool { turn.end >= span.lowerBound && turn.start <= span.upperBound }
        if let remembered, remembered.span.contains(span.lowerBound), remembered.span.contains(span.upperBound) {
            return remembered.span == span ? remembered.turns : remembered.turns.filter(overlaps)
        }
        remembered = nil
        let touched = entries.filter { $0.block.to >= span.lowerBound && $0.began <= span.upperBound }
        let (from, to, blocks) = (from, to, touched.map(\.block))
        var found = try inParallel(blocks.count) { number throws(CaptureError) in
            try Self.turns(blocks[number]).filter {
                $0.end >= span.lowerBound && $0.start <= span.upperBound && $0.end >= from && $0.end <= to
            }
        }.flatMap(\.self)
        found += open.filter(overlaps)
        let turns = EventCollector.inOrder(found) { $0.end }
        remembered = (span, turns)
        return turns
    }

    public func count(overlapping span: ClosedRange<Instant>) throws(CaptureError) -> Int {
        var count = 0
        try briefs(TurnFilter(span: span)) { turn in
            if turn.end >= span.lowerBound, turn.start <= span.upperBound { count += 1 }
        }
        return count
    }

    public func lastReaders(before sequences: [SocketID: UInt32]) throws(CaptureError) -> [SocketID: TurnReader] {
        var missing = sequences
        var found: [SocketID: TurnReader] = [:]
        // Blocks of one container follow one another, so that the last one that has any has the last.
        for entry in entries.reversed() where !missing.isEmpty {
            guard missing.contains(where: { entry.names($0.key) }) else { continue }
            for turn in try whole(entry) where turn.tid != 0 {
                guard let limit = missing[turn.socket], turn.sequence < limit else { continue }
                if let known = found[turn.socket], known.sequence >= turn.sequence { continue }
                found[turn.socket] = TurnReader(sequence: turn.sequence, tid: turn.tid)
            }
            for socket in found.keys { missing[socket] = nil }
        }
        return found
    }

    public func briefs(_ filter: TurnFilter, _ body: (TurnBrief) -> Void) throws(CaptureError) {
        // What is asked for next is another stretch, if any: its memory is not taken twice.
        remembered = nil
        for entry in entries where entry.longest >= filter.shortest {
            if let containers = filter.containers, !containers.contains(entry.block.container) { continue }
            if let span = filter.span, entry.block.to < span.lowerBound || entry.began > span.upperBound { continue }
            if let packed = entry.packed {
                entry.each(packed, except: filter.except, body)
            } else {
                try Self.each(entry.block, from: from, to: to, except: filter.except, body)
            }
        }
        for turn in open where (turn.socket, turn.start) != (filter.except?.socket, filter.except?.start) {
            body(TurnBrief(turn))
        }
    }

    /// Its turns within the capture.
    private func whole(_ entry: Entry) throws(CaptureError) -> [Turn] {
        try Self.turns(entry.block).filter { $0.end >= from && $0.end <= to }
    }

    static func turns(_ block: Block) throws(CaptureError) -> [Turn] {
        let records = try records(block) { block throws(BlockError) in try block.records() }
        return records.withUnsafeBytes { records in
            (0..<block.count).map { row in
                Turn(records.loadUnaligned(fromByteOffset: row * block.kind.size, as: fr_turn.self))
            }
        }
    }

    /// Decodes, and checks that it holds what it says.
    static func records(
        _ block: Block, _ decode: (Block) throws(BlockError) -> [UInt8]
    ) throws(CaptureError) -> [UInt8] {
        let records: [UInt8]
        do {
            records = try decode(block)
        } catch {
            throw damaged(error)
        }
        let wrong = records.withUnsafeBytes { bytes in
            (0..<block.count).contains { row in
                bytes.loadUnaligned(fromByteOffset: row * block.kind.size, as: fr_header.self).kind
                    != block.kind.rawValue
            }
        }
        guard !wrong else {
            throw .unreadable(
                path: "the window", state: .corrupt, why: "a block of \(block.kind.name) records holds another kind")
        }
        return records
    }

    static func damaged(_ error: BlockError) -> CaptureError {
        .unreadable(path: "the window", state: .corrupt, why: "\(error)")
    }
}

extension Array {
    /// The first index whose element belongs to the second part; the array must be partitioned so.
    fileprivate func partitioningIndex(_ belongs: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if belongs(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

/// Reports about open turns: of several about one the last, and none once its end was seen.
struct OpenTurns {
    private struct Key: Hashable {
        let socket: SocketID
        let start: Instant
    }

    private var turns: [Key: Turn] = [:]
    /// Before it none of them began.
    private(set) var earliest = Instant.max

    mutating func add(_ turn: Turn) {
        let key = Key(socket: turn.socket, start: turn.start)
        earliest = min(earliest, turn.start)
        if let known = turns[key], known.end >= turn.end { return }
        turns[key] = turn
    }

    mutating func end(_ socket: SocketID, _ start: Instant) { turns[Key(socket: socket, start: start)] = nil }

    var isEmpty: Bool { turns.isEmpty }

    /// By socket first: equal times then come out in the same order every time.
    var left: [Turn] { turns.values.sorted { ($0.socket, $0.start) < ($1.socket, $1.start) } }
}
