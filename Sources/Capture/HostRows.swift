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
    }
}
