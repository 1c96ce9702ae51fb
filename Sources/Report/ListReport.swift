import Analysis

/// How readable a capture file is.
public enum CaptureState: String, Sendable, Codable {
    case ok
    /// Cut short: what is there was read.
    case truncated
    /// A checksum or the structure is wrong.
    case corrupt
    /// Not a capture of flightrec.
    case foreign
    /// Written by a newer flightrec.
    case newer
    /// It could not be read, and may be sound.
    case unreadable
}

/// One capture as `list` shows it: its stored summary and what is known of its file.
public struct ListRow: Sendable {
    /// Of a file that is not `ok`, whatever could be read; `id` then may be empty and times 0.
    public var summary: IncidentSummary
    /// Size of the file.
    public var bytes: UInt64
    public var state: CaptureState
    public var pinned: Bool
    public var path: String
    /// Why the state is not `ok`; otherwise empty.
    public var note: String

    public init(
        summary: IncidentSummary, bytes: UInt64, state: CaptureState, pinned: Bool, path: String, note: String = ""
    ) {
        self.summary = summary
        self.bytes = bytes
        self.state = state
        self.pinned = pinned
        self.path = path
        self.note = note
    }

    /// The id, or the file's name where no id could be read.
    var handle: String {
        if !summary.id.isEmpty { return summary.id }
        return path.split(separator: "/").last.map(String.init) ?? path
    }
}

/// `list`: one line of verdict for each capture, in the order given; no line is wider than the style. Ends without a
/// line break. Without rows: a sentence with the next step.
public func renderList(_ rows: [ListRow], style: Style) -> String {
    if rows.isEmpty {
        let sentence =
            "No incidents captured yet. `sudo flightrec status` says whether the recorder is armed, and what lower "
            + "thresholds would have caught; "
            + "`sudo flightrec record` starts it; `sudo flightrec demo` shows a capture now."
        return DisplayWidth.wrap(sentence, style.width).joined(separator: "\n")
    }
    let wide = style.width >= 110
    // The id says the time too: where there is little room it is not told twice, unless it is another zone's.
    let isTimed = style.width >= 100 || style.localTime
    // The id whole only where it costs the summary little.
    let length = style.width >= 132 ? Int.max : uniquePrefix(rows.map(\.handle))
    let id = Table.Column(title: isTimed ? "ID" : "ID (UTC)")
    let columns: [Table.Column] = [
        .init(title: "CONTAINER", minimum: wide ? 16 : isTimed ? 10 : 12), .init(title: "PEAK", alignment: .right),
        .init(title: "CAUSE"), .init(title: "SUMMARY", minimum: 10, shrinksLast: true),
    ]
    let time = Table.Column(title: style.localTime ? "TIME" : "TIME (UTC)")
    var table = Table(columns: isTimed ? [time] + columns + [id] : [id] + columns, indent: 0, gap: wide ? 2 : 1)
    for row in rows {
        let summary = row.summary
        let time =
            summary.startedAt == 0
            ? "-"
            : WallTime.short(summary.startedAt, seconds: wide, offset: WallTime.offset(summary.startedAt, style))
        let id = Table.Cell(style.name(String(row.handle.prefix(length))) + (row.pinned ? "*" : ""), .cyan)
        let container = style.name(summary.container.name)
        let cells: [Table.Cell] =
            row.state == .ok
            ? [
                .init(container.isEmpty ? "-" : container, .bold),
                .init(summary.peak == 0 ? "-" : style.duration(summary.peak)),
                .init(style.name(summary.verdict.cause), confidencePaint(summary.verdict)),
                .init(style.name(summary.verdict.summary)),
            ]
            : [
                .init(container.isEmpty ? "-" : container), .init("-"),
                .init(row.state.rawValue, row.state == .unreadable ? .yellow : .red), .init(style.name(row.note)),
            ]
        table.rows.append(isTimed ? [.init(time, .dim)] + cells + [id] : [id] + cells)
    }
    var lines = table.lines(style)
    lines += recurrenceLines(rows, style)
    let unread = rows.count { $0.state == .unreadable }
    if unread > 0 {
        let text =
            "\(Format.count(unread)) of \(Format.count(rows.count)) could not be read: what is in them is not known"
        lines += DisplayWidth.wrap(text, style.width).map { style.paint($0, .yellow) }
    }
    if rows.contains(where: \.pinned) { lines.append(style.paint("* pinned: kept until unpinned", .dim)) }
    return lines.joined(separator: "\n")
}

/// Red for a cause well proven, yellow for a likely one, plain for an open question.
func confidencePaint(_ verdict: Verdict) -> Style.Paint {
    if verdict.cause == "unknown" { return .dim }
    switch verdict.confidence {
    case .high: return .red
    case .medium: return .yellow
    case .low: return .plain
    }
}

/// Characters after which all of `ids` differ, at least those of a date, hour and minute: `20261123T1652`.
private func uniquePrefix(_ ids: [String]) -> Int {
    let sorted = Set(ids).sorted()
    var length = 13
    for (one, next) in zip(sorted, sorted.dropFirst()) {
        let common = zip(one, next).prefix { $0 == $1 }.count
        length = max(length, common + 1)
    }
    return length
}
