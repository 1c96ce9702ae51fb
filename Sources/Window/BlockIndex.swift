import Events

/// What a reader must know of a block to pass it over unread.
public struct BlockIndex: Sendable, Equatable {
    /// Earliest start of its turns or slices; of kinds that are about a moment, the block's `from`.
    public var began: Instant
    /// The sockets its records name, ascending; 0 is among them when a record names none.
    public var sockets: [SocketID]

    public init(began: Instant, sockets: [SocketID]) {
        self.began = began
        self.sockets = sockets
    }
}

extension Block {
    /// Decodes only the columns it needs, a fraction of what `records` costs. Errors: see `BlockError`.
    public func index() throws(BlockError) -> BlockIndex {
        let start = ColumnLayout.startOffset(kind)
        let records = try BlockCodec.decode(
            kind: kind, codec: codec, count: count, rawLength: rawLength, checksum: isOwn ? nil : checksum,
            bytes: bytes,
            last: start ?? ColumnLayout.socketOffset)
        return records.withUnsafeBytes { records in
            func load<Value: BitwiseCopyable>(_ row: Int, _ offset: Int, _ type: Value.Type) -> Value {
                records.loadUnaligned(fromByteOffset: row &* kind.size &+ offset, as: type)
            }
            var began = from
            if let start, count > 0 {
                began = .max
                for row in 0..<count { began = min(began, load(row, start, Instant.self)) }
            }
            let sockets = Self.distinct(count) { load($0, ColumnLayout.socketOffset, SocketID.self) }
            return BlockIndex(began: began, sockets: sockets)
        }
    }

    /// Different values of `id`, ascending.
    private static func distinct(_ count: Int, _ id: (Int) -> SocketID) -> [SocketID] {
        guard count > 0 else { return [] }
        var low = SocketID.max
        var high: SocketID = 0
        for row in 0..<count {
            low = min(low, id(row))
            high = max(high, id(row))
        }
        // Ids are given out in order, so those of one time lie close together: then a bit for each is cheapest.
        guard high - low < 1 << 18 else { return Set((0..<count).map(id)).sorted() }
        var bits = [UInt64](repeating: 0, count: Int(high - low) / 64 + 1)
        for row in 0..<count {
            let bit = Int(id(row) - low)
            bits[bit >> 6] |= 1 << UInt64(bit & 63)
        }
        var result: [SocketID] = []
        for (index, word) in bits.enumerated() where word != 0 {
            var rest = word
            while rest != 0 {
                result.append(low + SocketID(index * 64 + rest.trailingZeroBitCount))
                rest &= rest - 1
            }
        }
        return result
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
