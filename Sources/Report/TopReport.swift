/// The screen of `top`: two lines of the recorder, a table of containers. No line is wider than the style's width.
public struct TopReport {
    private let view: TopView
    private let order: TopOrder
    private let style: Style

    public init(_ view: TopView, order: TopOrder, style: Style) {
        self.view = view
        self.order = order
        self.style = style
    }

    /// All of it.
    public func lines() -> [String] { header() + [""] + table() }

    /// As much as fits into `height` lines, from the row `first` on, with `footer` at the bottom.
    public func screen(height: Int, first: Int, footer: String) -> [String] {
        let header = header() + [""]
        let table = table()
        let room = max(1, height - header.count - 2)
        let first = min(max(first, 0), max(0, view.rows.count - room))
        let shown = table.prefix(1) + table.dropFirst(1 + first).prefix(room)
        let blank = [String](repeating: "", count: max(0, height - header.count - shown.count - 1))
        let rest = view.rows.count - first - room
        let more = rest > 0 ? "  \(rest) more below" : ""
        return Array((header + shown + blank + [style.paint(fit(footer + more), .dim)]).suffix(max(1, height)))
    }

    private func header() -> [String] {
        let containers = Set(view.rows.map(\.container.id)).count
        let turns = view.rows.reduce(0) { $0 + $1.turnsPerSecond }
        let recorder =
            "flightrec  armed \(Format.duration(view.armedNs)), coverage \(Format.share(view.coverage)), "
            + "\(view.captures) \(view.captures == 1 ? "capture" : "captures"), \(Format.count(view.lost)) lost"
        let load =
            "\(containers) \(containers == 1 ? "container" : "containers"), \(Self.rate(turns)) turns/s; recorder "
            + "\(Format.factor(view.cpuShare * 100, places: 1)) % of a CPU, \(Format.size(UInt64(max(0, view.rssBytes))))"
        return [style.paint(fit(recorder), .bold), fit(load)]
    }

    private func fit(_ text: String) -> String {
        Table.trimmed(DisplayWidth.fit(text, min(style.width, DisplayWidth.of(text)), .left, ellipsis: style.ellipsis))
    }

    private func table() -> [String] {
        guard !view.rows.isEmpty else { return [style.paint("no turns in the last minute", .dim)] }
        let marks: [TopOrder: Int] = [.name: 0, .turns: 2, .p99: 4, .max: 5, .retransmits: 6]
        var columns: [Table.Column] = [
            .init(title: "CONTAINER", minimum: 12), .init(title: "ROLE"), .init(title: "TURNS/S", alignment: .right),
            .init(title: "P50", alignment: .right), .init(title: "P99", alignment: .right),
            .init(title: "MAX", alignment: .right), .init(title: "RETR/S", alignment: .right),
            .init(title: "WORST STAGE", minimum: 12),
        ]
        if let mark = marks[order] { columns[mark].title += style.utf8 ? "▾" : "*" }
        var table = Table(columns: columns, indent: 0, gap: 1)
        table.rows = view.rows.map(cells)
        return table.lines(style)
    }

    private func cells(_ row: TopRow) -> [Table.Cell] {
        let quiet: Style.Paint = row.turns == 0 && row.open == 0 ? .dim : .plain
        func time(_ ns: UInt64, _ paint: Style.Paint) -> Table.Cell {
            row.turns == 0 ? Table.Cell("-", .dim) : Table.Cell(style.duration(ns), paint)
        }
        // What hangs is longer than what ended, and not at its end.
        let hangs = row.oldestOpenNs > row.maxNs
        let longest =
            hangs
            ? Table.Cell(style.duration(row.oldestOpenNs) + "+", Self.heat(row.oldestOpenNs))
            : time(row.maxNs, Self.heat(row.maxNs))
        let stage = row.worstStage.map { "\($0) \(Self.percent(row.worstStageShare))" } ?? "-"
        return [
            Table.Cell(style.name(row.container.name), quiet), Table.Cell(row.role, .dim),
            Table.Cell(Self.rate(row.turnsPerSecond), quiet), time(row.p50Ns, quiet),
            time(row.p99Ns, Self.heat(row.p99Ns)),
            longest,
            Table.Cell(
                row.retransmits == 0 ? "-" : Self.rate(row.retransmitsPerSecond), row.retransmits == 0 ? .dim : .yellow),
            Table.Cell(stage, row.worstStage == nil ? .dim : .plain),
        ]
    }

    /// Shorter than `Format.share`: the column is the last, and 80 columns are few.
    private static func percent(_ share: Double) -> String {
        share >= 0.995 && share < 1 ? ">99 %" : "\(Int((min(max(share, 0), 1) * 100).rounded())) %"
    }

    private static func heat(_ ns: UInt64) -> Style.Paint {
        ns >= 1_000_000_000 ? .red : ns >= 100_000_000 ? .yellow : .plain
    }

    /// `0.2`, `12`, `1,234`: as exact as is of use.
    private static func rate(_ value: Double) -> String {
        value < 10 ? Format.factor(value, places: 1) : Format.count(Int(value.rounded()))
    }
}
