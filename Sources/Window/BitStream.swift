/// Adaptive Rice code of one column. Durations within a turn are noise that LZ4 cannot shorten and that varints
/// round up to whole bytes; this spends close to their entropy, and one or two repeating bits on a constant, which
/// LZ4 then removes. Both sides keep the same running estimates, so nothing but the values is stored.
struct RicePredictor {
    /// Quotients from here on are written with their width instead.
    static let escape: UInt64 = 20

    /// 16 × the mean code.
    private var spread: Int64 = 1024
    /// 32 × the mean difference.
    private var drift: Int64 = 0

    /// What to expect of the next difference.
    var bias: UInt64 { UInt64(bitPattern: (drift &+ 16) >> 5) }

    /// Bits of a code that are written plainly, 0…40.
    var parameter: UInt64 {
        let mean = spread >> 4
        return mean == 0 ? 0 : UInt64(63 - mean.leadingZeroBitCount)
    }

    /// Takes in a code and how far the value was from the bias. Outliers are clipped: one slow turn must not make
    /// its successors expensive.
    @inline(__always)
    mutating func update(code: UInt64, error: Int64) {
        let mean = spread >> 4
        let limit = mean &* 4 &+ 8
        drift = drift &+ min(max(error, -limit), limit)
        let clipped = min(code, UInt64(bitPattern: min(mean &* 8 &+ 64, 1 << 40)))
        spread = spread &+ Int64(bitPattern: clipped) &- mean
    }
}

// Methods, not closures over the predictor: those cost a check of exclusive access for every value.
extension RicePredictor {
    /// Writes `value`, where `expected` was expected.
    @inline(__always)
    mutating func write(_ value: UInt64, against expected: UInt64, to writer: inout BitWriter) {
        let error = value &- expected &- bias
        let code = zigzag(error)
        writer.write(code, parameter: parameter)
        update(code: code, error: Int64(bitPattern: error))
    }

    /// Reads what `write` wrote.
    @inline(__always)
    mutating func read(against expected: UInt64, from reader: inout BitReader) -> UInt64 {
        let code = reader.read(parameter: parameter)
        let error = unzigzag(code)
        let value = expected &+ bias &+ error
        update(code: code, error: Int64(bitPattern: error))
        return value
    }
}

@inline(__always)
func zigzag(_ value: UInt64) -> UInt64 {
    value << 1 ^ UInt64(bitPattern: Int64(bitPattern: value) >> 63)
}

@inline(__always)
func unzigzag(_ code: UInt64) -> UInt64 {
    code >> 1 ^ (0 &- (code & 1))
}

/// Writes bits, least significant first, into memory the caller has made large enough
/// (`maximumBytes` for each value, one per `align`, and `slack` at the end).
struct BitWriter {
    /// Escape, width and 64 bits, rounded up.
    static let maximumBytes = 12
    /// Bytes after the last one that may be written to.
    static let slack = 8

    private let base: UnsafeMutableRawPointer
    private(set) var position = 0
    private var pending: UInt64 = 0
    /// 0…7 between calls.
    private var pendingBits: UInt64 = 0

    init(_ base: UnsafeMutableRawPointer) { self.base = base }

    /// Writes the low `count` bits, 0…56, of `bits`, which has no others set. Without a branch: whether a byte is full is anybody's
    /// guess, and a wrong one takes longer than all else here.
    @inline(__always)
    private mutating func put(_ bits: UInt64, _ count: UInt64) {
        pending |= bits &<< pendingBits
        base.storeBytes(of: pending.littleEndian, toByteOffset: position, as: UInt64.self)
        pendingBits &+= count
        position &+= Int(truncatingIfNeeded: pendingBits &>> 3)
        pending &>>= pendingBits & 56
        pendingBits &= 7
    }

    @inline(__always)
    mutating func write(_ code: UInt64, parameter: UInt64) {
        let quotient = code &>> parameter
        let low = code & (1 &<< parameter &- 1)
        if quotient < RicePredictor.escape {
            let unary: UInt64 = 1 &<< quotient &- 1
            if parameter <= 32 {
                put(unary | low &<< (quotient &+ 1), quotient &+ 1 &+ parameter)
            } else {
                put(unary, quotient &+ 1)
                put(low, parameter)
            }
        } else {
            let width = UInt64(64 &- code.leadingZeroBitCount)
            put(1 &<< RicePredictor.escape &- 1 | (width &- 1) &<< RicePredictor.escape, RicePredictor.escape &+ 6)
            put(code & 0xFFFF_FFFF, min(width, 32))
            if width > 32 { put(code &>> 32, width &- 32) }
        }
    }

    /// Fills the last byte with zeros, so that a column starts on a byte and repeats as bytes.
    mutating func align() {
        // The byte itself was written with its last bits.
        if pendingBits > 0 { position += 1 }
        pending = 0
        pendingBits = 0
    }

    /// On a byte boundary only.
    mutating func copy(_ bytes: [UInt8]) { bytes.withUnsafeBytes { copy($0) } }

    /// On a byte boundary only.
    mutating func copy(_ bytes: UnsafeRawBufferPointer) {
        UnsafeMutableRawBufferPointer(start: base + position, count: bytes.count).copyMemory(from: bytes)
        position += bytes.count
    }
}

/// Reads what `BitWriter` wrote. Past the end it gives zeros and remembers it in `overrun`, so that a hostile
/// stream costs one check per column and never a wild read.
struct BitReader {
    private let bytes: UnsafeRawBufferPointer
    private var position = 0
    private var pending: UInt64 = 0
    private var pendingBits: UInt64 = 0
    /// Zero bytes made up past the end; those still pending were only read ahead.
    private var invented: UInt64 = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var overrun: Bool { invented &* 8 > pendingBits }
    /// Bytes not yet read; on a byte boundary.
    var remaining: Int { bytes.count - position + Int(pendingBits / 8) - Int(invented) }

    /// Makes at least 56 bits pending. Only with fewer than 32.
    @inline(__always)
    private mutating func refill() {
        if let base = bytes.baseAddress, bytes.count &- position >= 8 {
            // Bits above `pendingBits` may be set already: they are the same ones that the next bytes bring.
            let next = UInt64(littleEndian: base.loadUnaligned(fromByteOffset: position, as: UInt64.self))
            pending |= next &<< pendingBits
            position &+= Int(truncatingIfNeeded: (63 &- pendingBits) &>> 3)
            pendingBits |= 56
            return
        }
        while pendingBits <= 56 {
            if position < bytes.count {
                pending |= UInt64(bytes[position]) &<< pendingBits
                position &+= 1
            } else {
                invented &+= 1
            }
            pendingBits &+= 8
        }
    }

    /// Reads 0…32 bits.
    @inline(__always)
    private mutating func take(_ count: UInt64) -> UInt64 {
        if pendingBits < count { refill() }
        let bits = pending & (1 &<< count &- 1)
        pending &>>= count
        pendingBits &-= count
        return bits
    }

    @inline(__always)
    private mutating func takeLong(_ count: UInt64) -> UInt64 {
        guard count > 32 else { return take(count) }
        let low = take(32)
        return low | take(count &- 32) &<< 32
    }

    @inline(__always)
    mutating func read(parameter: UInt64) -> UInt64 {
        if pendingBits < 32 { refill() }
        let quotient = UInt64((~pending).trailingZeroBitCount)
        if quotient < RicePredictor.escape {
            _ = take(quotient &+ 1)
            return quotient &<< parameter | takeLong(parameter)
        }
        _ = take(RicePredictor.escape)
        let width = take(6) &+ 1
        return takeLong(width)
    }

    /// On a byte boundary only.
    mutating func readByte() -> UInt8 { UInt8(truncatingIfNeeded: take(8)) }

    mutating func align() {
        _ = take(pendingBits % 8)
    }

    /// On a byte boundary only; `false` when fewer bytes are left.
    mutating func copy(to target: UnsafeMutableRawBufferPointer) -> Bool {
        guard !overrun, target.count <= remaining else { return false }
        position = bytes.count - remaining
        pending = 0
        pendingBits = 0
        invented = 0
        target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[position..<position + target.count]))
        position += target.count
        return true
    }
}
