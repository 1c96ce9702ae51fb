import Analysis
import Events
import Testing

@testable import Trigger

private let ms: UInt64 = 1_000_000
private let second: UInt64 = 1_000_000_000

@Suite struct HistogramTests {
    @Test func quantilesAreAtMostAnEighthTooHigh() {
        var histogram = LatencyHistogram()
        for value in 1...10_000 { histogram.record(UInt64(value) * 1000) }
        for fraction in [0.5, 0.9, 0.99] {
            let exact = 10_000_000 * fraction
            let found = Double(histogram.quantile(fraction))
            #expect(found >= exact && found <= exact * 1.125)
        }
    }

    @Test func extremesDoNotTrap() {
        var histogram = LatencyHistogram()
        histogram.record(0)
        histogram.record(.max)
        #expect(histogram.quantile(0) == 0)
        #expect(histogram.quantile(1) == .max)
    }
}

@Suite struct EngineTests {
    private func turn(
        _ total: UInt64, at end: UInt64, socket: SocketID = 1, sequence: UInt32 = 1, role: Role = .served,
        flags: Turn.Flags = [], transfer: UInt64 = 0
    ) -> TurnObservation {
        TurnObservation(
            service: ServiceKey(container: 9, role: role, port: 80), socket: socket, sequence: sequence, flags: flags,
            start: end - total, end: end, transfer: transfer)
    }

    @Test func absoluteThreshold() {
        let engine = TriggerEngine(rule: .absolute(200 * ms))
        #expect(engine.completed(turn(199 * ms, at: 10 * second)) == nil)
        let fact = engine.completed(turn(200 * ms, at: 11 * second))
        #expect(fact?.kind == .latency)
        #expect(fact?.observed == 200 * ms)
        #expect(fact?.threshold == 200 * ms)
    }

    @Test func autoComparesWithTheServicesOwnPast() {
        let engine = TriggerEngine(rule: .auto)
        for index in 0..<200 { #expect(engine.completed(turn(30 * ms, at: (10 + UInt64(index)) * second / 10)) == nil) }
        #expect(engine.completed(turn(140 * ms, at: 40 * second)) == nil)
        #expect(engine.completed(turn(800 * ms, at: 41 * second)) != nil)
    }

    @Test func autoWithoutHistoryWaitsForASecond() {
        let engine = TriggerEngine(rule: .auto)
        #expect(engine.completed(turn(900 * ms, at: 10 * second)) == nil)
        #expect(engine.completed(turn(1100 * ms, at: 20 * second)) != nil)
    }

    @Test func longPollsAreNotSpikes() {
        let engine = TriggerEngine(rule: .auto)
        for index in 0..<40 { _ = engine.completed(turn(900 * ms, at: (10 + UInt64(index)) * second)) }
        #expect(engine.completed(turn(3 * second, at: 60 * second)) == nil)
        let absolute = TriggerEngine(rule: .absolute(200 * ms))
        var fired = 0
        for index in 0..<100 where absolute.completed(turn(25 * second, at: (100 + UInt64(index)) * second)) != nil {
            fired += 1
        }
        #expect(fired <= 50, "a service that is always slow stops firing")
        #expect(absolute.habitual >= 50)
    }

    @Test func anOpenTurnFiresOnceWhenItCrosses() {
        let engine = TriggerEngine(rule: .absolute(200 * ms))
        #expect(engine.open(turn(150 * ms, at: 10 * second, flags: .open)) == nil)
        #expect(engine.open(turn(250 * ms, at: 11 * second, flags: .open))?.kind == .inFlight)
        #expect(engine.open(turn(350 * ms, at: 12 * second, flags: .open)) == nil)
        #expect(engine.open(turn(250 * ms, at: 13 * second, sequence: 2, flags: .open)) != nil)
    }

    @Test func streamsUploadsAndAbortsAreNotSpikes() {
        let engine = TriggerEngine(rule: .absolute(200 * ms))
        #expect(engine.open(turn(5 * second, at: 10 * second, flags: [.open, .stream, .first])) == nil)
        #expect(engine.open(turn(5 * second, at: 10 * second, flags: [.open, .stream], transfer: second)) == nil)
        #expect(engine.open(turn(5 * second, at: 10 * second, flags: [.open, .stream], transfer: 100 * ms)) != nil)
        #expect(engine.completed(turn(5 * second, at: 10 * second, flags: .stream, transfer: 4900 * ms)) == nil)
        #expect(engine.completed(turn(5 * second, at: 10 * second, flags: .stream, transfer: 4 * second)) != nil)
        #expect(engine.completed(turn(5 * second, at: 10 * second, flags: .aborted)) == nil)
        #expect(engine.completed(turn(5 * second, at: 10 * second, role: .unknown)) == nil)
    }

    @Test func aContainersOwnRuleWins() {
        let engine = TriggerEngine(rule: .absolute(second))
        engine.setRule(.absolute(50 * ms), for: 9)
        #expect(engine.floor == 50 * ms)
        #expect(engine.openFloor == 50 * ms)
        #expect(engine.completed(turn(60 * ms, at: 10 * second)) != nil)
    }
}

@Suite struct TrackerTests {
    private func fact(_ at: UInt64, kind: TriggerFact.Kind = .latency, container: ContainerKey = 9) -> TriggerFact {
        TriggerFact(kind: kind, at: at, container: container, socket: 1, observed: 1, threshold: 1, rule: "test")
    }

    @Test func overlappingTriggersAreOneIncident() {
        var tracker = IncidentTracker(before: 10 * second, after: 5 * second)
        tracker.note(fact(100 * second), began: 99 * second) { [] }
        tracker.note(fact(103 * second), began: 95 * second) { [] }
        #expect(tracker.due(at: 107 * second) == nil)
        let incident = tracker.due(at: 108 * second)
        #expect(incident?.from == 85 * second)
        #expect(incident?.to == 108 * second)
        #expect(incident?.fired == 2)
        #expect(tracker.due(at: 200 * second) == nil)
    }

    @Test func theCapIsShown() {
        var tracker = IncidentTracker(before: second, after: second, cap: 10 * second)
        for at in 100..<130 { tracker.note(fact(UInt64(at) * second), began: 100 * second) { [] } }
        let incident = tracker.due(at: 120 * second)
        #expect(incident?.capped == true)
        #expect(incident?.to == 110 * second)
    }

    @Test func overTheRateLimitTriggersAreCounted() {
        var tracker = IncidentTracker(before: second, after: second, burst: 2, period: 100 * second)
        var incidents = 0
        for at in stride(from: UInt64(100), to: 150, by: 10) {
            tracker.note(fact(at * second), began: at * second) { [] }
            if tracker.due(at: (at + 5) * second) != nil { incidents += 1 }
        }
        #expect(incidents == 2)
        #expect(tracker.suppressed[9]?.count == 3)
    }
}
