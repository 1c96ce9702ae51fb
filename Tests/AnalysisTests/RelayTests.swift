import Events
import Testing

@testable import Analysis

private let ms: UInt64 = 1_000_000
private let at: UInt64 = 10_000 * ms

/// docker-proxy between api, which calls, and db, which it never sees.
@Suite struct RelayTests {
    private let gateway: [UInt8] = [172, 17, 0, 1]
    private let proxy = Relay(
        program: "docker-proxy", pid: 77, netns: 1, listen: Endpoint(address: [0, 0, 0, 0], port: 5432),
        target: Endpoint(address: [172, 17, 0, 9], port: 5432))

    private func verdict(_ evidence: Evidence) -> Verdict { analyze(evidence).summary.verdict }

    /// `calls` on socket 1 of api to the proxy; on sockets 21, 22, … of db what the proxy made of calls.
    private func through(_ calls: [Turn], _ inner: [[Turn]]) -> Evidence {
        var evidence = capture(calls)
        evidence.relays = [proxy]
        evidence.hostAddresses = [gateway]
        evidence.sockets[1] = caller(1, 4000, established: at - 500 * ms)
        for (index, turns) in inner.enumerated() {
            let id = SocketID(21 + index)
            evidence.sockets[id] = SocketInfo(
                id: id, container: 2, role: .served, local: proxy.target,
                remote: Endpoint(address: gateway, port: UInt16(9000 + index)), established: at - 490 * ms)
            evidence.turns += turns.map { turn in
                var turn = turn
                turn.socket = id
                return turn
            }
        }
        return evidence
    }

    private func caller(_ id: SocketID, _ port: UInt16, established: Instant) -> SocketInfo {
        SocketInfo(
            id: id, container: 1, netns: 5, role: .called, local: Endpoint(address: [172, 17, 0, 3], port: port),
            remote: Endpoint(address: gateway, port: 5432), established: established)
    }

    private func inner(_ from: UInt64, _ to: UInt64, sequence: UInt32 = 1) -> Turn {
        served(0, from, to, tid: 9, container: 2, sequence: sequence)
    }

    private func call(_ from: UInt64, _ to: UInt64, socket: SocketID = 1, sequence: UInt32) -> Turn {
        Turn(
            container: 1, socket: socket, role: .called, start: at + from * ms, end: at + to * ms,
            receivedFirst: at + to * ms, receivedLast: at + to * ms, woken: at + to * ms, readFirst: at + to * ms,
            readLast: at + to * ms, sentFirst: at + from * ms, sentLast: at + from * ms, tid: 5, sequence: sequence)
    }

    @Test func theChainGoesOnBehindTheRelay() {
        let found = verdict(through([asking], [[inner(12, 780)]]))
        #expect(found.cause == "downstream.slow" && found.confidence == .high)
        #expect(found.summary == "waited 768 ms of 800 ms for db through docker-proxy")
        #expect(found.chain.map(\.container) == [1, 2])
        #expect(found.evidence.contains("docker-proxy (pid 77) takes 0.0.0.0:5432 to 172.17.0.9:5432"))
    }

    @Test func timeInTheRelayIsItsOwn() {
        let evidence = through([asking], [[inner(700, 710)]])
        let incident = analyze(evidence)
        #expect(incident.summary.verdict.cause == "bridge.delay" && incident.summary.verdict.confidence == .high)
        #expect(incident.summary.verdict.chain.map(\.container) == [1])
        let stages = Dictionary(incident.stages.map { ($0.name, $0.duration) }) { $0 + $1 }
        #expect(stages["request-relay"] == 690 * ms)
        #expect(stages["waiting-for-peer"] == 10 * ms)
        #expect(stages["response-relay"] == 80 * ms)
        #expect(incident.stages.reduce(0) { $0 + $1.duration } + incident.unexplained == 800 * ms)
    }

    @Test func aRequestTheRelayHasNotPassedOnIsTheRelays() {
        var hanging = call(0, 800, sequence: 2)
        hanging.flags = .open
        (hanging.receivedFirst, hanging.receivedLast, hanging.woken) = (nil, nil, nil)
        (hanging.readFirst, hanging.readLast) = (nil, nil)
        let before = call(-0, 5, sequence: 1).moved(-400)
        let found = verdict(through([hanging, before], [[inner(1, 4).moved(-400)]]))
        #expect(found.cause == "bridge.delay" && found.share > 0.99 && found.confidence == .high)
        #expect(found.evidence.contains("it has not passed the request on"))
    }

    @Test func twoThatFitAreSaidToBeInDoubt() {
        let found = verdict(through([asking], [[inner(12, 780)], [inner(15, 700)]]))
        #expect(found.cause == "downstream.slow" && found.confidence != .high)
        #expect(found.summary.contains("waited 768 ms"))
        #expect(found.evidence.contains { $0.hasPrefix("2 connections behind it fit") })
    }

    @Test func bytesTellTwoApart() {
        var (mine, others, asked) = (inner(15, 700), inner(12, 780), asking)
        (mine.receivedBytes, mine.sentBytes, others.receivedBytes, others.sentBytes) = (40, 900, 50, 900)
        (asked.sentBytes, asked.receivedBytes) = (40, 900)
        let found = verdict(through([asked], [[mine], [others]]))
        #expect(found.confidence == .high && found.summary.contains("waited 685 ms"))
    }

    @Test func aConnectionThatWorkedWhileThisOneRestedIsAnothers() {
        let found = verdict(through([asking], [[inner(12, 780)], [inner(15, 700), inner(900, 910, sequence: 2)]]))
        #expect(found.confidence == .high && found.summary.contains("waited 768 ms"))
    }

    @Test func aConnectionThatDidNothingForAnEarlierCallIsAnothers() {
        let before = call(0, 5, sequence: 1).moved(-400)
        let found = verdict(
            through([asking, before], [[inner(1, 4).moved(-400), inner(12, 780, sequence: 2)], [inner(15, 790)]]))
        #expect(found.confidence == .high && found.summary.contains("waited 768 ms"))
    }

    @Test func whatOnlyAnotherCallCanHaveMadeIsNotThisOnes() {
        let other = call(100, 120, socket: 31, sequence: 1)
        var evidence = through([asking, other], [[inner(12, 780)], [inner(105, 115)]])
        evidence.sockets[31] = caller(31, 4001, established: at + 90 * ms)
        evidence.sockets[22]?.established = at + 95 * ms
        let found = verdict(evidence)
        #expect(found.confidence == .high && found.summary.contains("waited 768 ms"))
    }

    @Test func withoutItsOtherSideRelayAndTargetAreNotToldApart() {
        let found = verdict(through([asking], []))
        #expect(found.cause == "downstream.slow" && found.confidence != .high)
        #expect(found.summary.hasSuffix("for docker-proxy at 172.17.0.1:5432"))
    }

    @Test func anotherHostsPortAndAnotherNamespacesLoopbackAreNoRelays() {
        var evidence = through([asking], [[inner(12, 780)]])
        evidence.hostAddresses = [[172, 17, 0, 2]]
        #expect(verdict(evidence).cause == "peer.slow")
        let loopback = Endpoint(address: [127, 0, 0, 1], port: 5432)
        #expect(proxy.takes(loopback, from: 1, []))
        #expect(!proxy.takes(loopback, from: 5, []))
        let mapped = Endpoint(address: Array(repeating: 0, count: 10) + [0xff, 0xff] + gateway, port: 5432)
        #expect(proxy.takes(mapped, from: 5, [gateway]))
        #expect(!proxy.takes(Endpoint(address: gateway, port: 5433), from: 5, [gateway]))
    }

    @Test func watchedItselfTheRelayIsALink() {
        var evidence = through([asking], [])
        func own(_ id: SocketID, _ role: Role, _ local: Endpoint, _ remote: Endpoint, _ numbers: (UInt32, UInt32)) {
            evidence.sockets[id] = SocketInfo(
                id: id, container: 0, role: role, local: local, remote: remote, pid: 77, process: "docker-proxy",
                established: at - 480 * ms, sentSequence: numbers.0, receivedSequence: numbers.1)
        }
        evidence.sockets[1]?.sentSequence = 7
        evidence.sockets[1]?.receivedSequence = 8
        let inside = Endpoint(address: gateway, port: 9000)
        let caller = Endpoint(address: [172, 17, 0, 3], port: 4000)
        own(41, .served, Endpoint(address: gateway, port: 5432), caller, (8, 7))
        own(42, .called, inside, proxy.target, (20, 21))
        evidence.sockets[42]?.established = at - 470 * ms
        evidence.sockets[43] = SocketInfo(
            id: 43, container: 2, role: .served, local: proxy.target, remote: inside, sentSequence: 21,
            receivedSequence: 20)
        var relaying = call(14, 776, socket: 42, sequence: 1)
        relaying.container = 0
        evidence.turns += [
            served(41, 12, 780, tid: 70, container: 0), relaying, served(43, 15, 775, tid: 9, container: 2),
        ]
        evidence.containers[0] = ContainerName(id: "host", name: "vm", runtime: "host")
        let found = verdict(evidence)
        #expect(found.chain.map(\.container) == [1, 0, 2])
        #expect(found.summary == "waited 768 ms of 800 ms for docker-proxy on vm")
        #expect(found.confidence == .high)
    }
}

extension Turn {
    /// The same, `milliseconds` later.
    fileprivate func moved(_ milliseconds: Int64) -> Turn {
        func move(_ instant: Instant?) -> Instant? { instant.map { UInt64(Int64($0) + milliseconds * 1_000_000) } }
        var turn = self
        (turn.start, turn.end) = (move(start) ?? 0, move(end) ?? 0)
        (turn.receivedFirst, turn.receivedLast, turn.woken) = (move(receivedFirst), move(receivedLast), move(woken))
        (turn.readFirst, turn.readLast) = (move(readFirst), move(readLast))
        (turn.sentFirst, turn.sentLast) = (move(sentFirst), move(sentLast))
        return turn
    }
}
