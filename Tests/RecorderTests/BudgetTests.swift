import Kernel
import Testing

@testable import Recorder

@Suite struct BudgetTests {
    /// Notes a share so many times; the details it changed to.
    private func note(_ budget: inout OverheadBudget, _ share: Double, times: Int) -> [Detail] {
        (0..<times).compactMap { _ in budget.note(share) }
    }

    @Test func shedsStepByStep() {
        var budget = OverheadBudget(limit: 0.01)
        #expect(note(&budget, 0.02, times: 3).isEmpty)
        #expect(note(&budget, 0.02, times: 1) == [.brief])
        #expect(note(&budget, 0.015, times: 4) == [.withoutSoftirqs])
        #expect(budget.isExhausted)
        #expect(note(&budget, 0.015, times: 100).isEmpty, "there is no step below the last")
        #expect(budget.shed == 2)
    }

    @Test func aMomentIsNotEnough() {
        var budget = OverheadBudget(limit: 0.01)
        for _ in 0..<50 {
            #expect(note(&budget, 0.05, times: 3).isEmpty)
            #expect(note(&budget, 0.009, times: 1).isEmpty)
        }
    }

    @Test func restoresOnlyWhatThereIsRoomFor() {
        var budget = OverheadBudget(limit: 0.01)
        _ = note(&budget, 0.02, times: 12)
        #expect(budget.detail == .withoutSoftirqs)
        // The detail before would take 0.83 / 0.51 of it: over four fifths of the limit.
        #expect(note(&budget, 0.006, times: 200).isEmpty)
        #expect(note(&budget, 0.004, times: 39).isEmpty)
        #expect(note(&budget, 0.004, times: 1) == [.brief])
        #expect(note(&budget, 0.004, times: 40) == [.full])
        #expect(note(&budget, 0.004, times: 200).isEmpty)
        #expect(!budget.isExhausted)
    }

    @Test func whatComesBackInVainIsTriedMoreRarely() {
        var budget = OverheadBudget(limit: 0.01)
        _ = note(&budget, 0.02, times: 4)
        // All of it takes four times as much here, not 1 / 0.83.
        var waits: [Int] = []
        for _ in 0..<8 {
            var readings = 0
            repeat { readings += 1 } while budget.note(0.005) == nil && readings < 5000
            waits.append(readings)
            #expect(note(&budget, 0.02, times: 4) == [.brief])
        }
        #expect(waits == [40, 80, 160, 320, 640, 1200, 1200, 1200])
        // The load has gone: what came back stayed for a minute, so the next try is soon again.
        #expect(note(&budget, 0.001, times: 1200) == [.full])
        #expect(note(&budget, 0.001, times: 200).isEmpty)
        #expect(note(&budget, 0.02, times: 4) == [.brief])
        #expect(note(&budget, 0.001, times: 40) == [.full])
    }

    @Test func sharesAreOfAllCPUs() {
        var meter = OverheadMeter()
        let none = ProbeRuns(hot: 100, timed: 1, timedNanoseconds: 900)
        #expect(meter.note(at: 0, .init(runs: none, softirqs: 7, cpu: 5), hooks: 3, cpus: 4) == nil)
        // 700 and 3 × 100 runs of 105 ns and 15 µs of its own in a millisecond of four CPUs.
        let some = ProbeRuns(hot: 800, timed: 1, timedNanoseconds: 900)
        #expect(meter.note(at: 1_000_000, .init(runs: some, softirqs: 107, cpu: 15_005), hooks: 3, cpus: 4) == 0.03)
    }

    @Test func whatWasTimedCountsOnceItIsEnough() {
        var meter = OverheadMeter()
        func note(_ at: UInt64, _ hot: UInt64, _ timed: UInt64, _ ns: UInt64) -> Double? {
            let runs = ProbeRuns(hot: hot, timed: timed, timedNanoseconds: ns)
            return meter.note(at: at, .init(runs: runs, softirqs: 0, cpu: 0), hooks: 3, cpus: 1)
        }
        _ = note(0, 0, 0, 0)
        _ = note(1, 251 * 63, 63, 63 * 400)
        #expect(meter.perRun == OverheadMeter.untimed)
        _ = note(2, 251 * 64, 64, 64 * 400)
        #expect(meter.perRun == 400)
        // Of the newest alone: 1,000 runs of 75 and 125 ns in a millisecond.
        #expect(note(1_000_002, 251 * 64 + 1000, 128, 64 * 400 + 64 * 125) == 0.2)
    }

    @Test func hooksThatComeBackBringNoPastAlong() {
        var meter = OverheadMeter()
        // A day's softirqs.
        let day: UInt64 = 1_000_000_000
        _ = meter.note(at: 0, .init(runs: ProbeRuns(), softirqs: day, cpu: 0), hooks: 3, cpus: 1)
        #expect(meter.note(at: 1_000_000, .init(runs: ProbeRuns(), softirqs: day, cpu: 0), hooks: 0, cpus: 1) == 0)
        #expect(
            meter.note(at: 2_000_000, .init(runs: ProbeRuns(), softirqs: day + 100, cpu: 0), hooks: 2, cpus: 1) == 0.021
        )
    }

    @Test func countedTurnsCountOnce() {
        func turns(_ port: UInt16, _ counts: [UInt64]) -> BriefTurns {
            BriefTurns(container: 7, port: port, role: .served, total: 0, counts: counts)
        }
        var counts = BriefCounts()
        func note(_ all: [BriefTurns]) -> [UInt64] { counts.note(all).map(\.count) }
        #expect(note([turns(80, [5, 0, 2])]) == [5, 2])
        // The walk began again: the second time it says no more than the first.
        #expect(note([turns(80, [6, 0, 2]), turns(81, [3]), turns(80, [7, 0, 2])]) == [1, 3])
        #expect(note([turns(80, [7, 0, 2]), turns(81, [3])]) == [1])
        // It went, and came anew.
        #expect(note([turns(80, [2, 0, 0]), turns(81, [3])]) == [2])
    }

    @Test func countedTurnsAreInTheFiguresOfTop() throws {
        var tally = Tally()
        tally.counted(.init(container: 7, role: .served, port: 80), latency: BriefTurns.typical(6), count: 1000, at: 10)
        let row = try #require(tally.rows(at: 20, since: 0) { _ in true }.first)
        #expect(row.turns == 1000)
        #expect(row.p50 >= 64_000 && row.p50 <= 128_000)
        #expect(row.slowest == nil && row.total.buckets.reduce(0, +) == 1000)
    }
}
