import CFlightrec
import Containers
import Events
import Foundation
import Report
import Testing
import Trigger

@testable import Recorder

private let ms: UInt64 = 1_000_000
private let second: UInt64 = 1_000_000_000

private func turn(
    _ latency: UInt64, at: Instant, container: UInt64 = 1, role: Role = .served, flags: Turn.Flags = []
) -> (TurnObservation, fr_turn) {
    var raw = fr_turn()
    raw.start = at - latency
    raw.h.ts = at
    raw.h.cgroup = container
    raw.role = role.rawValue
    return (
        TurnObservation(
            service: ServiceKey(container: container, role: role, port: 80), socket: 1, sequence: 1, flags: flags,
            start: at - latency, end: at), raw
    )
}

@Suite struct TallyTests {
    private func note(
        _ tally: inout Tally, _ latency: UInt64, at: Instant, container: UInt64 = 1, role: Role = .served,
        flags: Turn.Flags = []
    ) {
        let (observation, raw) = turn(latency, at: at, container: container, role: role, flags: flags)
        tally.note(observation, raw)
    }

    @Test func figuresAreOfTheLastSecondsAndTotalsOfAll() throws {
        var tally = Tally()
        // Half a minute of 10 ms, then of 2 ms with one of 40 ms.
        for step in 1...3000 as ClosedRange<UInt64> { note(&tally, 10 * ms, at: 100 * second + step * 10 * ms) }
        for step in 1...2000 as ClosedRange<UInt64> {
            note(&tally, step == 1500 ? 40 * ms : 2 * ms, at: 130 * second + step * 10 * ms)
        }
        let now = 150 * second + 1
        let row = try #require(tally.rows(at: now, since: 0) { _ in true }.first)
        #expect(row.over >= 5 * second && row.over <= 10 * second + 20 * ms)
        // 100 a second.
        #expect(abs(Double(row.turns) * 1e9 / Double(row.over) - 100) < 2)
        #expect(row.p50 >= 2 * ms && row.p50 < 5 * ms / 2)
        #expect(row.max == 40 * ms && row.slowest.map { $0.h.ts - $0.start } == 40 * ms)
        #expect(row.p99 <= row.max)
        #expect(row.total.buckets.reduce(0, +) == 5000)
        #expect(row.total.sum == 3000 * 10 * ms + 1999 * 2 * ms + 40 * ms)
        let bounds = TallyTotal.bounds
        #expect(row.total.buckets[bounds.firstIndex(of: 10 * ms)!] == 3000)
        #expect(row.total.buckets[bounds.firstIndex(of: 5 * ms / 2)!] == 1999)
        #expect(row.total.buckets[bounds.firstIndex(of: 50 * ms)!] == 1)
    }

    @Test func aSilenceEndsWhatWasLatelyButNotTheTotals() throws {
        var tally = Tally()
        for step in 0..<100 as Range<UInt64> { note(&tally, 30 * ms, at: 10 * second + step * ms) }
        tally.retransmitted(1, .served, at: 11 * second)
        var row = try #require(tally.rows(at: 12 * second, since: 0) { _ in true }.first)
        #expect(row.turns == 100 && row.retransmits == 1)
        row = try #require(tally.rows(at: 60 * second, since: 0) { _ in true }.first)
        #expect(row.turns == 0 && row.max == 0 && row.retransmits == 0 && row.slowest == nil)
        #expect(row.total.buckets.reduce(0, +) == 100 && row.total.retransmits == 1)
        #expect(tally.rows(at: 60 * second, since: 30 * second) { _ in true }.isEmpty)
        #expect(tally.rows(at: 60 * second, since: 0) { $0 == 2 }.isEmpty)
    }

    @Test func trimmingTakesNothingThatCounts() throws {
        var tally = Tally()
        var other = Tally()
        for step in 0..<200 as Range<UInt64> {
            // A silence of 40 s in the middle.
            let at = 10 * second + step * 100 * ms + (step >= 100 ? 40 * second : 0)
            note(&tally, (step + 1) * ms, at: at)
            note(&other, (step + 1) * ms, at: at)
            let rows = try [tally, other].map { try #require($0.rows(at: at + 1, since: 0) { _ in true }.first) }
            #expect(rows[0].turns == rows[1].turns && rows[0].p99 == rows[1].p99 && rows[0].max == rows[1].max)
            #expect(rows[0].total.buckets == rows[1].total.buckets && rows[0].began == rows[1].began)
            tally.trim(at: step == 99 ? at + 39 * second : at)
        }
    }

    @Test func whatIsNoLatencyIsNotCounted() {
        var tally = Tally()
        note(&tally, 30 * ms, at: second, flags: .aborted)
        note(&tally, 30 * ms, at: second, role: .unknown)
        tally.retransmitted(1, .unknown, at: second)
        #expect(tally.count == 0)
    }

    @Test func containersThatComeAndGoTakeBoundedMemory() {
        var tally = Tally()
        for container in 1...10_000 as ClosedRange<UInt64> {
            note(&tally, ms, at: second + container * ms, container: container)
            #expect(tally.count <= Tally.capacity)
            // One that is always busy stays.
            note(&tally, ms, at: second + container * ms, container: 1)
        }
        let rows = tally.rows(at: 12 * second, since: 0) { _ in true }
        #expect(rows.first { $0.key.container == 1 }?.total.buckets.reduce(0, +) == 10_001)
        #expect(rows.contains { $0.key.container == 10_000 })
    }

    @Test func aThousandContainersInBothRolesFit() {
        var tally = Tally()
        for container in 1...1000 as ClosedRange<UInt64> {
            note(&tally, ms, at: second + container, container: container)
            note(&tally, ms, at: second + container, container: container, role: .called)
        }
        #expect(tally.count == 2000)
    }
}

@Suite struct TopSnapshotTests {
    @Test func aThousandContainersComeInPagesThatFitADatagram() throws {
        var tally = Tally()
        for container in 1...1000 as ClosedRange<UInt64> {
            let (observation, raw) = turn(ms * container, at: 10 * second, container: container)
            tally.note(observation, raw)
        }
        // One that hangs, and has had no turn.
        let open = [Tally.Key(container: 5000, role: .called): TopSnapshot.Open(count: 2, oldest: 3 * second)]
        let view = TopView(
            armedNs: 1, coverage: 1, eventsPerSecond: 0, lost: 0, captures: 0, cpuShare: 0, rssBytes: 0, rows: [])
        let snapshot = TopSnapshot(
            view: view, tallies: tally.rows(at: 11 * second, since: 0) { _ in true }, open: open)
        let resolver = ContainerResolver()
        var rows: [TopRow] = []
        while true {
            let page = snapshot.reply(from: rows.count, resolver)
            #expect(page.total == 1001)
            let top = try #require(page.top)
            #expect(try JSONEncoder().encode(page).count < 100_000)
            guard !top.rows.isEmpty else { break }
            rows += top.rows
        }
        #expect(rows.count == 1001 && Set(rows.map(\.container.name)).count == 1001)
        #expect(rows.first { $0.container.name == "cgroup 700" }?.maxNs == 700 * ms)
        let hanging = try #require(rows.first { $0.container.name == "cgroup 5000" })
        #expect(hanging.open == 2 && hanging.oldestOpenNs == 3 * second && hanging.turns == 0)
        #expect(snapshot.reply(from: -5, resolver).top?.rows.count == TopSnapshot.page)
        #expect(snapshot.reply(from: 99_999, resolver).top?.rows.isEmpty == true)
    }
}
