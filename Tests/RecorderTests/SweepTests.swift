import Testing

@testable import Recorder

@Suite struct SweepTests {
    private let second: UInt64 = 1_000_000_000

    @Test func sweptSoonWithAReasonAndRarelyWithout() {
        var schedule = SweepSchedule()
        func isDue(at instant: UInt64, missed: UInt64) -> Bool { schedule.isDue(at: instant * second, missed: missed) }
        #expect(!isDue(at: 1, missed: 0))
        #expect(!isDue(at: 500, missed: 0))
        #expect(isDue(at: 602, missed: 0))
        #expect(!isDue(at: 603, missed: 7), "too soon after the last")
        #expect(isDue(at: 613, missed: 7))
        #expect(!isDue(at: 700, missed: 7), "that reason was dealt with")
        schedule.isWanted = true
        #expect(isDue(at: 701, missed: 7))
    }
}
