import Analysis
import Report

/// As `show` writes into a pipe.
public let style = Style(color: false, width: 80, utf8: true)

/// Everything `show` prints of an incident, thrown away: what matters is that it comes to an end, and that no line holds a
/// control character.
public func present(_ incident: Incident, bytes: UInt64) {
    let row = ListRow(summary: incident.summary, bytes: bytes, state: .ok, pinned: false, path: "/fuzz")
    let options = ShowOptions(events: incident.evidence.eventCount < 1000)
    func check(_ line: String) {
        precondition(!line.utf8.contains { $0 < 0x20 || $0 == 0x7f }, "a control character in: \(line)")
    }
    renderShow(incident: incident, row: row, options: options, style: style, to: check)
    do {
        try showJSON(incident, row: row, options: options) { _ in }
    } catch {
        preconditionFailure("no JSON: \(error)")
    }
}
