import Analysis
import CFlightrec
import Events
import Testing

@testable import Recorder

private let second: UInt64 = 1_000_000_000

@Suite struct WaitingCapturesTests {
    @Test func whereTheDiskHangsTwoHaveAPlaceAndFurtherOnesWithinTheLimit() {
        let waiting = WaitingCaptures()
        #expect(waiting.admit(100, limit: 50, at: second))
        let late = 20 * second
        #expect(waiting.admit(100, limit: 50, at: late))
        #expect(!waiting.admit(1, limit: 200, at: late))
        #expect(waiting.admit(1, limit: 201, at: late))
        #expect(waiting.count == 3)
        // The recorder ends: it waits for the others anyway.
        #expect(waiting.admit(1000, limit: 201, at: late, isLast: true))
        #expect(waiting.count == 4)
        for bytes: UInt64 in [100, 100, 1, 1000] { waiting.leave(bytes, at: late) }
        #expect(waiting.count == 0)
        #expect(waiting.admit(.max, limit: 0, at: late))
        #expect(waiting.admit(.max, limit: 0, at: late))
        #expect(!waiting.admit(1, limit: .max, at: late))
    }

    @Test func whereItIsOnlySlowSeveralTimesTheLimitHaveAPlace() {
        let waiting = WaitingCaptures()
        for _ in 0..<4 { #expect(waiting.admit(100, limit: 100, at: second)) }
        #expect(!waiting.admit(100, limit: 100, at: second))
        waiting.leave(100, at: 8 * second)
        #expect(waiting.admit(100, limit: 100, at: 17 * second))
        waiting.leave(100, at: 17 * second)
        #expect(!waiting.admit(100, limit: 100, at: 28 * second))
        waiting.leave(100, at: 28 * second)
        #expect(waiting.admit(100, limit: 100, at: 29 * second))
    }

    @Test func whatACaptureHoldsBesideItsBlocksCountsToo() {
        let evidence = Evidence(
            id: "t", clock: ClockPair(monotonic: 0, wall: 0), askedFrom: 0, askedTo: 0, from: 0, to: 0)
        var finished = Finished(evidence: evidence, sockets: [], blocks: [], containers: [], opened: nil, replaces: [])
        #expect(finished.ownBytes == 0)
        // A minute of looks at 64 CPUs, ten a second.
        finished.evidence.softirqTicks = Array(
            repeating: SoftirqTick(cpu: 0, from: 0, to: 1, total: 0, netRX: 0), count: 64 * 600)
        let ticks = finished.ownBytes
        #expect(ticks >= 64 * 600 * 40)
        finished.sockets = Array(repeating: fr_socket(), count: 1000)
        #expect(finished.ownBytes == ticks + 1000 * UInt64(MemoryLayout<fr_socket>.stride))
    }
}
