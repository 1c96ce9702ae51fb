import Analysis
import GRDB

/// How much a capture may claim before it is refused: a small file can ask for a lot of memory.
public struct CaptureLimits: Sendable, Equatable {
    /// Events in all blocks together.
    public var events: Int
    /// Bytes of all blocks together, decoded.
    public var bytes: Int

    /// 64 Mi events, 8 GiB.
    public init(events: Int = 64 << 20, bytes: Int = 8 << 30) {
        self.events = events
        self.bytes = bytes
    }
}

/// Reads one capture, which may be damaged or hostile: nothing in it can make the reader trap, write or look at
/// another file.
public struct CaptureReader: Sendable {
    public let path: String
    /// `user_version`: the format it is written in, from 1.
    public let version: UInt32
    let queue: DatabaseQueue

    /// Opens `path` read-only and immutable, after its header and schema were judged.
    /// Throws `CaptureError.notFound`, `.read`, `.denied` or `.unreadable`, whose state says what is wrong.
    ///
    /// `whole`: the file is compared with its seal first. Not for a listing, which reads the summary alone.
    public static func open(_ path: String, whole: Bool = true) throws(CaptureError) -> CaptureReader {
        let header = try CaptureHeader(path: path, whole: whole)
        let queue = try guarded(path) {
            let queue = try DatabaseQueue(path: CaptureGuard.location(path), configuration: configuration())
            try queue.read(checkSchema)
            return queue
        }
        return CaptureReader(path: path, version: header.version, queue: queue)
    }

    /// The summary as it was written, verdict and its evidence included. Does not touch the events.
    /// Throws `CaptureError.unreadable` or `.read`.
    public func summary() throws(CaptureError) -> IncidentSummary {
        try Self.guarded(path) {
            try queue.read { db in
                try Self.refuseComputedColumns(db, of: "incident", "verdict_evidence")
                return try IncidentRows.summary(from: db)
            }
        }
    }

    /// Everything the capture holds, events in order of time: the input of the analysis.
    /// Throws `CaptureError.unreadable`, `.tooLarge` or `.read`.
    public func evidence(limits: CaptureLimits = CaptureLimits()) throws(CaptureError) -> Evidence {
        try Self.guarded(path) {
            try queue.read { db in
                try Self.refuseComputedColumns(db)
                var evidence = try IncidentRows.frame(from: db)
                try EvidenceTables.read(into: &evidence, from: db, version: version)
                var events = EventCollector(from: evidence.from, to: evidence.to)
                try BlockRows.read(into: &events, within: limits, from: db)
                events.finish(into: &evidence)
                return evidence
            }
        }
    }

    /// Runs `body` with the errors of SQLite and of the checks turned into the reader's.
    static func guarded<Value>(_ path: String, _ body: () throws -> Value) throws(CaptureError) -> Value {
        do {
            return try body()
        } catch let damage as Damage {
            throw .unreadable(path: path, state: .corrupt, why: damage.why)
        } catch CaptureError.unreadable(_, let state, let why) {
            // Of a block, whose decoder does not know where it came from.
            throw .unreadable(path: path, state: state, why: why)
        } catch let excess as Excess {
            throw .tooLarge(path: path, why: excess.why)
        } catch let error as DatabaseError {
            let why = error.message ?? error.resultCode.description
            switch error.resultCode {
            case .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_AUTH, .SQLITE_NOMEM: throw .read(path: path, why: why)
            case .SQLITE_IOERR where error.extendedResultCode != .SQLITE_IOERR_SHORT_READ:
                throw .read(path: path, why: why)
            case .SQLITE_IOERR: throw .unreadable(path: path, state: .truncated, why: why)
            default: throw .unreadable(path: path, state: .corrupt, why: why)
            }
        } catch {
            throw .read(path: path, why: "\(error)")
        }
    }

    static func configuration() -> Configuration {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.foreignKeysEnabled = false
        configuration.prepareDatabase { db in
            // sqlite3_db_config is variadic and so out of Swift's reach; on a read-only, immutable file these
            // pragmas leave nothing that its DEFENSIVE option would add.
            try db.execute(sql: CaptureGuard.pragmas)
        }
        return configuration
    }

    static func checkSchema(_ db: Database) throws {
        if try Row.fetchOne(db, sql: CaptureGuard.oddSchema) != nil {
            throw Damage(why: CaptureGuard.oddSchemaWhy)
        }
    }

    static func refuseComputedColumns(_ db: Database, of tables: String...) throws {
        if try Row.fetchOne(db, sql: CaptureGuard.computedColumns(of: tables)) != nil {
            throw Damage(why: CaptureGuard.computedColumnsWhy)
        }
    }
}
