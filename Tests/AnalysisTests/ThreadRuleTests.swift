import Events
import Testing

@testable import Analysis

private let ms: UInt64 = 1_000_000
private let at: UInt64 = 10_000 * ms

/// Read at once by thread 5, answered after 800 ms: what the thread did in between decides.
@Suite struct ThreadRuleTests {
    private let turn: Turn = {
        var turn = queued
        turn.readFirst = at + 2 * ms
        turn.readLast = at + 2 * ms
        return turn
    }()

    private func slice(
        _ from: UInt64, _ to: UInt64, woken: UInt64? = nil, why: Slice.Why = .sleep, syscall: UInt32? = nil,
        tid: UInt32 = 5
    ) -> Slice {
        Slice(
            container: 1, tid: tid, pid: 5, start: at + from * ms, woken: woken.map { at + $0 * ms },
            end: at + to * ms, why: why, syscall: syscall)
    }

    private func evidence(_ slices: [Slice], _ others: [Turn] = []) -> Evidence {
        var evidence = capture([turn] + others)
        evidence.facts = ["threads": "followed", "machine": "x86_64"]
        evidence.slices = slices
        return evidence
    }

    private func verdict(_ evidence: Evidence) -> Verdict { analyze(evidence).summary.verdict }

    @Test(arguments: [
        (Slice.Why.sleep, 230 as UInt32?, "app.sleep"), (.sleep, 202, "app.lock"), (.sleep, 61, "app.blocked"),
        (.uninterruptible, 74, "storage.io"), (.io, nil, "storage.io"), (.preempted, nil, "cpu.runqueue"),
        (.stopped, nil, "app.frozen"), (.frozen, nil, "app.frozen"),
    ])
    func whatHeldTheThreadIsTheCause(why: Slice.Why, syscall: UInt32?, cause: String) {
        let verdict = verdict(evidence([slice(10, 780, why: why, syscall: syscall)]))
        #expect(verdict.cause == cause)
        #expect(verdict.confidence == .high)
        #expect(abs(verdict.share - 770.0 / 800) < 0.001)
    }

    /// The answer came after 10 ms, and the thread that had asked read it 770 ms later.
    private let unread: Turn = {
        var call = asking
        call.receivedFirst = at + 10 * ms
        call.receivedLast = at + 10 * ms
        call.woken = at + 10 * ms
        call.readFirst = at + 780 * ms
        call.readLast = at + 780 * ms
        call.sender = call.tid
        return call
    }()

    @Test(arguments: [(230 as UInt32?, "app.sleep"), (202, "app.lock"), (nil, "app.cpu")])
    func whatKeepsACallerFromItsAnswerIsTheCause(syscall: UInt32?, cause: String) {
        var evidence = capture([unread])
        evidence.facts = ["threads": "followed", "machine": "x86_64"]
        if let syscall { evidence.slices = [slice(12, 778, syscall: syscall)] }
        #expect(verdict(evidence).cause == cause)
        evidence.facts["threads"] = "not followed"
        #expect(verdict(evidence).cause == "unknown")
        evidence.facts["threads"] = "followed"
        evidence.turns[0].sender = 6
        #expect(
            verdict(evidence).cause == "unknown", "another thread had asked: this one may have come for it only then")
    }

    @Test func aCallerThatWaitsForAnotherAnswerFirstIsNotToBlame() {
        var first = unread
        first.socket = 7
        first.receivedFirst = at + 770 * ms
        first.receivedLast = at + 770 * ms
        first.woken = at + 770 * ms
        first.readFirst = at + 771 * ms
        first.end = at + 772 * ms
        var evidence = capture([unread, first])
        evidence.facts = ["threads": "followed", "machine": "x86_64"]
        evidence.slices = [slice(12, 770, syscall: 45)]
        #expect(!verdict(evidence).cause.hasPrefix("app."))
    }

    /// In a futex, or for a message from the thread that accepts, waits who is idle.
    @Test(arguments: [
        (nil as UInt32?, "app.cpu"), (230, "app.sleep"), (232, "host.backlog"), (202, "host.backlog"),
        (47, "host.backlog"),
    ])
    func whatKeepsTheOnlyReaderFromAcceptingIsTheCause(syscall: UInt32?, cause: String) {
        var waiting = queued
        waiting.flags.insert(.unaccepted)
        var before = served(3, 0, 1)
        before.start = at - 50 * ms
        before.end = at - 40 * ms
        before.readFirst = at - 50 * ms
        before.sentFirst = at - 40 * ms
        before.sentLast = at - 40 * ms
        var evidence = capture([waiting, before])
        evidence.facts = ["threads": "followed", "machine": "x86_64"]
        if let syscall { evidence.slices = [slice(2, 600, syscall: syscall)] }
        #expect(verdict(evidence).cause == "host.backlog", "whose process it is is not known")
        evidence.sockets[1]?.pid = 5
        evidence.sockets[3]?.pid = 5
        #expect(verdict(evidence).cause == cause)
        #expect(verdict(evidence).confidence != .low)
        #expect(cause == "host.backlog" || verdict(evidence).evidence.contains { $0.contains("not accepted") })
        // Another thread reads there too: which of them accepts is not known.
        evidence.turns.append(before)
        evidence.turns[2].sequence = 2
        evidence.turns[2].tid = 6
        #expect(verdict(evidence).cause == "host.backlog")
    }

    @Test func aQueueBehindTwoRequestsIsTheirs() {
        // Read after 600 ms, answered after 190 more; two before it took 300 ms each.
        var waiting = queued
        waiting.flags.insert(.unaccepted)
        var evidence = capture([waiting, served(3, 0, 300), served(4, 300, 600)])
        evidence.sockets[4] = evidence.sockets[3]
        for id in [1, 3, 4] as [SocketID] { evidence.sockets[id]?.pid = 5 }
        evidence.facts = ["threads": "followed", "machine": "x86_64"]
        evidence.slices = [slice(1, 299, syscall: 230), slice(301, 599, syscall: 230), slice(602, 790, syscall: 230)]
        #expect(verdict(evidence).cause == "app.busy" && verdict(evidence).confidence != .low)
        // At the same time: which of them is being worked on is not certain.
        evidence.turns[1].sentLast = at + 600 * ms
        evidence.turns[1].end = at + 600 * ms
        evidence.turns[2].start = at
        evidence.turns[2].readFirst = at + ms
        #expect(verdict(evidence).confidence != .high)
    }

    @Test func aThreadWithoutSlicesRan() {
        #expect(verdict(evidence([])).cause == "app.cpu")
        #expect(verdict(evidence([slice(10, 780, syscall: 230, tid: 6)])).cause == "app.cpu")
    }

    @Test func withoutFollowingThreadsNobodyKnows() {
        var unknown = evidence([])
        unknown.facts = [:]
        #expect(verdict(unknown).cause == "unknown")
        #expect(verdict(unknown).confidence == .low)
    }

    @Test func wokenAndWaitingIsTheCPUs() {
        let verdict = verdict(evidence([slice(10, 780, woken: 110, syscall: 230)]))
        #expect(verdict.cause == "cpu.runqueue")
        #expect(verdict.evidence.contains { $0.hasPrefix("also app.sleep") })
    }

    @Test func slicesCountOnlyInsideTheStage() {
        let verdict = verdict(evidence([slice(0, 100, syscall: 230), slice(700, 5000, syscall: 230)]))
        #expect(verdict.cause == "app.cpu")
        #expect(abs(verdict.share - 600.0 / 800) < 0.01)
    }

    @Test func anotherTurnInHandLowersConfidence() {
        let verdict = verdict(evidence([slice(10, 780, syscall: 230)], [served(3, 5, 700)]))
        #expect(verdict.cause == "app.sleep" && verdict.confidence != .high)
    }

    @Test func anEventLoopsWaitIsNotExplainedByItself() {
        #expect(verdict(evidence([slice(10, 780, syscall: 232)])).confidence != .high)
    }

    @Test func aWaitForTheRestOfTheRequestIsTheClients() {
        var slow = turn
        slow.readLast = at + 790 * ms
        var evidence = evidence([slice(10, 780, syscall: 45)])
        evidence.turns = [slow]
        #expect(verdict(evidence).cause == "peer.slow" && verdict(evidence).confidence == .medium)
    }

    @Test func throttledAndReclaimingAreToldFromTheRest() {
        var throttled = slice(10, 780, why: .preempted)
        throttled.isThrottled = true
        #expect(verdict(evidence([throttled])).cause == "cpu.throttled")
        var reclaim = slice(10, 780, why: .reclaim)
        reclaim.spent = 700 * ms
        var within = slice(20, 200, why: .uninterruptible, syscall: 1)
        within.isWithinReclaim = true
        let verdict = verdict(evidence([within, reclaim]))
        #expect(verdict.cause == "memory.reclaim")
        #expect(abs(verdict.share - 700.0 / 800) < 0.01)
    }

    @Test func whatTheHypervisorTookIsNotComputed() {
        func stolen(_ taken: UInt64) -> Slice {
            var run = slice(0, 790, why: .stolen)
            run.spent = taken * ms
            return run
        }
        let most = verdict(evidence([stolen(600)]))
        #expect(most.cause == "cpu.steal" && most.confidence == .medium)
        #expect(abs(most.share - 600.0 / 800) < 0.01)
        #expect(most.evidence.contains { $0.hasPrefix("also app.cpu") })
        let some = verdict(evidence([stolen(200)]))
        #expect(some.cause == "app.cpu" && abs(some.share - 590.0 / 800) < 0.01)
        #expect(some.evidence.contains { $0.hasPrefix("also cpu.steal") })
        // Asleep for most of the stretch, it can't have been taken more than the rest.
        let asleep = verdict(evidence([stolen(600), slice(10, 780, syscall: 230)]))
        #expect(asleep.cause == "app.sleep")
        let incident = analyze(evidence([stolen(600)]))
        let stage = incident.threads.first { $0.stage == "application" }
        let whole = incident.stages.first { $0.name == "application" }
        #expect(stage != nil && stage.map { $0.running + ($0.stolen ?? 0) } == whole?.duration)
    }

    @Test func whatItDidBeforeTheOldestOfItsWaitsIsNotKnown() {
        let early = slice(0, 400, why: .forgotten)
        let kept = slice(400, 450, syscall: 230)
        let verdict = verdict(evidence([early, kept]))
        // 790 ms less 400 and 50: it computed for 340, not for 740, and that is not the most there is.
        #expect(verdict.cause == "unknown" && verdict.confidence == .low)
        #expect(
            verdict.evidence.contains {
                $0.hasPrefix("also app.cpu: computed for 34") || $0.hasPrefix("also app.cpu: computed for 33")
            })
        #expect(verdict.evidence.contains { $0.contains("too many waits to know 398 ms") })
        let whole = self.verdict(evidence([slice(10, 780, syscall: 230)]))
        #expect(whole.cause == "app.sleep" && whole.confidence == .high)
    }

    @Test func burstsOfShortBlocksCountByWhatWasSpentInThem() {
        var naps = slice(10, 780, syscall: 230)
        naps.spent = 600 * ms
        naps.spentWaiting = 20 * ms
        var shared = slice(12, 782, why: .preempted)
        shared.spent = 90 * ms
        shared.spentWaiting = 90 * ms
        let verdict = verdict(evidence([naps, shared]))
        #expect(verdict.cause == "app.sleep")
        #expect(abs(verdict.share - 580.0 / 800) < 0.01)
        #expect(verdict.evidence.contains { $0.contains("waiting for a CPU 110 ms") })
        #expect(naps.blocked.isEmpty && naps.waiting.isEmpty && naps.blockedTime == 580 * ms)
    }

    @Test func ofABurstAcrossTheTurnsStartThePartInsideCounts() {
        var naps = slice(0, 400, syscall: 230)
        naps.start = at - 400 * ms
        naps.spent = 400 * ms
        let verdict = verdict(evidence([naps]))
        #expect(verdict.cause == "app.cpu")
        #expect(abs(verdict.share - 600.0 / 800) < 0.02)
    }

    /// Hostile captures may hold slices that end before they begin.
    @Test func backwardSlicesExplainNothing() {
        let verdict = verdict(evidence([slice(700, 10, woken: 900, syscall: 230), slice(780, 10, why: .preempted)]))
        #expect(verdict.cause == "app.cpu")
    }

    @Test func syscallsByMachine() {
        #expect(Syscalls.describe(230, machine: "x86_64").name == "clock_nanosleep")
        #expect(Syscalls.describe(115, machine: "aarch64").name == "clock_nanosleep")
        #expect(Syscalls.describe(9999, machine: "x86_64").name == "syscall 9999")
        #expect(Syscalls.describe(nil, machine: "x86_64").waiting == .other)
    }
}
