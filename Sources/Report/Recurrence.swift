import Analysis

/// The same thing again and again: one container, one cause, and the same other end.
struct Recurrence: Equatable {
    var container: ContainerName
    var cause: String
    var peer: String
    /// Incidents; three or more.
    var count: Int
    /// ns from one to the next, the median.
    var interval: UInt64
    /// Half of the intervals lie within a quarter of the median: worth saying as a rhythm.
    var isRegular: Bool

    /// Two may be chance.
    static let least = 3

    func includes(_ row: ListRow) -> Bool { Self.key(row) == Key(container: container, cause: cause, peer: peer) }

    fileprivate struct Key: Hashable {
        var container: ContainerName
        var cause: String
        var peer: String
    }

    /// `nil` for what has no cause, or was asked for by hand.
    fileprivate static func key(_ row: ListRow) -> Key? {
        let summary = row.summary
        guard row.state == .ok, summary.trigger != .manual, summary.verdict.cause != "unknown" else { return nil }
        return Key(container: summary.container, cause: summary.verdict.cause, peer: summary.verdict.peer)
    }
}

/// What recurs among these captures, the most frequent first.
func recurrences(_ rows: [ListRow]) -> [Recurrence] {
    var times: [Recurrence.Key: [Int64]] = [:]
    for row in rows {
        if let key = Recurrence.key(row) { times[key, default: []].append(row.summary.startedAt) }
    }
    return times.filter { $0.value.count >= Recurrence.least }.map { key, times in
        let sorted = times.sorted()
        let apart = zip(sorted, sorted.dropFirst()).map { UInt64(clamping: $1 &- $0) }.sorted()
        let median = apart[apart.count / 2]
        let near = apart.filter { $0 >= median - median / 4 && $0 <= median &+ median / 4 }
        return Recurrence(
            container: key.container, cause: key.cause, peer: key.peer, count: times.count, interval: median,
            isRegular: near.count * 2 > apart.count)
    }.sorted { ($1.count, $0.container.name, $0.cause, $0.peer) < ($0.count, $1.container.name, $1.cause, $1.peer) }
}

/// Groups worth a line each.
private let most = 5

func recurrenceLines(_ rows: [ListRow], _ style: Style) -> [String] {
    recurrences(rows).prefix(most).flatMap { again in
        let peer = again.peer.isEmpty ? "" : " (\(style.name(again.peer)))"
        let rhythm = again.isRegular ? ", about every \(style.duration(again.interval))" : ", irregularly"
        let text =
            "again: \(style.name(again.container.name)) \(style.name(again.cause))\(peer) "
            + "\(again.count)\(style.times)\(rhythm)"
        return DisplayWidth.wrap(text, style.width).map { style.paint($0, .dim) }
    }
}
