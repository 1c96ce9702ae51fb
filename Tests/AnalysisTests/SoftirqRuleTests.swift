import Events
import Testing

@testable import Analysis

private let ms: UInt64 = 1_000_000
private let at: UInt64 = 10_000 * ms

/// Packets that waited for the CPU that had to take them in.
@Suite struct SoftirqRuleTests {
    private func verdict(_ evidence: Evidence) -> Verdict { analyze(evidence).summary.verdict }

    /// Built from ring bytes: `SlowSoftirq` has no other initialiser. `from`, `alike` and `of` are the backlog's.
    private func softirq(
        at: Instant, run: UInt64, deferred: UInt64, from: ContainerKey = 0, alike: UInt16 = 0, of: UInt16 = 0
    ) throws -> SlowSoftirq {
        var record = [UInt8](repeating: 0, count: EventKind.softirq.size)
        record.withUnsafeMutableBytes { bytes in
            bytes.storeBytes(of: at, as: UInt64.self)
            bytes.storeBytes(of: EventKind.softirq.rawValue, toByteOffset: 20, as: UInt16.self)
            bytes.storeBytes(of: run, toByteOffset: 24, as: UInt64.self)
            bytes.storeBytes(of: deferred, toByteOffset: 32, as: UInt64.self)
            bytes.storeBytes(of: from, toByteOffset: 40, as: UInt64.self)
            bytes.storeBytes(of: 3, toByteOffset: 48, as: UInt32.self)
            bytes.storeBytes(of: UInt32(of) * 4, toByteOffset: 52, as: UInt32.self)
            bytes.storeBytes(of: of, toByteOffset: 56, as: UInt16.self)
            bytes.storeBytes(of: alike, toByteOffset: 58, as: UInt16.self)
            bytes[64] = UInt8(ascii: "v")
        }
        guard case .softirq(let slow) = try record.withUnsafeBytes({ try Event($0) }) else {
            throw RecordError.unknownKind(0)
        }
        return slow
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

    /// A request 700 ms under way between two containers, while NET_RX ran without a pause.
    private func flooded(from: ContainerKey, alike: UInt16) throws -> Evidence {
        var evidence = capture([asking])
        evidence.watchPeer(role: .served)
        evidence.turns.append(served(2, 700, 710, container: 2))
        evidence.turns[1].arrival = (late: 0, cpu: 0)
        evidence.containers[9] = ContainerName(id: "cc", name: "noisy", runtime: "docker")
        evidence.slowSoftirqs = try (0..<70).map {
            try softirq(
                at: at + ($0 + 1) * 10 * ms, run: 9 * ms, deferred: ms, from: from, alike: alike, of: 16)
        }
        return evidence
    }

    @Test func thoseWhoseMostPacketsWaitedAreNamed() throws {
        let found = verdict(try flooded(from: 9, alike: 15))
        #expect(found.cause == "host.softirq" && found.confidence == .high)
        #expect(found.summary == "packet processing late on CPU 0, busy with packets of noisy: 690 ms of 800 ms")
        #expect(found.evidence.contains("1050 of 1120 packets looked at in that CPU's backlog were sent by noisy"))
        let foreign = verdict(try flooded(from: 0, alike: 15))
        #expect(foreign.evidence.contains { $0.hasSuffix("were not of a container here; they came in on v") })
    }

    @Test func aTimerThatRanOutInABusyBacklogLostNothing() throws {
        var evidence = try flooded(from: 9, alike: 15)
        evidence.turns[1].arrival = (late: ms, cpu: 0)
        evidence.retransmits = [
            Retransmit(at: at + 200 * ms, container: 1, socket: 1, kind: .tlp, rtoMilliseconds: 420),
            Retransmit(at: at + 620 * ms, container: 1, socket: 1, kind: .rto, rtoMilliseconds: 420),
        ]
        #expect(verdict(evidence).cause == "host.softirq")
        evidence.turns[1].arrival = (late: ms, cpu: 1)
        #expect(verdict(evidence).cause == "net.retransmit", "it came in on another CPU")
    }

    @Test func nobodyIsNamedWithoutAMajority() throws {
        let found = verdict(try flooded(from: 9, alike: 7))
        #expect(found.cause == "host.softirq")
        #expect(!found.summary.contains("noisy") && !found.evidence.contains { $0.contains("backlog") })
    }

    @Test func aRunThatWaitedForTheCPUIsNotBusy() throws {
        var evidence = capture([asking])
        evidence.watchPeer(role: .served)
        evidence.turns.append(served(2, 700, 710, container: 2))
        evidence.turns[0].arrival = (late: 0, cpu: 1)
        evidence.slowSoftirqs = [
            try softirq(at: at + 700 * ms, run: ms, deferred: 690 * ms, from: 1, alike: 14, of: 15)
        ]
        #expect(verdict(evidence).cause == "bridge.delay", "which CPU took the request in is not known")
        evidence.turns[1].arrival = (late: 0, cpu: 0)
        let found = verdict(evidence)
        #expect(found.cause == "host.softirq" && found.confidence == .high)
        #expect(found.summary == "packet processing late on CPU 0, busy with other work: 690 ms of 800 ms")
        evidence.turns[1].arrival = (late: 0, cpu: 1)
        #expect(verdict(evidence).cause == "bridge.delay", "neither came in there")
    }
}
