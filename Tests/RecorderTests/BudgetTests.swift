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
        #expect(note(&budget, 0.015, times: 8) == [.withoutLateness, .withoutSoftirqs])
        #expect(budget.isExhausted)
        #expect(note(&budget, 0.015, times: 100).isEmpty, "there is no step below the last")
        #expect(budget.shed == 3)
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
        // The detail before would take 0.72 / 0.45 of it: over four fifths of the limit.
        #expect(note(&budget, 0.006, times: 200).isEmpty)
        #expect(note(&budget, 0.004, times: 39).isEmpty)
        #expect(note(&budget, 0.004, times: 1) == [.withoutLateness])
        #expect(note(&budget, 0.004, times: 40) == [.brief])
        #expect(note(&budget, 0.004, times: 40) == [.full])
        #expect(note(&budget, 0.004, times: 200).isEmpty)
        #expect(!budget.isExhausted)
    }

    @Test func sharesAreOfAllCPUs() {
        var meter = OverheadMeter()
        #expect(meter.note(at: 0, runs: ProbeRuns(hot: 100, softirqs: 100), cpu: 5, cpus: 4) == nil)
        // 600 and 400 runs of 105 ns and 15 µs of its own in a millisecond of four CPUs.
        let first = ProbeRuns(hot: 700, timed: 1, timedNanoseconds: 900, softirqs: 500)
        #expect(meter.note(at: 1_000_000, runs: first, cpu: 15_005, cpus: 4) == 0.03)
        // Hooks were detached: what they counted is no longer in the sum.
        let second = ProbeRuns(hot: 700, timed: 1, timedNanoseconds: 900, softirqs: 50)
        #expect(meter.note(at: 2_000_000, runs: second, cpu: 15_005, cpus: 4) == 0)
    }

    @Test func whatWasTimedCountsOnceItIsEnough() {
        var meter = OverheadMeter()
        _ = meter.note(at: 0, runs: ProbeRuns(), cpu: 0, cpus: 1)
        _ = meter.note(at: 1, runs: ProbeRuns(hot: 251 * 63, timed: 63, timedNanoseconds: 63 * 400), cpu: 0, cpus: 1)
        #expect(meter.perRun == OverheadMeter.untimed)
        let enough = ProbeRuns(hot: 251 * 64, timed: 64, timedNanoseconds: 64 * 400)
        _ = meter.note(at: 2, runs: enough, cpu: 0, cpus: 1)
        #expect(meter.perRun == 400)
        // Of the newest alone: 1,000 runs of 75 and 125 ns in a millisecond.
        let newer = ProbeRuns(hot: 251 * 64 + 1000, timed: 128, timedNanoseconds: 64 * 400 + 64 * 125)
        #expect(meter.note(at: 1_000_002, runs: newer, cpu: 0, cpus: 1) == 0.2)
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
