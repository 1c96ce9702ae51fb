import Analysis
import Events
import Foundation
import GRDB
import Testing

@testable import Capture

@Suite struct RoundTripTests {
    @Test func everythingComesBack() throws {
        let scratch = try Scratch()
        let fixture = try Fixture()
        let url = try CaptureWriter.publish(
            incident: fixture.incident, blocks: fixture.blocks, into: scratch.directory())
        #expect(url.lastPathComponent == "20261123T165204Z-a1b2c3.flightrec")
        #expect(try scratch.names() == [url.lastPathComponent])

        let reader = try CaptureReader.open(url.path)
        #expect(reader.version == 5)
        #expect(try reader.summary() == fixture.incident.summary)
        let read = try reader.evidence()
        let written = fixture.incident.evidence
        #expect(read.id == written.id)
        #expect(read.clock == written.clock)
        #expect([read.askedFrom, read.askedTo, read.from, read.to] == [38, 60, 40, 60].map { $0 * Fixture.second })
        #expect(read.triggers == written.triggers)
        #expect(read.gaps == written.gaps)
        #expect(read.containers == written.containers)
        #expect(read.sockets == written.sockets)
        #expect(read.turns == written.turns)
        #expect(read.retransmits == written.retransmits)
        #expect(read.states == written.states)
        #expect(read.resets == written.resets)
        #expect(read.drops == written.drops)
        #expect(read.slowSoftirqs == written.slowSoftirqs)
        #expect(read.softirqTotals == written.softirqTotals)
        #expect(read.softirqTicks == written.softirqTicks)
        #expect(read.samples == written.samples)
        #expect(read.counters == written.counters)
        #expect(read.softnet == written.softnet)
        #expect(read.clocks == written.clocks)
        #expect(read.costs == written.costs)
        #expect(read.suppressed == written.suppressed)
        #expect(read.baselines == written.baselines)
        #expect(read.relays == written.relays)
        #expect(read.coalescing == written.coalescing)
        #expect(read.interfaces == written.interfaces)
        #expect(read.hostAddresses == written.hostAddresses)
        #expect(read.dropReasons == written.dropReasons)
        #expect(read.facts == written.facts)
    }

    @Test func eventsAreSortedCutAndOpenTurnsCountOnce() throws {
        let evidence = try Fixture().incident.evidence
        #expect(evidence.turns.count == 301)
        #expect(evidence.turns.map(\.end) == evidence.turns.map(\.end).sorted())
        #expect(evidence.turns.filter(\.isOpen).map(\.end) == [46 * Fixture.second])
        // The one before `from` is left out.
        #expect(evidence.retransmits.map(\.at) == [43 * Fixture.second])
        // An unknown kind of state change is not an error.
        #expect(evidence.states.map(\.kind) == [.other])
        // A socket known from its event alone.
        #expect(evidence.sockets[30]?.container == 77)
    }

    @Test func plainFactsAreReadableWithSQLAlone() throws {
        let scratch = try Scratch()
        let fixture = try Fixture()
        let url = try CaptureWriter.publish(
            incident: fixture.incident, blocks: fixture.blocks, into: scratch.directory())
        var configuration = Configuration()
        configuration.readonly = true
        let queue = try DatabaseQueue(path: url.path, configuration: configuration)
        let facts = try queue.read { db in
            try [
                String.fetchOne(db, sql: "SELECT verdict_cause FROM incident"),
                String.fetchOne(db, sql: "SELECT local FROM socket WHERE id = 1"),
                String.fetchOne(db, sql: "SELECT name || offset_ns || duration_ns FROM stage"),
                String.fetchOne(db, sql: "SELECT total_ns FROM turn_slow WHERE of_verdict AND over_threshold"),
                String.fetchOne(db, sql: "PRAGMA integrity_check"),
            ]
        }
        #expect(facts == ["app.lock", "172.17.0.2:6379", "receive-queue05000", "812000000", "ok"])
    }

    @Test func anIDIsNeverWrittenTwiceAndNeverAPath() throws {
        let scratch = try Scratch()
        let fixture = try Fixture()
        let directory = try scratch.directory()
        let url = try CaptureWriter.publish(incident: fixture.incident, blocks: fixture.blocks, into: directory)
        let before = try Data(contentsOf: url)
        #expect(throws: CaptureError.exists(path: url.path)) {
            try CaptureWriter.publish(incident: fixture.incident, blocks: [], into: directory)
        }
        #expect(try Data(contentsOf: url) == before)
        for id in ["", ".x", "../x", "a/b", "a\0b", String(repeating: "x", count: 129)] {
            #expect(throws: CaptureError.invalidID(id)) {
                try CaptureWriter.publish(incident: Fixture(id: id).incident, blocks: [], into: directory)
            }
        }
        #expect(try scratch.names() == [url.lastPathComponent])
    }

    @Test func aQuestionMarkInThePathIsNoURIQuery() throws {
        let scratch = try Scratch()
        let directory = try CaptureDirectory(preparing: scratch.path + "/a?mode=rwc#b%20c")
        let fixture = try Fixture()
        let url = try CaptureWriter.publish(incident: fixture.incident, blocks: fixture.blocks, into: directory)
        #expect(try CaptureReader.open(url.path).summary() == fixture.incident.summary)
    }
}
