/// CRC-32 as zlib and PNG compute it (ISO 3309: reflected polynomial 0xEDB88320, all ones in and out).
public enum CRC32 {
    private static let sliced = 8

    /// For each of eight bytes in a row its own table (Kounavis and Berry, "A Systematic Approach to Building High
    /// Performance Software-based CRC Generators"): eight look-ups that do not wait for one another.
    private static let tables: [UInt32] = {
        var tables: [UInt32] = (0..<256).map { byte in
            (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
        }
        for index in 256..<(256 * sliced) {
            let before: UInt32 = tables[index - 256]
            let next: UInt32 = tables[Int(before & 0xFF)]
            tables.append(next ^ (before >> 8))
        }
        return tables
    }()

    /// `continuing`: the checksum of what comes before `bytes`.
    public static func checksum(_ bytes: UnsafeRawBufferPointer, continuing before: UInt32) -> UInt32 {
        tables.withUnsafeBufferPointer { table in
            var value = ~before
            var at = 0
            while bytes.count &- at >= sliced {
                var word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
                word ^= UInt64(value)
                value = 0
                for byte in 0..<sliced {
                    let index = Int(truncatingIfNeeded: (word &>> UInt64(byte &* 8)) & 0xFF)
                    value ^= table[(sliced &- 1 &- byte) &* 256 &+ index]
                }
                at &+= sliced
            }
            while at < bytes.count {
                value = table[Int(UInt8(truncatingIfNeeded: value) ^ bytes[at])] ^ value >> 8
                at &+= 1
            }
            return ~value
        }
    }

    public static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 { checksum(bytes, continuing: 0) }

    /// What `checksum` becomes when `count` zero bytes follow: in steps of log `count`, not of `count`. A zero byte multiplies
    /// the register by x^8, modulo the polynomial (Williams, "A Painless Guide to CRC Error Detection Algorithms").
    public static func zeros(_ count: UInt64, continuing before: UInt32) -> UInt32 {
        var register = ~before
        // Reflected, the coefficient of x^n is bit 31 - n.
        var power: UInt32 = 1 << (31 - 8)
        var rest = count
        while rest != 0 {
            if rest & 1 == 1 { register = product(register, power) }
            power = product(power, power)
            rest >>= 1
        }
        return ~register
    }

    /// Of two polynomials over GF(2), modulo that of the checksum.
    private static func product(_ a: UInt32, _ b: UInt32) -> UInt32 {
        var sum: UInt32 = 0
        var shifted = b
        for bit in (0..<UInt32(32)).reversed() {
            if a >> bit & 1 == 1 { sum ^= shifted }
            shifted = shifted >> 1 ^ (shifted & 1 == 1 ? 0xEDB8_8320 : 0)
        }
        return sum
    }
}
