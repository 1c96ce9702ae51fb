import Analysis
import Events

/// The turn's stages, each drawn where it lies in time; with `unexplained` they sum to the total.
func waterfallSection(_ incident: Incident, _ style: Style) -> (title: String, note: String, lines: [String]) {
    guard let turn = incident.turn else { return ("WHERE THE TIME WENT", "", []) }
    let total = turn.total
    let names = incident.stages.map { style.name($0.name) } + ["unexplained"]
    let nameWidth = min(26, names.map(DisplayWidth.of).max() ?? 0)
    let figures = (incident.stages.map(\.duration) + [incident.unexplained, total]).map(style.duration)
    let figureWidth = figures.map(DisplayWidth.of).max() ?? 0
    let barWidth = max(10, style.width - 2 - nameWidth - 2 - figureWidth - 2 - 7 - 2)

    func line(_ name: String, _ ns: UInt64, _ bar: String, _ paint: Style.Paint) -> String {
        let share = total == 0 ? 0 : Double(ns) / Double(total)
        let text =
            "  " + DisplayWidth.fit(name, nameWidth, ellipsis: style.ellipsis) + "  "
            + DisplayWidth.fit(style.duration(ns), figureWidth, .right, ellipsis: style.ellipsis) + "  "
            + DisplayWidth.fit(Format.share(share), 7, .right, ellipsis: style.ellipsis)
        return bar.isEmpty ? text : text + "  " + style.paint(bar, paint)
    }
    /// The longest stage stands out; the rest stays calm.
    let longest = max(incident.stages.map(\.duration).max() ?? 0, incident.unexplained)
    var lines: [String] = []
    for (stage, name) in zip(incident.stages, names) {
        let paint: Style.Paint = stage.duration == longest && longest > 0 ? .red : .cyan
        lines.append(line(name, stage.duration, bar(stage, total, barWidth, style), paint))
    }
    lines.append(line("unexplained", incident.unexplained, "", .plain))
    lines.append(line("total", total, String(repeating: style.rule, count: barWidth), .dim))
    let state = turn.isOpen ? "until the capture ended: the turn is still open" : "of one turn, first byte to last"
    return ("WHERE THE TIME WENT", state, lines)
}

/// Spaces up to the stage's offset, then its length; a sliver when it is shorter than half a column.
private func bar(_ stage: Stage, _ total: UInt64, _ width: Int, _ style: Style) -> String {
    guard total > 0, stage.duration > 0 else { return "" }
    let scale = Double(width) / Double(total)
    let start = min(width - 1, Int(Double(min(stage.offset, total)) * scale))
    let length = Double(min(stage.duration, total)) * scale
    if length < 0.5 { return String(repeating: " ", count: start) + style.sliver }
    let columns = min(width - start, max(1, Int(length.rounded())))
    return String(repeating: " ", count: start) + String(repeating: style.full, count: columns)
}
