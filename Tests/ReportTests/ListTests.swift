import Analysis
import Events
import Foundation
import Testing

@testable import Report

@Suite struct ListTests {
    private static let verdicts: [(String, String, String, UInt64)] = [
        ("redis", "app.frozen", "paused for 799 ms (cgroup frozen)", 812_000_000),
        ("checkout-api", "downstream.slow", "waited 790 ms for redis (app.frozen)", 801_000_000),
        ("postgres-primary-0", "storage.io", "fdatasync blocked for 1.20 s", 1_312_000_000),
        ("k8s_worker_billing-7d9f_prod", "cpu.throttled", "CPU quota used up in 6 of 8 periods", 402_000_000),
        ("web", "unknown", "not enough evidence: 2 gaps cover the turn", 99_960_000),
    ]

    private static func rows(_ count: Int) -> [ListRow] {
        (0..<count).map { index in
            let (name, cause, text, peak) = verdicts[index % verdicts.count]
            let time = Fixtures.wall - Int64(index) * 411_000_000_000
            let stamp = WallTime.rfc3339(time).prefix(19).filter { $0 != "-" && $0 != ":" }
            var summary = Fixtures.incident().summary
            summary.id = "\(stamp)Z-\(String(0xa1b2c3 - index * 7919, radix: 16))"
            summary.startedAt = time
            summary.container.name = count > 10 ? "\(name)-\(index)" : name
            summary.peak = peak
            summary.verdict.cause = cause
            summary.verdict.summary = text
            return ListRow(
                summary: summary, bytes: 1_000, state: .ok, pinned: index == 1,
                path: "/var/lib/flightrec/\(summary.id).flightrec")
        }
    }

    private static func damaged() -> [ListRow] {
        var rows = rows(5)
        rows[2].state = .truncated
        rows[2].note = "cut short at 64 KiB; 3 of 9 blocks readable"
        rows[4].state = .foreign
        rows[4].note = "a SQLite file, but not a capture"
        rows[4].summary.id = ""
        rows[4].summary.startedAt = 0
        rows[4].summary.container.name = ""
        rows[4].path = "/var/lib/flightrec/notes.db"
        rows[0].summary.container.name = "re\u{1b}[31mdis\u{202e}数据库"
        return rows
    }

    @Test(arguments: [80, 120], [true, false]) func fits(width: Int, utf8: Bool) throws {
        let text = renderList(Self.damaged(), style: Style(color: false, width: width, utf8: utf8))
        expectFits(text, width)
        #expect(!text.contains("\u{1b}"))
        try expectGolden(text, "list-\(width)\(utf8 ? "" : "-ascii")")
    }

    @Test func whatCouldNotBeReadIsCountedApart() {
        var rows = Self.rows(3)
        rows[1].state = .unreadable
        rows[1].note = "not permitted: run with sudo"
        let text = renderList(rows, style: Style(color: false, width: 120, utf8: true))
        #expect(text.contains("  unreadable  not permitted: run with sudo"))
        #expect(text.contains("\n1 of 3 could not be read: what is in them is not known"))
        rows[1].state = .corrupt
        #expect(!renderList(rows, style: Style(color: false, width: 120, utf8: true)).contains("could not be read"))
    }

    @Test(arguments: [80, 120]) func fortyContainers(width: Int) throws {
        let text = renderList(Self.rows(40), style: Style(color: false, width: width, utf8: true))
        expectFits(text, width)
        #expect(text.split(separator: "\n").count == 42)
        try expectGolden(text, "list-\(width)-forty")
    }

    /// In 80 columns, which a pipe has too, the summary is the widest, and the time is told once.
    @Test func littleRoomIsForTheSummary() {
        let narrow = renderList(Self.rows(40), style: Style(color: false, width: 80, utf8: true))
        #expect(narrow.contains("paused for 799 ms (cgroup fr") && narrow.hasPrefix("ID (UTC) "))
        let local = renderList(Self.rows(40), style: Style(color: false, width: 80, utf8: true, localTime: true))
        #expect(local.hasPrefix("TIME "))
        let wide = renderList(Self.rows(40), style: Style(color: false, width: 100, utf8: true))
        #expect(wide.hasPrefix("TIME (UTC) "))
    }

    @Test func colourChangesNothingElse() {
        let plain = renderList(Self.damaged(), style: Style(color: false, width: 120, utf8: true))
        let coloured = renderList(Self.damaged(), style: Style(color: true, width: 120, utf8: true))
        #expect(coloured != plain)
        #expect(uncoloured(coloured) == plain)
    }

    @Test(arguments: [80, 100]) func shownPrefixesAreUnique(width: Int) {
        let rows = Self.rows(40)
        let text = renderList(rows, style: Style(color: false, width: width, utf8: true))
        let shown = text.split(separator: "\n").dropFirst().prefix(40).map { line in
            let words = line.split(separator: " ")
            return (width < 100 ? words.first : words.last).map { $0.filter { $0 != "*" } } ?? ""
        }
        for prefix in shown { #expect(rows.filter { $0.summary.id.hasPrefix(prefix) }.count == 1, "\(prefix)") }
    }

    @Test func emptySaysWhatIsNext() {
        let text = renderList([], style: Style(color: false, width: 80, utf8: true))
        #expect(text.contains("flightrec status"))
        expectFits(text, 80)
    }

    private static func again(_ minutes: [Int64], cause: String = "app.frozen", peer: String = "") -> [ListRow] {
        minutes.map { minute in
            var row = rows(1)[0]
            row.summary.startedAt = Fixtures.wall + minute * 60_000_000_000
            row.summary.verdict.cause = cause
            row.summary.verdict.peer = peer
            return row
        }
    }

    @Test func whatRecursIsSaid() throws {
        let style = Style(color: false, width: 80, utf8: true)
        let rhythm = renderList(Self.again([0, 5, 10, 15, 20, 25, 61]), style: style)
        #expect(rhythm.contains("again: redis app.frozen 7×, about every 5 m 00 s"))
        let chance = renderList(Self.again([0, 1, 40, 300], peer: "db"), style: style)
        #expect(chance.contains("again: redis app.frozen (db) 4×, irregularly"))
        #expect(!renderList(Self.again([0, 5]), style: style).contains("again"), "two may be chance")
        #expect(!renderList(Self.again([0, 5, 10], cause: "unknown"), style: style).contains("again"))
        let two = Self.again([0, 5, 10], peer: "db") + Self.again([1, 6], peer: "cache")
        #expect(recurrences(two).map(\.count) == [3])
        let json = try listJSON(Self.again([0, 5, 10]))
        #expect(json.contains(#""recurrence":{"count":3,"interval_ns":300000000000,"regular":true}"#))
        #expect(try listJSON(Self.again([0])).contains(#""recurrence":null"#))
    }
}
