import Analysis
import Events
import Testing

@testable import Report

@Suite struct InterfaceTests {
    private let style = Style(color: false, width: 80, utf8: true)

    /// eth0 may have held a packet for half of the wait; eth1 was set the same, and interrupted too rarely to tell.
    private func incident() throws -> Incident {
        var evidence = Fixtures.evidence()
        var eth0 = Coalescing(interface: "eth0\u{1b}[2J")
        (eth0.rxMicroseconds, eth0.rxFrames, eth0.adaptiveRX) = (250, 32, true)
        var eth1 = Coalescing(interface: "eth1")
        eth1.rxMicroseconds = 200
        evidence.coalescing = [eth1, eth0, Coalescing(interface: "eth2")]
        let millisecond = Fixtures.millisecond
        evidence.interfaces = [
            InterfaceReading(at: Fixtures.spike - millisecond, interface: eth0.interface, interrupts: 10, packets: 10),
            InterfaceReading(
                at: Fixtures.spike + 999 * millisecond, interface: eth0.interface, interrupts: 4010, packets: 14_410),
        ]
        var incident = Fixtures.incident(evidence)
        let turn = try #require(incident.turn)
        let rate = InterruptRate(evidence.interfaces, of: eth0.interface, in: turn.start..<turn.end)
        incident.holding = [
            Holding(coalescing: eth0, longest: 250_000, share: 0.5, rate: rate),
            Holding(coalescing: eth1, longest: 200_000, share: 0.4, rate: nil),
        ]
        return incident
    }

    @Test func aSectionOfThoseThatMayHaveHeldPackets() throws {
        let section = interfaceSection(try incident(), style)
        #expect(section.title == "INTERFACES")
        let words = section.lines.map { $0.split(separator: " ").joined(separator: " ") }
        #expect(words.count == 3)
        #expect(words[1].hasSuffix("250 µs 50.0 % rx-usecs 250, rx-frames 32, adaptive 250 µs 3.6"))
        #expect(words[2] == "eth1 200 µs 40.0 % rx-usecs 200 - -")
        #expect(!section.lines.joined().contains("\u{1b}"))
        #expect(section.lines.allSatisfy { DisplayWidth.of($0) <= 80 })
    }

    @Test func noneWhereThereIsNothingToSay() {
        #expect(interfaceSection(Fixtures.incident(), style).lines.isEmpty)
    }

    @Test func allSettingsInJSON() throws {
        let incident = try incident()
        let text = try interfacesJSON(incident.evidence, incident.turn).text()
        #expect(
            text.contains(
                #"{"adaptive_rx":null,"adaptive_tx":null,"interrupt_gap_ns":null,"name":"eth2","packets_per_interrupt":null,"#
            ))
        #expect(text.contains(#""interrupt_gap_ns":250000,"#) && text.contains(#""packets_per_interrupt":3.6,"#))
        #expect(text.contains(#""rx_frames":32,"rx_usecs":250,"rx_usecs_high":null,"rx_wait_ns":250000,"#))
        #expect(!text.contains("\u{1b}"))
    }
}
