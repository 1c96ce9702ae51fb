import Events
import Testing

@testable import Analysis

private let ms: UInt64 = 1_000_000
private let at: UInt64 = 10_000 * ms

@Suite struct FocusTests {
    @Test func aNeighboursLongPollIsNotTheFocus() {
        var poll = served(3, 0, 9000)
        poll.container = 2
        let incident = analyze(capture([queued, poll]))
        #expect(incident.turn?.socket == 1)
        #expect(incident.summary.peak == 800 * ms)
        #expect(incident.slow.map(\.socket) == [3, 1])
    }

    enum Waiter: CaseIterable { case answered, behindAnother, inFlight, gaveUp, askedAgain, oneOfTwo }

    /// api waits for db, whose thread is still in its send call when all others are done: api's is the incident all the same, where it
    /// did wait for db's answer.
    @Test(arguments: zip(Waiter.allCases, [3, 6, 3, 2, 2, 2] as [SocketID]))
    func theOutermostIsTheFocusThoughAnotherEndsLater(waiter: Waiter, focus: SocketID) {
        var call = asking
        var db = served(2, 1, 820, tid: 9, container: 2)
        db.sentFirst = at + 780 * ms
        var api = served(3, 0, 805)
        var others: [Turn] = []
        var evidence = capture([asking])
        evidence.watchPeer(role: .served)
        switch waiter {
        case .answered: break
        case .behindAnother:  // web, which calls api on the other end of socket 3
            evidence.sockets[3] = SocketInfo(
                id: 3, container: 1, role: .served, local: Endpoint(address: [10, 0, 0, 1], port: 80),
                remote: Endpoint(address: [10, 0, 0, 3], port: 4000), sentSequence: 50, receivedSequence: 60)
            evidence.sockets[5] = SocketInfo(
                id: 5, container: 3, role: .called, local: Endpoint(address: [10, 0, 0, 3], port: 4000),
                remote: Endpoint(address: [10, 0, 0, 1], port: 80), sentSequence: 60, receivedSequence: 50)
            evidence.sockets[6] = SocketInfo(
                id: 6, container: 3, role: .served, local: Endpoint(address: [10, 0, 0, 3], port: 80),
                remote: Endpoint(address: [10, 0, 0, 4], port: 5000))
            var web = asking
            (web.container, web.socket, web.tid, web.end) = (3, 5, 30, at + 806 * ms)
            others = [web, served(6, 0, 807, tid: 30, container: 3)]
        case .inFlight:  // each looked at in its turn, db last
            (call.flags, call.end) = ([.open], at + 790 * ms)
            (api.flags, api.end, api.sentFirst, api.sentLast) = ([.open], at + 790 * ms, nil, nil)
            (db.flags, db.end, db.sentFirst, db.sentLast) = ([.open], at + 792 * ms, nil, nil)
        case .gaveUp: (call.end, api.end, api.sentFirst) = (at + 699 * ms, at + 700 * ms, at + 700 * ms)
        case .askedAgain:  // on the same connection, and was answered then
            (call.end, call.flags) = (at + 400 * ms, [.aborted])
            var second = asking
            (second.start, second.sentFirst, second.sequence) = (at + 401 * ms, at + 401 * ms, 5)
            others = [second]
        case .oneOfTwo:  // an event loop's: whose the call is can't be said
            evidence.sockets[5] = SocketInfo(
                id: 5, container: 1, role: .served, local: Endpoint(address: [10, 0, 0, 1], port: 80),
                remote: Endpoint(address: [10, 0, 0, 9], port: 4001))
            others = [served(5, 0, 806)]
        }
        evidence.turns = ([call, db, api] + others).sorted { $0.end < $1.end }
        evidence.triggers = evidence.turns.map { turn in
            TriggerFact(
                kind: turn.isOpen ? .inFlight : .latency, at: turn.end, container: turn.container, socket: turn.socket,
                observed: turn.total, threshold: 200 * ms, rule: "test")
        }
        let incident = analyze(evidence)
        #expect(incident.turn?.socket == focus)
        if focus != 2 { #expect(incident.summary.verdict.chain.last?.container == 2) }
    }

    @Test func aGapElsewhereDoesNotLowerTheConfidence() {
        var evidence = capture([queued, served(3, 0, 700)])
        evidence.gaps = [Gap(from: 0, to: 1, lost: 3, why: "x")]
        let before = analyze(evidence).summary
        #expect(before.lost == 3)
        evidence.gaps = [Gap(from: at, to: at + 1, lost: 3, why: "x")]
        #expect(before.verdict.confidence == .medium)
        #expect(analyze(evidence).summary.verdict.confidence == .low)
    }

    @Test func aGapOfAnotherContainerDoesNotLowerTheConfidence() {
        var evidence = capture([queued, served(3, 0, 700)])
        let whole = analyze(evidence).summary.verdict
        evidence.gaps = [Gap(from: 0, to: at + 1, lost: 0, why: "cut short", container: 7)]
        #expect(analyze(evidence).summary.verdict == whole)
        evidence.gaps[0].container = 1
        #expect(analyze(evidence).summary.verdict.confidence == .low)
        // That of who is on the other end is missed.
        evidence.gaps[0].container = 2
        #expect(analyze(evidence).summary.verdict == whole)
        evidence.watchPeer(role: .called)
        #expect(analyze(evidence).summary.verdict.confidence == .low)
    }

    @Test func figuresFromAHostileFileDoNotTrap() {
        var turn = queued
        turn.start = 0
        turn.end = .max
        turn.sendBufferWait = .max
        turn.receiverWindowWait = .max
        var evidence = capture([turn])
        evidence.gaps = [Gap(from: 0, to: .max, lost: .max, why: "x"), Gap(from: 0, to: .max, lost: .max, why: "y")]
        evidence.samples = [0, UInt64.max].map {
            ContainerSample(at: $0, container: 1, frozen: true, throttled: $0)
        }
        let incident = analyze(evidence)
        #expect(incident.summary.lost == .max)
        #expect(incident.stages.reduce(incident.unexplained) { $0 + $1.duration } == .max)
    }

    @Test func missingMarksLeaveTimeUnexplained() {
        var turn = queued
        turn.woken = nil
        let stages = Waterfall(turn)
        #expect(stages.unexplained == 601 * ms)
        #expect(stages["receive-queue"] == 0)
        #expect(stages["application"] == 190 * ms)
        var call = asking
        call.sentLast = nil
        #expect(Waterfall(call)["waiting-for-peer"] == 790 * ms)
    }

    @Test func aRequestInPartsIsTheClientsTime() {
        var turn = queued
        turn.readFirst = at + 2 * ms
        turn.receivedLast = at + 500 * ms
        #expect(Waterfall(turn)["request-transfer"] == 498 * ms)
        #expect(Waterfall(turn)["request-read"] == 101 * ms)
    }
}
