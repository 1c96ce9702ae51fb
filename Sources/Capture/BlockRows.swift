import Analysis
import Events
import Foundation
import GRDB
import Window

/// The window's blocks, to and from rows; the only place that knows how the window encodes.
enum BlockRows {
    /// `indices`: of each block, in their order.
    static func insert(_ blocks: [Block], _ indices: [BlockIndex], into db: Database) throws {
        let rows = try Insert(
            db, "block", "kind container from_ns to_ns began_ns sockets count codec raw_length checksum data")
        for (block, index) in zip(blocks, indices) {
            try rows.row(
                Int64(block.kind.rawValue), block.container.signed, block.from.signed, block.to.signed,
                index.began.signed, Data(SocketSet.encode(index.sockets)), block.count, Int64(block.codec),
                block.rawLength, Int64(block.checksum), Data(block.bytes))
        }
    }

    /// Decodes every block into `events`. Blocks of a kind this version does not know are passed over.
    static func read(
        into events: inout EventCollector, within limits: CaptureLimits, from db: Database
    ) throws {
        try measure(db, limits)
        try read("block ORDER BY id", into: &events, from: db)
    }

    /// Of `block`.
    static let columns = "kind, container, from_ns, to_ns, count, codec, raw_length, checksum, data"

    /// Of a row that begins with `columns`.
    static func block(_ kind: EventKind, _ row: Fields) throws -> Block {
        Block(
            kind: kind, container: try row.bits(1), from: try row.bits(2), to: try row.bits(3),
            count: try row.count(4), codec: try row.number(5), rawLength: try row.count(6),
            checksum: try row.number(7), bytes: try row.blob(8))
    }

    /// Decodes the blocks of `source`, a table and clauses of ours.
    static func read(_ source: String, into events: inout EventCollector, from db: Database) throws {
        try EvidenceTables.each(db, columns, source) { row in
            guard let kind = EventKind(rawValue: try row.number(0)) else { return }
            let block = try block(kind, row)
            let records: [UInt8]
            do {
                records = try block.records()
            } catch {
                throw Damage(why: "\(error)")
            }
            try events.add(kind, records: records, count: block.count)
        }
    }

    /// Events a byte may stand for: real ones take one byte or more, for their time alone. So a small file can't ask for a
    /// lot of memory; `fewEvents` in any case.
    private static let eventsPerByte = 16
    private static let fewEvents = 65536

    /// Refuses before anything is decoded what would not fit.
    static func measure(_ db: Database, _ limits: CaptureLimits) throws {
        var events = 0
        var bytes = 0
        var stored = 0
        try EvidenceTables.each(db, "kind, count, raw_length, length(data)", "block") { row in
            stored = .saturated(stored.addingReportingOverflow(try row.count(3)))
            let size = EventKind(rawValue: try row.number(0))?.size ?? 0
            let count = try row.count(1)
            let raw = max(try row.count(2), Int.saturated(count.multipliedReportingOverflow(by: size)))
            events = .saturated(events.addingReportingOverflow(count))
            bytes = .saturated(bytes.addingReportingOverflow(raw))
            guard events <= Self.fewEvents + stored.multipliedReportingOverflow(by: Self.eventsPerByte).partialValue
            else {
                throw Excess(why: "it claims \(events) events in \(stored) bytes")
            }
            guard events <= limits.events else { throw Excess(why: "it claims more than \(limits.events) events") }
            guard bytes <= limits.bytes else {
                throw Excess(why: "its events would take more than \(limits.bytes >> 20) MiB of memory")
            }
        }
    }
}

extension Evidence {
    /// Fills the arrays of events from blocks of the window, exactly as a reader of the published capture will see
    /// them: those within `from`...`to`, in order of time. Throws `CaptureError.unreadable` for a damaged block.
    public mutating func collect(_ blocks: [Block]) throws(CaptureError) {
        var events = EventCollector(from: from, to: to)
        for block in blocks {
            do {
                try events.add(block.kind, records: try block.records(), count: block.count)
            } catch {
                throw .unreadable(path: "the window", state: .corrupt, why: "\(error)")
            }
        }
        events.finish(into: &self)
    }

    /// The same without turns: those come from `BlockTurns`.
    public mutating func collectAllButTurns(_ blocks: [Block]) throws(CaptureError) {
        try collect(blocks.filter { $0.kind != .turn && $0.kind != .open })
    }
}

/// A capture over its limits. The reader turns it into `CaptureError.tooLarge`.
struct Excess: Error {
    let why: String
}

extension Int {
    /// For sums and products of untrusted counts, neither of them negative.
    fileprivate static func saturated(_ result: (partialValue: Int, overflow: Bool)) -> Int {
        result.overflow ? .max : result.partialValue
    }
}
