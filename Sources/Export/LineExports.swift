import Analysis
import Events
import Query

/// One event a line, as a JSON object with names resolved (https://jsonlines.org): `kind`, and the columns of that kind's
/// table, times as text alone; what did not happen is left out. In order of time.
public func exportJSONLines(_ evidence: Evidence, to output: TextOutput) {
    let names = Names(evidence)
    var streams = Tables.events.map { table in
        // `"kind":"turn"` and `,"total_ns":` once, not for every line.
        (
            rows: table.rows(of: evidence, names), head: "{\"kind\":\"\(table.kind)\"",
            columns: table.visible.map { ($0, table.columnFacts[$0]) }.filter { !$0.1.isWallClock }.map { index, fact in
                (index: index, key: ",\"\(fact.name)\":", isFlag: fact.isFlag)
            }
        )
    }
    streams.removeAll { $0.rows.next == nil }
    while let stream = streams.min(by: { ($0.rows.next ?? .max) < ($1.rows.next ?? .max) }) {
        stream.rows.advance()
        output.append(stream.head)
        for column in stream.columns {
            let value = stream.rows.value(column.index)
            if value == .null { continue }
            output.append(column.key)
            if column.isFlag {
                output.append(value == .integer(0) ? "false" : "true")
            } else {
                output.append(json: value)
            }
        }
        output.line("}")
        if stream.rows.next == nil { streams.removeAll { $0.rows.next == nil } }
    }
    output.flush()
}

/// One table, a header line first; the columns of `SELECT *`. RFC 4180 with plain line feeds.
public func exportCSV(_ table: any Table, _ evidence: Evidence, to output: TextOutput) {
    let columns = table.visible
    let writer = CSVWriter(columns.map { table.columnFacts[$0].name }, isTerminal: false, output)
    let rows = table.rows(of: evidence, Names(evidence))
    while rows.next != nil {
        rows.advance()
        writer.add(columns.map(rows.value))
    }
    output.flush()
}

extension Table {
    /// Indices of the columns for people.
    var visible: [Int] { columnFacts.indices.filter { !columnFacts[$0].isHidden } }
}
