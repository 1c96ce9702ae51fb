/// Columns that text takes on a terminal, and fitting text to columns.
package enum DisplayWidth {
    /// Columns of `text`: wide East Asian characters and emoji count two, combining marks none (UAX #11, UTS #51).
    package static func of(_ text: String) -> Int {
        if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.utf8.count }
        return text.reduce(0) { $0 + of($1) }
    }

    /// Columns of one grapheme cluster.
    static func of(_ character: Character) -> Int {
        var width = 0
        for scalar in character.unicodeScalars {
            if scalar.value == 0xfe0f { width = max(width, 2) }
            width = max(width, of(scalar))
        }
        return width
    }

    private static func of(_ scalar: Unicode.Scalar) -> Int {
        if scalar.value < 0x300 { return 1 }
        if Sanitizer.isMark(scalar) || scalar.properties.generalCategory == .format { return 0 }
        switch scalar.value {
        case 0x1100...0x115f, 0x2e80...0x303e, 0x3041...0x33ff, 0x3400...0x4dbf, 0x4e00...0x9fff, 0xa000...0xa4cf,
            0xa960...0xa97f, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f, 0xff00...0xff60, 0xffe0...0xffe6,
            0x1f1e6...0x1f1ff, 0x20000...0x3fffd:
            return 2
        default:
            return scalar.properties.isEmojiPresentation ? 2 : 1
        }
    }

    enum Alignment { case left, right }

    /// `text` in exactly `columns` columns: padded, or cut with an ellipsis.
    static func fit(_ text: String, _ columns: Int, _ alignment: Alignment = .left, ellipsis: String) -> String {
        let short = cut(text, columns, ellipsis: ellipsis)
        let padding = String(repeating: " ", count: max(0, columns - of(short)))
        return alignment == .left ? short + padding : padding + short
    }

    /// `text` in at most `columns` columns.
    static func cut(_ text: String, _ columns: Int, ellipsis: String) -> String {
        guard of(text) > columns else { return text }
        guard columns > 0 else { return "" }
        var result = ""
        var used = 1
        for character in text {
            let width = of(character)
            if used + width > columns { break }
            result.append(character)
            used += width
        }
        while result.last == " " { result.removeLast() }
        return result + ellipsis
    }

    /// Lines of at most `columns` columns, broken at spaces; a number and its unit stay together.
    package static func wrap(_ text: String, _ columns: Int) -> [String] {
        var words: [String] = []
        for word in text.split(separator: " ") {
            if let last = words.last, last.last?.isNumber == true, units.contains(String(word.filter(\.isUnit))) {
                words[words.count - 1] = last + " " + word
            } else {
                words.append(String(word))
            }
        }
        var lines: [String] = []
        var line = ""
        for word in words {
            var word = word
            if !line.isEmpty, of(line) + 1 + of(word) <= columns {
                line += " " + word
                continue
            }
            if !line.isEmpty { lines.append(line) }
            while of(word) > columns {
                var head = ""
                while let next = word.first, of(head) + of(next) <= columns {
                    head.append(next)
                    word.removeFirst()
                }
                if head.isEmpty { break }
                lines.append(head)
            }
            line = word
        }
        if !line.isEmpty { lines.append(line) }
        return lines
    }

    private static let units: Set<String> = ["ns", "µs", "us", "ms", "s", "m", "h", "d", "%", "B", "KiB", "MiB", "GiB"]
}

extension Character {
    /// Part of a unit's spelling: everything but punctuation that may follow it.
    fileprivate var isUnit: Bool { isLetter || self == "%" }
}
