import Analysis
import Events

/// Sockets drawn: more lanes hide the pattern they should show.
private let maximumLanes = 8

/// What happened around the spike, all on one time axis.
func timelineSection(
    _ incident: Incident, _ scope: Scope, _ style: Style
) -> (title: String, note: String, lines: [String]) {
    let evidence = incident.evidence
    guard evidence.to > evidence.from else { return ("TIMELINE", "", []) }
    let labelWidth = labelWidth(style)
    let columns = columns(style)
    let axis = axis(incident, columns)
    let turns = incident.inView ?? evidence.turns.map(TurnBrief.init)
    var lines: [String] = []
    func lane(_ label: String, _ cells: String) {
        let left = DisplayWidth.fit(label, labelWidth, ellipsis: style.ellipsis)
        lines.append(Table.trimmed("  \(left) \(cells)"))
    }
    let ruler = axis.lines(style)
    lane("", style.paint(ruler.labels, .dim))
    let sockets = involvedSockets(incident, turns, scope, axis)
    for (socket, cells) in zip(sockets.shown, turnLanes(incident, turns, sockets.shown, axis)) {
        lane(laneLabel(socket, scope, style), draw(cells, style))
    }
    if sockets.hidden > 0 {
        let what = sockets.hidden == 1 ? "socket" : "sockets"
        lane("\(style.ellipsis) \(Format.count(sockets.hidden)) more \(what)", "")
    }
    if let marks = retransmitLane(scope, axis) { lane("retransmits", style.paint(marks, .yellow)) }
    if let marks = dropLane(scope, axis) { lane("drops", style.paint(marks, .yellow)) }
    for load in hostLanes(evidence, axis, style) { lane(load.label, load.cells) }
    for state in sampleLanes(incident, scope, axis, style) { lane(state.label, state.cells) }
    if let gaps = gapLane(incident, axis) { lane("not recorded", style.paint(gaps, .yellow)) }
    let triggers = marks(axis, evidence.triggers.lazy.map { ($0.at, Character(style.mark)) })
    if let triggers { lane("trigger", style.paint(triggers, .bold)) }
    lane("", style.paint(ruler.ruler, .dim))
    let unit = style.utf8 ? axis.unit.name : Sanitizer.ascii(axis.unit.name)
    let zero = WallTime.clock(evidence.wall(Instant(axis.zero)), digits: 3)
    lines.append(
        contentsOf: DisplayWidth.wrap(legend(scope, turns, axis, sockets.shown, style), style.width - 2).map {
            "  " + style.paint($0, .dim)
        })
    return ("TIMELINE", "\(unit) from \(zero) UTC; a column is \(style.duration(UInt64(axis.step)))", lines)
}

private func labelWidth(_ style: Style) -> Int { style.width >= 110 ? 34 : 24 }
private func columns(_ style: Style) -> Int { style.width - 2 - labelWidth(style) - 1 }

/// The time `renderShow` draws a timeline of: of turns that do not overlap it, it needs none.
public func timelineSpan(_ incident: Incident, _ style: Style) -> ClosedRange<Instant> {
    let axis = axis(incident, columns(style))
    let start = Instant(max(axis.start, 0))
    return start...max(start, Instant(max(axis.end, 0)))
}

/// Around the slow turn and those that overlap it; all of the capture when there is none.
private func axis(_ incident: Incident, _ columns: Int) -> TimeAxis {
    let evidence = incident.evidence
    guard let turn = incident.turn, turn.total > 0 else {
        let zero = evidence.triggers.first?.at ?? evidence.from
        return TimeAxis(
            all: evidence.from, evidence.to, zero: min(max(zero, evidence.from), evidence.to), columns: columns)
    }
    let together = incident.slow.filter { $0.start < turn.end && $0.end > turn.start }
    let from = together.reduce(turn.start) { min($0, $1.start) }
    let to = together.reduce(turn.end) { max($0, $1.end) }
    return TimeAxis(spike: from, to, columns: columns)
}

/// Sockets with turns in view, those of slow turns first.
private func involvedSockets(
    _ incident: Incident, _ turns: [TurnBrief], _ scope: Scope, _ axis: TimeAxis
) -> (shown: [SocketInfo], hidden: Int) {
    var seen: Set<SocketID> = []
    var order: [SocketID] = []
    var candidates = incident.turn.map { [$0.socket] } ?? []
    candidates += incident.slow.map(\.socket) + incident.sockets.map(\.info.id)
    for socket in candidates where seen.insert(socket).inserted { order.append(socket) }
    var active: Set<SocketID> = []
    for turn in turns where axis.range(turn.start, turn.end) != nil { active.insert(turn.socket) }
    let sockets = order.compactMap { incident.evidence.sockets[$0] }.filter {
        active.contains($0.id) && scope.includes($0.container, $0.id)
    }
    return (Array(sockets.prefix(maximumLanes)), max(0, sockets.count - maximumLanes))
}

private func laneLabel(_ socket: SocketInfo, _ scope: Scope, _ style: Style) -> String {
    let arrow = socket.role == .called ? style.outward : style.inward
    let name =
        style.width >= 110 ? "\(DisplayWidth.cut(scope.container(socket.container), 8, ellipsis: style.ellipsis)) " : ""
    return "#\(socket.id) \(name)\(arrow) \(socket.remote)"
}

private enum Cell: UInt8 {
    case idle, normal, slow, open
}

private func turnLanes(
    _ incident: Incident, _ turns: [TurnBrief], _ sockets: [SocketInfo], _ axis: TimeAxis
) -> [[Cell]] {
    var lanes = sockets.map { _ in [Cell](repeating: .idle, count: axis.columns) }
    let index = Dictionary(sockets.enumerated().map { ($1.id, $0) }) { first, _ in first }
    let slow = Set(incident.slow.map { [UInt64($0.socket), $0.start] })
    for turn in turns {
        guard let lane = index[turn.socket], let range = axis.range(turn.start, turn.end) else { continue }
        let isSlow = !slow.isEmpty && slow.contains([UInt64(turn.socket), turn.start])
        for column in range where lanes[lane][column].rawValue < Cell.slow.rawValue {
            lanes[lane][column] = isSlow ? .slow : .normal
        }
        if turn.isOpen, isSlow { lanes[lane][range.upperBound] = .open }
    }
    return lanes
}

private func draw(_ cells: [Cell], _ style: Style) -> String {
    var line = ""
    var index = 0
    // One escape sequence per run, not per column.
    while index < cells.count {
        var end = index
        while end < cells.count, cells[end] == cells[index] { end += 1 }
        let (glyph, paint): (String, Style.Paint) =
            switch cells[index] {
            case .idle: (" ", .plain)
            case .normal: (style.low, .green)
            case .slow: (style.full, .red)
            case .open: (style.utf8 ? "▶" : ">", .red)
            }
        line += style.paint(String(repeating: glyph, count: end - index), paint)
        index = end
    }
    return line
}

private func legend(
    _ scope: Scope, _ turns: [TurnBrief], _ axis: TimeAxis, _ sockets: [SocketInfo], _ style: Style
) -> String {
    var parts: [String] = []
    if !sockets.isEmpty { parts += ["\(style.low) turn", "\(style.full) slow turn"] }
    if turns.contains(where: \.isOpen) { parts.append("\(style.utf8 ? "▶" : ">") still open") }
    let kinds = Set(scope.evidence.retransmits.filter { scope.includes($0.container, $0.socket) }.map(\.kind))
    for kind in kinds.sorted(by: { $0.rawValue < $1.rawValue }) { parts.append("\(kind.letter) \(kind.name)") }
    if dropLane(scope, axis) != nil { parts.append("x drop") }
    parts.append("\(style.mark) trigger")
    return parts.joined(separator: ", ")
}
