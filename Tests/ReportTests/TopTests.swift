import Testing

@testable import Report

private func row(
    _ name: String, role: String = "served", perSecond: Double = 100, p99: UInt64 = 20_000_000,
    max: UInt64 = 30_000_000, open: UInt64 = 0, retransmits: UInt64 = 0
) -> TopRow {
    TopRow(
        container: TopRow.Container(id: name, name: name, runtime: "docker"), role: role,
        turns: UInt64(perSecond * 10), turnsPerSecond: perSecond, p50Ns: 2_100_000, p99Ns: p99, maxNs: max,
        retransmits: retransmits, retransmitsPerSecond: Double(retransmits) / 10, open: open > 0 ? 1 : 0,
        oldestOpenNs: open, worstStage: "waiting-for-peer", worstStageNs: max, worstStageShare: 0.964)
}

private func view(_ rows: [TopRow]) -> TopView {
    TopView(
        armedNs: 3600_000_000_000, coverage: 1, eventsPerSecond: 1000, lost: 0, captures: 2, cpuShare: 0.021,
        rssBytes: 50 << 20, rows: rows)
}

@Suite struct TopTests {
    private let narrow = Style(color: false, width: 80, utf8: true)

    @Test func eightyColumnsHoldALongNameAndEveryFigure() {
        let rows = [
            row("k8s_payment-gateway_payments-7d9f8b6c5-x2x4p_production_0", perSecond: 123_456.7, max: 12_300_000_000),
            row("db", role: "called", perSecond: 0.24, retransmits: 12),
        ]
        let lines = TopReport(view(rows), order: .turns, style: narrow).lines()
        #expect(lines.allSatisfy { DisplayWidth.of($0) <= 80 })
        #expect(lines.contains { $0.contains("123,457 2.1 ms 20.0 ms  12.3 s") })
        #expect(lines.contains { $0.hasPrefix("db ") && $0.contains("0.2 2.1 ms") && $0.contains(" 1.2 waiting-for-") })
        #expect(lines[0].contains("armed 1 h 00 m, coverage 100 %, 2 captures, 0 lost"))
        #expect(lines[1].hasPrefix("2 containers, 123,457 turns/s; recorder 2.1 % of a CPU, 50.0 MiB"))
    }

    @Test func whatHangsIsTheSlowest() {
        let lines = TopReport(view([row("api", open: 4_000_000_000)]), order: .max, style: narrow).lines()
        #expect(lines.contains { $0.contains(" 4.00 s+ ") })
        #expect(lines.contains { $0.contains("MAX▾") })
        var sorted = view([row("a", max: 900_000_000), row("b", open: 4_000_000_000), row("c", max: 5_000_000_000)])
        sorted.sort(by: .max)
        #expect(sorted.rows.map(\.container.name) == ["c", "b", "a"])
        sorted.sort(by: .name)
        #expect(sorted.rows.map(\.container.name) == ["a", "b", "c"])
    }

    @Test func aScreenIsAsHighAsTheTerminalAndScrolls() {
        let rows = (0..<1000).map { row("c\($0)") }
        let report = TopReport(view(rows), order: .turns, style: narrow)
        for height in [8, 24, 60] {
            let lines = report.screen(height: height, first: 0, footer: "q quit")
            #expect(lines.count == height)
            #expect(lines.last == "q quit  \(1000 - (height - 5)) more below")
        }
        #expect(report.screen(height: 24, first: 500, footer: "").contains { $0.hasPrefix("c500 ") })
        // Past the end is the end.
        #expect(report.screen(height: 24, first: 9999, footer: "q quit").last == "q quit")
        let few = TopReport(view([row("one")]), order: .turns, style: narrow).screen(height: 24, first: 3, footer: "q")
        #expect(few.count == 24 && few.contains { $0.hasPrefix("one ") })
    }

    @Test func namesFromOutsideCannotDriveTheTerminal() {
        let lines = TopReport(view([row("\u{1b}[2Jevil\nline")]), order: .turns, style: narrow).lines()
        #expect(lines.allSatisfy { !$0.contains("\u{1b}") && !$0.contains("\n") })
        let ascii = TopReport(view([row("naïve…")]), order: .turns, style: Style(color: false, width: 80, utf8: false))
        #expect(ascii.lines().allSatisfy { $0.utf8.allSatisfy { $0 < 0x80 } })
    }

    @Test func noRowsAreSaidToBeNone() {
        #expect(TopReport(view([]), order: .turns, style: narrow).lines().last == "no turns in the last minute")
    }
}
