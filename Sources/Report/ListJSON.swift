import Analysis

/// `list --json`: an array with one object per capture. Throws what `JSONEncoder` throws.
public func listJSON(_ rows: [ListRow]) throws -> String {
    let again = recurrences(rows)
    return try JSONValue.array(
        rows.map { row in
            var object = listObject(row)
            object["recurrence"] = again.first { $0.includes(row) }.map(recurrenceObject) ?? .null
            return .object(object)
        }
    ).text()
}

private func recurrenceObject(_ again: Recurrence) -> JSONValue {
    ["count": .integer(again.count), "interval_ns": .integer(again.interval), "regular": .bool(again.isRegular)]
}

/// What `list` and `show` have in common.
func listObject(_ row: ListRow) -> [String: JSONValue] {
    let summary = row.summary
    return [
        "id": .name(row.handle),
        "started_at": .time(summary.startedAt),
        "ended_at": .time(summary.endedAt),
        "container": containerObject(summary.container),
        "peak_ns": .integer(summary.peak),
        "threshold_ns": .integer(summary.threshold),
        "turns_slow": .integer(summary.slowTurns),
        "trigger": .string(summary.trigger.rawValue),
        "verdict": .object(verdictObject(summary.verdict)),
        "events": .integer(summary.events),
        "lost": .integer(summary.lost),
        "bytes": .integer(row.bytes),
        "state": .string(row.state.rawValue),
        "note": .name(row.note),
        "pinned": .bool(row.pinned),
        // Whole, even with control characters: it must open the file.
        "path": .string(row.path),
    ]
}

func containerObject(_ container: ContainerName) -> JSONValue {
    [
        "id": .name(container.id), "name": .name(container.name), "runtime": .name(container.runtime),
        "image": .name(container.image),
    ]
}

func verdictObject(_ verdict: Verdict) -> [String: JSONValue] {
    [
        "layer": .name(verdict.layer), "cause": .name(verdict.cause), "summary": .name(verdict.summary),
        "share": .finite(verdict.share), "confidence": .string(verdict.confidence.rawValue),
        "peer": .name(verdict.peer),
    ]
}
