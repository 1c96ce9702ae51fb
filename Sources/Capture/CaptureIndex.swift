import Analysis
import GRDB
import Glibc

/// What `stat` says of a capture's file: a published capture is never modified, so while this stands still its
/// contents do.
struct FileFacts: Sendable, Equatable {
    /// Bytes.
    var size: UInt64
    var inode: UInt64
    /// Last modification and last change of the inode, wall clock, ns. The latter can't be set by anybody.
    var modifiedAt: Int64
    var changedAt: Int64

    /// `nil`: there is no such file.
    init?(path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        func nanoseconds(_ time: timespec) -> Int64 {
            Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
        }
        size = UInt64(max(status.st_size, 0))
        inode = UInt64(status.st_ino)
        modifiedAt = nanoseconds(status.st_mtim)
        changedAt = nanoseconds(status.st_ctim)
    }

    fileprivate init(_ row: Fields, at column: Int) throws {
        size = try row.bits(column)
        inode = try row.bits(column + 1)
        modifiedAt = try row.int64(column + 2)
        changedAt = try row.int64(column + 3)
    }
}

/// Summaries of a directory's captures in one file, because to open a thousand takes half a second.
///
/// A cache: the captures are the truth. An entry counts only while its file's `FileFacts` are the same; whatever is wrong
/// with the cache itself, the captures are read instead, and it is made anew.
struct CaptureIndex {
    struct Entry {
        var facts: FileFacts
        var summary: IncidentSummary
    }

    /// Captures that had to be opened before it is worth writing.
    static let worthwhile = 32

    private let path: String
    private let directory: String

    init(_ directory: CaptureDirectory) {
        self.directory = directory.path
        path = "\(directory.path)/.index"
    }

    /// By id. Empty when there is none that can be used.
    func read() -> [String: Entry] {
        guard access(path, R_OK) == 0 else { return [:] }
        return (try? entries()) ?? [:]
    }

    private func entries() throws -> [String: Entry] {
        let queue = try DatabaseQueue(path: path, configuration: CaptureReader.configuration())
        return try queue.read { db in
            guard try Int.fetchOne(db, sql: "PRAGMA user_version") == Self.version else { return [:] }
            try CaptureReader.checkSchema(db)
            var entries: [String: Entry] = [:]
            let rows = try Row.fetchCursor(
                db,
                sql: "SELECT \(IncidentRows.summaryColumns), size, inode, modified_ns, changed_ns, file FROM capture")
            while let row = try rows.next() {
                let fields = Fields(row: row)
                let end = IncidentRows.summaryColumnCount
                entries[try fields.text(end + 4)] = Entry(
                    facts: try FileFacts(fields, at: end), summary: try IncidentRows.summary(of: fields, evidence: []))
            }
            return entries
        }
    }

    /// Bumped whenever what is stored changes: then the old one is not read.
    private static let version = Int(Schema.version) << 16 | 1

    /// Replaces it, for those who may: others go without.
    func write(_ entries: [(id: String, entry: Entry)]) {
        guard access(directory, W_OK) == 0 else { return }
        // The name of a capture under way: swept by the next recorder, should this process be killed.
        let temporary = "\(directory)/.index-\(getpid())\(CaptureDirectory.temporarySuffix)"
        unlink(temporary)
        do {
            try store(entries, in: temporary)
            guard chmod(temporary, 0o644) == 0, rename(temporary, path) == 0 else {
                unlink(temporary)
                return
            }
        } catch {
            // A full disk, most likely: the captures can still be listed, only slower.
            unlink(temporary)
        }
    }

    private func store(_ entries: [(id: String, entry: Entry)], in file: String) throws {
        let queue = try DatabaseQueue(path: file)
        try queue.writeWithoutTransaction { db in
            try db.execute(sql: "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
            try db.inTransaction(.exclusive) {
                try db.execute(
                    sql: """
                        PRAGMA user_version = \(Self.version);
                        CREATE TABLE capture (file, size, inode, modified_ns, changed_ns, \(IncidentRows.summaryColumns))
                        """)
                let rows = try Insert(
                    db, "capture",
                    "file size inode modified_ns changed_ns "
                        + IncidentRows.summaryColumns.replacing(",", with: " "))
                for (id, entry) in entries {
                    try rows.row(
                        [
                            id, entry.facts.size.signed, entry.facts.inode.signed, entry.facts.modifiedAt,
                            entry.facts.changedAt,
                        ] + IncidentRows.summaryValues(entry.summary))
                }
                return .commit
            }
        }
        try queue.close()
    }
}
