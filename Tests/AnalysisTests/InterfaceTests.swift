import Events
import Testing

@testable import Analysis

private let ms: UInt64 = 1_000_000
private let at: UInt64 = 10_000 * ms

/// Packets gathered by the interface, as evidence.
@Suite struct InterfaceTests {
    private func interface(_ name: String, _ microseconds: UInt32, frames: UInt32 = 0) -> Coalescing {
        var one = Coalescing(interface: name)
        (one.rxMicroseconds, one.rxFrames) = (microseconds, frames)
        return one
    }

    /// A call that waited 2 ms for another host.
    private func waiting() -> Evidence {
        let call = Turn(
            container: 1, socket: 1, role: .called, start: at, end: at + 2 * ms, receivedFirst: at + 2 * ms,
            receivedLast: at + 2 * ms, woken: at + 2 * ms, readFirst: at + 2 * ms, readLast: at + 2 * ms,
            sentFirst: at, sentLast: at, tid: 5, smoothedRTT: 900, sequence: 4)
        return capture([call])
    }

    private func notes(_ evidence: Evidence) -> [String] {
        analyze(evidence).summary.verdict.evidence.filter { $0.contains("gathers packets") }
    }

    @Test func aSizeablePartOfTheWaitIsSaid() {
        var evidence = waiting()
        evidence.coalescing = [interface("eth0", 500, frames: 64)]
        evidence.interfaces = [
            InterfaceReading(at: at - 50 * ms, interface: "eth0", interrupts: 1000, packets: 5000),
            InterfaceReading(at: at + 50 * ms, interface: "eth0", interrupts: 1200, packets: 6300),
        ]
        #expect(
            notes(evidence) == [
                "eth0 gathers packets for up to 500 µs before it interrupts (rx-usecs 500, rx-frames 64): "
                    + "up to 25 % of this wait; it interrupted every 500 µs then, for 6.5 packets each"
            ])
        let incident = analyze(evidence)
        #expect(incident.summary.verdict.cause == "peer.slow", "a setting is no cause")
        #expect(incident.holding.map(\.longest) == [500_000])
        #expect(incident.holding.first?.rate?.packets == 6.5)
    }

    @Test func aSmallOneIsNot() {
        var evidence = waiting()
        evidence.coalescing = [interface("eth0", 100), interface("eth1", 0), interface("eth2", 900, frames: 1)]
        #expect(notes(evidence).isEmpty)
    }

    @Test func anAdaptiveDriversHighMarkCounts() {
        var one = interface("eth0", 8)
        one.rxMicrosecondsHigh = 400
        #expect(one.longestWait == 8000)
        one.adaptiveRX = true
        #expect(one.longestWait == 400_000 && one.settings == "rx-usecs 8, adaptive")
    }

    @Test func whichOfSeveralIsNotKnown() {
        var evidence = waiting()
        evidence.coalescing = [interface("eth0", 500), interface("eth1", 700)]
        #expect(notes(evidence).first?.hasPrefix("eth1 gathers packets for up to 700 µs") == true)
        #expect(notes(evidence).first?.hasSuffix("2 interfaces do so, and which one it came by is not known") == true)
    }

    @Test func aPeerOnThisHostIsNotBehindAnInterface() {
        var evidence = waiting()
        evidence.coalescing = [interface("eth0", 500)]
        evidence.hostAddresses = [[10, 0, 0, 2]]
        #expect(notes(evidence).isEmpty)
        evidence.hostAddresses = []
        evidence.watchPeer(role: .served)
        #expect(notes(evidence).isEmpty)
    }

    @Test func tooFewInterruptsAreNoAverage() {
        let span = at..<at + 2 * ms
        func readings(_ count: UInt64, _ to: UInt64) -> [InterfaceReading] {
            [
                InterfaceReading(at: at - ms, interface: "eth0", interrupts: 5, packets: 9),
                InterfaceReading(at: to, interface: "eth0", interrupts: 5 + count, packets: 9 + count * 2),
                InterfaceReading(at: to, interface: "eth1", interrupts: 900, packets: 0),
            ]
        }
        #expect(InterruptRate(readings(19, at + 9 * ms), of: "eth0", in: span) == nil)
        #expect(InterruptRate(readings(20, at + 9 * ms), of: "eth0", in: span)?.gap == 500_000)
        #expect(InterruptRate(readings(20, at - 2 * ms), of: "eth0", in: span) == nil, "not in order: a forged capture")
        #expect(InterruptRate([], of: "eth0", in: span) == nil)
    }
}
