import GRDB

/// A value in a capture that contradicts the format. The reader turns it into `CaptureError.unreadable`.
struct Damage: Error {
    let why: String
}

/// Checked access to one row of a file that may be hostile: SQLite stores any type in any column of a table whose
/// definition was forged, so no value is taken for granted.
struct Fields {
    /// UTF-8 bytes; far above any text the recorder writes.
    static let longestText = 1 << 16

    let row: Row

    func isNull(_ index: Int) -> Bool { value(index).isNull }

    func int64(_ index: Int) throws(Damage) -> Int64 {
        guard case .int64(let number) = value(index).storage else { throw damage(index, "is no integer") }
        return number
    }

    /// A u64 stored as the signed integer of the same bits.
    func bits(_ index: Int) throws(Damage) -> UInt64 { UInt64(bitPattern: try int64(index)) }

    func optionalBits(_ index: Int) throws(Damage) -> UInt64? { isNull(index) ? nil : try bits(index) }

    /// An integer that must fit `T`.
    func number<T: FixedWidthInteger>(_ index: Int, as type: T.Type = T.self) throws(Damage) -> T {
        guard let number = T(exactly: try int64(index)) else { throw damage(index, "is out of range") }
        return number
    }

    func optionalNumber<T: FixedWidthInteger>(_ index: Int, as type: T.Type = T.self) throws(Damage) -> T? {
        isNull(index) ? nil : try number(index)
    }

    /// A number of things: never negative.
    func count(_ index: Int) throws(Damage) -> Int {
        let number: Int = try number(index)
        guard number >= 0 else { throw damage(index, "is negative") }
        return number
    }

    /// Finite.
    func real(_ index: Int) throws(Damage) -> Double {
        switch value(index).storage {
        case .double(let number) where number.isFinite: return number
        case .int64(let number): return Double(number)
        default: throw damage(index, "is no finite number")
        }
    }

    func text(_ index: Int) throws(Damage) -> String {
        guard case .string(let text) = value(index).storage else { throw damage(index, "is no text") }
        guard text.utf8.count <= Self.longestText else { throw damage(index, "is too long") }
        return text
    }

    func blob(_ index: Int) throws(Damage) -> [UInt8] {
        switch value(index).storage {
        case .blob(let data): return [UInt8](data)
        default: throw damage(index, "is no blob")
        }
    }

    /// An IP address: 4 or 16 bytes.
    func address(_ index: Int) throws(Damage) -> [UInt8] {
        let bytes = try blob(index)
        guard bytes.count == 4 || bytes.count == 16 else { throw damage(index, "is no IP address") }
        return bytes
    }

    private func value(_ index: Int) -> DatabaseValue { row[index] }

    private func damage(_ index: Int, _ why: String) -> Damage {
        let names = Array(row.columnNames)
        return Damage(why: "column \(names.indices.contains(index) ? names[index] : "\(index)") \(why)")
    }
}
