import Report

/// How results are written.
public enum ResultFormat: Sendable, Equatable {
    /// Columns side by side, for people: safe on any terminal.
    case table
    /// RFC 4180 with a header line; null is empty, bytes are hexadecimal. `isTerminal`: names are made safe to print.
    case csv(isTerminal: Bool)
    /// An array of objects, one a row.
    case json

    func writer(_ columns: [String], _ sink: @escaping (String) -> Void) -> any ResultWriter {
        switch self {
        case .table: TableWriter(columns, sink)
        case .csv(let isTerminal): CSVWriter(columns, isTerminal: isTerminal, sink)
        case .json: JSONWriter(columns, sink)
        }
    }
}

/// Takes one statement's rows. Text goes to its sink in whole lines, without the last line break.
protocol ResultWriter: AnyObject {
    func add(_ row: [Value])
    func finish()
}

/// Aligned. The first rows decide how wide columns are, so that a million rows need not be held; wider ones after
/// them stick out.
final class TableWriter: ResultWriter {
    private static let measured = 1000
    private static let gap = "  "

    private let sink: (String) -> Void
    private var rows: [[(text: String, isNumber: Bool)]]
    private var widths: [Int]?

    init(_ columns: [String], _ sink: @escaping (String) -> Void) {
        self.sink = sink
        rows = [columns.map { (Sanitizer.clean($0), false) }]
    }

    func add(_ row: [Value]) {
        rows.append(row.map { value in
            switch value {
            case .integer, .real: (text(value), true)
            default: (Sanitizer.clean(text(value)), false)
            }
        })
        if rows.count > Self.measured || widths != nil { flush() }
    }

    func finish() {
        // A query without rows says so by its header alone.
        flush()
    }

    private func flush() {
        if widths == nil {
            let columns = rows[0].indices
            let found = columns.map { column in rows.reduce(0) { max($0, DisplayWidth.of($1[column].text)) } }
            widths = found
            // A title stands where its figures do.
            let numbers = columns.map { column in
                rows.count > 1 && rows.dropFirst().allSatisfy { $0[column].isNumber || $0[column].text.isEmpty }
            }
            sink(line(zip(rows.removeFirst(), numbers).map { ($0.text, $1) }, found))
            sink(found.map { String(repeating: "-", count: $0) }.joined(separator: Self.gap))
        }
        for row in rows { sink(line(row, widths ?? [])) }
        rows = []
    }

    private func line(_ cells: [(text: String, isNumber: Bool)], _ widths: [Int]) -> String {
        var line = zip(cells, widths).map { cell, width in
            let space = String(repeating: " ", count: max(0, width - DisplayWidth.of(cell.text)))
            return cell.isNumber ? space + cell.text : cell.text + space
        }.joined(separator: Self.gap)
        while line.last == " " { line.removeLast() }
        return line
    }
}

public final class CSVWriter: ResultWriter {
    private let sink: (String) -> Void
    private let isTerminal: Bool

    public init(_ columns: [String], isTerminal: Bool, _ sink: @escaping (String) -> Void) {
        self.sink = sink
        self.isTerminal = isTerminal
        add(columns.map { .text($0) })
    }

    public func add(_ row: [Value]) {
        sink(row.map(field).joined(separator: ","))
    }

    public func finish() {}

    private func field(_ value: Value) -> String {
        guard case .text(let raw) = value else { return text(value) }
        let text = isTerminal ? Sanitizer.clean(raw) : raw
        // By bytes: a carriage return and a line feed are one Character.
        let special = text.utf8.contains { [0x22, 0x2c, 0x0a, 0x0d].contains($0) }
        return special ? "\"\(text.replacing("\"", with: "\"\""))\"" : text
    }
}

final class JSONWriter: ResultWriter {
    private let sink: (String) -> Void
    private let keys: [String]
    private var before = "["

    init(_ columns: [String], _ sink: @escaping (String) -> Void) {
        self.sink = sink
        var seen: [String: Int] = [:]
        // An object has each key once.
        keys = columns.map { name in
            seen[name, default: 0] += 1
            let times = seen[name] ?? 1
            return JSONText.string(times == 1 ? name : "\(name)_\(times)")
        }
    }

    private var held: String?

    func add(_ row: [Value]) {
        if let held { sink(held + ",") }
        held = before + "{" + zip(keys, row).map { "\($0):\(JSONText.value($1))" }.joined(separator: ",") + "}"
        before = ""
    }

    func finish() { sink(held.map { $0 + "]" } ?? "[]") }
}

/// As text: null is empty, bytes are hexadecimal.
private func text(_ value: Value) -> String {
    switch value {
    case .null: ""
    case .integer(let number): "\(number)"
    case .real(let number): "\(number)"
    case .text(let text): text
    case .blob(let bytes): hexadecimal(bytes)
    }
}

private func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

/// JSON (RFC 8259) by hand: an encoder costs a hundred times as much, and there may be a million rows.
public enum JSONText {
    public static func value(_ value: Value) -> String {
        switch value {
        case .null: "null"
        case .integer(let number): "\(number)"
        // JSON has no infinities.
        case .real(let number): number.isFinite ? "\(number)" : "null"
        case .text(let text): string(text)
        case .blob(let bytes): "\"\(hexadecimal(bytes))\""
        }
    }

    /// In quotes. What could act on a terminal or hide there is escaped: nothing is lost, and nothing happens.
    public static func string(_ text: String) -> String {
        let plain = text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f && $0 != 0x22 && $0 != 0x5c }
        if plain { return "\"\(text)\"" }
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            default:
                let hides = scalar.value > 0x7e && [.control, .format, .lineSeparator, .paragraphSeparator].contains(
                    scalar.properties.generalCategory)
                if scalar.value < 0x20 || hides {
                    for unit in String(scalar).utf16 {
                        let hex = String(unit, radix: 16)
                        result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
                    }
                } else {
                    result.unicodeScalars.append(scalar)
                }
            }
        }
        return result + "\""
    }
}
