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

    /// api waits for db, whose thread is still in its send call when all others are done: api's is the incident all the same.
    @Test(arguments: [true, false]) func theOutermostIsTheFocusThoughAnotherEndsLater(waits: Bool) {
        var evidence = capture([asking])
        evidence.watchPeer(role: .served)
        var db = served(2, 1, 820, tid: 9, container: 2)
        db.sentFirst = at + 780 * ms
        // Where api gave up before db answered, it did not wait for all of it.
        var api = served(3, 0, waits ? 805 : 700)
        api.readFirst = at
        var call = asking
        call.end = at + (waits ? 800 : 699) * ms
        evidence.turns = [call, db, api].sorted { $0.end < $1.end }
        evidence.triggers = evidence.turns.map { turn in
            TriggerFact(
                kind: .latency, at: turn.end, container: turn.container, socket: turn.socket, observed: turn.total,
                threshold: 200 * ms, rule: "test")
        }
        let incident = analyze(evidence)
        #expect(incident.turn?.socket == (waits ? 3 : 2))
        if waits { #expect(incident.summary.verdict.cause == "downstream.slow") }
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
