import Analysis
import Events

/// Who, when, where and why it was captured.
func header(_ incident: Incident, _ row: ListRow, _ scope: Scope, _ style: Style) -> [String] {
    let summary = incident.summary
    let evidence = incident.evidence
    var lines: [String] = []
    let title = style.name(summary.id) + (row.pinned ? "  pinned" : "")
    lines.append(style.paint(DisplayWidth.cut(title, style.width, ellipsis: style.ellipsis), .bold))
    lines.append(style.paint(String(repeating: style.rule, count: style.width), .dim))
    if row.state != .ok {
        let note = style.name(row.note)
        lines += field("file", "\(row.state.rawValue)\(note.isEmpty ? "" : ": \(note)")", style, .red)
    }
    if let turn = incident.turn {
        let end = turn.isOpen ? "still open after" : "lasted"
        lines += field(
            "when", "\(WallTime.long(evidence.wall(turn.start))) UTC, \(end) \(style.duration(turn.total))", style)
    } else {
        lines += field("when", "\(WallTime.long(summary.startedAt)) UTC", style)
    }
    lines += field("container", containerText(summary.container, style), style)
    if let turn = incident.turn, let socket = evidence.sockets[turn.socket] {
        lines += field("process", processText(socket, turn, style), style)
        lines += field("socket", "#\(socket.id)  \(scope.endpoints(socket))  (\(turn.role.name))", style)
    }
    if summary.peak > 0 { lines += field("peak", peakText(incident, style), style) }
    for trigger in evidence.triggers.prefix(3) {
        let rule = style.name(trigger.rule)
        var text = trigger.kind.rawValue
        // Of a request watched at both ends, each fires.
        if let role = evidence.sockets[trigger.socket]?.role, role != .unknown { text += ", \(role.name)" }
        text += rule.isEmpty ? "" : ": \(rule)"
        if trigger.observed > 0 { text += ", observed \(style.duration(trigger.observed))" }
        text += ", at \(WallTime.clock(evidence.wall(trigger.at), digits: 3))"
        lines += field(trigger == evidence.triggers.first ? "rule" : "", text, style)
    }
    let more = evidence.triggers.count - 3
    if more > 0 { lines += field("", "and \(Format.count(more)) more trigger\(more == 1 ? "" : "s")", style) }
    for (index, held) in evidence.suppressed.prefix(3).enumerated() {
        let last = WallTime.clock(evidence.wall(held.last), digits: 0)
        lines += field(
            index == 0 ? "uncaptured" : "",
            "\(Format.count(Int(clamping: held.count))) triggers of \(scope.container(held.container)) over the rate limit, "
                + "worst \(style.duration(held.worst)), last at \(last)", style)
    }
    return lines
}

private func containerText(_ container: ContainerName, _ style: Style) -> String {
    let name = style.name(container.name)
    var facts = [style.name(container.runtime)]
    if !container.image.isEmpty { facts.append("image \(style.name(container.image))") }
    // Docker's own short form: the first 12 digits.
    let id = style.name(container.id)
    if !id.isEmpty { facts.append("id \(id.prefix(12))") }
    return (name.isEmpty ? "unknown" : name) + "  (" + facts.filter { !$0.isEmpty }.joined(separator: ", ") + ")"
}

private func processText(_ socket: SocketInfo, _ turn: Turn, _ style: Style) -> String {
    let process = style.name(socket.process)
    var facts: [String] = []
    if let pid = socket.pid { facts.append("pid \(pid)") }
    if turn.tid != 0 { facts.append("thread \(turn.tid)") }
    let name = process.isEmpty ? "unknown" : process
    return facts.isEmpty ? name : "\(name)  (\(facts.joined(separator: ", ")))"
}

private func peakText(_ incident: Incident, _ style: Style) -> String {
    let summary = incident.summary
    var text = style.duration(summary.peak)
    if let turn = incident.turn, turn.isOpen { text += " so far, in flight" }
    if summary.threshold > 0 {
        let factor = Double(summary.peak) / Double(summary.threshold)
        text += ", \(Format.factor(factor))\(style.times) the threshold of \(style.duration(summary.threshold))"
    }
    if summary.slowTurns > 0 {
        text += "; \(Format.count(summary.slowTurns)) slow turn\(summary.slowTurns == 1 ? "" : "s")"
    }
    return text
}

/// The verdict in words, with its evidence as bullets.
func verdictSection(_ incident: Incident, _ style: Style) -> (title: String, note: String, lines: [String]) {
    let verdict = incident.summary.verdict
    var lines = DisplayWidth.wrap(style.name(verdict.summary), style.width - 2).map {
        "  " + style.paint($0, confidencePaint(verdict))
    }
    for item in verdict.evidence {
        for (index, line) in DisplayWidth.wrap(style.name(item), style.width - 4).enumerated() {
            lines.append((index == 0 ? "  \(style.bullet) " : "    ") + line)
        }
    }
    var facts = [style.name(verdict.cause), style.name(verdict.layer)]
    if verdict.share > 0 { facts.append("explains \(Format.share(verdict.share))") }
    facts.append("confidence \(verdict.confidence.rawValue)")
    return ("VERDICT", facts.joined(separator: ", "), lines)
}
