import CFlightrec
import Events
import Testing

@testable import Analysis

private let ms: UInt64 = 1_000_000
private let at: UInt64 = 10_000 * ms

/// Situations whose plain reading names somebody who had nothing to do with it.
@Suite struct MisreadingTests {
    private func verdict(_ evidence: Evidence) -> Verdict { analyze(evidence).summary.verdict }

    private func followed(_ turns: [Turn]) -> Evidence {
        var evidence = capture(turns)
        evidence.facts = ["threads": "followed", "machine": "x86_64"]
        return evidence
    }

    private func sleep(_ syscall: UInt32, from: UInt64 = 10, to: UInt64 = 780) -> Slice {
        Slice(
            container: 1, tid: 5, pid: 5, start: at + from * ms, woken: at + to * ms, end: at + to * ms, why: .sleep,
            syscall: syscall)
    }

    /// A call to 10.0.0.9:6379 on socket 4, answered and read at these ms.
    private func call(_ from: UInt64, received: UInt64, read: UInt64, tid: UInt32 = 5, in evidence: inout Evidence) {
        var turn = asking
        turn.socket = 4
        turn.tid = tid
        turn.start = at + from * ms
        turn.sentFirst = turn.start
        turn.sentLast = turn.start
        turn.receivedFirst = at + received * ms
        turn.receivedLast = turn.receivedFirst
        turn.woken = turn.receivedFirst
        turn.readFirst = at + read * ms
        turn.readLast = turn.readFirst
        turn.end = at + read * ms
        evidence.turns.append(turn)
        evidence.sockets[4] = SocketInfo(
            id: 4, container: 1, role: .called, local: Endpoint(address: [10, 0, 0, 1], port: 904),
            remote: Endpoint(address: [10, 0, 0, 9], port: 6379), pid: 5)
    }

    @Test func anAnswerThatLayUnreadWasNotWaitedFor() {
        var evidence = followed([served(1, 0, 800)])
        call(1, received: 3, read: 790, in: &evidence)
        #expect(verdict(evidence).cause == "app.cpu")
        #expect(verdict(evidence).chain.map(\.cause) == ["app.cpu"])
        // What came late was; and so was the rest of an answer that came in parts.
        evidence = followed([served(1, 0, 800)])
        call(1, received: 780, read: 790, in: &evidence)
        #expect(verdict(evidence).cause == "downstream.slow")
        evidence.turns[1].receivedFirst = at + 3 * ms
        evidence.turns[1].readFirst = at + 4 * ms
        #expect(verdict(evidence).cause == "downstream.slow")
    }

    @Test func aCallOfThePoolIsWhatItsCallerWaitedFor() {
        var evidence = followed([served(1, 0, 800)])
        evidence.slices = [sleep(202)]
        evidence.sockets[1]?.pid = 5
        #expect(verdict(evidence).cause == "app.lock" && verdict(evidence).confidence == .high)
        call(4, received: 785, read: 786, tid: 77, in: &evidence)
        let found = verdict(evidence)
        #expect(found.cause == "downstream.slow")
        #expect(found.confidence == .medium)
        #expect(found.evidence.contains { $0.hasPrefix("also app.lock") })
        // One that went on when the turn had ended was not what it waited for.
        evidence.turns[1].end = at + 1500 * ms
        #expect(verdict(evidence).cause == "app.lock")
    }

    @Test func aSendToSomethingElseIsNoWaitForThisBuffer() {
        var turn = served(1, 0, 800)
        turn.sentFirst = at + 5 * ms
        var evidence = followed([turn])
        evidence.slices = [sleep(44)]
        #expect(verdict(evidence).cause == "tcp.sndbuf")
        // Where the waits of this socket are timed, none of it was.
        evidence.facts["send-wait"] = "timed"
        #expect(verdict(evidence).cause != "tcp.sndbuf")
        evidence.turns[0].sendBlocked = 770 * ms
        #expect(verdict(evidence).cause == "tcp.sndbuf")
    }

    @Test func whatWasThereBeforeItWasReadMayNotHaveBeenUnderWay() {
        var answer = served(2, 780, 790, container: 2)
        var evidence = capture([asking, answer])
        evidence.watchPeer(role: .served)
        #expect(verdict(evidence).cause == "bridge.delay" && verdict(evidence).confidence == .high)
        // Its arrival was not seen: the turn begins where it was read.
        (answer.receivedFirst, answer.receivedLast, answer.woken) = (nil, nil, nil)
        evidence.turns[1] = answer
        #expect(verdict(evidence).confidence != .high)
    }

    @Test func theFullQueueIsOfWhomeverWasAsked() {
        var turn = asking
        turn.flags.insert(.connecting)
        turn.unseenRetransmits = 1
        var evidence = capture([turn])
        var raw = fr_drop()
        raw.h.ts = at + 100 * ms
        raw.h.cgroup = 2
        raw.reason = 77
        raw.count = 1
        raw.family = 2
        raw.destination_port = 5432
        evidence.drops = [Drop(raw)]
        evidence.dropReasons[77] = "TCP_LISTEN_OVERFLOW"
        #expect(verdict(evidence).cause == "net.connect", "another container has that port too")
        #expect(verdict(evidence).evidence.contains { $0.hasPrefix("also host.backlog") })
        // Other connections show that the address is that container's.
        evidence.sockets[9] = SocketInfo(
            id: 9, container: 2, role: .served, local: Endpoint(address: [10, 0, 0, 2], port: 5432),
            remote: Endpoint(address: [10, 0, 0, 7], port: 1234))
        #expect(verdict(evidence).cause == "host.backlog" && verdict(evidence).confidence == .high)
        // The kernel's own counters stood still: its listener refused something else, a SYN that came again for one.
        for time in [at - 4000 * ms, at + 120 * ms] {
            var look = ContainerSample(at: time, container: 2)
            look.network = true
            evidence.samples.append(look)
        }
        #expect(verdict(evidence).cause == "net.connect")
        evidence.counters = [CounterReading(at: at + 120 * ms, container: 2, name: "ListenDrops", value: 1)]
        #expect(verdict(evidence).cause == "host.backlog")
    }

    @Test func theThresholdToldIsTheContainersOwn() {
        var other = served(9, 0, 300, tid: 9)
        other.container = 2
        var evidence = capture([asking, other])
        evidence.triggers[0].threshold = 500 * ms
        evidence.triggers.append(
            TriggerFact(
                kind: .latency, at: other.end, container: 2, socket: 9, observed: other.total, threshold: 50 * ms,
                rule: "test"))
        #expect(analyze(evidence).summary.container.name == "api")
        #expect(analyze(evidence).summary.threshold == 500 * ms)
    }

    @Test func theCallsOfABusyProxyAreNotComparedEachWithEach() {
        var turns = [served(1, 0, 800)]
        for index in 0..<3000 as Range<UInt64> {
            let from = index * 250_000
            var request = served(SocketID(100 + index), 0, 0)
            (request.start, request.end) = (at + from, at + from + 400_000)
            (request.receivedFirst, request.readFirst, request.sentFirst) = (request.start, request.start, request.end)
            turns.append(request)
            var call = asking
            call.socket = SocketID(10_000 + index)
            (call.start, call.end) = (at + from + 50_000, at + from + 300_000)
            turns.append(call)
        }
        let clock = ContinuousClock()
        var found: Verdict?
        let took = clock.measure { found = verdict(followed(turns)) }
        #expect(took < .seconds(20), "\(took)")
        #expect(found?.evidence.contains { $0.contains("too many to tell which one called") } == true)
    }
}
