/// Rows in aligned columns that never exceed the style's width.
struct Table {
    struct Column {
        var title: String
        var alignment: DisplayWidth.Alignment = .left
        /// Columns it may shrink to; `nil`: always shown whole.
        var minimum: Int?
        /// Shrinks only when every other column is at its minimum: it says what the table is read for.
        var shrinksLast = false
    }

    struct Cell {
        var text: String
        var paint: Style.Paint

        init(_ text: String, _ paint: Style.Paint = .plain) {
            self.text = text
            self.paint = paint
        }
    }

    var columns: [Column]
    var rows: [[Cell]] = []
    var indent = 2
    var gap = 2

    /// The title line and one line per row.
    func lines(_ style: Style) -> [String] {
        let widths = self.widths(style)
        return [line(columns.map { Cell($0.title, .dim) }, widths, style)] + rows.map { line($0, widths, style) }
    }

    /// As wide as the text wants, then shrunk until a line fits.
    private func widths(_ style: Style) -> [Int] {
        var widths = columns.indices.map { index in
            rows.reduce(DisplayWidth.of(columns[index].title)) { max($0, DisplayWidth.of($1[index].text)) }
        }
        let room = style.width - indent - gap * (columns.count - 1)
        while widths.reduce(0, +) > room {
            // The widest gives way first, so that short names stay whole.
            let candidates = columns.indices.filter { widths[$0] > columns[$0].minimum ?? Int.max }
            let early = candidates.filter { !columns[$0].shrinksLast }
            guard let widest = (early.isEmpty ? candidates : early).max(by: { widths[$0] < widths[$1] }) else { break }
            widths[widest] -= 1
        }
        return widths
    }

    private func line(_ cells: [Cell], _ widths: [Int], _ style: Style) -> String {
        var line = String(repeating: " ", count: indent)
        var used = indent
        for index in cells.indices {
            let last = index == cells.count - 1
            // Nothing can shrink further: the line ends at the edge instead of wrapping.
            let room = min(widths[index], max(0, style.width - used))
            var text = DisplayWidth.fit(
                cells[index].text, room, columns[index].alignment, ellipsis: style.ellipsis)
            if last, columns[index].alignment == .left { text = Self.trimmed(text) }
            line += style.paint(text, text.allSatisfy { $0 == " " } ? .plain : cells[index].paint)
            used += room
            if !last, used + gap < style.width {
                line += String(repeating: " ", count: gap)
                used += gap
            }
        }
        return style.color ? line : Self.trimmed(line)
    }

    static func trimmed(_ text: String) -> String {
        var text = text
        while text.last == " " { text.removeLast() }
        return text
    }
}
