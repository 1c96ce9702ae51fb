import Events
import Testing

@testable import Analysis

private let ms: UInt64 = 1_000_000
private let at: UInt64 = 10_000 * ms

/// What happened to packets between the two ends.
@Suite struct PathRuleTests {
    private func verdict(_ evidence: Evidence) -> Verdict { analyze(evidence).summary.verdict }

    /// `asking`, answered by db within 10 ms once the request had reached it `late` ms after it was sent.
    private func transit(_ late: UInt64) -> Evidence {
        var evidence = capture([asking])
        evidence.watchPeer(role: .served)
        evidence.turns.append(served(2, late, late + 10, container: 2))
        return evidence
    }

    private let api = Endpoint(address: [10, 0, 0, 1], port: 80)
    private let db = Endpoint(address: [10, 0, 0, 2], port: 5432)

    @Test func timeBetweenTwoEndsOfOneHostIsTheBridges() {
        let found = verdict(transit(700))
        #expect(found.cause == "bridge.delay")
        let waterfall = Waterfall(asking, answer: served(2, 700, 710, container: 2))
        #expect(waterfall["request-transit"] == 690 * ms)
        #expect(waterfall["waiting-for-peer"] == 10 * ms)
        #expect(waterfall["response-transit"] == 80 * ms)
        #expect(waterfall.stages.reduce(0) { $0 + $1.duration } + waterfall.unexplained == 800 * ms)
    }

    @Test func aQueueOnTheWayExplainsIt() {
        var evidence = transit(700)
        evidence.queued = [
            Queued(at: at + 699 * ms, waited: 680 * ms, device: "veth1", source: api, destination: db)
        ]
        #expect(verdict(evidence).cause == "host.qdisc")
        // A tail loss probe and a timeout while the request lay in the queue.
        evidence.retransmits = [
            Retransmit(at: at + 200 * ms, container: 1, socket: asking.socket, kind: .tlp, rtoMilliseconds: 420),
            Retransmit(at: at + 620 * ms, container: 1, socket: asking.socket, kind: .rto, rtoMilliseconds: 420),
        ]
        #expect(verdict(evidence).cause == "host.qdisc")
        let queued = evidence.queued
        evidence.queued = []
        #expect(verdict(evidence).cause == "net.retransmit", "nobody saw it in a queue")
        evidence.queued = queued
        evidence.retransmits = []
        evidence.queued[0].destination = Endpoint(address: [9, 9, 9, 9], port: 1)
        #expect(verdict(evidence).cause == "bridge.delay", "another connection's packet")
    }

    @Test func aPathIsLateWhenTheAcknowledgementIs() {
        var turn = asking
        turn.acknowledged = at + 700 * ms
        #expect(verdict(capture([turn])).cause == "net.path")
        turn.acknowledged = at + 12 * ms
        #expect(verdict(capture([turn])).cause == "peer.slow")
    }

    @Test func whatWasSentAgainForNothingIsNotCertain() {
        var turn = asking
        turn.acknowledged = at + 790 * ms
        var evidence = capture([turn])
        evidence.retransmits = [
            Retransmit(at: at + 210 * ms, container: 1, socket: 1, kind: .rto, rtoMilliseconds: 200),
            Retransmit(at: at + 620 * ms, container: 1, socket: 1, kind: .rto, rtoMilliseconds: 400),
        ]
        #expect(verdict(evidence).cause == "net.path" && verdict(evidence).confidence == .medium)
        #expect(verdict(evidence).evidence.contains { $0.hasPrefix("sent again ×2; the answer came 170 ms after") })
        evidence.retransmits.append(
            Retransmit(at: at + 789 * ms, container: 1, socket: 1, kind: .rto, rtoMilliseconds: 800))
        #expect(verdict(evidence).cause == "net.retransmit" && verdict(evidence).confidence == .high)
    }

    @Test func whatTheTimestampsTellWasLateIsNoLoss() {
        // Answered 30 ms after the last copy.
        var turn = asking
        turn.acknowledged = at + 650 * ms
        turn.receivedFirst = turn.acknowledged
        turn.smoothedRTT = 80_000
        var evidence = capture([turn])
        evidence.retransmits = [
            Retransmit(
                at: at + 620 * ms, container: 1, socket: 1, kind: .rto, rtoMilliseconds: 420,
                smoothedRTT: 80_000)
        ]
        #expect(verdict(evidence).cause == "net.retransmit", "as long as a round trip took before")
        evidence.retransmits[0].smoothedRTT = 1000
        #expect(verdict(evidence).cause == "net.path", "a round trip took 1 ms before")
        evidence.retransmits[0].smoothedRTT = 25_000
        #expect(verdict(evidence).cause == "net.path")
        let told = verdict(evidence).evidence.first { $0.hasPrefix("sent again ×1") }
        #expect(told?.contains("rose from 25 ms to 80 ms, by one of 465 ms or more") == true, "\(told ?? "nothing")")
        evidence.turns[0].sentBytes = 1 << 20
        #expect(verdict(evidence).cause == "net.retransmit", "an upload is acknowledged many times")
        evidence.turns[0].sentBytes = 100
        evidence.turns[0].smoothedRTT = 27_000
        #expect(verdict(evidence).cause == "net.retransmit", "a round trip of 41 ms may be that of the last copy")
    }

    @Test func whatNoProbeSawMakesTheWayBetweenUncertain() {
        var turn = asking
        turn.acknowledged = at + 790 * ms
        var evidence = capture([turn])
        evidence.retransmits = [
            Retransmit(at: at + 789 * ms, container: 1, socket: 1, kind: .rto, rtoMilliseconds: 800)
        ]
        #expect(verdict(evidence).cause == "net.retransmit" && verdict(evidence).confidence == .high)
        evidence.turns[0].unseenRetransmits = 1
        #expect(verdict(evidence).confidence == .medium)
        #expect(verdict(evidence).evidence.contains { $0.hasPrefix("by the kernel's count 1 more segments") })
    }

    @Test func whatTheOthersBehindItTellIsLost() {
        // One of many segments, on a path of 400 ms: told after one round trip, answered after another.
        var turn = asking
        turn.acknowledged = at + 790 * ms
        turn.sentLast = at
        turn.smoothedRTT = 395_000
        var evidence = capture([turn])
        evidence.retransmits = [
            Retransmit(at: at + 396 * ms, container: 1, socket: 1, kind: .fast, rtoMilliseconds: 600)
        ]
        let found = verdict(evidence)
        #expect(found.cause == "net.retransmit" && found.share > 0.49 && found.share < 0.5)
        #expect(found.evidence.contains("1 × fast retransmit on the turn's connection"))
        evidence.retransmits[0].kind = .rto
        #expect(verdict(evidence).cause == "net.retransmit", "an answer within a round trip is in time")
        evidence.turns[0].smoothedRTT = 100
        #expect(verdict(evidence).cause == "net.path", "the path was short before: what was sent first was late")
        #expect(verdict(evidence).confidence != .high, "… or lost, and the peer late besides")
    }

    @Test func aTimerThatRanOutLateStillExplainsItsWait() {
        var turn = asking
        turn.sentLast = at
        var evidence = capture([turn])
        evidence.retransmits = [
            Retransmit(at: at + 100 * ms, container: 1, socket: 1, kind: .tlp, rtoMilliseconds: 620),
            Retransmit(at: at + 780 * ms, container: 1, socket: 1, kind: .rto, rtoMilliseconds: 620),
        ]
        #expect(verdict(evidence).share == 780.0 / 800)
        // … but not what went before it could have been set.
        evidence.retransmits[1] = Retransmit(
            at: at + 780 * ms, container: 1, socket: 1, kind: .rto, rtoMilliseconds: 200)
        #expect(verdict(evidence).share < 0.5)
    }

    @Test func aRequestInTwoPiecesWaitedForADelayedAcknowledgement() {
        var turn = asking
        turn.nagle = 600 * ms
        #expect(verdict(capture([turn])).cause == "tcp.delayed-ack")
    }

    @Test func aConnectionNobodyAcceptedWaitedInTheQueue() {
        var turn = queued
        turn.flags.insert(.unaccepted)
        #expect(verdict(capture([turn])).cause == "host.backlog")
        // A server of one thread that had another request in hand.
        let busy = verdict(capture([turn, served(3, 0, 600)]))
        #expect(busy.cause == "app.busy")
        #expect(verdict(capture([turn, served(3, 0, 600, tid: 6)])).cause == "host.backlog", "another thread's")
    }

    @Test func victimsOfALongCommandAreTheFocusAndTheCommandEndsTheChain() {
        var victim = queued
        victim.socket = 1
        var evidence = capture([victim, served(3, 0, 850)])
        evidence.triggers.append(
            TriggerFact(
                kind: .latency, at: at + 850 * ms, container: 1, socket: 3, observed: 850 * ms, threshold: 200 * ms,
                rule: "test"))
        evidence.facts = ["threads": "followed", "machine": "x86_64"]
        let incident = analyze(evidence)
        #expect(incident.turn?.socket == 1)
        #expect(incident.summary.verdict.cause == "app.busy")
        #expect(incident.summary.verdict.chain.map(\.cause) == ["app.busy", "app.cpu"])
    }
}
