import Events

/// A run of records of one kind from one container, encoded. Immutable: a snapshot holds on to it by reference
/// while the window goes on and forgets it.
public final class Block: Sendable {
    public let kind: EventKind
    public let container: ContainerKey
    /// Least header time of its records.
    public let from: Instant
    /// Greatest header time of its records.
    public let to: Instant
    /// Records in it.
    public let count: Int
    /// How `bytes` is written: `BlockCodec.raw`, `.columns`, `.sided` or `.timed`.
    public let codec: UInt8
    /// Bytes before LZ4, as `codec` made them; for `BlockCodec.raw` those of `bytes`.
    public let rawLength: Int
    /// CRC-32 of `bytes`.
    public let checksum: UInt32
    public let bytes: [UInt8]
    /// Whether any of its turns may have waited for a buffer. Not stored: of a block that was read, nobody knows.
    public let mayHaveWaited: Bool
    /// Encoded by this process and never out of its memory: its checksum is right.
    let isOwn: Bool

    public convenience init(
        kind: EventKind, container: ContainerKey, from: Instant, to: Instant, count: Int, codec: UInt8,
        rawLength: Int, checksum: UInt32, bytes: [UInt8]
    ) {
        self.init(
            kind: kind, container: container, from: from, to: to, count: count, codec: codec, rawLength: rawLength,
            checksum: checksum, bytes: bytes, mayHaveWaited: true, isOwn: false)
    }

    init(
        kind: EventKind, container: ContainerKey, from: Instant, to: Instant, count: Int, codec: UInt8,
        rawLength: Int, checksum: UInt32, bytes: [UInt8], mayHaveWaited: Bool, isOwn: Bool
    ) {
        self.kind = kind
        self.container = container
        self.from = from
        self.to = to
        self.count = count
        self.codec = codec
        self.rawLength = rawLength
        self.checksum = checksum
        self.bytes = bytes
        self.mayHaveWaited = mayHaveWaited
        self.isOwn = isOwn
    }

    /// The object's fields and header, its array's header, and the allocator's rounding of both.
    static let overhead = 176

    /// Bytes of memory it takes.
    public var footprint: Int { bytes.count + Self.overhead }

    /// Its records, `kind.size` bytes each, in the order they were appended. Errors: see `BlockError`.
    public func records() throws(BlockError) -> [UInt8] {
        try BlockCodec.decode(
            kind: kind, codec: codec, count: count, rawLength: rawLength, checksum: isOwn ? nil : checksum,
            bytes: bytes)
    }
}

extension Block {
    /// Its records with header, role, flags and start alone, and 0 in all other fields: at a third of the cost.
    /// Errors: see `BlockError`.
    public func briefRecords() throws(BlockError) -> [UInt8] {
        try BlockCodec.decode(
            kind: kind, codec: codec, count: count, rawLength: rawLength, checksum: isOwn ? nil : checksum,
            bytes: bytes, last: ColumnLayout.startOffset(kind) ?? ColumnLayout.socketOffset)
    }
}

/// Why a stored block could not be decoded.
public enum BlockError: Error, Equatable, Sendable, CustomStringConvertible {
    case checksum(expected: UInt32, found: UInt32)
    /// Written by a newer flightrec, or damaged.
    case unknownCodec(UInt8)
    /// Claims more than a block may hold (`BlockCodec.maximumLength`), or a negative amount.
    case tooLarge(count: Int, rawLength: Int)
    /// LZ4 refused it, or it gave another length than the one stored.
    case decompression
    /// Raw records that do not add up to count × record size.
    case length(expected: Int, found: Int)
    /// A column ended early.
    case truncated
    /// A column is written in a way this version does not know.
    case unknownColumn(UInt8)
    /// Bytes left after the last column.
    case trailing(Int)

    public var description: String {
        switch self {
        case .checksum(let expected, let found):
            "block is damaged: its checksum is \(found), not \(expected)"
        case .unknownCodec(let codec): "block is written in an unknown way (codec \(codec))"
        case .tooLarge(let count, let rawLength):
            "block claims an impossible size (\(count) records, \(rawLength) bytes)"
        case .decompression: "block does not decompress to the length it claims"
        case .length(let expected, let found): "block holds \(found) bytes of records, not \(expected)"
        case .truncated: "block ends in the middle of a column"
        case .unknownColumn(let form): "block has a column written in an unknown way (\(form))"
        case .trailing(let count): "block has \(count) bytes after its last column"
        }
    }
}
