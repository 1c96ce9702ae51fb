import Analysis
import Events
import GRDB
import Window

/// A block of a capture before it is decoded: what tells whether it need be.
public struct BlockEntry: Sendable, Equatable {
    public var id: Int64
    public var kind: EventKind
    public var container: ContainerKey
    /// Of its first and last record's time; a turn's and a slice's is its end.
    public var from: Instant
    public var to: Instant
    /// Earliest start of its turns or slices; of other kinds `from`.
    public var began: Instant
    /// Sockets its records name, ascending; 0: none.
    public var sockets: [SocketID]
    /// Records in it.
    public var count: Int

    public init(
        id: Int64, kind: EventKind, container: ContainerKey, from: Instant, to: Instant, began: Instant,
        sockets: [SocketID], count: Int
    ) {
        self.id = id
        self.kind = kind
        self.container = container
        self.from = from
        self.to = to
        self.began = began
        self.sockets = sockets
        self.count = count
    }
}

extension CaptureReader {
    /// Everything the capture holds but its events. Throws `CaptureError.unreadable` or `.read`.
    public func frame() throws(CaptureError) -> Evidence {
        try Self.guarded(path) {
            try queue.read { db in
                try Self.refuseComputedColumns(db)
                var evidence = try IncidentRows.frame(from: db)
                try EvidenceTables.read(into: &evidence, from: db, version: version)
                return evidence
            }
        }
    }

    /// Its blocks, in the order they are stored; those of a kind this version does not know are left out.
    /// Throws `CaptureError.unreadable`, `.tooLarge` or `.read`.
    public func blocks(limits: CaptureLimits = CaptureLimits()) throws(CaptureError) -> [BlockEntry] {
        try Self.guarded(path) {
            try queue.read { db in
                try Self.refuseComputedColumns(db, of: "block")
                try BlockRows.measure(db, limits)
                var entries: [BlockEntry] = []
                try EvidenceTables.each(
                    db, "id, kind, container, from_ns, to_ns, began_ns, sockets, count", "block ORDER BY id"
                ) { row in
                    guard let kind = EventKind(rawValue: try row.number(1)) else { return }
                    let count = try row.count(7)
                    guard let sockets = SocketSet.decode(try row.blob(6), most: count) else {
                        throw Damage(why: "a block's sockets are not those of \(count) records")
                    }
                    entries.append(
                        BlockEntry(
                            id: try row.int64(0), kind: kind, container: try row.bits(2), from: try row.bits(3),
                            to: try row.bits(4), began: try row.bits(5), sockets: sockets, count: count))
                }
                return entries
            }
        }
    }

    /// The events of `blocks` alone, as `evidence` would hold them: those within the interval of `frame`, in order of
    /// time, of several reports about one open turn or slice in them the last. `frame`'s own events are left out.
    /// Throws `CaptureError.unreadable` or `.read`.
    public func events(in blocks: [BlockEntry], of frame: Evidence) throws(CaptureError) -> Evidence {
        try Self.guarded(path) {
            try queue.read { db in
                var events = EventCollector(from: frame.from, to: frame.to)
                for block in blocks { try BlockRows.read("block WHERE id = \(block.id)", into: &events, from: db) }
                var result = Evidence(
                    id: frame.id, clock: frame.clock, askedFrom: frame.askedFrom, askedTo: frame.askedTo,
                    from: frame.from, to: frame.to)
                events.finish(into: &result)
                return result
            }
        }
    }
}
