import Analysis
import Events
import Testing

@testable import Kernel
@testable import Recorder

private let second: UInt64 = 1_000_000_000

@Suite struct WatchfulnessTests {
    @Test func theMinimumOfTheWindowCountsFromWhenItWasFull() {
        var reach = WindowReach()
        func note(_ now: UInt64, cut: UInt64?) {
            reach.note(now * second, asked: 60 * second, started: 100 * second, cut: cut.map { $0 * second })
        }
        note(100, cut: nil)
        note(159, cut: nil)
        #expect(reach.minimum == nil)
        note(160, cut: nil)
        #expect(reach.minimum == 60 * second)
        note(300, cut: 290)
        note(400, cut: 290)
        #expect(reach.minimum == 10 * second)
        #expect(WindowReach.reach(400 * second, asked: 60 * second, started: 0, cut: 290 * second) == 60 * second)
    }

    @Test func aWindowTooSmallForItsTimeIsFullBefore() {
        var reach = WindowReach()
        reach.note(110 * second, asked: 60 * second, started: 100 * second, cut: 107 * second)
        #expect(reach.minimum == 3 * second)
    }

    @Test func theLatestGapsOutliveTheWindowAndAreBounded() {
        var losses = Losses()
        for index in 1...20 as ClosedRange<UInt64> {
            losses.gap(from: index * 10 * second, to: (index * 10 + 1) * second, why: "gap \(index)")
        }
        losses.expire(before: 1000 * second)
        #expect(losses.over(0, 2000 * second).isEmpty)
        #expect(losses.latest.count == Losses.mostLatest && losses.latest.last?.why == "gap 20")
        #expect(losses.gapCount == 20 && losses.timeInGaps == 20 * second)
        // One that goes on is one gap, here too.
        var counters = RecordCounters(emitted: [10], lost: [0])
        losses.note(counters, at: 2000 * second)
        counters.lost = [3]
        losses.note(counters, at: 2001 * second)
        counters.lost = [5]
        losses.note(counters, at: 2002 * second)
        #expect(losses.gapCount == 21)
        #expect(losses.latest.last == Gap(from: 2000 * second, to: 2002 * second, lost: 5, why: "ring buffer full"))
    }

    @Test func ratesAreOfTheLastTenSeconds() {
        var costs = CostHistory()
        #expect(costs.lately.eventsPerSecond == 0)
        for tick in 0...60 as ClosedRange<UInt64> {
            // 100 events a second, and 1,000 in each of the last ten.
            costs.note(at: tick * second, events: tick <= 50 ? tick * 100 : 5000 + (tick - 50) * 1000)
        }
        #expect(costs.lately.eventsPerSecond == 1000)
        #expect(costs.lately.cpuShare >= 0 && costs.lately.cpuShare < 1)
    }
}
