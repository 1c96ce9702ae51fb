import Report

/// How results are written.
public enum ResultFormat: Sendable, Equatable {
    /// Columns side by side, for people: safe on any terminal.
    case table
    /// RFC 4180 with a header line and plain line feeds. `isTerminal`: text is made safe to print.
    case csv(isTerminal: Bool)
    /// An array of objects, one a row.
    case json

    func writer(_ columns: [String], _ output: TextOutput) -> any ResultWriter {
        switch self {
        case .table: TableWriter(columns, output)
        case .csv(let isTerminal): CSVWriter(columns, isTerminal: isTerminal, output)
        case .json: JSONWriter(columns, output)
        }
    }
}

/// Takes one statement's rows.
protocol ResultWriter: AnyObject {
    /// No row came yet.
    var isEmpty: Bool { get }
    func add(_ row: [Value])
    func finish()
}

/// Aligned. The first rows decide how wide columns are, so that a million rows need not be held; wider ones after
/// them stick out.
final class TableWriter: ResultWriter {
    private static let measured = 1000
    private static let gap = "  "

    private let output: TextOutput
    private var rows: [[(text: String, isNumber: Bool)]]
    private var widths: [Int]?
    var isEmpty: Bool { widths == nil && rows.count == 1 }

    init(_ columns: [String], _ output: TextOutput) {
        self.output = output
        rows = [columns.map { (Sanitizer.clean($0), false) }]
    }

    func add(_ row: [Value]) {
        rows.append(
            row.map { value in
                switch value {
                case .null: ("", false)
                case .integer(let number): ("\(number)", true)
                case .real(let number): ("\(number)", true)
                case .text(let text): (Sanitizer.clean(text), false)
                case .blob(let bytes):
                    ("x'" + bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + "'", false)
                }
            })
        if rows.count > Self.measured || widths != nil { flush() }
    }

    /// A query without rows says so by its header alone.
    func finish() { flush() }

    private func flush() {
        if widths == nil {
            let columns = rows[0].indices
            let found = columns.map { column in rows.reduce(0) { max($0, DisplayWidth.of($1[column].text)) } }
            widths = found
            // A title stands where its figures do.
            let numbers = columns.map { column in
                rows.count > 1 && rows.dropFirst().allSatisfy { $0[column].isNumber || $0[column].text.isEmpty }
            }
            output.line(line(zip(rows.removeFirst(), numbers).map { ($0.text, $1) }, found))
            output.line(found.map { String(repeating: "-", count: $0) }.joined(separator: Self.gap))
        }
        for row in rows { output.line(line(row, widths ?? [])) }
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
    private let output: TextOutput
    private let isTerminal: Bool
    private(set) var isEmpty = true

    /// Writes the header line.
    public init(_ columns: [String], isTerminal: Bool, _ output: TextOutput) {
        self.output = output
        self.isTerminal = isTerminal
        write(columns.map { .text($0) })
    }

    public func add(_ row: [Value]) {
        isEmpty = false
        write(row)
    }

    private func write(_ row: [Value]) {
        for (index, value) in row.enumerated() {
            if index > 0 { output.append(byte: 0x2c) }
            if isTerminal, case .text(let text) = value {
                output.append(csv: .text(Sanitizer.clean(text)))
            } else {
                output.append(csv: value)
            }
        }
        output.endLine()
    }

    public func finish() {}
}

final class JSONWriter: ResultWriter {
    private let output: TextOutput
    private let keys: [String]
    private(set) var isEmpty = true

    init(_ columns: [String], _ output: TextOutput) {
        self.output = output
        var seen: [String: Int] = [:]
        // An object has each key once.
        keys = columns.map { name in
            seen[name, default: 0] += 1
            let times = seen[name] ?? 1
            return times == 1 ? name : "\(name)_\(times)"
        }
    }

    func add(_ row: [Value]) {
        if isEmpty { output.append("[") } else { output.line(",") }
        isEmpty = false
        for (index, value) in row.enumerated() {
            output.append(index == 0 ? "{" : ",")
            output.append(jsonString: keys[index])
            output.append(":")
            output.append(json: value)
        }
        output.append("}")
    }

    func finish() { output.line(isEmpty ? "[]" : "]") }
}
