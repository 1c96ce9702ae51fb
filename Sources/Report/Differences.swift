import Analysis
import Events

/// Rows shown; `--json` has all.
private let maximumRows = 12

/// What was not as before while the slow turn lasted, and who else was slow.
func differenceSection(_ incident: Incident, _ scope: Scope, _ style: Style) -> Section {
    guard let comparison = Comparison(incident) else { return ("WHAT IS DIFFERENT NOW", "", []) }
    let differences = comparison.differences
    let shown = differences.prefix(maximumRows)
    let width = shown.reduce(0) { max($0, DisplayWidth.of(style.name($1.what))) }
    var lines = shown.map { one in
        let label = DisplayWidth.fit(style.name(one.what), min(width, style.width / 2), ellipsis: style.ellipsis)
        return "  " + DisplayWidth.cut("\(label)  \(figures(one, style))", style.width - 2, ellipsis: style.ellipsis)
    }
    if differences.count > shown.count {
        lines.append("  \(style.ellipsis) \(Format.count(differences.count - shown.count)) more (--json has all)")
    }
    let others = alsoSlow(incident)
    for (title, rows) in [
        (
            "slow at the same time without any connection to it, which points at the host: ",
            others.filter { !$0.connected }
        ),
        ("slow at the same time, and connected with it: ", others.filter(\.connected)),
    ] where !rows.isEmpty {
        lines += DisplayWidth.wrap(title + names(rows, scope, style), style.width - 2).map { "  " + $0 }
    }
    let turn = style.duration(comparison.incident.length)
    let note = "in the turn's \(turn), against the \(style.duration(comparison.quiet.length)) before"
    return ("WHAT IS DIFFERENT NOW", note, lines)
}

private func names(_ rows: [AlsoSlow], _ scope: Scope, _ style: Style) -> String {
    let shown = rows.prefix(6).map { row in
        "\(scope.container(row.container)) (\(Format.count(row.turns)) \(row.turns == 1 ? "turn" : "turns"), up to "
            + "\(style.duration(row.maximum)))"
    }
    return shown.joined(separator: ", ") + (rows.count > 6 ? ", \(Format.count(rows.count - 6)) more" : "")
}

/// `0/s → 14/s`, `2.0 % → 18.0 % of a CPU (×9.0)`, `+12`.
private func figures(_ one: Difference, _ style: Style) -> String {
    func pair(_ text: (Double) -> String, _ unit: String = "") -> String {
        let before = one.before.map(text) ?? "not known"
        var line = "\(before) \(style.outward) \(text(one.during))\(unit)"
        if let before = one.before, before > 0, one.during > before {
            line += " (\(style.times)\(amount(one.during / before)))"
        }
        return line
    }
    switch one.unit {
    case .perSecond: return pair { "\(amount($0))/s" }
    case .nanoseconds: return pair { style.duration(UInt64(clamping: Int64($0.clamped))) }
    case .cpu: return pair(percent, " of a CPU")
    case .time: return pair(percent, " of the time")
    case .limit: return pair(percent, " of its limit")
    case .count:
        let during = "+\(amount(one.during.rounded()))"
        guard let before = one.before, before >= 0.05 else { return during }
        return "\(during), in as long before +\(amount(before))"
    }
}

/// Unlike `Format.share`, over 100 % too: several CPUs can be in softirqs.
private func percent(_ share: Double) -> String { share > 0 ? "\(Format.factor(share * 100)) %" : "0 %" }

/// Three digits are enough to compare with.
private func amount(_ value: Double) -> String {
    let text = value >= 10 ? Format.count(Int64(value.clamped.rounded())) : Format.factor(value)
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}

extension Double {
    /// Within what `Int64` holds; 0 when it is no number.
    fileprivate var clamped: Double { isNaN ? 0 : min(max(self, 0), 9e18) }
}

/// `show --json`: `differences`.
func differencesJSON(_ incident: Incident, _ scope: Scope) -> JSONValue {
    .array(
        (Comparison(incident)?.differences ?? []).map {
            [
                "what": .name($0.what), "before": $0.before.map { .finite($0) } ?? .null, "during": .finite($0.during),
                "unit": .string($0.unit.rawValue),
                "container": $0.container.map { .string(scope.container($0)) } ?? .null,
            ]
        })
}

/// `show --json`: `also_slow`.
func alsoSlowJSON(_ incident: Incident) -> JSONValue {
    .array(
        alsoSlow(incident).map {
            [
                "container": incident.evidence.containers[$0.container].map(containerObject) ?? .null,
                "turns": .integer($0.turns), "max_ns": .integer($0.maximum), "connected": .bool($0.connected),
            ]
        })
}
