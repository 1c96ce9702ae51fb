import Analysis
import CFlightrec
import Events
import Testing

@testable import Recorder

private let second: UInt64 = 1_000_000_000

@Suite struct HistoryTests {
    @Test func aClockThatIsSetHasAPairFromThenOn() {
        var clocks = ClockHistory()
        for tick in 0..<100 as Range<UInt64> {
            // Set forward by an hour at 30 s, and back again at 60 s; a slew of 10 µs a second is no step.
            let set: Int64 = (30..<60).contains(tick) ? 3_600_000_000_000 : 0
            let wall = Int64(1_000_000_000_000 + tick * second + tick * 10_000) + set
            clocks.note(ClockPair(monotonic: tick * second, wall: wall))
        }
        let all = clocks.over(0, 100 * second)
        #expect(all.map(\.monotonic) == [0, 30 * second, 60 * second])
        // One in force at the beginning, and those within.
        #expect(clocks.over(45 * second, 50 * second).map(\.monotonic) == [30 * second])
        #expect(clocks.over(45 * second, 70 * second).map(\.monotonic) == [30 * second, 60 * second])
        clocks.expire(before: 50 * second)
        #expect(clocks.over(0, 100 * second).map(\.monotonic) == [30 * second, 60 * second])

        var evidence = Evidence(
            id: "t", clock: ClockPair(monotonic: 99 * second, wall: 1), askedFrom: 0, askedTo: 0, from: 0, to: 0)
        evidence.clocks = all
        #expect(evidence.wall(29 * second) == 1_029_000_000_000)
        #expect(evidence.wall(31 * second) == 1_031_000_300_000 + 3_600_000_000_000)
        #expect(evidence.wall(61 * second) == 1_061_000_600_000)
        evidence.clocks = []
        #expect(evidence.wall(100 * second) == 1_000_000_001)
    }

    @Test func softirqsAreNotedOfTimesWithTheHooksOnAlone() {
        var load = SoftirqLoad()
        var total: UInt64 = 0
        func note(_ at: UInt64, since: UInt64?) {
            total += 100
            var totals = Array(repeating: [fr_softirq_total()], count: Int(FR_SOFTIRQ_VECTORS))
            totals[3][0].total = total
            load.note(totals, at: at, timedSince: since)
        }
        note(10, since: 0)
        note(20, since: 0)
        // Let go of for a while: some of the next readings' time is missing.
        note(30, since: nil)
        note(40, since: nil)
        note(50, since: 45)
        note(60, since: 45)
        // They were off and on again between two readings.
        note(70, since: 65)
        note(80, since: 65)
        let ticks = load.over(0, .max)
        #expect(ticks.map(\.from) == [10, 50, 70] && ticks.map(\.to) == [20, 60, 80])
        #expect(ticks.allSatisfy { $0.netRX == 100 && $0.total == 100 })
    }

    /// The kernel counts it since boot, and tells of it where a softirq ended.
    @Test func whatWasStolenIsNotedFromTheSecondLookOn() {
        var load = SoftirqLoad()
        func note(_ at: UInt64, _ stolen: [UInt64], since: UInt64 = 1) {
            var totals = Array(
                repeating: [fr_softirq_total](repeating: fr_softirq_total(), count: 2), count: Int(FR_SOFTIRQ_VECTORS))
            for (vector, value) in zip([1, 7, 9], stolen) {
                totals[vector][1].stolen = value
                totals[vector][1].left = at * 100
            }
            load.note(totals, at: at * 100, timedSince: since * 100)
        }
        note(10, [0, 0, 0])
        note(20, [5001, 0, 0])
        note(30, [5001, 5101, 0])
        note(40, [5101, 5101, 5101])
        note(50, [5101, 5101, 5103])
        let ticks = load.over(0, .max)
        #expect(ticks.map(\.to) == [3000, 5000] && ticks.map(\.stolen) == [100, 2])
        // The hooks came back, and the CPU was not looked at since: then it was.
        note(60, [5103, 5103, 5103], since: 60)
        note(70, [8103, 0, 0], since: 60)
        note(80, [9903, 0, 0], since: 60)
        #expect(load.over(5001, .max).map(\.stolen) == [1000])
        #expect(ticks.allSatisfy { $0.cpu == 1 && $0.total == 0 })
    }

    /// One without timer ticks is looked at when something raises a softirq there: what was taken until then was not taken just now.
    @Test func whatWasStolenSinceAnEarlierLookIsSpread() {
        var load = SoftirqLoad()
        func note(_ at: UInt64, looked: UInt64, _ stolen: UInt64) {
            var totals = Array(repeating: [fr_softirq_total()], count: Int(FR_SOFTIRQ_VECTORS))
            totals[1][0].stolen = stolen
            totals[1][0].left = looked
            load.note(totals, at: at, timedSince: 1)
        }
        note(1000, looked: 1000, 5001)
        for at in stride(from: 1100, through: 1900, by: 100) { note(UInt64(at), looked: 1000, 5001) }
        note(2000, looked: 2000, 5801)
        note(2100, looked: 2100, 5831)
        #expect(load.over(0, .max).map(\.stolen) == [80, 30])
    }

    @Test func aClockSetAllDayIsBounded() {
        var clocks = ClockHistory()
        for step in 0..<5000 as Range<UInt64> {
            clocks.note(ClockPair(monotonic: step * second, wall: Int64(step % 2) * 5_000_000_000))
        }
        #expect(clocks.over(0, .max).count == 1024)
    }

    @Test func costsReachBackToTheReadingBefore() {
        var costs = CostHistory()
        for step in 1...10 as ClosedRange<UInt64> { costs.note(at: step * second, events: step) }
        #expect(costs.over(4 * second + 1, 6 * second).map(\.events) == [4, 5, 6])
        #expect(costs.over(0, 2 * second).map(\.events) == [1, 2])
        costs.expire(before: 8 * second)
        #expect(costs.over(0, .max).map(\.events) == [8, 9, 10])
        #expect(costs.over(0, .max).allSatisfy { $0.cpu > 0 && $0.residentBytes > 1 << 20 })
    }
}
