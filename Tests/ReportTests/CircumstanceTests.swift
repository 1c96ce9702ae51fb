import Analysis
import Events
import Testing

@testable import Report

@Suite struct CircumstanceTests {
    private func shown(_ evidence: Evidence, _ width: Int) -> String {
        let text = show(Fixtures.incident(evidence), Style(color: false, width: width, utf8: true))
        expectFits(text, width)
        return text
    }

    @Test(arguments: [80, 120]) func whatRecordingTook(width: Int) {
        var evidence = Fixtures.evidence()
        let second: UInt64 = 1_000_000_000
        evidence.costs = [
            CostReading(at: 10 * second, cpu: 5 * second, residentBytes: 1, events: 1000),
            CostReading(at: 20 * second, cpu: 5 * second + second / 20, residentBytes: 40 << 20, events: 13_340),
        ]
        #expect(shown(evidence, width).contains("0.5 % of a CPU for the recorder, 40.0 MiB resident, 1,234 events/s"))
        // A capture of one reading, or a forged one that runs backwards, says nothing.
        evidence.costs.reverse()
        #expect(!shown(evidence, width).contains("for the recorder"))
    }

    @Test(arguments: [80, 120]) func aClockThatWasSet(width: Int) {
        var evidence = Fixtures.evidence()
        let before = shown(evidence, width)
        let pair = ClockPair(monotonic: 0, wall: evidence.wall(0))
        let set = Fixtures.spike - 1_000_000_000
        evidence.clocks = [pair, ClockPair(monotonic: set, wall: evidence.wall(set) - 3_600_000_000_000)]
        let text = shown(evidence, width)
        #expect(text.contains("set back by 1 h 00 m at"))
        // What counts from the turn's start is as it was.
        func durations(_ text: String) -> [Substring] {
            text.split(separator: "\n").drop { !$0.hasPrefix("WHERE") }.prefix { !$0.hasPrefix("TIMELINE") }.map(\.self)
        }
        #expect(durations(text) == durations(before))
        evidence.clocks = [pair, ClockPair(monotonic: 1, wall: .min), ClockPair(monotonic: 2, wall: .max)]
        _ = shown(evidence, width)
    }

    @Test(arguments: [80, 120]) func whatTheRateLimitHeldBack(width: Int) throws {
        var evidence = Fixtures.evidence()
        evidence.suppressed = [SuppressedFact(container: 7, count: 12, worst: 3_100_000_000, last: Fixtures.spike)]
        evidence.containers[7] = ContainerName(id: "c", name: "api", runtime: "docker")
        let text = shown(evidence, width)
        #expect(text.contains("uncaptured"))
        #expect(text.contains("12 triggers of api over the rate limit, worst 3.10 s"))
    }
}
