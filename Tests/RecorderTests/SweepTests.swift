import Testing

@testable import Recorder

@Suite struct SweepTests {
    private let second: UInt64 = 1_000_000_000

    @Test func sweptSoonWithAReasonAndRarelyWithout() {
        var schedule = SweepSchedule()
        #expect(!schedule.isDue(at: second, missed: 0))
        #expect(!schedule.isDue(at: 500 * second, missed: 0))
        #expect(schedule.isDue(at: 602 * second, missed: 0))
        #expect(!schedule.isDue(at: 603 * second, missed: 7), "too soon after the last")
        #expect(schedule.isDue(at: 613 * second, missed: 7))
        #expect(!schedule.isDue(at: 700 * second, missed: 7), "that reason was dealt with")
        schedule.isWanted = true
        #expect(schedule.isDue(at: 701 * second, missed: 7))
    }
}
