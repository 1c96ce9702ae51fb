import Analysis
import Events
import Foundation
import Testing

@testable import Report

/// The contract of `list --json` and `show --json`, key by key.
@Suite struct JSONTests {
    private static let listKeys: Set = [
        "id", "started_at", "ended_at", "container", "peak_ns", "threshold_ns", "turns_slow", "trigger", "verdict",
        "events", "lost", "bytes", "state", "pinned", "path",
    ]

    private func object(_ value: Any?) throws -> [String: Any] { try #require(value as? [String: Any]) }
    private func first(_ value: Any?) throws -> [String: Any] { try #require((value as? [[String: Any]])?.first) }
    private func expect(_ object: [String: Any], has keys: Set<String>) {
        #expect(keys.subtracting(object.keys).isEmpty, "missing \(keys.subtracting(object.keys))")
    }

    private func shownText(_ incident: Incident, _ options: ShowOptions = ShowOptions()) throws -> String {
        var text = ""
        try showJSON(incident, row: Fixtures.row(incident), options: options) { text += $0 }
        return text
    }

    @Test func everyEventOnce() throws {
        let incident = Fixtures.incident()
        let text = try shownText(incident, ShowOptions(events: true))
        let shown = try object(JSONSerialization.jsonObject(with: Data(text.utf8)))
        let events = try #require(shown["events"] as? [[String: Any]])
        #expect(events.count == incident.evidence.eventCount)
        #expect(events.compactMap { $0["at"] as? String } == events.compactMap { $0["at"] as? String }.sorted())
        let turns = events.filter { $0["kind"] as? String == "turn" }
        #expect(turns.count == incident.evidence.turns.count)
        for turn in turns {
            let stages = try #require(turn["stages"] as? [[String: Any]])
            let sum = stages.compactMap { $0["ns"] as? Int }.reduce(0, +)
            #expect(sum + (turn["unexplained_ns"] as? Int ?? -1) == turn["total_ns"] as? Int)
        }
    }

    private func shown(_ incident: Incident) throws -> [String: Any] {
        let text = try shownText(incident)
        return try object(JSONSerialization.jsonObject(with: Data(text.utf8)))
    }

    @Test func differences() throws {
        let object = try shown(Fixtures.incident(Fixtures.crowd()))
        let rows = try #require(object["differences"] as? [[String: Any]])
        for row in rows { expect(row, has: ["what", "before", "during", "unit", "container"]) }
        let overflows = try #require(rows.first { $0["what"] as? String == "ListenOverflows" })
        #expect(overflows["before"] as? Double == 0 && overflows["during"] as? Double == 12)
        #expect(overflows["unit"] as? String == "count" && overflows["container"] as? String == "redis")
        let squeezed = try #require(rows.first { $0["what"] as? String == "softnet time_squeeze" })
        #expect(squeezed["container"] is NSNull)
        let others = try #require(object["also_slow"] as? [[String: Any]])
        #expect(
            others.compactMap { ($0["container"] as? [String: Any])?["name"] as? String } == [
                "checkout-api", "billing",
            ])
        #expect(others.compactMap { $0["connected"] as? Bool } == [true, false])
        #expect(others.compactMap { $0["max_ns"] as? Int } == [640_000_000, 640_000_000])
        #expect(others.compactMap { $0["turns"] as? Int } == [1, 1])
        var none = Fixtures.incident()
        none.turn = nil
        let empty = try shown(none)
        #expect((empty["differences"] as? [Any])?.isEmpty == true && (empty["also_slow"] as? [Any])?.isEmpty == true)
    }

    @Test func list() throws {
        let text = try listJSON([Fixtures.row(Fixtures.incident())])
        let row = try first(JSONSerialization.jsonObject(with: Data(text.utf8)))
        expect(row, has: Self.listKeys)
        #expect(row["started_at"] as? String == "2026-11-23T16:52:04.188123456Z")
        #expect(row["peak_ns"] as? Int == 812_000_000)
        #expect(row["state"] as? String == "ok")
        #expect(row["trigger"] as? String == "latency")
        expect(try object(row["container"]), has: ["id", "name", "runtime", "image"])
        let verdict = try object(row["verdict"])
        #expect(Set(verdict.keys) == ["layer", "cause", "summary", "share", "confidence", "peer"])
        #expect(text.contains("/var/lib/flightrec/"))
        #expect(try listJSON([]) == "[]")
    }

    @Test func show() throws {
        let shown = try shown(Fixtures.incident())
        expect(
            shown,
            has: Self.listKeys.union(["turn", "baseline", "retransmits", "drops", "softirq", "sockets", "coverage"]))
        let turn = try object(shown["turn"])
        expect(
            turn,
            has: [
                "role", "socket", "local", "remote", "process", "pid", "tid", "started_at", "total_ns", "in_flight",
                "stages", "unexplained_ns", "calls",
            ])
        let stages = try #require(turn["stages"] as? [[String: Any]])
        expect(try #require(stages.first), has: ["name", "ns", "share"])
        let sum = stages.compactMap { $0["ns"] as? Int }.reduce(0, +) + (try #require(turn["unexplained_ns"] as? Int))
        #expect(sum == turn["total_ns"] as? Int)
        expect(
            try object(shown["verdict"]),
            has: ["layer", "cause", "summary", "share", "confidence", "evidence", "chain"])
        expect(try object(shown["baseline"]), has: ["turns", "p50_ns", "p99_ns", "retransmits_per_s"])
        expect(try first(shown["retransmits"]), has: ["at", "socket", "kind", "container"])
        expect(try first(shown["drops"]), has: ["at", "reason", "count"])
        let softirq = try object(shown["softirq"])
        expect(try first(softirq["per_cpu"]), has: ["cpu", "vector", "count", "total_ns", "max_ns", "deferred_max_ns"])
        expect(try first(softirq["slow"]), has: ["at", "cpu", "vector", "ns"])
        expect(
            try first(shown["sockets"]),
            has: [
                "socket", "container", "role", "local", "remote", "turns", "max_ns", "established_ns",
                "buffer_wait_ns", "retransmits",
            ])
        expect(try object(shown["coverage"]), has: ["asked_from", "asked_to", "from", "to", "gaps"])
    }

    @Test func gapsAreTold() throws {
        var evidence = Fixtures.evidence()
        evidence.gaps = [Gap(from: evidence.from, to: evidence.from + 1, lost: 3, why: "ring full")]
        var gap = try first(object(shown(Fixtures.incident(evidence))["coverage"])["gaps"])
        #expect(gap["container"] is NSNull)
        #expect(gap["lost"] as? Int == 3)
        #expect(gap["why"] as? String == "ring full")
        #expect(gap["from"] as? String == "2026-11-23T16:51:54.188123456Z")
        #expect(gap["to"] as? String == "2026-11-23T16:51:54.188123457Z")
        evidence.gaps[0].container = evidence.triggers[0].container
        gap = try first(object(shown(Fixtures.incident(evidence))["coverage"])["gaps"])
        #expect(gap["container"] as? String == "redis")
    }

    @Test func callsCarryTheirOwnVerdict() throws {
        var incident = Fixtures.incident()
        var call = Fixtures.turn(51, Fixtures.spike + 1000, 700 * Fixtures.millisecond)
        call.role = .called
        var verdict = incident.summary.verdict
        verdict.chain = [
            ChainLink(container: 11, cause: "app.sleep", summary: "slept", total: 5, share: 0.5)
        ]
        incident.calls = [CallFact(turn: call, container: call.container, verdict: verdict)]
        let linked = try first(object(shown(incident)["turn"])["calls"])
        #expect(linked["to"] as? String == "172.17.0.2:6379")
        #expect(linked["total_ns"] as? Int == 700_000_000)
        #expect(try object(linked["container"])["name"] as? String == "redis")
        let link = try first(object(linked["verdict"])["chain"])
        #expect(link["cause"] as? String == "app.sleep" && link["share"] as? Double == 0.5)
    }

    @Test func withoutTurnKeysStay() throws {
        var evidence = Fixtures.evidence()
        evidence.turns = []
        evidence.baselines = []
        let shown = try shown(Fixtures.incident(evidence))
        #expect(shown["turn"] is NSNull)
        #expect(shown["baseline"] is NSNull)
    }

    @Test func hostileNamesAndNumbers() throws {
        var incident = Fixtures.incident()
        incident.summary.container.name = "a\u{9b}31mb\u{202e}\u{1b}]0;x\u{7}c"
        incident.summary.verdict.share = .nan
        incident.baseline?.retransmitsPerSecond = .infinity
        let text = try shownText(incident)
        #expect(!text.unicodeScalars.contains { $0.value < 0x20 || (0x7f...0x9f).contains($0.value) })
        #expect(text.contains(#""name":"abc""#))
    }
}
