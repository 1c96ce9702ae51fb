import Analysis
import Events
import Testing

@testable import Trigger

private let second: UInt64 = 1_000_000_000

@Suite struct TrackerBoundsTests {
    private func fact(
        _ at: UInt64, kind: TriggerFact.Kind = .latency, container: ContainerKey = 9, observed: UInt64 = 1,
        socket: SocketID = 1
    ) -> TriggerFact {
        TriggerFact(
            kind: kind, at: at, container: container, socket: socket, observed: observed, threshold: 1, rule: "test")
    }

    private func baseline(_ container: ContainerKey) -> Baseline {
        Baseline(container: container, role: 1, port: 80, turns: 1, p50: 1, p99: 1, retransmitsPerSecond: 0)
    }

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

    @Test func theEndOfAHangTakesThePlaceOfItsIncident() {
        var tracker = IncidentTracker(before: second, after: second, burst: 1, period: 600 * second)
        tracker.note(fact(100 * second, kind: .inFlight), began: 99 * second) { [] }
        #expect(tracker.due(at: 101 * second)?.fired == 1)
        tracker.note(fact(160 * second, observed: 61 * second), began: 99 * second) { [] }
        let whole = tracker.due(at: 170 * second)
        #expect(whole?.replaces.map(\.at) == [100 * second] && whole?.from == 98 * second && whole?.to == 161 * second)
        // The next turn of that socket is another matter: the budget is spent, and it is milder.
        tracker.note(fact(180 * second), began: 179 * second) { [] }
        #expect(tracker.due(at: 181 * second) == nil && tracker.suppressed[9]?.count == 1)
        // An end while an incident is being collected joins it.
        tracker = IncidentTracker(before: second, after: second)
        tracker.note(fact(200 * second, kind: .inFlight), began: 199 * second) { [] }
        tracker.note(fact(200 * second + 1), began: 199 * second) { [] }
        #expect(tracker.due(at: 202 * second)?.fired == 2)
    }

    /// A request that hangs, watched as client 1 sees it and as server 2 does, ends at both: whichever ends first, and though each
    /// has a threshold of its own, it is one incident.
    @Test(arguments: [false, true], [false, true]) func aRequestWatchedAtBothEndsIsOneIncident(
        serverFirst: Bool, apart: Bool
    ) {
        var tracker = IncidentTracker(before: second, after: 2 * second)
        func note(_ kind: TriggerFact.Kind, _ end: UInt64, at: UInt64) {
            let fact = TriggerFact(
                kind: kind, at: at * second, container: end, socket: SocketID(end), observed: (at - 100) * second,
                threshold: 1, rule: "t")
            tracker.note(fact, began: 100 * second) { [] }
        }
        var lines: Set<IncidentOpening> = []
        func publish(at: UInt64) {
            guard let incident = tracker.due(at: at * second), let first = incident.triggers.first else { return }
            lines.subtract(incident.replaces)
            lines.insert(IncidentOpening(container: first.container, at: incident.opened))
        }
        note(.inFlight, 1, at: 101)
        if apart { publish(at: 104) }
        note(.inFlight, 2, at: apart ? 105 : 101)
        publish(at: 110)
        #expect(lines.count == (apart ? 2 : 1), "while it hangs and each end fires at its own time")
        for end in serverFirst ? [2, 1] : [1, 2] as [UInt64] { note(.latency, end, at: 120) }
        publish(at: 130)
        #expect(lines.count == 1 && lines.first?.at == 120 * second)
        // The next one is seen with its end alone.
        for end in serverFirst ? [2, 1] : [1, 2] as [UInt64] { note(.latency, end, at: 200) }
        publish(at: 210)
        #expect(lines.count == 2 && tracker.suppressed.isEmpty)
    }

    @Test func hangsOfOneIncidentEndOneAfterTheOther() {
        var tracker = IncidentTracker(before: second, after: second)
        for socket in [1, 2, 3] as [SocketID] {
            tracker.note(fact(100 * second, kind: .inFlight, socket: socket), began: 99 * second) { [] }
        }
        #expect(tracker.due(at: 101 * second)?.fired == 3)
        tracker.note(fact(110 * second, observed: 11 * second, socket: 1), began: 99 * second) { [] }
        #expect(tracker.due(at: 111 * second)?.replaces.map(\.at) == [100 * second])
        tracker.note(fact(120 * second, observed: 21 * second, socket: 2), began: 99 * second) { [] }
        tracker.note(fact(120 * second + 1, observed: 21 * second + 1, socket: 3), began: 99 * second) { [] }
        let last = tracker.due(at: 122 * second)
        #expect(last?.replaces.map(\.at) == [110 * second] && last?.fired == 2)
    }

    @Test func theEndOfAHangThatIsLessThanItsIncidentSawIsNoNews() {
        var tracker = IncidentTracker(before: second, after: second)
        tracker.note(fact(100 * second, kind: .inFlight, socket: 1), began: 99 * second) { [] }
        tracker.note(fact(100 * second + 5, observed: 60 * second, socket: 2), began: 40 * second) { [] }
        #expect(tracker.due(at: 102 * second)?.fired == 2)
        tracker.note(fact(110 * second, observed: 11 * second, socket: 1), began: 99 * second) { [] }
        #expect(tracker.due(at: 120 * second) == nil)
        #expect(tracker.suppressed.isEmpty)
    }

    @Test func hangsWhoseEndIsNeverSeenAreForgotten() {
        var tracker = IncidentTracker(before: second, after: second)
        for socket in 1...20_000 as ClosedRange<SocketID> {
            let at = UInt64(socket) * second
            tracker.note(
                TriggerFact(
                    kind: .inFlight, at: at, container: 9, socket: socket, observed: 1, threshold: 1, rule: "test"),
                began: at
            ) { [] }
        }
        #expect(tracker.rememberedInFlight <= 4096)
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
