import Foundation
import Glibc
import Synchronization

/// Why an export could not be written; fit to be shown.
public struct OutputError: Error, CustomStringConvertible {
    public let description: String

    init(_ path: String, _ code: Int32) {
        description = "cannot write \(path): \(strerror(code).map { String(cString: $0) } ?? "error \(code)")"
    }
}

/// A file that appears whole or not at all: built beside its place under a temporary name, which a signal that ends the
/// program takes away too.
public final class OutputFile {
    /// Where it is built.
    public let temporary: String
    private let path: String
    private var isPublished = false

    /// Creates the temporary, empty file. Throws `OutputError`.
    public convenience init(_ path: String) throws(OutputError) {
        // A link's target is replaced, not the link.
        let target = realpath(path, nil).map { resolved in
            defer { free(resolved) }
            return String(cString: resolved)
        }
        let place = target ?? path
        let slash = place.lastIndex(of: "/")
        let folder = slash.map { String(place[...$0]) } ?? ""
        let name = slash.map { String(place[place.index(after: $0)...]) } ?? place
        try self.init(place, temporary: "\(folder).\(name).\(getpid()).tmp", mode: 0o644)
    }

    /// A file that is never published, for this user alone to read: captures are root's as a rule. Throws `OutputError`.
    public convenience init(scratch folder: String) throws(OutputError) {
        let temporary = "\(folder)/.flightrec-\(getpid()).tmp"
        try self.init(temporary, temporary: temporary, mode: 0o600)
    }

    private init(_ path: String, temporary: String, mode: mode_t) throws(OutputError) {
        self.path = path
        self.temporary = temporary
        Self.removeAtSignal(temporary)
        let file = Glibc.open(temporary, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, mode)
        guard file >= 0 else {
            // Somebody else's: not to be removed.
            isPublished = true
            throw OutputError(path, errno)
        }
        close(file)
    }

    deinit {
        if !isPublished { unlink(temporary) }
        Self.forget()
    }

    /// Makes it durable and gives it its name. Throws `OutputError`.
    public func publish() throws(OutputError) {
        let file = Glibc.open(temporary, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw OutputError(path, errno) }
        defer { close(file) }
        guard fsync(file) == 0, rename(temporary, path) == 0 else { throw OutputError(path, errno) }
        isPublished = true
    }

    /// Writes `bytes` to an open file. Throws `OutputError`, which names `path`.
    public static func write(_ bytes: UnsafeRawBufferPointer, to file: Int32, _ path: String) throws(OutputError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Glibc.write(file, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                throw OutputError(path, errno)
            }
        }
    }

    /// The temporary's name for the signal handler, which may not allocate; never freed, one at a time.
    private static let doomed = Atomic<UInt>(0)

    private static func removeAtSignal(_ path: String) {
        doomed.store(UInt(bitPattern: strdup(path)), ordering: .sequentiallyConsistent)
        for number in [SIGINT, SIGTERM, SIGHUP] {
            signal(number) { number in
                if let path = UnsafePointer<CChar>(bitPattern: OutputFile.doomed.load(ordering: .relaxed)) {
                    unlink(path)
                }
                signal(number, SIG_DFL)
                raise(number)
            }
        }
    }

    private static func forget() { doomed.store(0, ordering: .sequentiallyConsistent) }
}
