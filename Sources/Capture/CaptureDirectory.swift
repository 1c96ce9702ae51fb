import Glibc

/// The directory captures are kept in, known to exist and to be writable when it was made.
public struct CaptureDirectory: Sendable, Equatable {
    /// What a published capture's name ends with.
    public static let suffix = ".flightrec"
    /// What the name of one being written ends with; it begins with a dot.
    static let temporarySuffix = ".flightrec.tmp"

    /// Without a slash at its end.
    public let path: String

    /// Creates the directory and its parents where missing, then proves that a file can be made in it: a mode
    /// says nothing for root or on a read-only file system. Throws `CaptureError.directory` or `.noSpace`.
    public init(preparing path: String) throws(CaptureError) {
        self.path = Self.normal(path)
        try Self.create(self.path)
        let probe = "\(self.path)/.flightrec-probe-\(getpid())"
        let file = Glibc.open(probe, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw Self.refusal(self.path, errno) }
        close(file)
        guard unlink(probe) == 0 else { throw Self.refusal(self.path, errno) }
    }

    /// For reading: the directory need not be writable, and nothing is created. Throws `CaptureError.directory` or `.denied`.
    public init(existing path: String) throws(CaptureError) {
        self.path = Self.normal(path)
        var status = stat()
        // Below a directory of root's own, like the unit's: whether it exists can't be told.
        if stat(self.path, &status) != 0, errno == EACCES || errno == EPERM { throw .denied(path: self.path) }
        try Self.check(self.path)
    }

    /// Removes what writers that died have left: temporary files no live writer holds a lock on. Returns their
    /// names. Throws `CaptureError.read` or `.write`.
    @discardableResult
    public func sweep() throws(CaptureError) -> [String] {
        var removed: [String] = []
        for name in try names() where name.hasPrefix(".") && name.hasSuffix(Self.temporarySuffix) {
            let file = Glibc.open("\(path)/\(name)", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
            guard file >= 0 else { continue }  // Gone already, or not a file of ours.
            defer { close(file) }
            guard flock(file, LOCK_EX | LOCK_NB) == 0 else { continue }
            // The lock is kept until the name is gone: a writer that made the file in between sees that it has
            // no name left and makes another.
            guard unlink("\(path)/\(name)") == 0 || errno == ENOENT else {
                throw .writing("\(path)/\(name)", errno: errno)
            }
            removed.append(name)
        }
        return removed
    }

    /// Names of all entries, in no order.
    func names() throws(CaptureError) -> [String] {
        guard let stream = opendir(path) else { throw .reading(path, errno: errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else { break }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            names.append(name)
        }
        guard errno == 0 else { throw .read(path: path, why: CaptureError.words(errno)) }
        return names
    }

    /// Makes renames and removals in it durable.
    func sync() throws(CaptureError) {
        let directory = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw .writing(path, errno: errno) }
        defer { close(directory) }
        // Some network and FUSE file systems have no fsync for directories and say EINVAL.
        guard fsync(directory) == 0 || errno == EINVAL else { throw .writing(path, errno: errno) }
    }

    func file(_ id: String) -> String { "\(path)/\(id)\(Self.suffix)" }

    private static func normal(_ path: String) -> String {
        var path = path
        while path.count > 1 && path.hasSuffix("/") { path.removeLast() }
        return path.isEmpty ? "." : path
    }

    private static func create(_ path: String) throws(CaptureError) {
        if mkdir(path, 0o755) == 0 { return }
        switch errno {
        case EEXIST: break
        case ENOENT:
            guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { throw refusal(path, ENOENT) }
            try create(normal(String(path[..<slash])))
            guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw refusal(path, errno) }
        // A read-only parent of a directory that exists may answer with its own error first.
        case let code: if access(path, F_OK) != 0 { throw refusal(path, code) }
        }
        try check(path)
    }

    private static func check(_ path: String) throws(CaptureError) {
        var status = stat()
        guard stat(path, &status) == 0 else { throw refusal(path, errno) }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw refusal(path, ENOTDIR) }
    }

    private static func refusal(_ path: String, _ code: Int32) -> CaptureError {
        switch code {
        case ENOSPC, EDQUOT: .noSpace(path: path)
        case EROFS: .directory(path: path, why: "the file system is read-only")
        case EACCES, EPERM: .directory(path: path, why: "not permitted: run with sudo, or name another with --dir")
        case ENOTDIR: .directory(path: path, why: "it, or a part of the path, is not a directory")
        case ENOENT: .directory(path: path, why: "it does not exist: start `sudo flightrec record`, or see --dir")
        default: .directory(path: path, why: CaptureError.words(code))
        }
    }
}
