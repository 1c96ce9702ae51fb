import Analysis
import Foundation
import Report
import Testing

/// Output compared with the file of that name; `FLIGHTREC_UPDATE_GOLDEN=1` rewrites the files instead.
func expectGolden(_ output: String, _ name: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/\(name).txt")
    if ProcessInfo.processInfo.environment["FLIGHTREC_UPDATE_GOLDEN"] == "1" {
        try Data((output + "\n").utf8).write(to: file)
    }
    let expected = String(decoding: try Data(contentsOf: file), as: UTF8.self)
    #expect(output + "\n" == expected, "\(name).txt differs", sourceLocation: sourceLocation)
}

/// All of `show` as one text.
func show(
    _ incident: Incident, _ style: Style, _ options: ShowOptions = ShowOptions(), row: ListRow? = nil
) -> String {
    var lines: [String] = []
    renderShow(
        incident: incident, row: row ?? Fixtures.row(incident), options: options, style: style, to: { lines.append($0) }
    )
    return lines.joined(separator: "\n")
}

/// `text` without SGR sequences.
func uncoloured(_ text: String) -> String { text.replacing(/\u{1b}\[[0-9]+m/, with: "") }
