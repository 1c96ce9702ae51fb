import Containers
import Events
import Testing

@testable import Recorder

@Suite struct SeriesTotalsTests {
    private var series = SeriesTotals()
    /// Container → the name it goes by.
    private var names: [UInt64: String] = [1: "web", 2: "web", 3: "db"]

    private func row(_ container: UInt64, _ turns: Int, began: UInt64 = 1) -> TallyRow {
        var total = TallyTotal()
        for _ in 0..<turns { total.note(1000) }
        total.retransmits = UInt64(turns)
        return TallyRow(
            key: Tally.Key(container: container, role: .served), began: began, over: 1, turns: 0, p50: 0, p99: 0,
            max: 0,
            retransmits: 0, slowest: nil, total: total)
    }

    /// Series → its count.
    private mutating func told(_ rows: TallyRow...) -> [String: UInt64] {
        let sums = series.sums(rows) {
            "cgroup \($0.container)"
        } named: { [names] in
            names[$0.container]
        }
        for (_, total) in sums { #expect(total.sum == total.retransmits * 1000) }
        return Dictionary(uniqueKeysWithValues: sums.map { ($0.labels, $0.total.buckets.reduce(0, +)) })
    }

    @Test mutating func whatIsForgottenStaysInTheSumOfTheOthers() {
        #expect(told(row(1, 100), row(2, 10), row(3, 5)) == ["web": 110, "db": 5])
        #expect(told(row(2, 12), row(3, 5)) == ["web": 112, "db": 5])
        // It comes back, as a new one.
        #expect(told(row(1, 1, began: 7), row(2, 12)) == ["web": 113])
    }

    @Test mutating func whatWasOnlyHiddenIsNotCountedTwice() {
        #expect(told(row(1, 100), row(2, 10)) == ["web": 110])
        #expect(told(row(2, 10)) == ["web": 110])
        #expect(told(row(1, 103), row(2, 10)) == ["web": 113])
    }

    @Test mutating func aSeriesEndsWithTheLastOfItsKeys() {
        #expect(told(row(1, 100), row(3, 1)) == ["web": 100, "db": 1])
        #expect(told(row(3, 1)) == ["db": 1])
        #expect(told(row(1, 2, began: 9)) == ["web": 2])
    }

    @Test mutating func aForgottenNameKeepsItsSeries() {
        #expect(told(row(1, 100), row(2, 10)) == ["web": 110])
        names = [:]
        #expect(told(row(1, 101), row(2, 10), row(4, 1)) == ["web": 111, "cgroup 4": 1])
        names = [4: "new"]
        #expect(told(row(1, 101), row(4, 2)) == ["web": 111, "new": 2])
    }

    @Test mutating func oneThatIsForgottenAgainAndAgainNeitherFallsNorGrows() {
        for stay in 1...1000 as ClosedRange<UInt64> {
            #expect(told(row(1, 1, began: stay), row(2, 1)) == ["web": stay + 1])
        }
    }
}
