import Events
import Foundation
import Testing

@testable import Analysis

private let ms: UInt64 = 1_000_000
private let at: UInt64 = 10_000 * ms

@Suite struct RuleTests {
    /// The README's table has each cause once, beneath its layer, and no other.
    @Test func theReadmeSaysWhatEveryCauseMeans() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized
        let readme = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
        var layer = ""
        var told: [String] = []
        for line in readme.split(separator: "\n") {
            if let name = line.wholeMatch(of: /\| \*\*(.+)\*\* \| \|/)?.1 { layer = String(name) }
            if !layer.isEmpty, let cause = line.wholeMatch(of: /\| `([a-z.-]+)` \| .+ \|/)?.1 {
                told.append("\(layer): \(cause)")
            }
            if line.hasPrefix("## ") { layer = "" }
        }
        #expect(told.count == Set(told).count && Set(told) == Set(Rules.all.map { "\($0.layer): \($0.cause)" }))
    }

    private func verdict(_ evidence: Evidence) -> Verdict { analyze(evidence).summary.verdict }

    @Test func everyRuleIsFromTheClosedListAndTheTableHasEachOnce() {
        let causes = Rules.all.map(\.cause).filter { $0 != "unknown" }
        #expect(Set(causes).count == causes.count)
    }

    @Test func aCauseOfTheContainersOwnPointsAtNobody() {
        var evidence = capture([queued])
        evidence.samples = [100, 200, 300].map {
            ContainerSample(at: at + $0 * ms, container: 1, frozen: true, throttled: nil)
        }
        #expect(verdict(evidence).cause == "app.frozen")
        #expect(verdict(evidence).peer == "")
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
        #expect(found.summary == "RTO to 10.0.0.2:5432 ×2, 610 ms of 800 ms", "the second timer ran out 10 ms late")
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
        evidence.turns[0].unseenRetransmits = 2
        #expect(verdict(evidence).confidence == .high, "the kernel counts them too")
        #expect(verdict(evidence).summary.hasSuffix("SYN sent again ×2"))
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

    @Test func aBlockedSendIsToldAsItWasTimed() {
        var turn = queued
        turn.readFirst = at + 2 * ms
        turn.readLast = at + 2 * ms
        turn.sentFirst = at + 3 * ms
        turn.sendBlocked = 700_400_000
        turn.sendBufferWait = 704 * ms
        var evidence = capture([turn])
        // Where the thread was seen blocked in it too: that is the same time, and counts once.
        evidence.facts["threads"] = "followed"
        evidence.slices = [
            Slice(
                container: 1, tid: 5, pid: 5, start: at + 3 * ms, woken: at + 790 * ms, end: at + 790 * ms, why: .sleep,
                syscall: 44)
        ]
        let found = verdict(evidence)
        #expect(found.cause == "tcp.sndbuf" && found.summary == "waited 700 ms of 800 ms for send buffer")
        #expect(found.evidence.first == "sk_stream_wait_memory: a sender was blocked for 700 ms")
        evidence.turns[0].sendBufferWait = 0
        evidence.turns[0].receiverWindowWait = 680 * ms
        let other = verdict(evidence)
        #expect(other.cause == "peer.reader")
        #expect(
            other.evidence.first
                == "sk_stream_wait_memory: a sender was blocked for 700 ms, the peer's window closed for 680 ms of it")
    }

    @Test func manyShortTurnsMakeAThreadBusy() {
        let others = (0..<6).map { served(3, $0 * 100, $0 * 100 + 99, sequence: UInt32($0 + 1)) }
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
        #expect(found.summary == "waited 798 ms of 800 ms for db")
        #expect(found.evidence.contains { $0.hasPrefix("→ db: app.frozen: paused for") })
        #expect(found.peer == "db")
    }

    @Test func aCallInsideAServedTurnIsFollowed() {
        var call = asking
        call.socket = 4
        var evidence = capture([served(1, 0, 805), call])
        evidence.sockets[4] = SocketInfo(
            id: 4, container: 1, role: .called, local: Endpoint(address: [10, 0, 0, 1], port: 999),
            remote: Endpoint(address: [10, 0, 0, 9], port: 6379))
        let found = verdict(evidence)
        #expect(found.cause == "downstream.slow")
        #expect(found.evidence.contains { $0.hasPrefix("→ api: peer.slow") })
        #expect(found.peer == "10.0.0.9:6379")
        // A second turn in the thread's hands: the call could be for either, and that is said.
        let either = verdict(capture([served(1, 0, 805), call, served(3, 0, 810)]))
        #expect(either.cause == "downstream.slow" && either.confidence != .high)
        #expect(either.evidence.contains { $0.contains("inferred") })
        // One that was read later, and answered long before the call was, did not wait for it.
        var short = served(3, 0, 20)
        short.readFirst = call.start
        #expect(verdict(capture([served(1, 0, 805), call, short])).confidence == .high)
    }

    @Test func anUnwatchedPeerIsNeverBlamedWithHighConfidence() {
        let found = verdict(capture([asking]))
        #expect(found.cause == "peer.slow")
        #expect(found.confidence == .medium)
        #expect(found.peer == "10.0.0.2:5432")
    }

    @Test func summariesFitALine() {
        var evidence = capture([asking])
        evidence.watchPeer(role: .served)
        evidence.turns.append(served(2, 0, 800, container: 2))
        evidence.containers[2]?.name = String(repeating: "n", count: 200)
        #expect(verdict(evidence).summary.count == 80)
    }
}
