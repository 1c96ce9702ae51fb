/// Numbers out of the texts of /proc and cgroup files, byte by byte: a hundred `Substring`s a look would cost more than the
/// system calls.
extension UnsafeRawBufferPointer {
    private static let newline = UInt8(ascii: "\n")

    /// Calls `body` with every line, without its end, until it answers false.
    func lines(_ body: (UnsafeRawBufferPointer) -> Bool) {
        var start = 0
        while start < count {
            let end = self[start...].firstIndex(of: Self.newline) ?? count
            guard body(UnsafeRawBufferPointer(rebasing: self[start..<end])) else { return }
            start = end + 1
        }
    }

    /// Calls `body` with every word: what stands between blanks.
    func words(_ body: (UnsafeRawBufferPointer) -> Bool) {
        var start = 0
        while start < count {
            while start < count, self[start] == UInt8(ascii: " ") || self[start] == UInt8(ascii: "\t") { start += 1 }
            guard start < count else { return }
            var end = start
            while end < count, self[end] != UInt8(ascii: " "), self[end] != UInt8(ascii: "\t") { end += 1 }
            guard body(UnsafeRawBufferPointer(rebasing: self[start..<end])) else { return }
            start = end
        }
    }

    func starts(with text: StaticString) -> Bool {
        count >= text.utf8CodeUnitCount
            && text.withUTF8Buffer { zip($0, self).allSatisfy { $0 == $1 } }
    }

    func equals(_ text: StaticString) -> Bool { count == text.utf8CodeUnitCount && starts(with: text) }

    /// The number it begins with; `nil` for none (`max`), or one over 64 bits.
    var decimal: UInt64? {
        var value: UInt64 = 0
        var digits = 0
        for byte in self {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { break }
            let (ten, over) = value.multipliedReportingOverflow(by: 10)
            let (next, more) = ten.addingReportingOverflow(UInt64(byte - UInt8(ascii: "0")))
            guard !over, !more else { return nil }
            value = next
            digits += 1
        }
        return digits > 0 ? value : nil
    }

    /// The hexadecimal number it consists of.
    var hexadecimal: UInt64? {
        guard !isEmpty, count <= 16 else { return nil }
        var value: UInt64 = 0
        for byte in self {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt64(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt64(byte - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return value
    }

    /// Value of one `key value` line.
    func value(of key: StaticString) -> UInt64? {
        var found: UInt64?
        lines { line in
            guard line.count > key.utf8CodeUnitCount, line[key.utf8CodeUnitCount] == UInt8(ascii: " "),
                line.starts(with: key)
            else { return true }
            found = UnsafeRawBufferPointer(rebasing: line[(key.utf8CodeUnitCount + 1)...]).decimal
            return false
        }
        return found
    }

    /// ns at least one task waited, of a `.pressure` file: `some avg10=0.00 … total=123` (in µs; PSI,
    /// Documentation/accounting/psi.rst).
    var pressure: UInt64? {
        var total: UInt64?
        lines { line in
            guard line.starts(with: "some ") else { return true }
            line.words { word in
                guard word.starts(with: "total=") else { return true }
                total = UnsafeRawBufferPointer(rebasing: word[6...]).decimal
                return false
            }
            return false
        }
        return total.map { $0 &* 1000 }
    }
}
