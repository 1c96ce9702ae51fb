import Foundation

/// A JSON document built by hand: every key of the contract is visible where it is written, and `null` is kept.
enum JSONValue: Encodable, ExpressibleByStringLiteral, ExpressibleByDictionaryLiteral, ExpressibleByArrayLiteral {
    case null
    case bool(Bool)
    case integer(UInt64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    init(stringLiteral value: String) { self = .string(value) }
    init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(Dictionary(elements) { $1 })
    }

    static func integer(_ value: some BinaryInteger) -> JSONValue { .integer(UInt64(clamping: value)) }
    /// JSON has no infinities: what is not finite is 0.
    static func finite(_ value: Double) -> JSONValue { .number(value.isFinite ? value : 0) }
    /// A name from outside: JSON may end on a terminal too.
    static func name(_ text: String) -> JSONValue { .string(Sanitizer.clean(text)) }
    static func time(_ ns: Int64) -> JSONValue { .string(WallTime.rfc3339(ns)) }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }

    /// UTF-8 text with sorted keys, so that equal captures give equal bytes.
    func text() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}
