import Analysis
import Events
import Testing

@testable import Trigger

private let second: UInt64 = 1_000_000_000

@Suite struct IncidentBudgetTests {
    private func fact(
        _ at: UInt64, _ observed: UInt64, kind: TriggerFact.Kind = .latency, socket: SocketID = 1
    ) -> TriggerFact {
        TriggerFact(
            kind: kind, at: at, container: 9, socket: socket, observed: observed, threshold: 1, rule: "test")
    }

    /// Two incidents at 10 s and 20 s, and no more in the next 100 s.
    private func full() -> IncidentTracker {
        var tracker = IncidentTracker(before: second, after: second, burst: 2, period: 100 * second)
        for (at, observed) in [(10, 400), (20, 800)] as [(UInt64, UInt64)] {
            tracker.note(fact(at * second, observed), began: 0) { [] }
            #expect(tracker.due(at: at * second + second)?.replaces.isEmpty == true)
        }
        return tracker
    }

    @Test func aClearlyWorseSpikeTakesTheMildestsPlace() {
        var tracker = full()
        tracker.note(fact(30 * second, 2000), began: 0) { [] }
        #expect(tracker.due(at: 31 * second)?.replaces.map(\.at) == [10 * second])
        // Now those of 800 and 2000 are there: the next must be worse than 800.
        tracker.note(fact(40 * second, 900), began: 0) { [] }
        #expect(tracker.due(at: 41 * second) == nil)
        #expect(tracker.suppressed[9]?.count == 1)
        tracker.note(fact(50 * second, 1200), began: 0) { [] }
        #expect(tracker.due(at: 51 * second)?.replaces.map(\.at) == [20 * second])
    }

    @Test func whatFollowsWithinAnIncidentCountsForIt() {
        var tracker = IncidentTracker(before: second, after: second, burst: 1, period: 100 * second)
        tracker.note(fact(10 * second, 400), began: 0) { [] }
        tracker.note(fact(10 * second + 5, 5000), began: 0) { [] }
        #expect(tracker.due(at: 12 * second)?.fired == 2)
        tracker.note(fact(20 * second, 2000), began: 0) { [] }
        #expect(tracker.due(at: 21 * second) == nil, "milder than what the incident saw")
        #expect(tracker.suppressed[9] == Suppressed(count: 1, worst: 2000, last: 20 * second))
    }

    @Test func aSuppressedHangIsWeighedAgainAtItsEnd() {
        var tracker = full()
        tracker.note(fact(30 * second, 200, kind: .inFlight, socket: 7), began: 29 * second) { [] }
        #expect(tracker.due(at: 31 * second) == nil)
        #expect(tracker.suppressed[9] == Suppressed(count: 1, worst: 200, last: 30 * second))
        tracker.note(fact(50 * second, 21 * second, socket: 7), began: 29 * second) { [] }
        #expect(tracker.due(at: 51 * second)?.replaces.map(\.at) == [10 * second])
        // Mild at its end too: counted once.
        tracker.note(fact(60 * second, 200, kind: .inFlight, socket: 8), began: 59 * second) { [] }
        tracker.note(fact(61 * second, 300, socket: 8), began: 59 * second) { [] }
        #expect(tracker.due(at: 62 * second) == nil)
        #expect(tracker.suppressed[9] == Suppressed(count: 2, worst: 300, last: 61 * second))
    }

    @Test func theBudgetComesBack() {
        var tracker = full()
        tracker.note(fact(111 * second, 100), began: 0) { [] }
        let incident = tracker.due(at: 112 * second)
        #expect(incident != nil)
        #expect(incident?.replaces.isEmpty == true)
    }
}
