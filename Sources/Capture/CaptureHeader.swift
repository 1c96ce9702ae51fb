import Glibc

/// The first 100 bytes of a SQLite file (sqlite.org/fileformat2.html, section 1.3), judged before SQLite sees it.
struct CaptureHeader {
    static let size = 100

    let version: UInt32
    /// Bytes of the database; the seal follows them.
    let length: UInt64
    /// From this version on there is a seal.
    private static let sealedSince = 2

    /// Throws `CaptureError.read`, `.denied`, or `.unreadable` with the state found.
    /// `whole`: the seal is compared too, for which the file is read from beginning to end.
    init(path: String, whole: Bool) throws(CaptureError) {
        let file = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else {
            throw errno == ENOENT ? .notFound(path) : .reading(path, errno: errno)
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw .read(path: path, why: CaptureError.words(errno)) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw .unreadable(path: path, state: .foreign, why: "it is not a regular file")
        }
        var bytes = [UInt8](repeating: 0, count: Self.size)
        let got = pread(file, &bytes, Self.size, 0)
        guard got >= 0 else { throw .read(path: path, why: CaptureError.words(errno)) }
        try self.init(Array(bytes.prefix(got)), fileSize: UInt64(max(status.st_size, 0)), path: path)
        guard whole, version >= Self.sealedSince else { return }
        guard try CaptureSeal.holds(file, length: length, path: path) else {
            throw .unreadable(
                path: path, state: .corrupt, why: "its seal is not that of its contents: it was changed or damaged")
        }
    }

    init(_ bytes: [UInt8], fileSize: UInt64, path: String) throws(CaptureError) {
        func number(_ offset: Int) -> UInt32 {
            bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
        }
        func bad(_ state: CaptureState, _ why: String) -> CaptureError {
            .unreadable(path: path, state: state, why: why)
        }
        let magic = Array("SQLite format 3\0".utf8)
        guard bytes.prefix(magic.count).elementsEqual(magic.prefix(bytes.count)) else {
            throw bad(.foreign, "it is not a SQLite file")
        }
        guard bytes.count == Self.size else { throw bad(.truncated, "it ends within its first \(Self.size) bytes") }
        guard number(68) == Schema.applicationID else {
            throw bad(.foreign, "it is a SQLite file of another program")
        }
        version = number(60)
        guard version <= Schema.version else {
            throw bad(.newer, "its format is version \(version), this flightrec reads up to \(Schema.version)")
        }
        guard version >= 1 else { throw bad(.corrupt, "its format has no version") }
        let field = UInt64(bytes[16]) << 8 | UInt64(bytes[17])
        let pageSize = field == 1 ? 65536 : field
        guard pageSize >= 512, pageSize & (pageSize - 1) == 0 else { throw bad(.corrupt, "its page size is invalid") }
        // A capture is never written in WAL mode; opening one that claims so would look for files beside it.
        guard bytes[18] == 1, bytes[19] == 1 else { throw bad(.corrupt, "its journal mode is not a capture's") }
        let expected = pageSize * UInt64(number(28))
        length = expected
        let whole = version >= Self.sealedSince ? expected + CaptureSeal.size : expected
        guard fileSize >= whole else {
            throw bad(.truncated, "it has \(fileSize) of \(whole) bytes")
        }
        guard version < Self.sealedSince || fileSize == whole else {
            throw bad(.corrupt, "it has \(fileSize - whole) bytes after its end")
        }
    }
}
