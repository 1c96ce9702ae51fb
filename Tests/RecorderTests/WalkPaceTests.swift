import Glibc
import Testing

@testable import Recorder

private let ms: UInt64 = 1_000_000

@Suite struct WalkPaceTests {
    @Test func walksTakeAThirtySecondOfACPUAtMost() {
        // What a walk takes, every 100 ms asked for a minute, and what walks took in all.
        for (walk, most) in [(ms / 10, 60 * ms), (3 * ms, 1800 * ms), (44 * ms, 1950 * ms), (500 * ms, 2400 * ms)] {
            var pace = WalkPace()
            var spent: UInt64 = 0
            for tick in 0..<600 as Range<UInt64> where pace.isDue(at: tick * 100 * ms) {
                pace.took(walk, at: tick * 100 * ms)
                spent += walk
            }
            #expect(spent <= most && spent > 0, "\(walk) ns")
        }
    }

    @Test func shortWalksAreMadeAtEveryTick() {
        var pace = WalkPace()
        for tick in 1...100 as ClosedRange<UInt64> {
            #expect(pace.isDue(at: tick * 100 * ms))
            pace.took(3 * ms, at: tick * 100 * ms)
        }
    }

    @Test func onlyOwnTimeCounts() {
        let before = WalkPace.threadTime()
        usleep(50_000)
        let slept = WalkPace.threadTime() - before
        #expect(slept < 20 * ms)
    }
}
