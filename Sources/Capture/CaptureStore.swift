import Analysis
import Glibc

/// A file of the store, sound or not.
public struct StoredCapture: Sendable, Equatable {
    /// Its name without the suffix.
    public var id: String
    public var path: String
    /// Size of the file.
    public var bytes: UInt64
    /// Wall clock, ns since 1970-01-01 UTC: the file's last modification, which is its publication.
    public var modifiedAt: Int64
    public var pinned: Bool
    public var state: CaptureState
    /// Why `state` is not `.ok`, fit to be shown; empty when it is.
    public var problem: String
    /// `nil` unless `state` is `.ok`.
    public var summary: IncidentSummary?
}

/// The captures of one directory.
///
/// A pin is an empty file `<id>.flightrec.pinned` beside the capture: a published capture is never modified, and
/// extended attributes do not survive every file system and copy.
public struct CaptureStore: Sendable {
    public let directory: CaptureDirectory

    public init(_ directory: CaptureDirectory) { self.directory = directory }

    /// Every capture, newest first (by id, which begins with the time). Files that are no sound capture are listed
    /// too, with their state. Throws `CaptureError.read` or `.denied` when the directory cannot be listed.
    public func list() throws(CaptureError) -> [StoredCapture] {
        let names = Set(try directory.names())
        let index = CaptureIndex(directory)
        let known = index.read()
        var captures: [StoredCapture] = []
        var entries: [(id: String, entry: CaptureIndex.Entry)] = []
        var opened = 0
        for id in Self.ids(names) {
            let path = directory.file(id)
            // One that was removed since the directory was read is no longer there to be listed.
            guard let facts = FileFacts(path: path) else {
                // In a directory whose names alone may be read nothing can be told of any.
                guard errno != EACCES else { throw .denied(path: directory.path) }
                continue
            }
            let entry = known[id].flatMap { $0.facts == facts ? $0 : nil }
            if entry == nil { opened += 1 }
            let capture = Self.stored(path, facts, pinned: names.contains(Self.pin(id)), known: entry?.summary)
            captures.append(capture)
            if let summary = capture.summary {
                entries.append((id, CaptureIndex.Entry(facts: facts, summary: summary)))
            }
        }
        if opened >= CaptureIndex.worthwhile { index.write(entries) }
        return captures
    }

    /// The path `name` stands for: an id, a unique prefix of one, `latest`, or a file's path (anything with a slash
    /// or ending in `.flightrec`). Throws `CaptureError.notFound` or `.ambiguous`.
    public func resolve(_ name: String) throws(CaptureError) -> String {
        if name.contains("/") || name.hasSuffix(CaptureDirectory.suffix) {
            let candidates = name.contains("/") ? [name] : [name, "\(directory.path)/\(name)"]
            guard let path = candidates.first(where: { access($0, F_OK) == 0 }) else { throw .notFound(name) }
            return path
        }
        let ids = Self.ids(Set(try directory.names()))
        guard !name.isEmpty else { throw .notFound(name) }
        if ids.contains(name) { return directory.file(name) }
        if name == "latest" {
            guard let newest = ids.first else { throw .notFound(name) }
            return directory.file(newest)
        }
        let matches = ids.filter { $0.hasPrefix(name) }
        guard let match = matches.first else { throw .notFound(name) }
        guard matches.count == 1 else { throw .ambiguous(name, matches: matches) }
        return directory.file(match)
    }

    /// What the file at `path` is, wherever it lies; `nil` when there is none.
    public static func inspect(_ path: String) -> StoredCapture? {
        inspect(path, pinned: access(path + pinSuffix, F_OK) == 0)
    }

    /// Keeps retention away from a capture. Pinning twice is no error. Throws `CaptureError.notFound`, `.noSpace`
    /// or `.write`.
    public func pin(path: String) throws(CaptureError) {
        guard access(path, F_OK) == 0 else { throw .notFound(path) }
        let file = Glibc.open(path + Self.pinSuffix, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard file >= 0 else { throw .writing(path + Self.pinSuffix, errno: errno) }
        close(file)
        try Self.syncParent(of: path)
    }

    /// Undoes `pin`. Unpinning what is not pinned is no error. Throws `CaptureError.notFound` or `.write`.
    public func unpin(path: String) throws(CaptureError) {
        guard access(path, F_OK) == 0 else { throw .notFound(path) }
        guard unlink(path + Self.pinSuffix) == 0 || errno == ENOENT else {
            throw .writing(path + Self.pinSuffix, errno: errno)
        }
        try Self.syncParent(of: path)
    }

    /// Removes a capture and its pin. A pin protects from retention, not from this.
    /// Throws `CaptureError.notFound` or `.write`.
    public func delete(path: String) throws(CaptureError) {
        guard unlink(path) == 0 else {
            throw errno == ENOENT ? .notFound(path) : .writing(path, errno: errno)
        }
        guard unlink(path + Self.pinSuffix) == 0 || errno == ENOENT else {
            throw .writing(path + Self.pinSuffix, errno: errno)
        }
        try Self.syncParent(of: path)
    }

    private static let pinSuffix = ".pinned"

    private static func pin(_ id: String) -> String { id + CaptureDirectory.suffix + pinSuffix }

    /// Of published captures, newest first.
    private static func ids(_ names: Set<String>) -> [String] {
        names.filter { $0.hasSuffix(CaptureDirectory.suffix) && !$0.hasPrefix(".") }
            .map { String($0.dropLast(CaptureDirectory.suffix.count)) }
            .filter { !$0.isEmpty }
            .sorted(by: >)
    }

    private static func inspect(_ path: String, pinned: Bool) -> StoredCapture? {
        FileFacts(path: path).map { stored(path, $0, pinned: pinned, known: nil) }
    }

    /// `known`: its summary, when it need not be opened for that.
    private static func stored(
        _ path: String, _ facts: FileFacts, pinned: Bool, known: IncidentSummary?
    ) -> StoredCapture {
        let file = path.split(separator: "/").last.map(String.init) ?? path
        let suffix = CaptureDirectory.suffix
        var capture = StoredCapture(
            id: file.hasSuffix(suffix) ? String(file.dropLast(suffix.count)) : file, path: path, bytes: facts.size,
            modifiedAt: facts.modifiedAt, pinned: pinned, state: .ok, problem: "", summary: known)
        guard known == nil else { return capture }
        do throws(CaptureError) {
            capture.summary = try CaptureReader.open(path, whole: false).summary()
        } catch {
            capture.problem = error.description
            switch error {
            case .unreadable(_, let state, _): capture.state = state
            case .denied:
                capture.state = .unreadable
                capture.problem = "not permitted: run with sudo"
            default: capture.state = .unreadable
            }
        }
        return capture
    }

    private static func syncParent(of path: String) throws(CaptureError) {
        let parent = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        let root = path.hasPrefix("/") ? "/" : "."
        try CaptureDirectory(existing: parent.isEmpty ? root : parent).sync()
    }
}
