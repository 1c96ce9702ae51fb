import Analysis
import Events

/// One character at each instant; `nil` when none is in view.
func marks(_ axis: TimeAxis, _ points: some Sequence<(Instant, Character)>) -> String? {
    var cells = [Character](repeating: " ", count: axis.columns)
    var any = false
    for (at, mark) in points {
        guard let column = axis.column(at) else { continue }
        cells[column] = mark
        any = true
    }
    return any ? String(cells) : nil
}

func retransmitLane(_ scope: Scope, _ axis: TimeAxis) -> String? {
    marks(
        axis,
        scope.evidence.retransmits.lazy.filter { scope.includes($0.container, $0.socket) }.map {
            ($0.at, $0.kind.letter)
        })
}

func dropLane(_ scope: Scope, _ axis: TimeAxis) -> String? {
    marks(axis, scope.evidence.drops.lazy.filter { scope.includes($0) }.map { ($0.at, "x") })
}

extension Retransmit.Kind {
    var letter: Character {
        switch self {
        case .rto: "R"
        case .fast: "F"
        case .tlp: "T"
        case .syn: "S"
        case .synack: "A"
        case .other: "?"
        }
    }
}

/// Softirq time of all CPUs per time passed, and what the hypervisor took of them where that was a twentieth of one; each scaled to its own
/// peak, which the label gives in CPUs.
func hostLanes(_ evidence: Evidence, _ axis: TimeAxis, _ style: Style) -> [(label: String, cells: String)] {
    let lanes = [
        ("softirq", 0, load(evidence, axis) { $0.total }), ("stolen", 0.05, load(evidence, axis) { $0.stolen }),
    ]
    return lanes.compactMap { name, least, loads in
        guard let peak = loads.max(), peak > 0, peak >= least else { return nil }
        return ("\(name), peak \(Format.factor(peak, places: 2)) CPU", sparkline(loads, peak, style))
    }
}

/// Column by column, in CPUs.
private func load(_ evidence: Evidence, _ axis: TimeAxis, _ value: (SoftirqTick) -> UInt64) -> [Double] {
    var loads = [Double](repeating: 0, count: axis.columns)
    // Ticks are each CPU's own: those of one reading are summed.
    var sums: [Range<Instant>: Double] = [:]
    for tick in evidence.softirqTicks where tick.to > tick.from {
        sums[tick.from..<tick.to, default: 0] += Double(value(tick))
    }
    for (span, total) in sums {
        // A tick that ends where a column begins does not belong to it.
        guard let range = axis.range(span.lowerBound, span.upperBound - 1) else { continue }
        for column in range { loads[column] = max(loads[column], total / Double(span.length)) }
    }
    return loads
}

private func sparkline(_ values: [Double], _ peak: Double, _ style: Style) -> String {
    let levels = style.levels
    return values.reduce(into: "") { line, value in
        if value <= 0 {
            line += " "
        } else {
            line += levels[min(levels.count - 1, Int(value / peak * Double(levels.count)))]
        }
    }
}

/// For each container that was frozen or throttled in view, a lane of when.
func sampleLanes(
    _ incident: Incident, _ scope: Scope, _ axis: TimeAxis, _ style: Style
) -> [(label: String, cells: String)] {
    let samples = Dictionary(
        grouping: incident.evidence.samples.filter { scope.includes($0.container) }, by: \.container)
    var lanes: [(label: String, cells: String)] = []
    for container in samples.keys.sorted() {
        let series = (samples[container] ?? []).sorted { $0.at < $1.at }
        var frozen = [Bool](repeating: false, count: axis.columns)
        var throttled = [Double](repeating: 0, count: axis.columns)
        for (sample, next) in zip(series, series.dropFirst()) where next.at > sample.at {
            guard let range = axis.range(sample.at, next.at - 1) else { continue }
            if sample.frozen == true { for column in range { frozen[column] = true } }
            guard let before = sample.throttled, let after = next.throttled, after > before else { continue }
            let share = Double(after - before) / Double(next.at - sample.at)
            for column in range { throttled[column] = max(throttled[column], share) }
        }
        // What the last sample says holds until the capture's end.
        if let last = series.last, last.frozen == true, let range = axis.range(last.at, incident.evidence.to) {
            for column in range { frozen[column] = true }
        }
        let name = scope.container(container)
        if frozen.contains(true) {
            let cells = frozen.map { $0 ? style.full : " " }.joined()
            lanes.append(("frozen \(name)", style.paint(cells, .cyan)))
        }
        if let peak = throttled.max(), peak > 0 {
            lanes.append(("throttled \(name)", style.paint(sparkline(throttled, peak, style), .yellow)))
        }
    }
    return lanes
}

/// `?` where events, those of other containers apart, are known lost, `.` outside what the window held; `nil` when all in view was recorded.
func gapLane(_ incident: Incident, _ axis: TimeAxis) -> String? {
    let evidence = incident.evidence
    var cells = [Character](repeating: " ", count: axis.columns)
    for column in 0..<axis.columns {
        let from = axis.start + Int64(column) * axis.step
        if from + axis.step <= TimeAxis.signed(evidence.from) || from >= TimeAxis.signed(evidence.to) {
            cells[column] = "."
        }
    }
    for gap in evidence.gaps where incident.turn.map({ gap.concerns([$0.container]) }) ?? true {
        guard let range = axis.range(gap.from, gap.to) else { continue }
        for column in range { cells[column] = "?" }
    }
    return cells.contains { $0 != " " } ? String(cells) : nil
}
