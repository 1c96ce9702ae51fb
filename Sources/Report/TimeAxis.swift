import Events

/// Maps instants to columns: round steps, with `zero` on a labelled column.
struct TimeAxis {
    /// ns per column: 1, 2 or 5 times a power of ten.
    let step: Int64
    let columns: Int
    /// ns of CLOCK_MONOTONIC; may lie before the capture.
    let start: Int64
    let zero: Int64

    static let labelled = 10

    /// Shows `from`…`to` in about two thirds of `columns`, with room before and after; `zero` is `from`.
    init(spike from: Instant, _ to: Instant, columns: Int) {
        self.columns = columns
        let lead = columns >= 70 ? 2 : 1
        let room = max(1, columns - (lead + 1) * Self.labelled)
        step = Self.nice(Self.signed(to > from ? to - from : 0) / Int64(room) + 1)
        zero = Self.signed(from)
        start = zero - step * Int64(lead * Self.labelled)
    }

    /// Shows all of `from`…`to`, with `zero` anywhere in it.
    init(all from: Instant, _ to: Instant, zero: Instant, columns: Int) {
        self.columns = columns
        step = Self.nice(Self.signed(to > from ? to - from : 0) / Int64(max(1, columns - Self.labelled)) + 1)
        self.zero = Self.signed(zero)
        let label = step * Int64(Self.labelled)
        let before = max(0, Self.signed(zero) - Self.signed(from))
        start = self.zero - (before + label - 1) / label * label
    }

    var end: Int64 { start + step * Int64(columns) }

    /// The columns `from`…`to` touches; `nil` when none.
    func range(_ from: Instant, _ to: Instant) -> ClosedRange<Int>? {
        let from = Self.signed(from)
        let to = max(from, Self.signed(to))
        guard to >= start, from < end else { return nil }
        let first = max(0, Int((from - start) / step))
        let last = min(columns - 1, Int((to - start) / step))
        return first <= last ? first...last : nil
    }

    func column(_ at: Instant) -> Int? { range(at, at)?.lowerBound }

    /// The unit of the labels.
    var unit: (ns: Int64, name: String) {
        let far = max(abs(start - zero), abs(end - zero))
        if far >= 5_000_000_000 { return (1_000_000_000, "s") }
        if far >= 5_000_000 { return (1_000_000, "ms") }
        return (1000, "µs")
    }

    /// Labels and, below them, the ruler.
    func lines(_ style: Style) -> (labels: String, ruler: String) {
        var labels = ""
        var ruler = ""
        for column in 0..<columns {
            let isLabelled = column % Self.labelled == 0
            ruler += isLabelled ? (style.utf8 ? "┴" : "+") : style.rule
            guard isLabelled else { continue }
            let text = label(start + Int64(column) * step - zero)
            if labels.count <= column, column + text.count <= columns {
                labels += String(repeating: " ", count: column - labels.count) + text
            }
        }
        return (labels, ruler)
    }

    private func label(_ ns: Int64) -> String {
        if ns == 0 { return "0" }
        let unit = unit.ns
        let sign = ns < 0 ? "-" : "+"
        let magnitude = abs(ns)
        let tenths = magnitude % unit * 10 / unit
        return sign + "\(magnitude / unit)" + (step * Int64(Self.labelled) % unit == 0 ? "" : ".\(tenths)")
    }

    /// Damaged captures hold any number: a quarter of the range leaves room for every sum here.
    static func signed(_ instant: UInt64) -> Int64 { Int64(min(instant, UInt64(Int64.max / 4))) }

    private static func nice(_ ns: Int64) -> Int64 {
        var power: Int64 = 1
        while power < 1_000_000_000_000_000 {
            for factor: Int64 in [1, 2, 5] where power * factor >= ns { return power * factor }
            power *= 10
        }
        return power
    }
}
