import Testing

@testable import Recorder

@Suite struct DrainPaceTests {
    @Test func smallPortionsAtAnyRate() {
        var pace = DrainPace(tick: 100_000_000)
        pace.atOnce = 512
        let steps: [(records: Int, changes: Bool, interval: UInt64)] = [
            (0, false, 100_000_000), (512, false, 100_000_000), (513, true, 50_000_000), (1_024, false, 50_000_000),
            (4_000, true, 12_500_000),
            // 100,000 a second, and more than can be read in portions.
            (10_000, true, 6_250_000), (1_000_000, false, 6_250_000),
            (100, true, 100_000_000),
        ]
        for step in steps {
            let changed = pace.took(step.records)
            #expect(changed == step.changes, "\(step.records) records")
            #expect(pace.interval == step.interval, "\(step.records) records")
            #expect(pace.needsTimer == (step.interval < 100_000_000))
        }
    }
}
