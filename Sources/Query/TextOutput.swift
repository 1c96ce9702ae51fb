import Report

/// Text on its way out, in pieces large enough that a million lines take no million calls.
public final class TextOutput {
    private static let piece = 64 << 10

    private var bytes: [UInt8] = []
    private let write: (UnsafeRawBufferPointer) -> Void

    /// - Parameter write: takes a piece; pieces end anywhere.
    public init(_ write: @escaping (UnsafeRawBufferPointer) -> Void) {
        self.write = write
        bytes.reserveCapacity(Self.piece + 4096)
    }

    /// Hands on what is held.
    public func flush() {
        if !bytes.isEmpty { bytes.withUnsafeBytes(write) }
        bytes.removeAll(keepingCapacity: true)
    }

    public func line(_ text: String) {
        append(text)
        endLine()
    }

    func endLine() {
        bytes.append(10)
        if bytes.count >= Self.piece { flush() }
    }

    public func append(_ more: [UInt8]) {
        bytes += more
        if bytes.count >= Self.piece { flush() }
    }

    public func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    public func append(byte: UInt8) { bytes.append(byte) }

    func append(_ number: Int64) {
        if number < 0 { bytes.append(0x2d) }
        var rest = number.magnitude
        let start = bytes.count
        repeat {
            bytes.append(0x30 + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        } while rest > 0
        bytes[start...].reverse()
    }

    /// As people read it: null is empty, bytes are hexadecimal.
    func append(plain value: Value) {
        switch value {
        case .null: break
        case .integer(let number): append(number)
        case .real(let number): append("\(number)")
        case .text(let text): append(text)
        case .blob(let bytes): append(hexadecimal(bytes))
        }
    }

    /// A field of CSV (RFC 4180).
    func append(csv value: Value) {
        guard case .text(let text) = value else { return append(plain: value) }
        append(text.utf8.contains(where: Self.needsQuotes) ? "\"\(text.replacing("\"", with: "\"\""))\"" : text)
    }

    /// JSON (RFC 8259) by hand: an encoder costs a hundred times as much.
    public func append(json value: Value) {
        switch value {
        case .null: append("null")
        // JSON has no infinities.
        case .real(let number) where !number.isFinite: append("null")
        case .integer, .real: append(plain: value)
        case .text(let text): append(jsonString: text)
        case .blob(let bytes): append("\"\(hexadecimal(bytes))\"")
        }
    }

    /// In quotes. What could act on a terminal or hide there is escaped: nothing is lost, and nothing happens.
    func append(jsonString text: String) {
        bytes.append(0x22)
        if text.utf8.contains(where: Self.needsEscape) {
            for scalar in text.unicodeScalars { append(escaping: scalar) }
        } else {
            append(text)
        }
        bytes.append(0x22)
    }

    /// Quote, comma or line break.
    private static func needsQuotes(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x22, 0x2c, 0x0a, 0x0d: true
        default: false
        }
    }

    /// Anything but printable ASCII without quote and backslash.
    private static func needsEscape(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x22, 0x5c: true
        case 0x20...0x7e: false
        default: true
        }
    }

    private func append(escaping scalar: Unicode.Scalar) {
        switch scalar {
        case "\"": append("\\\"")
        case "\\": append("\\\\")
        case "\n": append("\\n")
        case "\r": append("\\r")
        case "\t": append("\\t")
        case " "..."~": append(byte: UInt8(scalar.value))
        default:
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator:
                for unit in String(scalar).utf16 {
                    let hex = String(unit, radix: 16)
                    append("\\u" + String(repeating: "0", count: 4 - hex.count) + hex)
                }
            default: append(String(scalar))
            }
        }
    }

    private func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
