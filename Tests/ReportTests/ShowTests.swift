import Analysis
import Events
import Foundation
import Testing

@testable import Report

@Suite struct ShowTests {
    @Test(arguments: [80, 120]) func paused(width: Int) throws {
        let style = Style(color: false, width: width, utf8: true)
        let text = show(Fixtures.incident(), style)
        expectFits(text, width)
        try expectGolden(text, "show-\(width)")
    }

    @Test func ascii() throws {
        let text = show(Fixtures.incident(), Style(color: false, width: 80, utf8: false))
        #expect(text.utf8.allSatisfy { $0 == 10 || (0x20..<0x7f).contains($0) })
        expectFits(text, 80)
        try expectGolden(text, "show-80-ascii")
    }

    @Test func colourChangesNothingElse() throws {
        let plain = show(Fixtures.incident(), Style(color: false, width: 80, utf8: true))
        let coloured = show(Fixtures.incident(), Style(color: true, width: 80, utf8: true))
        #expect(!plain.contains("\u{1b}"))
        #expect(coloured.contains("\u{1b}[31m"))
        let trimmed = uncoloured(coloured).split(separator: "\n", omittingEmptySubsequences: false)
            .map { Table.trimmed(String($0)) }.joined(separator: "\n")
        #expect(trimmed == plain)
        try expectGolden(coloured, "show-80-colour")
    }

    /// The kernel's maximum did not move, so how long the longest was is not known: not 0 ns.
    @Test func longestSoftirqNotSeen() throws {
        var evidence = Fixtures.evidence()
        evidence.softirqTotals = [
            SoftirqTotal(cpu: 1, vector: 7, count: 101, total: 411_000, max: 0, deferredMax: 0)
        ]
        let text = show(Fixtures.incident(evidence), Style(color: false, width: 80, utf8: true))
        let row = try #require(text.split(separator: "\n").first { $0.contains("SCHED") })
        #expect(row.split(separator: " ").suffix(2) == ["-", "-"])
    }

    @Test func inFlight() throws {
        var evidence = Fixtures.evidence()
        evidence.to = Fixtures.spike + 812 * Fixtures.millisecond
        evidence.turns = evidence.turns.filter { $0.end < Fixtures.spike }
        evidence.turns.append(Fixtures.turn(7, Fixtures.spike, 812 * Fixtures.millisecond, flags: [.open, .unread]))
        evidence.triggers[0].kind = .inFlight
        let text = show(Fixtures.incident(evidence), Style(color: false, width: 80, utf8: true))
        expectFits(text, 80)
        #expect(text.contains("so far, in flight"))
        #expect(text.contains("▶"))
        try expectGolden(text, "show-80-in-flight")
    }

    @Test func manualWithoutTurn() throws {
        var evidence = Fixtures.evidence()
        evidence.turns = []
        evidence.retransmits = []
        evidence.triggers = [
            TriggerFact(
                kind: .manual, at: Fixtures.spike, container: 0, socket: 0, observed: 0, threshold: 0,
                rule: "before the deploy")
        ]
        evidence.baselines = []
        var incident = Fixtures.incident(evidence)
        incident.summary.peak = 0
        incident.summary.threshold = 0
        incident.summary.trigger = .manual
        incident.summary.verdict = Verdict(
            layer: "unknown", cause: "unknown", summary: "manual snapshot; no turn was seen", share: 0,
            confidence: .low, evidence: [])
        let text = show(incident, Style(color: false, width: 80, utf8: true))
        expectFits(text, 80)
        #expect(!text.contains("WHERE THE TIME WENT"))
        try expectGolden(text, "show-80-manual")
    }

    @Test func gaps() throws {
        var evidence = Fixtures.evidence()
        evidence.from = Fixtures.spike - 100 * Fixtures.millisecond
        evidence.gaps = [
            Gap(
                from: Fixtures.spike + 300 * Fixtures.millisecond, to: Fixtures.spike + 400 * Fixtures.millisecond,
                lost: 12_345, why: "ring full on cpu 1")
        ]
        let text = show(Fixtures.incident(evidence), Style(color: false, width: 80, utf8: true))
        expectFits(text, 80)
        #expect(text.contains("12,345 events lost"))
        #expect(text.contains("the history was 9.90 s short"))
        try expectGolden(text, "show-80-gaps")
    }

    @Test func othersGapsAreToldAsTheirs() throws {
        func coverage(_ container: ContainerKey) -> String {
            var evidence = Fixtures.evidence()
            evidence.containers[5] = ContainerName(id: "5", name: "churn", runtime: "docker")
            evidence.gaps = [
                Gap(
                    from: evidence.from, to: Fixtures.spike, lost: 0, why: "history cut short by --memory",
                    container: container)
            ]
            return show(Fixtures.incident(evidence), Style(color: false, width: 120, utf8: true))
        }
        let others = coverage(5)
        #expect(others.contains("history cut short by --memory, of churn only"))
        #expect(others.contains("kept     all of redis: what was cut short is others' history"))
        #expect(!others.contains("not recorded"))
        let own = coverage(Fixtures.evidence().triggers[0].container)
        #expect(own.contains("history cut short by --memory, of redis only") && own.contains("not recorded"))
        #expect(!own.contains("kept     "))
    }

    @Test(arguments: [true, false]) func whatIsDifferent(utf8: Bool) throws {
        let text = show(Fixtures.incident(Fixtures.crowd()), Style(color: false, width: 80, utf8: utf8))
        expectFits(text, 80)
        let section = text.split(separator: "\n", omittingEmptySubsequences: false)
            .drop { !$0.hasPrefix("WHAT IS DIFFERENT NOW") }.prefix { !$0.isEmpty }
        try expectGolden(section.joined(separator: "\n"), "show-80-different\(utf8 ? "" : "-ascii")")
    }

    @Test(arguments: [true, false]) func hostileNames(utf8: Bool) throws {
        let hostile = "re\u{1b}[2Jd\u{202e}is\n\u{9b}31m\u{1b}]0;owned\u{7}\u{200b}"
        var evidence = Fixtures.evidence()
        evidence.containers[Fixtures.redis] = ContainerName(
            id: "\u{1b}[1m3f2a", name: hostile, runtime: hostile, image: String(repeating: "宽e\u{301}\u{1b}", count: 90)
        )
        evidence.sockets = evidence.sockets.mapValues {
            var info = $0
            info.process = hostile
            return info
        }
        evidence.triggers[0].rule = hostile
        evidence.dropReasons[16] = hostile
        evidence.gaps = [Gap(from: evidence.from, to: evidence.from + 5, lost: 1, why: hostile)]
        var incident = Fixtures.incident(evidence)
        incident.summary.verdict.summary = hostile
        incident.summary.verdict.evidence = [hostile]
        incident.stages[1].name = hostile
        let row = Fixtures.row(incident, state: .truncated, note: hostile)
        let text = show(
            incident, Style(color: false, width: 80, utf8: utf8), ShowOptions(events: true), row: row)
        expectFits(text, 80)
        for scalar in text.unicodeScalars where scalar != "\n" {
            #expect(
                scalar.value >= 0x20 && !(0x7f...0x9f).contains(scalar.value), "U+\(String(scalar.value, radix: 16))")
            #expect(scalar.value != 0x202e && scalar.value != 0x200b)
        }
        #expect(text.contains("redis"))
        try expectGolden(
            text.split(separator: "\n").prefix(20).joined(separator: "\n"), "show-80-hostile\(utf8 ? "" : "-ascii")")
    }

    @Test func filters() {
        let style = Style(color: false, width: 120, utf8: true)
        let incident = Fixtures.incident()
        let socket = show(incident, style, ShowOptions(socket: 51))
        #expect(socket.contains("2 segments sent again"))
        #expect(!socket.contains("DROPS"))
        let container = show(incident, style, ShowOptions(events: true, containerGlob: "check*"))
        #expect(container.contains("frozen redis") == false)
        #expect(container.contains("throttled checkout-api"))
        let events = container.split(separator: "\n").drop { !$0.hasPrefix("EVENTS") }.dropFirst()
        #expect(events.count == 2)
        #expect(events.allSatisfy { $0.contains("checkout-api") && $0.contains("retransmit") })
        var lines: [String] = []
        let found = renderShow(
            incident: incident, row: Fixtures.row(incident), options: ShowOptions(containerGlob: "postgres"),
            style: style, to: { lines.append($0) })
        #expect(!found)
        #expect(lines == ["Nothing in this capture belongs to container postgres."])
    }

    @Test func eventsAreInOrderAndAll() {
        let incident = Fixtures.incident()
        var lines: [Substring] = []
        let text = show(incident, Style(color: false, width: 100, utf8: true), ShowOptions(events: true))
        lines = text.split(separator: "\n").drop { !$0.hasPrefix("EVENTS") }.dropFirst().map { $0 }
        #expect(lines.count == incident.evidence.eventCount)
        #expect(lines.map { $0.prefix(18) } == lines.map { $0.prefix(18) }.sorted())
    }

    @Test func impossibleTimesDoNotTrap() {
        var evidence = Fixtures.evidence()
        evidence.from = 0
        evidence.to = .max
        evidence.turns[0].start = 0
        evidence.turns[0].end = .max
        evidence.softirqTicks.append(SoftirqTick(cpu: 0, from: 1, to: .max, total: .max, netRX: 0))
        evidence.samples.append(ContainerSample(at: .max, container: Fixtures.redis, frozen: true, throttled: .max))
        evidence.clock = ClockPair(monotonic: .max, wall: .min)
        let text = show(Fixtures.incident(evidence), Style(color: false, width: 80, utf8: true))
        expectFits(text, 80)
        #expect(text.contains("TIMELINE"))
    }
}

func expectFits(_ text: String, _ width: Int, sourceLocation: SourceLocation = #_sourceLocation) {
    for line in text.split(separator: "\n") {
        #expect(DisplayWidth.of(uncoloured(String(line))) <= width, "\(line)", sourceLocation: sourceLocation)
        #expect(line.last != " ", "\(line)", sourceLocation: sourceLocation)
    }
}
