import Analysis
import CFlightrec
import Capture
import CaptureFixtures
import Events
import Foundation
import GRDB
import Query
import Testing

@testable import Export

@Suite struct FileExportTests {
    private let fixture: CaptureFixture
    private let evidence: Evidence

    init() throws {
        let second = CaptureFixture.second
        var reset = fr_reset()
        reset.h = CaptureFixture.header(.reset, at: CaptureFixture.origin + 2 * second, container: 1, socket: 1)
        reset.reset_kind = UInt32(FR_RESET_SENT.rawValue)
        fixture = try CaptureFixture(
            [
                CaptureFixture.block(
                    .turn, 1,
                    [
                        CaptureFixture.turn(second, 3 * second, container: 1, socket: 1),
                        CaptureFixture.turn(0, second, container: 1, socket: 1),
                    ]),
                CaptureFixture.block(
                    .open, 1, [CaptureFixture.turn(second, 4 * second, container: 1, socket: 2, kind: .open)]),
                CaptureFixture.block(.reset, 1, [reset]),
            ], containers: [1: "a,\"b\"\n"], sockets: [CaptureFixture.socket(1, 1)],
            samples: [ContainerSample(at: CaptureFixture.origin + 5, container: 1, frozen: true, throttled: nil)])
        evidence = try CaptureReader.open(fixture.path).evidence()
    }

    private func text(_ body: (TextOutput) throws -> Void) rethrows -> String {
        var text = ""
        try body(TextOutput { text += String(decoding: $0, as: UTF8.self) })
        return text
    }

    @Test func jsonHasALineForEveryEventInOrder() throws {
        let lines = text { exportJSONLines(evidence, to: $0) }.split(separator: "\n")
        let objects = try lines.map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
        #expect(objects.count == evidence.eventCount)
        #expect(objects.map { $0["kind"] as? String } == ["turn", "reset", "turn", "turn"])
        let times = objects.compactMap { ($0["ended_at"] ?? $0["at"]) as? String }
        #expect(times == times.sorted() && times.count == 4)
        let turn = objects[2]
        #expect(turn["container"] as? String == "a,\"b\" ")
        #expect(turn["remote"] as? String == "10.0.1.1:4001")
        #expect(turn["total_ns"] as? Int == 2_000_000_000)
        #expect(turn["application_ns"] as? Int == 1_800_000_000)
        #expect(turn["in_flight"] as? Bool == false)
        #expect(objects[3]["in_flight"] as? Bool == true)
        // No time but as text, and nothing of a call.
        #expect(!turn.keys.contains { $0.contains("wall") || $0 == "waiting_for_peer_ns" })
    }

    @Test func csvHasAHeaderAndQuotes() throws {
        let csv = text { exportCSV(Tables.turns, evidence, to: $0) }
        let lines = csv.split(separator: "\n")
        #expect(lines.count == 4)
        #expect(lines[0].hasPrefix("container,socket,local,remote,"))
        #expect(lines[1].hasPrefix("\"a,\"\"b\"\" \",1,10.0.0.1:80,"))
    }

    @Test func anEarlierVersionLacksColumns() throws {
        let capture = try DatabaseQueue(path: fixture.path)
        try capture.writeWithoutTransaction {
            try $0.execute(
                sql: """
                    ALTER TABLE gap DROP COLUMN container; ALTER TABLE softirq_tick DROP COLUMN stolen_ns;
                    PRAGMA user_version = 3
                    """)
        }
        try capture.close()
        try reseal(fixture.path)
        let file = try OutputFile(scratch: NSTemporaryDirectory())
        try exportSQLite(evidence, capture: fixture.path, to: file.temporary)
        let events = try DatabaseQueue(path: file.temporary).read {
            try Int.fetchOne($0, sql: "SELECT events FROM incident")
        }
        #expect(events == evidence.eventCount)
        let mode = try FileManager.default.attributesOfItem(atPath: file.temporary)[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }

    @Test func aDatabaseHoldsTablesForBlocks() throws {
        let file = try OutputFile(fixture.path + ".db")
        try exportSQLite(evidence, capture: fixture.path, to: file.temporary)
        #expect(!FileManager.default.fileExists(atPath: fixture.path + ".db"))
        try file.publish()
        let queue = try DatabaseQueue(path: fixture.path + ".db")
        try queue.read { db in
            #expect(try Int.fetchOne(db, sql: "SELECT count(*) FROM turns WHERE start_ns >= 0") == 3)
            #expect(try String.fetchOne(db, sql: "SELECT reset || remote FROM resets") == "sent10.0.1.1:4001")
            #expect(try Int.fetchOne(db, sql: "SELECT count(*) FROM samples JOIN sample USING (at_ns)") == 1)
            #expect(try Int.fetchOne(db, sql: "SELECT events FROM incident") == evidence.eventCount)
            #expect(try Int.fetchOne(db, sql: "PRAGMA application_id") == 0)
            #expect(try String.fetchOne(db, sql: "PRAGMA integrity_check") == "ok")
            #expect(try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema WHERE name = 'block'") == 0)
            // Plain, and the same as through the virtual tables.
            let database = try CaptureDatabase(path: fixture.path)
            for table in Tables.all {
                let columns = table.columnFacts.map(\.name).joined(separator: ",")
                let order = table.columnFacts.indices.map { "\($0 + 1)" }.joined(separator: ",")
                let sql = "SELECT \(columns) FROM \(table.name) ORDER BY \(order)"
                var live = ""
                try database.execute(
                    sql, format: .csv(isTerminal: false), to: TextOutput { live += String(decoding: $0, as: UTF8.self) }
                )
                let rows = try Row.fetchAll(db, sql: sql)
                #expect(live.split(separator: "\n").count == rows.count + 1, "\(table.name)")
                for (line, row) in zip(live.split(separator: "\n").dropFirst(), rows) {
                    let plain = row.databaseValues.map { value -> String in
                        switch value.storage {
                        case .int64(let number): "\(number)"
                        case .string(let text): text.contains(",") ? "\"\(text.replacing("\"", with: "\"\""))\"" : text
                        default: ""
                        }
                    }
                    #expect(line == plain.joined(separator: ","))
                }
            }
        }
    }

    @Test func aFileAppearsWholeOrNotAtAll() throws {
        let path = fixture.path + ".out"
        try Data("old".utf8).write(to: URL(fileURLWithPath: path))
        do {
            let file = try OutputFile(path)
            try Data("half".utf8).write(to: URL(fileURLWithPath: file.temporary))
        }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
        do {
            let file = try OutputFile(path)
            try Data("new".utf8).write(to: URL(fileURLWithPath: file.temporary))
            try file.publish()
        }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "new")
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        let left = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".tmp") }
        #expect(left.isEmpty)
        #expect(throws: OutputError.self) { try OutputFile("/nonexistent/folder/file") }
    }
}
