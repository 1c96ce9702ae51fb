import Events
import Testing

@testable import Analysis

private let ms: UInt64 = 1_000_000
private let at: UInt64 = 10_000 * ms

/// Where the plain reading would be wrong: what is inferred must not be certain, and what others did explains nothing.
@Suite struct DoubtTests {
    private func verdict(_ evidence: Evidence) -> Verdict { analyze(evidence).summary.verdict }

    /// `turn` of thread 5, which waited in `syscall` from 10 ms to 780 ms.
    private func waiting(_ syscall: UInt32, _ turn: Turn, _ others: [Turn] = []) -> Evidence {
        var evidence = capture([turn] + others)
        evidence.facts = ["threads": "followed", "machine": "x86_64"]
        evidence.slices = [
            Slice(
                container: 1, tid: 5, pid: 5, start: at + 10 * ms, woken: at + 780 * ms, end: at + 780 * ms,
                why: .sleep,
                syscall: syscall)
        ]
        return evidence
    }

    private let handled = served(1, 0, 800)

    private func client(_ socket: SocketID, pid: UInt32? = nil) -> SocketInfo {
        SocketInfo(
            id: socket, container: 1, role: .called,
            local: Endpoint(address: [10, 0, 0, 1], port: UInt16(900 + socket)),
            remote: Endpoint(address: [10, 0, 0, 9], port: 6379), pid: pid)
    }

    @Test func aCallGivenUpWasWaitedForToo() {
        var call = asking
        call.socket = 4
        call.flags = .aborted
        (call.receivedFirst, call.receivedLast, call.woken, call.readFirst, call.readLast) = (nil, nil, nil, nil, nil)
        call.end = at + 790 * ms
        var evidence = waiting(45, handled, [call])
        evidence.sockets[4] = client(4)
        let found = verdict(evidence)
        #expect(found.cause == "downstream.slow")
        #expect(found.evidence.contains("given up without an answer"))
        #expect(found.peer == "10.0.0.9:6379")
    }

    @Test func whatNoProbeSawLeavesTheApplicationsOwnCertain() {
        var evidence = waiting(230, handled)
        #expect(verdict(evidence).cause == "app.sleep" && verdict(evidence).confidence == .high)
        evidence.turns[0].unseenRetransmits = 1
        #expect(verdict(evidence).cause == "app.sleep" && verdict(evidence).confidence == .high)
        #expect(verdict(evidence).evidence.contains { $0.hasPrefix("by the kernel's count 1 more segments") })
    }

    @Test func aTurnThatHungAndWasGivenUpIsWhatFired() {
        var hung = handled
        hung.flags = .aborted
        hung.sentFirst = nil
        hung.sentLast = nil
        var stranger = served(3, 0, 900, tid: 9)
        stranger.container = 2
        var evidence = waiting(230, hung, [stranger])
        evidence.triggers[0].kind = .inFlight
        evidence.triggers[0].at = at + 400 * ms
        let incident = analyze(evidence)
        #expect(incident.turn?.socket == 1)
        #expect(incident.summary.verdict.cause == "app.sleep")
        #expect(incident.stages.reduce(incident.unexplained) { $0 + $1.duration } == 800 * ms)
        // Without having fired, an end without an answer is no latency.
        evidence.triggers[0].kind = .latency
        #expect(analyze(evidence).turn?.socket != 1)
    }

    @Test func theQuotaOfOtherThreadsExplainsNothing() {
        var evidence = waiting(45, handled)
        evidence.samples = [
            ContainerSample(at: at, container: 1, frozen: false, throttled: 0),
            ContainerSample(at: at + 800 * ms, container: 1, frozen: false, throttled: 780 * ms),
        ]
        #expect(verdict(evidence).cause == "app.blocked")
        // On kernels that do not tell the two apart, a wait for a CPU meanwhile was for the quota.
        evidence.slices[0].why = .preempted
        evidence.slices[0].woken = nil
        #expect(verdict(evidence).cause == "cpu.throttled")
    }

    @Test func anotherThreadsCallsAreOnlyPerhapsThisTurns() {
        var evidence = waiting(202, handled)
        evidence.sockets[1]?.pid = 5
        for index in 0..<8 as Range<UInt64> {
            var poll = asking
            poll.socket = 4
            poll.tid = 77
            poll.sequence = UInt32(index + 1)
            poll.start = at + index * 100 * ms
            poll.sentFirst = poll.start
            poll.sentLast = poll.start
            poll.end = poll.start + 99 * ms
            evidence.turns.append(poll)
        }
        evidence.sockets[4] = client(4, pid: 5)
        let found = verdict(evidence)
        #expect(found.cause == "app.lock")
        #expect(found.evidence.contains { $0.hasPrefix("also downstream.slow") })
    }

    @Test func aLockIsNotCertainWhereThreadsTakeTurns() {
        #expect(verdict(waiting(202, handled)).confidence == .high)
        var evidence = waiting(202, handled, [served(1, 810, 820, tid: 6, sequence: 2)])
        evidence.sockets[1]?.pid = 5
        let found = verdict(evidence)
        #expect(found.cause == "app.lock")
        #expect(found.confidence != .high)
        #expect(found.evidence.contains { $0.contains("from thread to thread") })
    }

    @Test func ofSeveralInHandTheOneReadLastIsWorkedOn() {
        var victim = queued
        victim.sequence = 9
        // Thread 5 has had socket 3's request since long before, and socket 4's since just before.
        let pending = served(3, 0, 700)
        var worked = served(4, 0, 600)
        worked.readFirst = at + ms
        var evidence = capture([victim, pending, worked])
        evidence.sockets[4] = SocketInfo(
            id: 4, container: 1, role: .served, local: Endpoint(address: [10, 0, 0, 1], port: 80),
            remote: Endpoint(address: [10, 0, 0, 4], port: 4001))
        let found = verdict(evidence)
        #expect(found.cause == "app.busy")
        #expect(found.summary.contains("10.0.0.4:4001"))
        #expect(found.confidence != .high)
        // A loop that waited for events meanwhile was not busy.
        evidence.facts = ["threads": "followed", "machine": "x86_64"]
        evidence.slices = [
            Slice(
                container: 1, tid: 5, pid: 5, start: at, woken: at + 590 * ms, end: at + 590 * ms, why: .sleep,
                syscall: 232)
        ]
        #expect(verdict(evidence).cause != "app.busy")
    }

    @Test func aPeerThatDoesNotReadIsNoLongPath() {
        var call = asking
        call.sentLast = at + ms
        call.acknowledged = at + 780 * ms
        #expect(verdict(capture([call])).cause == "net.path")
        #expect(verdict(capture([call])).confidence == .high)
        // With the answer: that may be the second copy of an answer that was lost.
        var together = call
        together.acknowledged = together.receivedFirst
        #expect(verdict(capture([together])).confidence != .high)
        call.receiverWindowWait = 770 * ms
        #expect(verdict(capture([call])).cause == "peer.reader")
    }

    @Test func whatIsHeldBackAfterAServedTurnIsNotInIt() {
        var turn = handled
        turn.nagle = 200 * ms
        var evidence = waiting(230, turn)
        evidence.sockets[1]?.pid = 5
        #expect(verdict(evidence).cause == "app.sleep")
        #expect(!verdict(evidence).evidence.contains { $0.contains("tcp.delayed-ack") })
    }

    @Test func aWriteMayBeToAFile() {
        var turn = handled
        turn.sentFirst = at + 5 * ms
        turn.sentLast = at + 800 * ms
        #expect(verdict(waiting(1, turn)).confidence != .high)
        let found = verdict(waiting(44, turn))
        #expect(found.cause == "tcp.sndbuf")
        #expect(found.confidence == .high)
    }

    @Test func anUnrelatedContainersTurnIsNotTheFocus() {
        var other = served(3, 100, 700, tid: 9)
        other.container = 2
        var evidence = capture([asking, other])
        evidence.triggers.append(
            TriggerFact(
                kind: .latency, at: other.end, container: 2, socket: 3, observed: other.total, threshold: 200 * ms,
                rule: "test"))
        #expect(analyze(evidence).turn?.socket == 1)
    }
}
