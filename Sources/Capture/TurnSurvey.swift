import Analysis
import CFlightrec
import Events
import Window

/// The first look at a block of turns: what they add up to, from its first columns alone where that is enough.
struct TurnSurvey {
    /// Turns within the capture.
    var count = 0
    /// ns, of those.
    var longest: UInt64 = 0
    var figures: [(SocketID, SocketFigures)] = []
    var index: BlockIndex
    /// Its turns within the capture in short, so that the next look need not decode them again; `nil`: they do not fit.
    var packed: [PackedTurn]?
    /// Socket and start of those that were reported open before.
    var ended: [(SocketID, Instant)] = []
}

/// A turn in 12 bytes; it needs the block's `from` and sockets to be read.
struct PackedTurn {
    /// ns after the block's `from`.
    var end: UInt32
    /// ns, from start to end.
    var length: UInt32
    /// Number of its socket among the block's.
    var socket: UInt16
    var role: UInt8
    var flags: UInt8
}

/// Offsets of the fields a brief look needs; a copy on the stack costs nothing to ask a million times.
private struct Offsets {
    let end: Int
    let container: Int
    let socket: Int
    let start: Int
    let role: Int
    let flags: Int
    let sendWait: Int
    let windowWait: Int
    let blocked: Int
    let size = MemoryLayout<fr_turn>.size

    static let all = Offsets(
        end: offset(\fr_turn.h.ts), container: offset(\fr_turn.h.cgroup), socket: offset(\fr_turn.h.socket),
        start: offset(\fr_turn.start), role: offset(\fr_turn.role), flags: offset(\fr_turn.flags),
        sendWait: offset(\fr_turn.sndbuf_wait), windowWait: offset(\fr_turn.rwnd_wait),
        blocked: offset(\fr_turn.send_wait))

    private static func offset(_ path: PartialKeyPath<fr_turn>) -> Int {
        guard let offset = MemoryLayout<fr_turn>.offset(of: path) else {
            preconditionFailure("\(path) is not a stored field")
        }
        return offset
    }
}

extension BlockTurns {
    /// `openSince`: none of the turns that were reported open began before.
    static func survey(
        _ block: Block, from: Instant, to: Instant, openSince: Instant
    ) throws(CaptureError) -> TurnSurvey {
        let records = try records(block) { block throws(BlockError) in
            block.mayHaveWaited ? try block.records() : try block.briefRecords()
        }
        let endsSome = block.to >= openSince
        let offsets = Offsets.all
        return records.withUnsafeBytes { bytes in
            let count = block.count
            // A block of one moment from one container, as they nearly all are.
            var fits = block.to &- block.from < UInt64(UInt32.max)
            var packed: [PackedTurn] = []
            if fits { packed.reserveCapacity(count) }
            @inline(__always)
            func load<Value: BitwiseCopyable>(_ row: Int, _ offset: Int, _ type: Value.Type) -> Value {
                bytes.loadUnaligned(fromByteOffset: row &* offsets.size &+ offset, as: type)
            }
            var slots = SocketSlots(count) { load($0, offsets.socket, SocketID.self) }
            var sums = [SocketFigures](repeating: SocketFigures(), count: slots.capacity)
            var survey = TurnSurvey(index: BlockIndex(began: count == 0 ? block.from : .max, sockets: []))
            for row in 0..<count {
                let end = load(row, offsets.end, Instant.self)
                let start = load(row, offsets.start, Instant.self)
                let slot = slots.slot(load(row, offsets.socket, SocketID.self))
                survey.index.began = min(survey.index.began, start)
                guard end >= from, end <= to else { continue }
                let total = end > start ? end &- start : 0
                let (wait, overflow) = load(row, offsets.sendWait, UInt64.self)
                    .addingReportingOverflow(load(row, offsets.windowWait, UInt64.self))
                survey.count &+= 1
                survey.longest = max(survey.longest, total)
                sums[slot].turns &+= 1
                if total > sums[slot].maximum { sums[slot].maximum = total }
                let blocked = load(row, offsets.blocked, UInt64.self)
                if wait != 0 || overflow || blocked != 0 {
                    var one = SocketFigures()
                    one.bufferWait = blocked != 0 ? blocked : overflow ? .max : wait
                    sums[slot].add(one)
                }
                fits =
                    fits && end >= start && total < UInt64(UInt32.max) && slot < Int(UInt16.max)
                    && end >= block.from && end <= block.to
                    && load(row, offsets.container, ContainerKey.self) == block.container
                if fits {
                    packed.append(
                        PackedTurn(
                            end: UInt32(truncatingIfNeeded: end &- block.from),
                            length: UInt32(truncatingIfNeeded: total), socket: UInt16(truncatingIfNeeded: slot),
                            role: load(row, offsets.role, UInt8.self), flags: load(row, offsets.flags, UInt8.self)))
                }
                if endsSome, start >= openSince {
                    survey.ended.append((load(row, offsets.socket, SocketID.self), start))
                }
            }
            survey.index.sockets = slots.sockets
            if fits {
                // Numbers of a block leave gaps; among its sockets they do not.
                var numbers = [UInt16](repeating: 0, count: slots.capacity)
                for (number, socket) in slots.sockets.enumerated() {
                    numbers[slots.slot(socket)] = UInt16(truncatingIfNeeded: number)
                }
                for index in packed.indices { packed[index].socket = numbers[Int(packed[index].socket)] }
                survey.packed = packed
            }
            survey.figures = slots.sockets.compactMap { socket in
                let sum = sums[slots.slot(socket)]
                return sum.turns > 0 ? (socket, sum) : nil
            }
            return survey
        }
    }

    /// Each turn of the block that ended within `from`…`to`.
    static func each(
        _ block: Block, from: Instant, to: Instant, except: Turn? = nil, _ body: (TurnBrief) -> Void
    ) throws(CaptureError) {
        let records = try records(block) { block throws(BlockError) in try block.briefRecords() }
        let offsets = Offsets.all
        records.withUnsafeBytes { bytes in
            @inline(__always)
            func load<Value: BitwiseCopyable>(_ row: Int, _ offset: Int, _ type: Value.Type) -> Value {
                bytes.loadUnaligned(fromByteOffset: row &* offsets.size &+ offset, as: type)
            }
            for row in 0..<block.count {
                let end = load(row, offsets.end, Instant.self)
                guard end >= from, end <= to else { continue }
                let socket = load(row, offsets.socket, SocketID.self)
                let start = load(row, offsets.start, Instant.self)
                if let except, except.socket == socket, except.start == start { continue }
                body(
                    TurnBrief(
                        container: load(row, offsets.container, ContainerKey.self), socket: socket,
                        role: Role(rawValue: load(row, offsets.role, UInt8.self)) ?? .unknown,
                        flags: Turn.Flags(rawValue: load(row, offsets.flags, UInt8.self)),
                        start: start, end: end))
            }
        }
    }
}

/// Numbers the sockets of a block from 0: ids are given out in order, so those of one time lie close together, and then a
/// number is a subtraction.
private struct SocketSlots {
    private let low: SocketID
    private var seen: [Bool]
    /// Where they do not lie close together.
    private var numbers: [SocketID: Int]?
    let capacity: Int

    init(_ count: Int, _ id: (Int) -> SocketID) {
        var least = SocketID.max
        var most: SocketID = 0
        for row in 0..<count {
            least = min(least, id(row))
            most = max(most, id(row))
        }
        low = count == 0 ? 0 : least
        if count > 0, most - least >= 1 << 16 {
            var numbers: [SocketID: Int] = [:]
            for row in 0..<count where numbers[id(row)] == nil { numbers[id(row)] = numbers.count }
            self.numbers = numbers
            seen = []
            capacity = numbers.count
        } else {
            capacity = count == 0 ? 0 : Int(most - least) + 1
            seen = [Bool](repeating: false, count: capacity)
        }
    }

    /// Only of ids it was made of.
    @inline(__always)
    mutating func slot(_ id: SocketID) -> Int {
        guard numbers == nil else { return numbers?[id] ?? 0 }
        let slot = Int(id &- low)
        seen[slot] = true
        return slot
    }

    /// Ascending.
    var sockets: [SocketID] {
        if let numbers { return numbers.keys.sorted() }
        return seen.indices.filter { seen[$0] }.map { low + SocketID($0) }
    }
}
