import Events
import Testing

@testable import Trigger

private let second: UInt64 = 1_000_000_000

@Suite struct RetransmitRateTests {
    @Test func whatTheIncidentItselfLostIsNotUsual() {
        var rate = RetransmitRate(since: 100 * second)
        #expect(rate.perSecond(before: 200 * second) == 0)
        for at in [110, 120, 150, 150] { rate.count(at: UInt64(at) * second + 5) }
        for _ in 0..<50 { rate.count(at: 200 * second) }
        #expect(rate.perSecond(before: 200 * second) == 0.04)
        #expect(rate.perSecond(before: 100 * second) == 0)
    }

    @Test func onlyTheLastTwoMinutes() {
        var rate = RetransmitRate(since: 0)
        rate.count(at: 10 * second)
        rate.count(at: 500 * second)
        #expect(rate.perSecond(before: 501 * second) == 1 / 128.0)
        rate.count(at: 10 * second)
        #expect(rate.perSecond(before: 501 * second) == 1 / 128.0)
        #expect(rate.perSecond(before: 10_000 * second) == 0)
        rate.count(at: 100_000 * second)
        #expect(rate.perSecond(before: 100_001 * second) == 1 / 128.0)
        #expect(rate.perSecond(before: .max) == 0)
    }

    @Test func theEngineKeepsServicesApart() {
        let engine = TriggerEngine(rule: .auto)
        let mine = ServiceKey(container: 9, role: .served, port: 80)
        for tick in 0..<UInt64(20) { engine.retransmitted(mine, at: tick * second) }
        engine.retransmitted(ServiceKey(container: 9, role: .called, port: 5432), at: 5 * second)
        engine.retransmitted(ServiceKey(container: 9, role: .unknown, port: 0), at: 5 * second)
        let figures = engine.baselines(of: [9], before: 20 * second)
        #expect(figures.map(\.port) == [80, 5432])
        #expect(figures.map(\.retransmitsPerSecond) == [1, 1 / 15.0])
        #expect(engine.containers(activeSince: 0) == [9])
    }
}
