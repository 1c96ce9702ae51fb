import Events

/// What a reader must know of a block to pass it over unread.
public struct BlockIndex: Sendable, Equatable {
    /// Earliest start of its turns or slices; of kinds that are about a moment, the block's `from`.
    public var began: Instant
    /// The sockets its records name, ascending; 0 is among them when a record names none.
    public var sockets: [SocketID]
}

extension Block {
    /// Decodes only the columns it needs, a fraction of what `records` costs. Errors: see `BlockError`.
    public func index() throws(BlockError) -> BlockIndex {
        let start = ColumnLayout.startOffset(kind)
        let records = try BlockCodec.decode(
            kind: kind, codec: codec, count: count, rawLength: rawLength, checksum: checksum, bytes: bytes,
            last: start ?? ColumnLayout.socketOffset)
        var began = Instant.max
        var ids: [SocketID] = []
        records.withUnsafeBytes { records in
            var last: SocketID?
            for row in 0..<count {
                let offset = row * kind.size
                if let start {
                    began = min(began, records.loadUnaligned(fromByteOffset: offset + start, as: Instant.self))
                }
                let id = records.loadUnaligned(
                    fromByteOffset: offset + ColumnLayout.socketOffset, as: SocketID.self)
                if id != last { ids.append(id) }
                last = id
            }
        }
        return BlockIndex(began: start == nil || count == 0 ? from : began, sockets: Set(ids).sorted())
    }
}

/// Ascending socket ids as bytes: LEB128 differences, the first one to 0.
public enum SocketSet {
    /// `sockets` must be ascending, without repetition.
    public static func encode(_ sockets: [SocketID]) -> [UInt8] {
        var bytes: [UInt8] = []
        var last: SocketID = 0
        for id in sockets {
            var rest = id &- last
            while rest >= 0x80 {
                bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
                rest >>= 7
            }
            bytes.append(UInt8(rest))
            last = id
        }
        return bytes
    }

    /// `nil` when `bytes` are not what `encode` makes (cut short, not ascending, or past 32 bits), or more than `most`.
    public static func decode(_ bytes: [UInt8], most: Int) -> [SocketID]? {
        var sockets: [SocketID] = []
        var difference: UInt64 = 0
        var shift: UInt64 = 0
        for byte in bytes {
            difference |= UInt64(byte & 0x7f) << shift
            if byte & 0x80 != 0 {
                shift += 7
                guard shift < 35 else { return nil }
                continue
            }
            guard difference > 0 || sockets.isEmpty, sockets.count < most,
                let id = SocketID(exactly: UInt64(sockets.last ?? 0) + difference)
            else { return nil }
            sockets.append(id)
            difference = 0
            shift = 0
        }
        return shift == 0 ? sockets : nil
    }
}
