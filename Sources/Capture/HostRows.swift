import Analysis
import Events
import Foundation
import GRDB

/// What the recording host is made of, to and from rows.
enum HostRows {
    static func insert(_ evidence: Evidence, into db: Database) throws {
        let relays = try Insert(
            db, "relay",
            "program pid netns listen target listen_address listen_port target_address target_port")
        for relay in evidence.relays {
            try relays.row(
                relay.program, Int64(relay.pid), Int64(relay.netns), relay.listen.description,
                relay.target.description, Data(relay.listen.address), Int64(relay.listen.port),
                Data(relay.target.address), Int64(relay.target.port))
        }
        let addresses = try Insert(db, "host_address", "address")
        for address in evidence.hostAddresses { try addresses.row(Data(address)) }
        let coalescing = try Insert(
            db, "coalescing", "interface rx_us rx_frames rx_us_high rx_adaptive tx_us tx_frames tx_adaptive")
        for one in evidence.coalescing {
            try coalescing.row(
                one.interface, one.rxMicroseconds.map { Int64($0) }, one.rxFrames.map { Int64($0) },
                one.rxMicrosecondsHigh.map { Int64($0) }, one.adaptiveRX, one.txMicroseconds.map { Int64($0) },
                one.txFrames.map { Int64($0) }, one.adaptiveTX)
        }
        let readings = try Insert(db, "interface", "at_ns name interrupts packets")
        for one in evidence.interfaces {
            try readings.row(one.at.signed, one.interface, one.interrupts.signed, one.packets.signed)
        }
    }

    static func read(into evidence: inout Evidence, from db: Database) throws {
        let columns = "program, pid, netns, listen_address, listen_port, target_address, target_port"
        try EvidenceTables.each(db, columns, "relay ORDER BY rowid") {
            evidence.relays.append(
                Relay(
                    program: try $0.text(0), pid: try $0.number(1), netns: try $0.number(2),
                    listen: Endpoint(address: try $0.address(3), port: try $0.number(4)),
                    target: Endpoint(address: try $0.address(5), port: try $0.number(6))))
        }
        try EvidenceTables.each(db, "address", "host_address") { evidence.hostAddresses.insert(try $0.address(0)) }
        let settings = "interface, rx_us, rx_frames, rx_us_high, rx_adaptive, tx_us, tx_frames, tx_adaptive"
        try EvidenceTables.each(db, settings, "coalescing") {
            var one = Coalescing(interface: try $0.text(0))
            one.rxMicroseconds = try $0.optionalNumber(1)
            one.rxFrames = try $0.optionalNumber(2)
            one.rxMicrosecondsHigh = try $0.optionalNumber(3)
            one.adaptiveRX = $0.isNull(4) ? nil : try $0.int64(4) != 0
            one.txMicroseconds = try $0.optionalNumber(5)
            one.txFrames = try $0.optionalNumber(6)
            one.adaptiveTX = $0.isNull(7) ? nil : try $0.int64(7) != 0
            evidence.coalescing.append(one)
        }
        try EvidenceTables.each(db, "at_ns, name, interrupts, packets", "interface ORDER BY rowid") {
            evidence.interfaces.append(
                InterfaceReading(
                    at: try $0.bits(0), interface: try $0.text(1), interrupts: try $0.bits(2),
                    packets: try $0.bits(3)))
        }
    }
}
