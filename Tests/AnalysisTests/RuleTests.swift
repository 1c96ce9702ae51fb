import Events
import Testing

@testable import Analysis

private let ms: UInt64 = 1_000_000
private let at: UInt64 = 10_000 * ms

/// A capture around `turns`; the first one fired. Socket 1 is api's, 2 its mirror on db, 3 another client of api.
private func capture(_ turns: [Turn]) -> Evidence {
    var evidence = Evidence(
        id: "t", clock: ClockPair(monotonic: 0, wall: 0), askedFrom: 0, askedTo: 20_000 * ms, from: 0, to: 20_000 * ms)
    let api = Endpoint(address: [10, 0, 0, 1], port: 80)
    let db = Endpoint(address: [10, 0, 0, 2], port: 5432)
    let role = turns[0].role
    evidence.sockets[1] = SocketInfo(
        id: 1, container: 1, role: role, local: api, remote: db, sentSequence: 7, receivedSequence: 8)
    evidence.sockets[3] = SocketInfo(
        id: 3, container: 1, role: .served, local: api, remote: Endpoint(address: [10, 0, 0, 3], port: 4000))
    evidence.containers[1] = ContainerName(id: "aa", name: "api", runtime: "docker")
    evidence.containers[2] = ContainerName(id: "bb", name: "db", runtime: "docker")
    evidence.turns = turns
    evidence.triggers = [
        TriggerFact(
            kind: .latency, at: turns[0].end, container: 1, socket: 1, observed: turns[0].total, threshold: 200 * ms,
            rule: "test")
    ]
    return evidence
}

extension Evidence {
    /// db's end of socket 1, known by its mirrored sequence numbers behind another address.
    fileprivate mutating func watchPeer(role: Role) {
        sockets[2] = SocketInfo(
            id: 2, container: 2, role: role, local: Endpoint(address: [172, 17, 0, 9], port: 5432),
            remote: Endpoint(address: [172, 17, 0, 1], port: 999), sentSequence: 8, receivedSequence: 7)
    }
}

/// Unread for 600 of 800 ms, answered in 190.
private let queued = Turn(
    container: 1, socket: 1, role: .served, start: at, end: at + 800 * ms, receivedFirst: at, receivedLast: at,
    woken: at + ms, readFirst: at + 601 * ms, readLast: at + 601 * ms, sentFirst: at + 791 * ms,
    sentLast: at + 800 * ms, tid: 5, smoothedRTT: 100, sequence: 4)

/// Waited 780 of 800 ms for the answer.
private let asking = Turn(
    container: 1, socket: 1, role: .called, start: at, end: at + 800 * ms, receivedFirst: at + 790 * ms,
    receivedLast: at + 790 * ms, woken: at + 791 * ms, readFirst: at + 792 * ms, readLast: at + 800 * ms,
    sentFirst: at, sentLast: at + 10 * ms, tid: 5, smoothedRTT: 100, sequence: 4)

private func served(_ socket: SocketID, _ from: UInt64, _ to: UInt64, tid: UInt32 = 5, container: ContainerKey = 1)
    -> Turn
{
    Turn(
        container: container, socket: socket, role: .served, start: at + from * ms, end: at + to * ms,
        receivedFirst: at + from * ms, receivedLast: at + from * ms, woken: at + from * ms, readFirst: at + from * ms,
        readLast: at + from * ms, sentFirst: at + to * ms, sentLast: at + to * ms, tid: tid, sequence: 1)
}

@Suite struct RuleTests {
    private func verdict(_ evidence: Evidence) -> Verdict { analyze(evidence).summary.verdict }

    @Test func everyRuleIsFromTheClosedListAndTheTableHasEachOnce() {
        let causes = Rules.all.map(\.cause).filter { $0 != "unknown" }
        #expect(Set(causes).count == causes.count)
    }

    @Test func aFreezeOutsideTheTurnExplainsNothing() {
        var evidence = capture([queued])
        evidence.samples = [0, 100, 200].map {
            ContainerSample(at: at + (2000 + $0) * ms, container: 1, frozen: true, throttled: nil)
        }
        #expect(verdict(evidence).cause == "unknown")
    }

    @Test func oneFrozenSampleReachesAllOfAnUnreadWaitButNotOfTheApplications() {
        let wait = at..<at + 3000 * ms
        let sample = [ContainerSample(at: at + 2500 * ms, container: 1, frozen: true, throttled: nil)]
        #expect(Intervals.frozen(sample, container: 1, in: wait, unread: true) == 3000 * ms)
        #expect(Intervals.frozen(sample, container: 1, in: wait, unread: false) == 500 * ms)
    }

    @Test func anotherContainersFreezeExplainsNothing() {
        var evidence = capture([queued])
        evidence.samples = (0..<8).map {
            ContainerSample(at: at + $0 * 100 * ms, container: 2, frozen: true, throttled: nil)
        }
        #expect(verdict(evidence).cause == "unknown")
    }

    @Test func aFreezeIsTheReasonOfABusyReader() {
        var evidence = capture([queued, served(3, 0, 600)])
        evidence.samples = (1..<6).map {
            ContainerSample(at: at + $0 * 100 * ms, container: 1, frozen: true, throttled: nil)
        }
        #expect(verdict(evidence).cause == "app.frozen")
        #expect(verdict(evidence).evidence.contains { $0.hasPrefix("also app.busy") })
        evidence.samples = []
        #expect(verdict(evidence).cause == "app.busy")
    }

    @Test func throttlingOnManyCPUsIsNoLongerThanTheTimeThatPassed() {
        var evidence = capture([queued])
        evidence.samples = [
            ContainerSample(at: at, container: 1, frozen: false, throttled: 0),
            ContainerSample(at: at + 400 * ms, container: 1, frozen: false, throttled: 3200 * ms),
            ContainerSample(at: at + 800 * ms, container: 1, frozen: false, throttled: 3200 * ms),
        ]
        let verdict = verdict(evidence)
        #expect(verdict.cause == "cpu.throttled")
        #expect(abs(verdict.share - 399.0 / 800) < 0.001)
    }

    @Test func aRetransmitWhileTheApplicationComputesExplainsNothing() {
        let slow = Turn(
            container: 1, socket: 1, role: .served, start: at, end: at + 800 * ms, receivedFirst: at, receivedLast: at,
            woken: at, readFirst: at, readLast: at, sentFirst: at + 790 * ms, sentLast: at + 800 * ms, smoothedRTT: 100)
        var evidence = capture([slow])
        evidence.retransmits = [Retransmit(at: at + 700 * ms, container: 1, socket: 1, kind: .tlp)]
        #expect(verdict(evidence).cause == "unknown")
        evidence.retransmits = [Retransmit(at: at + 795 * ms, container: 1, socket: 1, kind: .fast)]
        #expect(verdict(evidence).cause == "unknown")
    }

    @Test func theOtherEndsRetransmitsCountToo() {
        var evidence = capture([asking])
        evidence.watchPeer(role: .served)
        evidence.retransmits = [
            Retransmit(at: at + 210 * ms, container: 2, socket: 2, kind: .rto, rtoMilliseconds: 200),
            Retransmit(at: at + 620 * ms, container: 2, socket: 2, kind: .rto, rtoMilliseconds: 400),
        ]
        let found = verdict(evidence)
        #expect(found.cause == "net.retransmit")
        #expect(found.summary == "RTO to 10.0.0.2:5432 ×2, 600 ms of 800 ms")
        evidence.sockets[2] = nil
        #expect(verdict(evidence).cause == "peer.slow")
    }

    @Test func onlyTheTimerCountsNotThePauseBeforeIt() {
        var evidence = capture([asking])
        evidence.watchPeer(role: .served)
        evidence.turns.append(served(2, 5, 590, container: 2))
        evidence.retransmits = [
            Retransmit(at: at + 790 * ms, container: 2, socket: 2, kind: .rto, rtoMilliseconds: 200)
        ]
        #expect(verdict(evidence).cause == "downstream.slow")
    }

    @Test func connecting() {
        let turn = Turn(
            container: 1, socket: 1, role: .called, flags: [.open, .connecting], start: at, end: at + 3000 * ms)
        var evidence = capture([turn])
        evidence.retransmits = [Retransmit(at: at + 1000 * ms, container: 1, socket: 1, kind: .syn)]
        let found = verdict(evidence)
        #expect(found.cause == "net.connect")
        #expect(found.confidence == .high)
        evidence.retransmits = []
        #expect(verdict(evidence).confidence == .medium)
    }

    @Test(arguments: [("tcp.sndbuf", 700 * ms, 0), ("peer.reader", 0, 700 * ms)] as [(String, UInt64, UInt64)])
    func bufferWaits(cause: String, sndbuf: UInt64, window: UInt64) {
        var turn = queued
        turn.readFirst = at + 2 * ms
        turn.readLast = at + 2 * ms
        turn.sentFirst = at + 3 * ms
        turn.sendBufferWait = sndbuf
        turn.receiverWindowWait = window
        #expect(verdict(capture([turn])).cause == cause)
    }

    @Test func softirqOverTheStacksStage() throws {
        var turn = queued
        turn.woken = at + 600 * ms
        var evidence = capture([turn])
        #expect(verdict(evidence).cause == "unknown")
        evidence.slowSoftirqs = [try softirq(at: at + 600 * ms, run: 500 * ms, deferred: 100 * ms)]
        #expect(verdict(evidence).cause == "host.softirq")
        evidence.slowSoftirqs = [try softirq(at: at - ms, run: 500 * ms, deferred: 100 * ms)]
        #expect(verdict(evidence).cause == "unknown", "it ended before the turn began")
    }

    /// Built from ring bytes: `SlowSoftirq` has no other initialiser.
    private func softirq(at: Instant, run: UInt64, deferred: UInt64) throws -> SlowSoftirq {
        var record = [UInt8](repeating: 0, count: EventKind.softirq.size)
        record.withUnsafeMutableBytes { bytes in
            bytes.storeBytes(of: at, as: UInt64.self)
            bytes.storeBytes(of: EventKind.softirq.rawValue, toByteOffset: 20, as: UInt16.self)
            bytes.storeBytes(of: run, toByteOffset: 24, as: UInt64.self)
            bytes.storeBytes(of: deferred, toByteOffset: 32, as: UInt64.self)
            bytes.storeBytes(of: 3, toByteOffset: 40, as: UInt32.self)
        }
        guard case .softirq(let slow) = try record.withUnsafeBytes({ try Event($0) }) else {
            throw RecordError.unknownKind(0)
        }
        return slow
    }

    @Test func manyShortTurnsMakeAThreadBusy() {
        let others = (0..<6).map { served(3, $0 * 100, $0 * 100 + 99) }
        let found = verdict(capture([queued] + others))
        #expect(found.cause == "app.busy")
        #expect(found.share > 0.7)
        let elsewhere = (0..<6).map { served(3, $0 * 100, $0 * 100 + 99, tid: 6) }
        #expect(verdict(capture([queued] + elsewhere)).cause == "unknown")
    }

    @Test func aWatchedPeerIsNamedWithItsOwnCause() {
        var evidence = capture([asking])
        evidence.watchPeer(role: .served)
        var other = queued
        other.container = 2
        other.socket = 2
        evidence.turns.append(other)
        evidence.samples = (1..<6).map {
            ContainerSample(at: at + $0 * 100 * ms, container: 2, frozen: true, throttled: nil)
        }
        let found = verdict(evidence)
        #expect(found.cause == "downstream.slow")
        #expect(found.summary == "waited 780 ms of 800 ms for db")
        #expect(found.evidence.contains { $0.hasPrefix("→ db: app.frozen: paused for") })
    }

    @Test func aCallInsideAServedTurnIsFollowed() {
        var call = asking
        call.socket = 4
        let found = verdict(capture([served(1, 0, 805), call]))
        #expect(found.cause == "downstream.slow")
        #expect(found.evidence.contains { $0.hasPrefix("→ api: peer.slow") })
        // A second turn in the thread's hands: the call could be for either.
        #expect(verdict(capture([served(1, 0, 805), call, served(3, 0, 810)])).cause == "unknown")
    }

    @Test func anUnwatchedPeerIsNeverBlamedWithHighConfidence() {
        let found = verdict(capture([asking]))
        #expect(found.cause == "peer.slow")
        #expect(found.confidence == .medium)
    }

    @Test func summariesFitALine() {
        var evidence = capture([asking])
        evidence.watchPeer(role: .served)
        evidence.turns.append(served(2, 0, 800, container: 2))
        evidence.containers[2]?.name = String(repeating: "n", count: 200)
        #expect(verdict(evidence).summary.count == 80)
    }
}

@Suite struct FocusTests {
    @Test func aNeighboursLongPollIsNotTheFocus() {
        var poll = served(3, 0, 9000)
        poll.container = 2
        let incident = analyze(capture([queued, poll]))
        #expect(incident.turn?.socket == 1)
        #expect(incident.summary.peak == 800 * ms)
        #expect(incident.slow.map(\.socket) == [3, 1])
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
