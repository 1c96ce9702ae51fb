import Analysis
import Events

typealias Section = (title: String, note: String, lines: [String])

/// Rows a table shows; `--json` and `--events` have them all.
private let maximumRows = 12

private func more(_ hidden: Int, _ what: String, _ style: Style) -> [String] {
    guard hidden > 0 else { return [] }
    let what = hidden == 1 ? String(what.dropLast()) : what
    return ["  " + style.paint("\(style.ellipsis) \(Format.count(hidden)) more \(what) (--json has all)", .dim)]
}

func retransmitSection(_ scope: Scope, _ style: Style) -> Section {
    let all = scope.evidence.retransmits.filter { scope.includes($0.container, $0.socket) }
    guard !all.isEmpty else { return ("RETRANSMITS", "", []) }
    var table = Table(columns: [
        .init(title: "AT"), .init(title: "KIND"), .init(title: "SOCKET", alignment: .right),
        .init(title: "CONTAINER", minimum: 10), .init(title: "PEER", minimum: 16),
        .init(title: "TIMER", alignment: .right), .init(title: "BACKOFF", alignment: .right),
    ])
    for one in all.prefix(maximumRows) {
        let info = scope.evidence.sockets[one.socket]
        table.rows.append([
            .init(WallTime.clock(scope.evidence.wall(one.at), digits: 6)), .init(one.kind.name, .yellow),
            .init("#\(one.socket)"), .init(scope.container(one.container)), .init(info.map { "\($0.remote)" } ?? "-"),
            .init(one.rtoMilliseconds > 0 ? "\(one.rtoMilliseconds) ms" : "-"), .init("\(one.backoff)"),
        ])
    }
    return (
        "RETRANSMITS", "\(Format.count(all.count)) segment\(all.count == 1 ? "" : "s") sent again",
        table.lines(style) + more(all.count - maximumRows, "retransmits", style)
    )
}

/// Softirqs belong to CPUs, not to containers: no filter applies.
func softirqSection(_ scope: Scope, _ style: Style) -> Section {
    let totals = scope.evidence.softirqTotals.filter { $0.count > 0 }.sorted { $0.total > $1.total }
    guard !totals.isEmpty else { return ("SOFTIRQS", "", []) }
    let span = scope.evidence.to > scope.evidence.from ? scope.evidence.to - scope.evidence.from : 0
    var table = Table(columns: [
        .init(title: "CPU", alignment: .right), .init(title: "VECTOR"), .init(title: "COUNT", alignment: .right),
        .init(title: "TOTAL", alignment: .right), .init(title: "OF CPU", alignment: .right),
        .init(title: "LONGEST", alignment: .right), .init(title: "LATEST START", alignment: .right),
    ])
    for one in totals.prefix(maximumRows) {
        let share = span == 0 ? 0 : Double(one.total) / Double(span)
        table.rows.append([
            .init("\(one.cpu)"), .init(vectorName(one.vector)), .init(Format.count(one.count)),
            .init(style.duration(one.total)), .init(Format.share(share)), .init(longest(one.max, style)),
            .init(longest(one.deferredMax, style)),
        ])
    }
    let slow = scope.evidence.slowSoftirqs.count
    let note = "whole host, over the capture" + (slow > 0 ? "; \(Format.count(slow)) ran long or started late" : "")
    return ("SOFTIRQS", note, table.lines(style) + more(totals.count - maximumRows, "rows", style))
}

/// The kernel keeps the longest since the probes were attached: in a time that had none longer, how long was not seen.
private func longest(_ duration: UInt64, _ style: Style) -> String { duration == 0 ? "-" : style.duration(duration) }

func vectorName(_ vector: UInt32) -> String {
    Int(vector) < SlowSoftirq.vectors.count ? SlowSoftirq.vectors[Int(vector)] : "\(vector)"
}

func dropSection(_ scope: Scope, _ style: Style) -> Section {
    let drops = scope.evidence.drops.filter { scope.includes($0) }
    guard !drops.isEmpty else { return ("DROPS", "", []) }
    var table = Table(columns: [
        .init(title: "AT"), .init(title: "REASON", minimum: 14), .init(title: "COUNT", alignment: .right),
        .init(title: "CONTAINER", minimum: 10), .init(title: "PACKET", minimum: 20),
    ])
    for one in drops.prefix(maximumRows) {
        let packet = one.source.flatMap { source in
            one.destination.map { "\(source) \(style.outward) \($0)" }
        }
        table.rows.append([
            .init(WallTime.clock(scope.evidence.wall(one.at), digits: 6)), .init(scope.dropReason(one.reason), .yellow),
            .init(Format.count(one.count)), .init(scope.container(one.container)), .init(packet ?? "-"),
        ])
    }
    let packets = drops.reduce(UInt64(0)) { $0 + UInt64($1.count) }
    return (
        "DROPS", "\(Format.count(packets)) packet\(packets == 1 ? "" : "s")",
        table.lines(style) + more(drops.count - maximumRows, "reports", style)
    )
}

func socketSection(_ incident: Incident, _ scope: Scope, _ style: Style) -> Section {
    let rows = incident.sockets.filter { scope.includes($0.info.container, $0.info.id) }
    guard !rows.isEmpty else { return ("SOCKETS", "", []) }
    // Short of room, the peer and the direction say which socket it is.
    let narrow = style.width < 110
    let ends: [Table.Column] =
        narrow
        ? [.init(title: "PEER", minimum: 12, shrinksLast: true)]
        : [.init(title: "ROLE"), .init(title: "LOCAL", minimum: 8), .init(title: "REMOTE", minimum: 12)]
    var table = Table(
        columns: [.init(title: "SOCK", alignment: .right), .init(title: "CONTAINER", minimum: 8)] + ends + [
            .init(title: "TURNS", alignment: .right), .init(title: "SLOWEST", alignment: .right),
            .init(title: "OPEN", alignment: .right), .init(title: "BUFFER", alignment: .right),
            .init(title: "RTX", alignment: .right),
        ])
    let threshold = incident.summary.threshold
    for row in rows.prefix(maximumRows) {
        let info = row.info
        let arrow = info.role == .called ? style.outward : style.inward
        let ends: [Table.Cell] =
            narrow
            ? [.init("\(arrow) \(info.remote)")]
            : [.init(info.role.name), .init("\(info.local)"), .init("\(info.remote)")]
        let slowest = row.turns > 0 ? style.duration(row.maximum) : "-"
        table.rows.append(
            [.init("#\(info.id)"), .init(scope.container(info.container))] + ends + [
                .init(Format.count(row.turns)),
                .init(slowest, threshold > 0 && row.maximum >= threshold ? .red : .plain),
                .init(row.established.map(style.duration) ?? "older"),
                .init(row.bufferWait > 0 ? style.duration(row.bufferWait) : "-"),
                .init(row.retransmits > 0 ? Format.count(row.retransmits) : "-", .yellow),
            ])
    }
    return (
        "SOCKETS", "\(Format.count(rows.count)), slowest first; BUFFER: waits for buffer or peer's window",
        table.lines(style) + more(rows.count - maximumRows, "sockets", style)
    )
}

func baselineSection(_ incident: Incident, _ scope: Scope, _ style: Style) -> Section {
    guard let baseline = incident.baseline else { return ("NORMALLY", "", []) }
    guard baseline.turns > 0 else {
        return ("NORMALLY", "", ["  No quiet turns were recorded before this, so nothing to compare with."])
    }
    let role = Role(rawValue: baseline.role)?.name ?? "unknown"
    let text =
        "p50 \(style.duration(baseline.p50)), p99 \(style.duration(baseline.p99)) over \(Format.count(baseline.turns)) "
        + "turns \(role) on port \(baseline.port) of \(scope.container(baseline.container)); "
        + "\(Format.factor(baseline.retransmitsPerSecond, places: 2)) retransmits per second"
    return ("NORMALLY", "", DisplayWidth.wrap(text, style.width - 2).map { "  " + $0 })
}

func coverageSection(_ incident: Incident, _ row: ListRow, _ scope: Scope, _ style: Style) -> Section {
    let evidence = incident.evidence
    func span(_ from: Instant, _ to: Instant) -> String {
        let length = to > from ? to - from : 0
        let start = WallTime.clock(evidence.wall(from), digits: 3)
        return "\(start) to \(WallTime.clock(evidence.wall(to), digits: 3))  (\(style.duration(length)))"
    }
    var lines = field("  asked", span(evidence.askedFrom, evidence.askedTo), style)
    var got = span(evidence.from, evidence.to)
    let missing = evidence.from > evidence.askedFrom ? evidence.from - evidence.askedFrom : 0
    // A millisecond is the resolution of the times printed above.
    if missing >= 1_000_000 { got += ", the history was \(style.duration(missing)) short" }
    lines += field("  got", got, style)
    lines += field(
        "  events",
        "\(Format.count(incident.summary.events)) in \(Format.size(row.bytes)), "
            + (incident.summary.lost == 0 ? "none lost" : "\(Format.count(incident.summary.lost)) lost"),
        style, incident.summary.lost == 0 ? .plain : .yellow)
    if let less = evidence.facts["detail"] {
        lines += field("  detail", "by --max-overhead, for a while: \(style.name(less))", style, .yellow)
    }
    lines += costLines(evidence, style) + clockLines(evidence, style)
    for gap in evidence.gaps.prefix(maximumRows) {
        let lost = gap.lost > 0 ? ", \(Format.count(gap.lost)) events lost" : ""
        let whose = gap.container.map { ", of \(scope.container($0)) only" } ?? ""
        lines += field("  gap", "\(span(gap.from, gap.to))\(lost): \(style.name(gap.why))\(whose)", style, .yellow)
    }
    if let own = incident.turn?.container, evidence.gaps.contains(where: { $0.container != nil }),
        !evidence.gaps.contains(where: { $0.container == own })
    {
        lines += field("  kept", "all of \(scope.container(own)): what was cut short is others' history", style)
    }
    return ("COVERAGE", "", lines + more(evidence.gaps.count - maximumRows, "gaps", style))
}

/// What recording itself took over the capture.
private func costLines(_ evidence: Evidence, _ style: Style) -> [String] {
    guard let first = evidence.costs.first, let last = evidence.costs.last, last.at > first.at,
        last.cpu >= first.cpu, last.events >= first.events
    else { return [] }
    let span = Double(last.at - first.at)
    let rate = Format.count(UInt64(exactly: (Double(last.events - first.events) * 1e9 / span).rounded()) ?? .max)
    return field(
        "  cost",
        "\(Format.share(Double(last.cpu - first.cpu) / span)) of a CPU for the recorder, "
            + "\(Format.size(last.residentBytes)) resident, \(rate) events/s", style)
}

/// When the wall clock was set, and by how much.
private func clockLines(_ evidence: Evidence, _ style: Style) -> [String] {
    zip(evidence.clocks, evidence.clocks.dropFirst()).prefix(maximumRows).flatMap { before, after in
        let expected = before.wall &+ Int64(bitPattern: after.monotonic &- before.monotonic)
        let step = after.wall.subtractingReportingOverflow(expected)
        let length = style.duration(step.overflow ? .max : step.partialValue.magnitude)
        let way = after.wall >= expected ? "forward" : "back"
        return field(
            "  clock", "set \(way) by \(length) at \(WallTime.clock(after.wall, digits: 3)), as it then said", style,
            .yellow)
    }
}
