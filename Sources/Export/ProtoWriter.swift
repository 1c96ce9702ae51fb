/// Protocol Buffers wire format (protobuf.dev/programming-guides/encoding), as far as a trace needs it.
struct ProtoWriter {
    private(set) var bytes: [UInt8] = []

    private enum Wire: UInt64 {
        case varint = 0
        case fixed64 = 1
        case length = 2
    }

    private mutating func tag(_ field: UInt64, _ wire: Wire) { raw(field << 3 | wire.rawValue) }

    private mutating func raw(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    mutating func varint(_ field: UInt64, _ value: UInt64) {
        tag(field, .varint)
        raw(value)
    }

    /// As type int64: two's complement.
    mutating func integer(_ field: UInt64, _ value: Int64) { varint(field, UInt64(bitPattern: value)) }

    mutating func fixed64(_ field: UInt64, _ value: UInt64) {
        tag(field, .fixed64)
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func double(_ field: UInt64, _ value: Double) { fixed64(field, value.bitPattern) }

    mutating func string(_ field: UInt64, _ text: String) {
        tag(field, .length)
        raw(UInt64(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    mutating func message(_ field: UInt64, _ body: (inout ProtoWriter) -> Void) {
        tag(field, .length)
        let start = bytes.count
        bytes.append(0)
        body(&self)
        var length = UInt64(bytes.count - start - 1)
        bytes[start] = UInt8(truncatingIfNeeded: length & 0x7f)
        // Most messages are short; the length of a longer one needs more bytes than the one kept for it.
        var at = start
        while length >= 0x80 {
            bytes[at] |= 0x80
            length >>= 7
            at += 1
            bytes.insert(UInt8(truncatingIfNeeded: length & 0x7f), at: at)
        }
    }

    mutating func clear() { bytes.removeAll(keepingCapacity: true) }
}
