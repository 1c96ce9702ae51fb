import CFlightrec
import CLZ4
import Events

/// Encodes records into blocks and back, bit for bit.
public enum BlockCodec {
    /// The records as they are.
    public static let raw: UInt8 = 0
    /// Columns (`ColumnLayout`), then one LZ4 block (lz4_Block_format.md).
    public static let columns: UInt8 = 1
    /// The same of kinds with two sides, each for itself (`SidedColumns.swift`).
    public static let sided: UInt8 = 2
    /// The same, with the fields that turns got later (`ColumnLayout.later`): what is written today.
    public static let timed: UInt8 = 3
    /// Bytes of records, and of columns, a block may hold.
    public static let maximumLength = 16 << 20

    /// Encodes `count` records of `kind.size` bytes each. `packedRecords` must be exactly that long and no longer
    /// than `maximumLength`: anything else is a mistake of the caller and traps.
    public static func encode(
        _ kind: EventKind, container: ContainerKey, packedRecords: UnsafeRawBufferPointer, count: Int
    ) -> Block {
        precondition(
            count >= 0 && packedRecords.count == count * kind.size && packedRecords.count <= maximumLength,
            "records do not add up")
        var from = count == 0 ? 0 : Instant.max
        var to: Instant = 0
        for row in 0..<count {
            let at = packedRecords.loadUnaligned(fromByteOffset: row * kind.size, as: Instant.self)
            from = min(from, at)
            to = max(to, at)
        }
        let waited = (kind == .turn || kind == .open) && hasWaits(packedRecords, count)
        let codec = ColumnLayout.of(kind).later == 0 ? Self.columns : timed
        let columns = ColumnCodec.encode(kind, packedRecords, count: count, codec: codec)
        let compressed = compress(columns)
        let useRaw = columns.count > maximumLength || compressed.count >= packedRecords.count
        let bytes = useRaw ? Array(packedRecords) : compressed
        return Block(
            kind: kind, container: container, from: from, to: to, count: count,
            codec: useRaw ? raw : codec, rawLength: useRaw ? bytes.count : columns.count,
            checksum: bytes.withUnsafeBytes(CRC32.checksum), bytes: bytes, mayHaveWaited: waited, isOwn: true)
    }

    /// Whether any of these turns waited for a buffer.
    private static func hasWaits(_ turns: UnsafeRawBufferPointer, _ count: Int) -> Bool {
        let fields: [PartialKeyPath<fr_turn>] = [\.sndbuf_wait, \.rwnd_wait, \.send_wait]
        for field in fields {
            guard let offset = MemoryLayout<fr_turn>.offset(of: field) else { preconditionFailure("a stored field") }
            for row in 0..<count
            where turns.loadUnaligned(fromByteOffset: row * EventKind.turn.size + offset, as: UInt64.self) != 0 {
                return true
            }
        }
        return false
    }

    /// Decodes a block's fields, which may come from a damaged or hostile file: `count` × `kind.size` bytes of
    /// records. Never takes more memory than a few times `maximumLength`. `last`: offset of the last field wanted, in
    /// the order of `ColumnLayout`; what follows it may be 0. `checksum`: `nil` when nobody can have damaged it. Errors: see `BlockError`.
    public static func decode(
        kind: EventKind, codec: UInt8, count: Int, rawLength: Int, checksum: UInt32?, bytes: [UInt8], last: Int? = nil
    ) throws(BlockError) -> [UInt8] {
        guard count >= 0, count <= maximumLength / kind.size, rawLength >= 0, rawLength <= maximumLength else {
            throw .tooLarge(count: count, rawLength: rawLength)
        }
        if let checksum {
            let found = bytes.withUnsafeBytes(CRC32.checksum)
            guard found == checksum else { throw .checksum(expected: checksum, found: found) }
        }
        switch codec {
        case raw:
            let earlier = ColumnLayout.of(kind).earlierSize(kind)
            guard rawLength == bytes.count, [kind.size, earlier].contains(where: { bytes.count == count * $0 }) else {
                throw .length(expected: count * kind.size, found: bytes.count)
            }
            return bytes.count == count * kind.size ? bytes : widen(bytes, from: earlier, to: kind.size)
        case columns, sided, timed:
            guard ColumnLayout.of(kind).fields(codec) != nil else { throw .unknownCodec(codec) }
            let columns = try decompress(bytes, to: rawLength)
            let result = columns.withUnsafeBytes { columns in
                Result { () throws(BlockError) in
                    try ColumnCodec.decode(kind, columns, count: count, codec: codec, last: last)
                }
            }
            return try result.get()
        default: throw .unknownCodec(codec)
        }
    }

    /// Records without the fields that came later, which are 0 then.
    private static func widen(_ records: [UInt8], from: Int, to: Int) -> [UInt8] {
        var wide: [UInt8] = []
        wide.reserveCapacity(records.count / from * to)
        for start in stride(from: 0, to: records.count, by: from) {
            wide += records[start..<start + from]
            wide += repeatElement(0, count: to - from)
        }
        return wide
    }

    /// Empty for nothing. LZ4 cannot fail with the room its own bound asks for.
    static func compress(_ input: [UInt8]) -> [UInt8] {
        guard !input.isEmpty else { return [] }
        let scratch = UnsafeMutableBufferPointer<CChar>.allocate(capacity: input.count + input.count / 255 + 16)
        defer { scratch.deallocate() }
        let length = input.withUnsafeBytes { input in
            LZ4_compress_default(
                input.baseAddress?.assumingMemoryBound(to: CChar.self), scratch.baseAddress,
                Int32(input.count), Int32(scratch.count))
        }
        precondition(length > 0, "LZ4 refused a buffer of its own bound")
        return Array(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(scratch)[..<Int(length)]))
    }

    private static func decompress(_ input: [UInt8], to length: Int) throws(BlockError) -> [UInt8] {
        guard length > 0 else {
            guard input.isEmpty else { throw .decompression }
            return []
        }
        // LZ4 takes lengths as C ints, and no block expands what it holds by this much.
        guard !input.isEmpty, input.count <= 2 * maximumLength else { throw .decompression }
        var written: Int32 = 0
        let result = [UInt8](unsafeUninitializedCapacity: length) { output, count in
            written = input.withUnsafeBytes { input in
                LZ4_decompress_safe(
                    input.baseAddress?.assumingMemoryBound(to: CChar.self),
                    UnsafeMutableRawPointer(output.baseAddress)?.assumingMemoryBound(to: CChar.self),
                    Int32(input.count), Int32(length))
            }
            count = max(0, Int(written))
        }
        guard Int(written) == length else { throw .decompression }
        return result
    }
}
