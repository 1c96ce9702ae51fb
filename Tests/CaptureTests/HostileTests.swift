import Analysis
import CaptureFixtures
import Events
import Foundation
import GRDB
import Testing
import Window

@testable import Capture

@Suite struct HostileTests {
    private let scratch: Scratch
    private let good: [UInt8]

    init() throws {
        scratch = try Scratch()
        let fixture = try Fixture()
        let url = try CaptureWriter.publish(
            incident: fixture.incident, blocks: fixture.blocks, into: scratch.directory())
        good = [UInt8](try Data(contentsOf: url))
    }

    private func file(_ bytes: [UInt8]) throws -> String {
        let path = scratch.path + "/case.flightrec"
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return path
    }

    /// The state a full read ends in.
    private func state(_ path: String) throws -> CaptureState {
        do throws(CaptureError) {
            let reader = try CaptureReader.open(path)
            _ = try reader.summary()
            _ = try reader.incident()
            _ = try reader.evidence()
            return .ok
        } catch {
            guard case .unreadable(_, let state, _) = error else { throw error }
            return state
        }
    }

    /// A sound capture changed by `sql`.
    private func altered(_ sql: String) throws -> String {
        let path = try file(good)
        let queue = try DatabaseQueue(path: path)
        try queue.writeWithoutTransaction { try $0.execute(sql: sql) }
        try queue.close()
        try reseal(path)
        return path
    }

    /// Version 2 has no such columns.
    @Test func aCaptureOfBeforeHooksOfFunctionsWereTimedOpens() throws {
        let now = try #require(try CaptureReader.open(file(good)).incident()?.slow.first)
        #expect(now.sendBlocked == 7_654_321 && now.receiveProcessing == 1_234)
        let path = try altered(
            """
            ALTER TABLE turn_slow DROP COLUMN send_blocked_ns; ALTER TABLE turn_slow DROP COLUMN tcp_receive_ns;
            ALTER TABLE gap DROP COLUMN container; ALTER TABLE softirq_tick DROP COLUMN stolen_ns;
            PRAGMA user_version = 2
            """)
        #expect(try state(path) == .ok)
        var before = try #require(try CaptureReader.open(path).incident()?.slow.first)
        #expect(before.sendBlocked == 0 && before.receiveProcessing == 0)
        before.sendBlocked = now.sendBlocked
        before.receiveProcessing = now.receiveProcessing
        #expect(before == now)
    }

    /// Version 3 has no such column.
    @Test func aCaptureOfBeforeGapsHadContainersOpens() throws {
        let path = try altered(
            """
            ALTER TABLE gap DROP COLUMN container; ALTER TABLE softirq_tick DROP COLUMN stolen_ns;
            PRAGMA user_version = 3
            """)
        let gaps = try CaptureReader.open(path).frame().gaps
        #expect(gaps.map(\.why) == ["ring full", "cut short"] && gaps.allSatisfy { $0.container == nil })
    }

    /// Version 4 has no such column, and its findings have no such time.
    @Test func aCaptureOfBeforeStealWasLookedAtOpens() throws {
        #expect(try CaptureReader.open(file(good)).frame().softirqTicks.map(\.stolen) == [5])
        let path = try altered(
            """
            ALTER TABLE softirq_tick DROP COLUMN stolen_ns; PRAGMA user_version = 4
            """)
        #expect(try CaptureReader.open(path).frame().softirqTicks.map(\.stolen) == [0])
        let stage = try JSONDecoder().decode(
            ThreadStage.self,
            from: Data(
                """
                {"blocked":[],"frozen":0,"queued":0,"reclaim":0,"running":7,"stack":[],"stage":"application","stopped":0,
                "throttled":0,"tid":5}
                """.utf8))
        #expect(stage.running == 7 && stage.stolen == nil)
    }

    @Test func everyTruncationIsNoticed() throws {
        #expect(try state(file(good)) == .ok)
        for length in stride(from: 0, to: good.count, by: 499) {
            #expect(try state(file(Array(good.prefix(length)))) == .truncated, "\(length) bytes")
        }
    }

    @Test func flippedBytesNeverCrashAndBlocksNeverLie() throws {
        var generator = SystemRandomNumberGenerator()
        var damaged = 0
        for _ in 0..<2500 {
            var bytes = good
            let offset = Int.random(in: 0..<bytes.count, using: &generator)
            bytes[offset] ^= UInt8.random(in: 1...255, using: &generator)
            let path = try file(bytes)
            try reseal(path)
            do {
                if try state(path) != .ok { damaged += 1 }
            } catch CaptureError.tooLarge {
                damaged += 1
            }
        }
        #expect(damaged > 100)
    }

    @Test func aFlipInABlockIsCaught() throws {
        let path = try file(good)
        let data = try DatabaseQueue(path: path).read { db in
            try Data.fetchOne(db, sql: "SELECT data FROM block WHERE kind = 4 ORDER BY id LIMIT 1")
        }
        let needle = [UInt8](try #require(data))
        let offset = try #require((0..<good.count - needle.count).first { good[$0...].starts(with: needle) })
        var bytes = good
        bytes[offset + needle.count / 2] ^= 1
        let flipped = try file(bytes)
        try reseal(flipped)
        #expect(try state(flipped) == .corrupt)
    }

    @Test func filesThatAreNoCaptures() throws {
        #expect(try state(file(Array("hello, this is a text".utf8))) == .foreign)
        let other = scratch.path + "/other.db"
        try DatabaseQueue(path: other).write { try $0.execute(sql: "CREATE TABLE t (a)") }
        #expect(try state(other) == .foreign)
        #expect(try state(scratch.path) == .foreign)
        #expect(try state(altered("PRAGMA user_version = 6")) == .newer)
        #expect(try state(altered("PRAGMA user_version = 0")) == .corrupt)
        #expect(try state(altered("PRAGMA journal_mode = WAL")) == .corrupt)
        #expect(throws: CaptureError.notFound("/nowhere.flightrec")) { try CaptureReader.open("/nowhere.flightrec") }
    }

    @Test(arguments: [
        "ALTER TABLE incident RENAME TO x; CREATE VIEW incident AS SELECT * FROM x",
        "CREATE TRIGGER t AFTER INSERT ON meta BEGIN DELETE FROM meta; END",
        "CREATE VIRTUAL TABLE v USING fts5(a)",
        "CREATE INDEX i ON gap (abs(lost))",
        "ALTER TABLE gap ADD COLUMN g INTEGER AS (lost + 1)",
        // Each of its rows would have that text.
        "ALTER TABLE symbol ADD COLUMN g TEXT NOT NULL DEFAULT 'as many bytes as you like'",
        "DROP TABLE gap",
        "DELETE FROM incident",
        "INSERT INTO incident SELECT * FROM incident",
        "UPDATE incident SET events = -1",
        "UPDATE incident SET verdict_summary = printf('%.*c', 70000, 'x')",
        "UPDATE socket SET local_port = 65536",
        "UPDATE socket SET local_address = x'01'",
        "DROP TABLE gap; CREATE TABLE gap (from_ns, to_ns, lost, why); INSERT INTO gap VALUES ('a', x'', 1.5, NULL)",
        "UPDATE softirq_tick SET cpu = 65536",
        "UPDATE softnet SET cpu = -1",
        "UPDATE counter SET name = printf('%.*c', 70000, 'x')",
        "DROP TABLE counter",
        "UPDATE relay SET listen_address = x'0102'",
        "UPDATE relay SET target_port = -1",
        "UPDATE relay SET pid = 1 << 40",
        "UPDATE relay SET program = printf('%.*c', 70000, 'x')",
        "UPDATE coalescing SET rx_us = -1",
        "UPDATE coalescing SET rx_frames = 1 << 32",
        "UPDATE interface SET name = printf('%.*c', 70000, 'x')",
        "DELETE FROM host_address; INSERT INTO host_address VALUES (x'')",
        "ALTER TABLE sample ADD COLUMN g INTEGER AS (network + 1)",
        "UPDATE stage SET duration_ns = duration_ns + 1",
        "UPDATE turn_slow SET role = -1",
        "DROP TABLE finding",
        "UPDATE finding SET json = '{'",
        "UPDATE finding SET json = '{\"from_ns\":2,\"to_ns\":1}' WHERE part = 'quiet'",
        "INSERT INTO socket_turns VALUES (1, -1, 0, 0)",
        "INSERT INTO finding VALUES ('also_slow', 1, '{\"connected\":true,\"container\":1,\"maximum\":1,\"turns\":-1}')",
        "UPDATE block SET count = -1",
        "UPDATE block SET count = count + 1",
        "UPDATE block SET codec = 255",
        "UPDATE block SET codec = 256",
        "UPDATE block SET raw_length = 16",
        "UPDATE block SET checksum = 1",
        "UPDATE block SET data = x''",
        "UPDATE block SET kind = 6 WHERE kind = 4",
    ])
    func forgeriesAreRefused(_ sql: String) throws {
        #expect(try state(altered(sql)) == .corrupt)
    }

    @Test func unknownWordsAreTolerated() throws {
        let path = try altered(
            """
            UPDATE incident SET verdict_confidence = 'absolute', trigger = 'psychic', verdict_share = 7;
            UPDATE trigger SET kind = 'psychic';
            UPDATE socket SET role = 200;
            INSERT INTO block
                (kind, container, from_ns, to_ns, began_ns, sockets, count, codec, raw_length, checksum, data)
            VALUES (99, 0, 0, 0, 0, x'', 1, 0, 0, 0, x'')
            """)
        let reader = try CaptureReader.open(path)
        let summary = try reader.summary()
        #expect(summary.verdict.confidence == .low)
        #expect(summary.verdict.share == 1)
        #expect(summary.trigger == .manual)
        let evidence = try reader.evidence()
        #expect(evidence.sockets[1]?.role == .unknown)
        #expect(evidence.eventCount == summary.events)
    }

    @Test func claimsOverTheLimitsAreRefusedBeforeDecoding() throws {
        let sound = try CaptureReader.open(file(good))
        #expect(throws: CaptureError.self) { try sound.evidence(limits: CaptureLimits(events: 100)) }
        #expect(throws: CaptureError.self) { try sound.evidence(limits: CaptureLimits(bytes: 1000)) }
        for (sql, words) in [
            ("UPDATE block SET count = 9223372036854775807", "it claims 9223372036854775807 events in "),
            ("UPDATE block SET count = 200000", "events in "),
            ("UPDATE block SET raw_length = 9223372036854775807", "more than 8192 MiB"),
        ] {
            let error = #expect(throws: CaptureError.self) { try CaptureReader.open(altered(sql)).evidence() }
            #expect(error?.description.contains(words) == true)
        }
    }
}
