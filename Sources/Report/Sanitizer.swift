/// Makes names that came from outside (containers, images, processes, paths) safe to print on a terminal.
public enum Sanitizer {
    /// Combining marks kept on one base character: enough for any script, too few to draw over other lines.
    private static let maximumMarks = 4

    /// `text` without terminal escape sequences (ECMA-48), control characters, bidirectional overrides (UAX #9) and
    /// other invisible characters. Line breaks and tabs become one space. Never fails; may return an empty string.
    public static func clean(_ text: String) -> String {
        let scalars = Array(text.unicodeScalars)
        if scalars.allSatisfy({ $0.value >= 0x20 && $0.value < 0x7f }) { return text }
        var result = String.UnicodeScalarView()
        var index = 0
        var marks = 0
        while index < scalars.count {
            let scalar = scalars[index]
            if let end = escapeEnd(scalars, index) {
                index = end
                continue
            }
            index += 1
            if scalar == "\n" || scalar == "\r" || scalar == "\t" || scalar.value == 0x2028 || scalar.value == 0x2029 {
                result.append(" ")
                continue
            }
            if isHidden(scalar) { continue }
            marks = isMark(scalar) ? marks + 1 : 0
            if marks > maximumMarks { continue }
            result.append(scalar)
        }
        return String(result)
    }

    /// `text` with each character outside ASCII replaced by `?`, for terminals that are not UTF-8.
    public static func ascii(_ text: String) -> String {
        let replaced = [
            ("µ", "u"), ("×", "x"), ("→", "->"), ("←", "<-"), ("…", "~"), ("•", "*"), ("–", "-"), ("—", "-"),
        ]
        var result = ""
        for character in text {
            if character.isASCII {
                result.append(character)
            } else {
                result += replaced.first { $0.0 == String(character) }?.1 ?? "?"
            }
        }
        return result
    }

    static func isMark(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark: true
        default: false
        }
    }

    /// Control, format and tag characters, except the joiners scripts and emoji need.
    private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x200c, 0x200d: return false
        case 0...0x1f, 0x7f...0x9f, 0xe0000...0xe0fff: return true
        default: break
        }
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned: return true
        default: return false
        }
    }

    /// The index behind the escape sequence that starts at `start`; `nil` when none does.
    private static func escapeEnd(_ scalars: [Unicode.Scalar], _ start: Int) -> Int? {
        switch scalars[start].value {
        case 0x9b: return sequenceEnd(scalars, start + 1)
        case 0x90, 0x98, 0x9d, 0x9e, 0x9f: return stringEnd(scalars, start + 1)
        case 0x1b: break
        default: return nil
        }
        guard start + 1 < scalars.count else { return start + 1 }
        switch scalars[start + 1] {
        case "[": return sequenceEnd(scalars, start + 2)
        case "]", "P", "X", "^", "_": return stringEnd(scalars, start + 2)
        default: break
        }
        // nF sequences: intermediates 0x20…0x2f, then one final byte.
        var index = start + 1
        while index < scalars.count, (0x20...0x2f).contains(scalars[index].value) { index += 1 }
        guard index < scalars.count, (0x30...0x7e).contains(scalars[index].value) else { return index }
        return index + 1
    }

    /// A control sequence ends with its first byte in 0x40…0x7e; one cut short loses only what belongs to it.
    private static func sequenceEnd(_ scalars: [Unicode.Scalar], _ start: Int) -> Int {
        var index = start
        while index < scalars.count, (0x20...0x3f).contains(scalars[index].value) { index += 1 }
        guard index < scalars.count, (0x40...0x7e).contains(scalars[index].value) else { return index }
        return index + 1
    }

    /// A control string ends with BEL or ST. Without an end only its introducer goes, so that nothing can hide a name.
    private static func stringEnd(_ scalars: [Unicode.Scalar], _ start: Int) -> Int {
        var index = start
        while index < scalars.count {
            if scalars[index].value == 0x07 || scalars[index].value == 0x9c { return index + 1 }
            if scalars[index].value == 0x1b, index + 1 < scalars.count, scalars[index + 1] == "\\" { return index + 2 }
            index += 1
        }
        return start
    }
}
