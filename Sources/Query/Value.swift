/// A value as SQLite knows it.
public enum Value: Sendable, Equatable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob([UInt8])

    /// `nil` and what does not fit: null.
    static func integer(_ value: (some BinaryInteger)?) -> Value {
        value.map { .integer(Int64(clamping: $0)) } ?? .null
    }
    /// A u64 as the format stores it: the signed integer of the same bits.
    static func bits(_ value: UInt64?) -> Value { value.map { .integer(Int64(bitPattern: $0)) } ?? .null }
    static func flag(_ value: Bool) -> Value { .integer(value ? 1 : 0) }
    static func text(_ value: String?) -> Value { value.map { .text($0) } ?? .null }

    /// Less, equal or greater as -1, 0, 1, in SQLite's order for values of one class (datatype3.html, section 4);
    /// `nil`: of different classes, or null.
    static func compare(_ one: Value, _ other: Value) -> Int? {
        switch (one, other) {
        case (.integer(let one), .integer(let other)): return sign(one, other)
        case (.real(let one), .real(let other)): return one.isNaN || other.isNaN ? nil : sign(one, other)
        case (.integer(let one), .real(let other)): return compare(one, other)
        case (.real(let one), .integer(let other)): return compare(other, one).map { -$0 }
        case (.text(let one), .text(let other)):
            // By bytes, as collation BINARY does; Swift's own order is another.
            if one.utf8.elementsEqual(other.utf8) { return 0 }
            return one.utf8.lexicographicallyPrecedes(other.utf8) ? -1 : 1
        default: return nil
        }
    }

    /// Exact: neither is rounded to the other's type.
    private static func compare(_ integer: Int64, _ real: Double) -> Int? {
        if real.isNaN { return nil }
        if real >= 0x1p63 { return -1 }
        if real < -0x1p63 { return 1 }
        let whole = Int64(real)
        return integer == whole ? sign(0, real - Double(whole)) : sign(integer, whole)
    }

    private static func sign<Number: Comparable>(_ one: Number, _ other: Number) -> Int {
        one == other ? 0 : one < other ? -1 : 1
    }
}
