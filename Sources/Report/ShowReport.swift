import Analysis
import Events

/// What `show` was asked to print.
public struct ShowOptions: Sendable {
    /// Every event too, one line each.
    public var events: Bool
    /// Only this socket.
    public var socket: SocketID?
    /// Only containers whose name matches (`*`, `?`).
    public var containerGlob: String?

    public init(events: Bool = false, socket: SocketID? = nil, containerGlob: String? = nil) {
        self.events = events
        self.socket = socket
        self.containerGlob = containerGlob
    }
}

/// `show`: header, verdict, waterfall, timeline, evidence. Lines go to `sink` one by one, without line breaks and none
/// wider than the style, so that a million events never are in memory as text.
/// - Returns: false when `options` filter out everything; `sink` then got one sentence that says so.
@discardableResult
public func renderShow(
    incident: Incident, row: ListRow, options: ShowOptions, style: Style, to sink: (String) -> Void
) -> Bool {
    let scope = Scope(incident.evidence, options, style)
    if scope.isEmpty {
        let wanted = options.socket.map { "socket \($0)" } ?? "container \(style.name(options.containerGlob ?? ""))"
        sink(DisplayWidth.cut("Nothing in this capture belongs to \(wanted).", style.width, ellipsis: style.ellipsis))
        return false
    }
    for line in header(incident, row, scope, style) { sink(line) }
    let sections: [(title: String, note: String, lines: [String])] = [
        verdictSection(incident, style), waterfallSection(incident, style), callSection(incident, scope, style),
        threadSection(incident, style), differenceSection(incident, scope, style),
        timelineSection(incident, scope, style),
        retransmitSection(scope, style), softirqSection(scope, style), interfaceSection(incident, style),
        dropSection(scope, style),
        socketSection(incident, scope, style), baselineSection(incident, scope, style),
        coverageSection(incident, row, scope, style),
    ]
    for section in sections where !section.lines.isEmpty {
        sink("")
        sink(heading(section.title, section.note, style))
        for line in section.lines { sink(line) }
    }
    if options.events {
        sink("")
        sink(heading("EVENTS", "in order of time, UTC; durations as they ended", style))
        renderEvents(scope, style, to: sink)
    }
    return true
}

/// A section's first line: its name, and what its figures mean.
private func heading(_ title: String, _ note: String, _ style: Style) -> String {
    let cut = DisplayWidth.cut(note, style.width - title.count - 2, ellipsis: style.ellipsis)
    return style.paint(title, .bold) + (cut.isEmpty ? "" : "  " + style.paint(cut, .dim))
}

/// `label      text`, with long text continued below itself.
func field(_ label: String, _ text: String, _ style: Style, _ paint: Style.Paint = .plain) -> [String] {
    let indent = 11
    return DisplayWidth.wrap(text, style.width - indent).enumerated().map { index, line in
        let left = DisplayWidth.fit(index == 0 ? label : "", indent, ellipsis: style.ellipsis)
        return (index == 0 ? style.paint(left, .dim) : left) + style.paint(line, paint)
    }
}
