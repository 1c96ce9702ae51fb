import Analysis
import Events
import Testing

@testable import Trigger

private let second: UInt64 = 1_000_000_000

@Suite struct TrackerBoundsTests {
    @Test func everyContainerThatFiredBringsItsBaselineOnce() {
        var tracker = IncidentTracker(before: second, after: second)
        for container in [9, 10, 9, 10] as [ContainerKey] {
            tracker.note(fact(100 * second, container: container), began: 100 * second) { [baseline(container)] }
        }
        #expect(tracker.due(at: 101 * second)?.baselines.map(\.container) == [9, 10])
    }

    @Test func anEarlierBeginningDoesNotMoveTheCap() {
        var tracker = IncidentTracker(before: second, after: second, cap: 10 * second)
        tracker.note(fact(100 * second), began: 100 * second) { [] }
        tracker.note(fact(105 * second), began: 20 * second) { [] }
        let incident = tracker.due(at: 200 * second)
        #expect(incident?.from == 19 * second)
        #expect(incident?.to == 106 * second)
        #expect(incident?.capped == false)
    }

    @Test func aLongTurnBeforeTheFirstTriggerKeepsItsAfter() {
        var tracker = IncidentTracker(before: second, after: 5 * second, cap: 2 * second)
        tracker.note(fact(100 * second), began: 10 * second) { [] }
        #expect(tracker.due(at: 104 * second) == nil)
        #expect(tracker.due(at: 105 * second)?.to == 105 * second)
    }

    @Test func ofTooManyTriggersTheFirstAndTheWorstAreKept() {
        var tracker = IncidentTracker(before: second, after: second)
        tracker.note(fact(100 * second, observed: 1), began: 100 * second) { [] }
        for observed in 2...1000 { tracker.note(fact(100 * second, observed: UInt64(observed)), began: 0) { [] } }
        let incident = tracker.due(at: 101 * second)
        #expect(incident?.fired == 1000)
        #expect(incident?.triggers.count == PendingIncident.kept)
        #expect(incident?.triggers.first?.observed == 1)
        #expect(incident?.triggers.last?.observed == 1000)
        #expect(incident?.triggers[1].observed == 746)
    }

    @Test func theRateLimitIsPerContainerAndForgets() {
        var tracker = IncidentTracker(before: 0, after: 1, burst: 1, period: 100 * second)
        func opens(_ at: UInt64, _ container: ContainerKey, _ kind: TriggerFact.Kind = .latency) -> Bool {
            tracker.note(fact(at, kind: kind, container: container, observed: second), began: at) { [] }
            return tracker.due(at: at + 1) != nil
        }
        #expect(opens(10 * second, 9))
        #expect(!opens(20 * second, 9))
        #expect(!opens(30 * second, 9))
        #expect(opens(30 * second, 10), "another container's limit is its own")
        #expect(opens(40 * second, 9, .manual), "asked for by hand")
        #expect(opens(110 * second, 9))
        #expect(tracker.suppressed[9] == Suppressed(count: 2, worst: second, last: 30 * second))
        #expect(tracker.suppressed[10] == nil)
    }

    @Test func suppressedTriggersOfManyContainersAreBounded() {
        var tracker = IncidentTracker(before: 0, after: 1, burst: 0)
        for key in 1...2000 { tracker.note(fact(UInt64(key), container: ContainerKey(key)), began: 0) { [] } }
        #expect(tracker.suppressed.count == IncidentBudget.remembered)
        #expect(tracker.suppressed[2000] != nil)
        #expect(tracker.suppressed[1] == nil)
    }

    @Test func forcedBeforeItsTimeItEndsNow() {
        var tracker = IncidentTracker(before: second, after: 5 * second)
        #expect(tracker.due(at: 1, force: true) == nil)
        tracker.note(fact(100 * second, kind: .manual), began: 100 * second) { [] }
        #expect(tracker.isCollecting)
        #expect(tracker.due(at: 101 * second, force: true)?.to == 101 * second)
        #expect(!tracker.isCollecting)
    }
}
