import Analysis
import CLinux
import Foundation
import GRDB
import Glibc
import Window

/// Writes captures: whole or not at all.
public enum CaptureWriter {
    /// Writes `incident` and the blocks its events are in, and returns the published file.
    ///
    /// The file is built under `.<id>.flightrec.tmp`, fsynced and renamed to `<id>.flightrec`; then the directory
    /// is fsynced. Until the rename no reader sees anything, and after any error nothing is left. Of
    /// `incident.evidence`, the arrays of events are not written: they are in `blocks`.
    ///
    /// `indices`: of each block, in their order, where somebody has them already. Throws `CaptureError`.
    public static func publish(
        incident: Incident, blocks: [Block], indices: [BlockIndex]? = nil, into directory: CaptureDirectory
    ) throws(CaptureError) -> URL {
        let id = incident.evidence.id
        guard isFileName(id) else { throw .invalidID(id) }
        let target = directory.file(id)
        let temporary = "\(directory.path)/.\(id)\(CaptureDirectory.temporarySuffix)"
        let file = try create(temporary)
        // Closed last: the lock on it keeps sweepers away, and SQLite's own locks are already gone by then.
        defer { close(file) }
        do throws(CaptureError) {
            // Whoever publishes this id needs the temporary's name, so nobody can come between here and the rename.
            guard access(target, F_OK) != 0 else { throw .exists(path: target) }
            try write(incident, blocks, indices, to: temporary)
            // The disk takes it in while the seal is computed. Only a hint: fsync tells what became of it.
            _ = flightrec_start_writing(file)
            var status = stat()
            guard fstat(file, &status) == 0 else { throw .writing(temporary, errno: errno) }
            try CaptureSeal.append(to: file, length: UInt64(status.st_size), path: temporary)
            guard fsync(file) == 0 else { throw .writing(temporary, errno: errno) }
            guard rename(temporary, target) == 0 else { throw .writing(target, errno: errno) }
        } catch {
            unlink(temporary)
            throw error
        }
        try directory.sync()
        return URL(fileURLWithPath: target)
    }

    /// Letters, digits, `.`, `_` and `-`, not starting with a dot, at most 128 bytes.
    static func isFileName(_ id: String) -> Bool {
        let allowed = id.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        return allowed && !id.isEmpty && id.utf8.count <= 128 && !id.hasPrefix(".")
    }

    /// A new, locked, empty file.
    private static func create(_ path: String) throws(CaptureError) -> Int32 {
        while true {
            let file = Glibc.open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0o644)
            guard file >= 0 else {
                throw errno == EEXIST ? .exists(path: path) : .writing(path, errno: errno)
            }
            var status = stat()
            guard flock(file, LOCK_EX) == 0, fstat(file, &status) == 0 else {
                let code = errno
                unlink(path)
                close(file)
                throw .writing(path, errno: code)
            }
            if status.st_nlink > 0 { return file }
            close(file)  // A sweeper took it between creation and lock.
        }
    }

    private static func write(
        _ incident: Incident, _ blocks: [Block], _ indices: [BlockIndex]?, to path: String
    ) throws(CaptureError) {
        do {
            let queue = try DatabaseQueue(path: path)
            // A crash leaves a temporary file that is swept, so a journal and SQLite's own syncs protect nothing:
            // the one fsync that counts comes before the rename.
            try queue.writeWithoutTransaction { db in
                try db.execute(sql: "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
                // In KiB: of a large capture what was filled is written at once, instead of being held twice.
                try db.execute(sql: "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -2048")
                try db.inTransaction(.exclusive) {
                    for migration in Schema.migrations { try db.execute(sql: migration) }
                    try IncidentRows.insert(incident, into: db)
                    try EvidenceRows.insert(incident, into: db)
                    try FindingRows.insert(incident, into: db)
                    try BlockRows.insert(blocks, indices ?? blocks.map { try $0.index() }, into: db)
                    return .commit
                }
            }
            try queue.close()
        } catch let error as DatabaseError where error.resultCode == .SQLITE_FULL {
            throw .noSpace(path: path)
        } catch let error as DatabaseError {
            throw .write(path: path, why: error.message ?? error.resultCode.description)
        } catch {
            throw .write(path: path, why: "\(error)")
        }
    }
}
