/// How text is drawn: decided once by the caller from the terminal, never guessed here.
public struct Style: Sendable, Equatable {
    /// SGR colours (ECMA-48 §8.3.117) are written only when true.
    public var color: Bool
    /// Columns no line exceeds; at least `minimumWidth`.
    public var width: Int
    /// False: ASCII alone, also for names.
    public var utf8: Bool
    /// True: short times in tables are in the process's time zone instead of UTC.
    public var localTime: Bool

    /// Below this tables stop being readable, so narrower terminals get lines of this width.
    public static let minimumWidth = 60

    public init(color: Bool, width: Int, utf8: Bool, localTime: Bool = false) {
        self.color = color
        self.width = max(width, Self.minimumWidth)
        self.utf8 = utf8
        self.localTime = localTime
    }

    enum Paint: String {
        case plain = ""
        case bold = "1"
        case dim = "2"
        case red = "31"
        case green = "32"
        case yellow = "33"
        case cyan = "36"
    }

    func paint(_ text: String, _ paint: Paint) -> String {
        guard color, paint != .plain, !text.isEmpty else { return text }
        return "\u{1b}[\(paint.rawValue)m\(text)\u{1b}[0m"
    }

    var bullet: String { utf8 ? "•" : "*" }
    var ellipsis: String { utf8 ? "…" : "~" }
    var times: String { utf8 ? "×" : "x" }
    var rule: String { utf8 ? "─" : "-" }
    /// The peer called the watched end.
    var inward: String { utf8 ? "←" : "<-" }
    /// The watched end called the peer.
    var outward: String { utf8 ? "→" : "->" }
    var full: String { utf8 ? "█" : "#" }
    var sliver: String { utf8 ? "▏" : "|" }
    var low: String { utf8 ? "▁" : "_" }
    var mark: String { utf8 ? "▲" : "^" }
    var levels: [String] {
        utf8 ? ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"] : [".", ":", "-", "=", "+", "*", "#", "@"]
    }

    func duration(_ ns: UInt64) -> String { Format.duration(ns, utf8: utf8) }

    /// A name from outside, safe to print in this style.
    func name(_ text: String) -> String {
        let clean = Table.trimmed(Sanitizer.clean(text))
        return utf8 ? clean : Sanitizer.ascii(clean)
    }
}
