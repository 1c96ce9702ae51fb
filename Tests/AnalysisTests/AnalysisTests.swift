import Events
import Testing

@testable import Analysis

private let ms: UInt64 = 1_000_000

/// Deterministic: a failure can be run again.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

@Suite struct WaterfallTests {
    @Test func stagesAndTheRestAlwaysSumToTheTotal() {
        var random = SplitMix(state: 7)
        for _ in 0..<20_000 {
            func stamp() -> Instant? { Bool.random(using: &random) ? UInt64.random(in: 0...2000, using: &random) : nil }
            var turn = Turn(
                container: 1, socket: 1, role: [.served, .called, .unknown].randomElement(using: &random) ?? .served,
                flags: Bool.random(using: &random) ? .open : [], start: .random(in: 0...1000, using: &random),
                end: .random(in: 0...2000, using: &random), receivedFirst: stamp(), receivedLast: stamp(),
                woken: stamp(), readFirst: stamp(), readLast: stamp(), sentFirst: stamp(), sentLast: stamp(),
                sendBufferWait: .random(in: 0...3000, using: &random),
                receiverWindowWait: .random(in: 0...3000, using: &random))
            if Bool.random(using: &random) { turn.sendBlocked = .random(in: 0...3000, using: &random) }
            if Bool.random(using: &random) { turn.receiveProcessing = .random(in: 0...3000, using: &random) }
            let waterfall = Waterfall(turn)
            let sum = waterfall.stages.reduce(0) { $0 + $1.duration } + waterfall.unexplained
            #expect(sum == turn.total)
        }
    }

    @Test func servedStages() {
        let turn = Turn(
            container: 1, socket: 1, role: .served, start: 100, end: 1000, receivedFirst: 100, receivedLast: 100,
            woken: 110, readFirst: 300, readLast: 320, sentFirst: 900, sentLast: 1000)
        let waterfall = Waterfall(turn)
        #expect(
            waterfall.stages.map(\.name) == ["tcp-stack", "receive-queue", "request-read", "application", "response"])
        #expect(waterfall.stages.map(\.duration) == [10, 190, 20, 580, 100])
        #expect(waterfall.unexplained == 0)
    }

    /// The chronograph counts jiffies of 4 ms; what a sender was blocked for is known to the ns, and its parts sum to that.
    @Test(
        arguments: [
            // blocked, send-buffer and peer-window by the chronograph; the stages.
            (0, 8, 4, 8, 4), (7_654_321, 8_000_000, 0, 7_654_321, 0), (7_654_321, 0, 8_000_000, 0, 7_654_321),
            (7_654_321, 0, 4_000_000, 3_654_321, 4_000_000), (7_654_321, 0, 0, 7_654_321, 0),
            (90_000_000, 0, 4_000_000, 50_000_000, 0),
        ] as [(UInt64, UInt64, UInt64, UInt64, UInt64)])
    func blockedSenders(blocked: UInt64, sendBuffer: UInt64, window: UInt64, own: UInt64, peers: UInt64) {
        for role in [Role.served, .called] {
            var turn = Turn(
                container: 1, socket: 1, role: role, start: 100, end: 100 + 60 * ms, sendBufferWait: sendBuffer,
                receiverWindowWait: window)
            if role == .served {
                turn.woken = 100
                turn.readFirst = 100
                turn.sentFirst = 100 + 10 * ms
                turn.sentLast = turn.end
            } else {
                turn.sentFirst = 100
                turn.sentLast = 100 + 50 * ms
                turn.receivedFirst = turn.end
            }
            turn.sendBlocked = blocked
            let waterfall = Waterfall(turn)
            #expect(waterfall["send-buffer"] == own && waterfall["peer-window"] == peers)
            #expect(waterfall[role == .served ? "response" : "request-send"] == 50 * ms - own - peers)
            #expect(waterfall.stages.reduce(waterfall.unexplained) { $0 + $1.duration } == turn.total)
        }
    }

    /// From the arrival on: what goes beyond the time in the queue was before the wake-up.
    @Test func whatTCPTookToTakeInIsAStageOfItsOwn() {
        func stages(_ time: UInt64, woken: UInt64 = 110, read: UInt64 = 300) -> [Stage] {
            var turn = Turn(
                container: 1, socket: 1, role: .served, start: 100, end: 1000, receivedFirst: 100, receivedLast: 100,
                woken: woken, readFirst: read, readLast: read, sentFirst: 900, sentLast: 1000)
            turn.receiveProcessing = time
            let waterfall = Waterfall(turn)
            #expect(waterfall.stages.reduce(waterfall.unexplained) { $0 + $1.duration } == turn.total)
            return waterfall.stages.filter { $0.offset < 200 }
        }
        let stack = Stage(name: "tcp-stack", duration: 10, offset: 0)
        #expect(stages(0) == [stack, Stage(name: "receive-queue", duration: 190, offset: 10)])
        #expect(
            stages(40) == [
                stack, Stage(name: "tcp-receive", duration: 40, offset: 10),
                Stage(name: "receive-queue", duration: 150, offset: 50),
            ])
        #expect(
            stages(195) == [
                Stage(name: "tcp-stack", duration: 5, offset: 0), Stage(name: "tcp-receive", duration: 195, offset: 5),
            ])
        #expect(stages(5000) == [Stage(name: "tcp-receive", duration: 200, offset: 0)])
        #expect(
            stages(3, woken: 110, read: 110) == [
                Stage(name: "tcp-stack", duration: 7, offset: 0), Stage(name: "tcp-receive", duration: 3, offset: 7),
                Stage(name: "application", duration: 790, offset: 10),
            ])
        #expect(
            stages(3, woken: 100, read: 300) == [
                Stage(name: "tcp-receive", duration: 3, offset: 0),
                Stage(name: "receive-queue", duration: 197, offset: 3),
            ])
    }

    @Test func anOpenTurnIsInTheStageItReached() {
        let unread = Turn(
            container: 1, socket: 1, role: .served, flags: [.open, .unread], start: 0, end: 500, receivedFirst: 0,
            woken: 10)
        #expect(Waterfall(unread)["receive-queue"] == 490)
        let handling = Turn(
            container: 1, socket: 1, role: .served, flags: .open, start: 1, end: 501, receivedFirst: 1, woken: 2,
            readFirst: 3, readLast: 4)
        #expect(Waterfall(handling)["application"] == 497)
        let asking = Turn(
            container: 1, socket: 1, role: .called, flags: .open, start: 1, end: 501, sentFirst: 1, sentLast: 2)
        #expect(Waterfall(asking)["waiting-for-peer"] == 499)
    }
}

@Suite struct VerdictTests {
    private let at = 1_000 * ms

    private func evidence(_ turns: [Turn], role: Role = .served) -> Evidence {
        var evidence = Evidence(
            id: "test", clock: ClockPair(monotonic: 0, wall: 0), askedFrom: 0, askedTo: 10_000 * ms, from: 0,
            to: 10_000 * ms)
        evidence.turns = turns
        evidence.containers[1] = ContainerName(id: "aa", name: "api", runtime: "docker")
        evidence.containers[2] = ContainerName(id: "bb", name: "db", runtime: "docker")
        evidence.sockets[1] = SocketInfo(
            id: 1, container: 1, role: role, local: Endpoint(address: [10, 0, 0, 1], port: 80),
            remote: Endpoint(address: [10, 0, 0, 2], port: 5000))
        evidence.triggers = [
            TriggerFact(
                kind: .latency, at: at, container: 1, socket: 1, observed: 800 * ms, threshold: 200 * ms, rule: "test")
        ]
        return evidence
    }

    /// 800 ms of it in the receive queue.
    private var queued: Turn {
        Turn(
            container: 1, socket: 1, role: .served, start: at, end: at + 812 * ms, receivedFirst: at, receivedLast: at,
            woken: at + 1, readFirst: at + 800 * ms, readLast: at + 800 * ms, sentFirst: at + 810 * ms,
            sentLast: at + 812 * ms, tid: 5)
    }

    @Test func frozen() {
        var evidence = evidence([queued])
        for tick in 0..<20 {
            let time = at + UInt64(tick) * 100 * ms
            evidence.samples.append(ContainerSample(at: time, container: 1, frozen: tick < 8, throttled: nil))
        }
        let verdict = analyze(evidence).summary.verdict
        #expect(verdict.cause == "app.frozen")
        #expect(verdict.confidence == .high)
        #expect(verdict.share > 0.9)
    }

    @Test func lossesLowerTheConfidence() {
        var evidence = evidence([queued])
        for tick in 0..<20 {
            let time = at + UInt64(tick) * 100 * ms
            evidence.samples.append(ContainerSample(at: time, container: 1, frozen: tick < 8, throttled: nil))
        }
        evidence.gaps = [Gap(from: at, to: at + ms, lost: 3, why: "ring buffer full")]
        #expect(analyze(evidence).summary.verdict.confidence == .medium)
    }

    @Test func throttled() {
        var evidence = evidence([queued])
        evidence.samples = [
            ContainerSample(at: at, container: 1, frozen: false, throttled: 0),
            ContainerSample(at: at + 812 * ms, container: 1, frozen: false, throttled: 700 * ms),
        ]
        #expect(analyze(evidence).summary.verdict.cause == "cpu.throttled")
    }

    @Test func busyReader() {
        var other = queued
        other.socket = 2
        other.start = at - 10 * ms
        other.readFirst = at - 9 * ms
        other.readLast = at - 9 * ms
        other.sentFirst = at + 799 * ms
        other.sentLast = at + 799 * ms
        other.end = at + 799 * ms
        let incident = analyze(evidence([queued, other]))
        #expect(incident.turn?.socket == 1)
        #expect(incident.summary.verdict.cause == "app.busy")
    }

    @Test func retransmits() {
        let turn = Turn(
            container: 1, socket: 1, role: .called, start: at, end: at + 650 * ms, receivedFirst: at + 640 * ms,
            receivedLast: at + 640 * ms, woken: at + 641 * ms, readFirst: at + 642 * ms, readLast: at + 650 * ms,
            sentFirst: at, sentLast: at + 1)
        var evidence = evidence([turn], role: .called)
        evidence.retransmits = [
            Retransmit(at: at + 210 * ms, container: 1, socket: 1, kind: .rto, rtoMilliseconds: 210),
            Retransmit(at: at + 630 * ms, container: 1, socket: 1, kind: .rto, rtoMilliseconds: 420, backoff: 1),
        ]
        let verdict = analyze(evidence).summary.verdict
        #expect(verdict.cause == "net.retransmit")
        #expect(verdict.summary.contains("RTO"))
    }

    @Test func withoutEvidenceNothingIsGuessed() {
        let turn = Turn(
            container: 1, socket: 1, role: .served, start: at, end: at + 812 * ms, receivedFirst: at, receivedLast: at,
            woken: at + 1, readFirst: at + 2, readLast: at + 3, sentFirst: at + 810 * ms, sentLast: at + 812 * ms)
        let verdict = analyze(evidence([turn])).summary.verdict
        #expect(verdict.cause == "unknown")
        #expect(verdict.layer == "application")
        #expect(verdict.confidence == .low)
    }

    @Test func theServedEndIsTheFocusOfACallThatWaitedForIt() {
        var call = Turn(
            container: 2, socket: 2, role: .called, start: at - ms, end: at + 815 * ms, receivedFirst: at + 813 * ms,
            woken: at + 813 * ms, readFirst: at + 814 * ms, readLast: at + 815 * ms, sentFirst: at - ms, sentLast: at)
        call.container = 2
        let incident = analyze(evidence([queued, call]))
        #expect(incident.turn?.role == .served)
        #expect(incident.summary.container.name == "api")
        #expect(incident.summary.slowTurns == 2)
    }

    @Test func aCompletedTurnReplacesItsOpenReport() {
        var open = queued
        open.flags = .open
        open.end = at + 300 * ms
        let incident = analyze(evidence([open, queued]))
        #expect(incident.slow.count == 1)
        #expect(incident.summary.peak == 812 * ms)
    }
}
