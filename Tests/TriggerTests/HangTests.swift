import Analysis
import Events
import Testing

@testable import Trigger

private let second: UInt64 = 1_000_000_000

/// Turns that fire while they are open, and what becomes of their incidents at their end.
@Suite struct HangTests {
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
        let later = tracker.due(at: 111 * second)
        #expect(later?.replaces.map(\.at) == [100 * second] && later?.fired == 4)
        tracker.note(fact(120 * second, observed: 21 * second, socket: 2), began: 99 * second) { [] }
        tracker.note(fact(120 * second + 1, observed: 21 * second + 1, socket: 3), began: 99 * second) { [] }
        let last = tracker.due(at: 122 * second)
        #expect(last?.replaces.map(\.at) == [110 * second] && last?.fired == 6)
        #expect(last?.triggers.map(\.socket) == [2, 3, 1, 1, 2, 3], "all that fired in the incidents it stands for")
    }

    /// What else fired while a turn hung is in the capture that has its end, too.
    @Test func whatFiredBesideAHangStaysKnown() {
        var tracker = IncidentTracker(before: second, after: second)
        tracker.note(fact(100 * second, kind: .inFlight), began: 99 * second) { [baseline(9)] }
        tracker.note(fact(100 * second, container: 10, socket: 2), began: 97 * second) { [baseline(10)] }
        #expect(tracker.due(at: 101 * second)?.fired == 2)
        tracker.note(fact(105 * second, observed: 6 * second), began: 99 * second) { [baseline(9)] }
        let whole = tracker.due(at: 106 * second) { containers in
            #expect(containers == [9, 10])
            return 96 * second
        }
        #expect(whole?.replaces.map(\.at) == [100 * second] && whole?.fired == 3 && whole?.from == 96 * second)
        #expect(whole?.triggers.map(\.container) == [9, 9, 10] && whole?.baselines.map(\.container) == [9, 10])
        #expect(whole?.triggers.first?.at == 105 * second, "what opened it stays first")
        #expect(tracker.rememberedHandedOut == 0)
    }

    /// A hang that outlasts the window: what the first capture has of its beginning, and of others, is nowhere else.
    @Test(arguments: [false, true]) func anIncidentWhoseEventsAreGoneStays(manual: Bool) {
        var tracker = IncidentTracker(before: second, after: second, burst: 2, period: 600 * second)
        tracker.note(fact(100 * second, kind: .inFlight), began: 99 * second) { [] }
        tracker.note(fact(100 * second, container: 10, socket: 2), began: 97 * second) { [] }
        #expect(tracker.due(at: 101 * second) { _ in 40 * second }?.fired == 2)
        // Whoever else opened the incident its end falls into.
        if manual { tracker.note(fact(199 * second, kind: .manual, container: 0), began: 199 * second) { [] } }
        tracker.note(fact(200 * second, observed: 101 * second), began: 99 * second) { [] }
        let last = tracker.due(at: 202 * second) { _ in 96 * second + 1 }
        #expect(last?.replaces.isEmpty == true && last?.fired == (manual ? 2 : 1))
        // Both count: a third is one too many, unless it joined what another opened.
        tracker.note(fact(210 * second), began: 209 * second) { [] }
        #expect((tracker.due(at: 212 * second) == nil) == !manual)
    }

    /// Somebody else's turn was the slowest in an incident: it stays as bad as it was.
    @Test func anIncidentThatStaysIsAsBadAsItWas() {
        var tracker = IncidentTracker(before: second, after: second, burst: 2, period: 600 * second)
        tracker.note(fact(100 * second, kind: .inFlight, observed: second), began: 99 * second) { [] }
        tracker.note(fact(100 * second, container: 10, observed: 40 * second, socket: 2), began: 60 * second) { [] }
        #expect(tracker.due(at: 101 * second) { _ in 40 * second }?.fired == 2)
        tracker.note(fact(200 * second, observed: 101 * second), began: 99 * second) { [] }
        #expect(tracker.due(at: 202 * second) { _ in 140 * second }?.replaces.isEmpty == true)
        tracker.note(fact(210 * second, observed: 2 * second, socket: 3), began: 208 * second) { [] }
        #expect(tracker.due(at: 212 * second) == nil, "milder than both")
        tracker.note(fact(310 * second, observed: 60 * second, socket: 4), began: 250 * second) { [] }
        #expect(tracker.due(at: 312 * second)?.replaces.map(\.at) == [100 * second], "worse than 40 s")
    }

    @Test func whatWasHandedOutIsForgottenOnceNothingHangs() {
        var tracker = IncidentTracker(before: second, after: second)
        tracker.note(fact(100 * second, kind: .inFlight, observed: 10 * second), began: 90 * second) { [baseline(9)] }
        #expect(tracker.due(at: 101 * second) != nil && tracker.rememberedHandedOut == 1)
        tracker.note(fact(102 * second, observed: 12 * second), began: 90 * second) { [] }
        tracker.note(fact(300 * second, container: 10, socket: 5), began: 299 * second) { [] }
        #expect(tracker.due(at: 302 * second) != nil && tracker.rememberedHandedOut == 0)
    }

    /// Figures are those of before what fired first.
    @Test func theFirstBaselineOfAContainerIsKept() {
        var tracker = IncidentTracker(before: second, after: second)
        var figures = baseline(9)
        tracker.note(fact(100 * second, kind: .inFlight), began: 99 * second) { [figures] }
        #expect(tracker.due(at: 101 * second) != nil)
        figures.p99 = 77
        tracker.note(fact(105 * second, observed: 6 * second), began: 99 * second) { [figures] }
        #expect(tracker.due(at: 106 * second)?.baselines.map(\.p99) == [1])
    }

    @Test func incidentsHandedOutAreRememberedWhileATurnHangs() {
        var tracker = IncidentTracker(before: 0, after: 1)
        for key in 1...200 as ClosedRange<UInt64> {
            tracker.note(fact(key * second, kind: .inFlight, container: key, socket: SocketID(key)), began: key) { [] }
            _ = tracker.due(at: key * second + 1)
        }
        #expect(tracker.rememberedHandedOut == IncidentTracker.handedOutRemembered)
        // One that is forgotten stays: nobody knows what it holds.
        tracker.note(fact(300 * second, container: 1, observed: 299 * second, socket: 1), began: 1) { [] }
        #expect(tracker.due(at: 301 * second)?.replaces.isEmpty == true)
        tracker.note(fact(300 * second, container: 200, observed: 299 * second, socket: 200), began: 200) { [] }
        #expect(tracker.due(at: 302 * second)?.replaces.map(\.container) == [200])
        for key in 1...200 as ClosedRange<UInt64> {
            let end = fact(400 * second, container: key, observed: 399 * second, socket: SocketID(key))
            tracker.note(end, began: key) { [] }
        }
        #expect((tracker.due(at: 401 * second)?.replaces.count ?? 0) == IncidentTracker.handedOutRemembered - 1)
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
}
