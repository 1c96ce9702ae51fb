import Analysis
import CFlightrec
import Capture
import CaptureFixtures
import Dispatch
import Events
import Foundation
import GRDB
import Testing

@testable import Query

@Suite struct DatabaseTests {
    private static let second = CaptureFixture.second

    private func fixture() throws -> CaptureFixture {
        let second = Self.second
        var retransmit = fr_retransmit()
        retransmit.h = CaptureFixture.header(.retransmit, at: CaptureFixture.origin + second, container: 1, socket: 1)
        retransmit.rtx_kind = UInt8(FR_RTX_RTO.rawValue)
        retransmit.rto_ms = 204
        var drop = fr_drop()
        drop.h = CaptureFixture.header(.drop, at: CaptureFixture.origin + 2 * second, container: 0, socket: 0)
        drop.reason = 6
        drop.count = 3
        var stack = fr_stack()
        stack.h = CaptureFixture.header(.stack, at: CaptureFixture.origin + 2 * second, container: 1, socket: 0)
        stack.depth = 2
        stack.frames.0 = 0xffff_0001
        stack.frames.1 = 0xffff_0002
        return try CaptureFixture(
            [
                CaptureFixture.block(.turn, 1, [CaptureFixture.turn(second, 2 * second, container: 1, socket: 1)]),
                CaptureFixture.block(
                    .turn, 2, [CaptureFixture.turn(second, 3 * second, container: 2, socket: 2, role: .called)]),
                CaptureFixture.block(.retransmit, 1, [retransmit]), CaptureFixture.block(.drop, 0, [drop]),
                CaptureFixture.block(.stack, 1, [stack]),
            ], containers: [1: "api\u{1b}[31m", 2: "db"],
            sockets: [CaptureFixture.socket(1, 1), CaptureFixture.socket(2, 2, role: .called)],
            samples: [ContainerSample(at: CaptureFixture.origin + 5, container: 1, frozen: true, throttled: nil)])
    }

    private func output(_ database: CaptureDatabase, _ sql: String, _ format: ResultFormat) throws -> String {
        var text = ""
        try database.execute(sql, format: format, to: TextOutput { text += String(decoding: $0, as: UTF8.self) })
        return text
    }

    @Test func eventsHaveNamesTimesAndStages() throws {
        let fixture = try fixture()
        let database = try CaptureDatabase(path: fixture.path)
        let turns = try output(
            database,
            """
            SELECT container, socket, role, local, remote, process, pid, started_at, start_wall_ns, start_ns, total_ns,
                receive_queue_ns, application_ns, waiting_for_peer_ns, unexplained_ns, tid, flags FROM turns ORDER BY socket
            """, .csv(isTerminal: false))
        #expect(
            turns == """
                container,socket,role,local,remote,process,pid,started_at,start_wall_ns,start_ns,total_ns,receive_queue_ns,\
                application_ns,waiting_for_peer_ns,unexplained_ns,tid,flags
                api,1,served,10.0.0.1:80,10.0.1.1:4001,worker1,501,2026-11-18T11:06:41.000000000Z,1795000001000000000,\
                1001000000000,1000000000,100000000,900000000,,0,7,
                db,2,called,10.0.1.2:4002,10.0.0.2:80,worker2,502,2026-11-18T11:06:41.000000000Z,1795000001000000000,\
                1001000000000,2000000000,0,,2000000000,0,7,

                """)
        #expect(
            try output(
                database,
                "SELECT container, retransmit, rto_ms, remote FROM retransmits; SELECT container, reason, count FROM drops",
                .json) == """
                    [{"container":"api","retransmit":"rto","rto_ms":204,"remote":"10.0.1.1:4001"}]
                    [{"container":"host","reason":"SOCKET_RCVBUFF","count":3}]

                    """)
        #expect(
            try output(
                database, "SELECT frames FROM stacks; SELECT container, frozen, throttled_ns FROM samples", .json)
                    == """
                    [{"frames":"do_nanosleep;schedule"}]
                    [{"container":"api","frozen":1,"throttled_ns":null}]

                    """)
    }

    @Test func theExamplesRun() throws {
        let fixture = try fixture()
        let database = try CaptureDatabase(path: fixture.path)
        for example in Help.examples { _ = try output(database, example.sql, .table) }
        for table in Tables.all { _ = try output(database, "SELECT * FROM \(table.name)", .table) }
    }

    @Test(arguments: [
        "DELETE FROM incident", "UPDATE incident SET id = 'x'", "INSERT INTO meta VALUES ('a', 'b')", "DROP TABLE meta",
        "CREATE TABLE x(a)", "CREATE TEMP TABLE x(a)", "CREATE VIEW x AS SELECT 1", "ATTACH ':memory:' AS x",
        "VACUUM INTO '/tmp/flightrec-never.db'", "BEGIN", "PRAGMA journal_mode = WAL", "PRAGMA user_version = 9",
        "PRAGMA query_only = 0", "PRAGMA writable_schema = 1", "UPDATE sqlite_master SET sql = ''",
        "INSERT INTO turns(socket) VALUES (1)", "DELETE FROM turns", "SELECT load_extension('x')", "REINDEX", "ANALYZE",
        "CREATE VIRTUAL TABLE x USING turns", "SELECT \"no such column\"",
    ])
    func aQueryCannotWrite(sql: String) throws {
        let fixture = try fixture()
        let before = try Data(contentsOf: URL(fileURLWithPath: fixture.path))
        let database = try CaptureDatabase(path: fixture.path)
        #expect(throws: QueryError.self) { try output(database, sql, .table) }
        #expect(try Data(contentsOf: URL(fileURLWithPath: fixture.path)) == before)
        #expect(!FileManager.default.fileExists(atPath: "/tmp/flightrec-never.db"))
        // And the connection still answers.
        #expect(try output(database, "SELECT count(*) AS n FROM turns", .csv(isTerminal: false)) == "n\n2\n")
    }

    @Test(arguments: [
        "CREATE TABLE turns(socket)", "CREATE TABLE Drops(x)", "CREATE VIEW v AS SELECT 1",
        "CREATE TABLE g(a, b AS (a + 1))", "CREATE TABLE g(a, b DEFAULT 'as many bytes as you like')",
        "CREATE TRIGGER t AFTER INSERT ON meta BEGIN SELECT 1; END",
        "UPDATE block SET sockets = x'80'", "UPDATE block SET sockets = x'010000'",
        "UPDATE block SET sockets = x'0101010101'",
        "UPDATE block SET kind = 4 WHERE kind = 2",
    ])
    func aHostileCaptureIsRefused(sql: String) throws {
        let fixture = try fixture()
        let queue = try DatabaseQueue(path: fixture.path)
        try queue.writeWithoutTransaction { try $0.execute(sql: sql) }
        try queue.close()
        try reseal(fixture.path)
        do {
            let database = try CaptureDatabase(path: fixture.path)
            // A block that lies of itself is found when it is decoded.
            _ = try output(database, "SELECT count(*) FROM retransmits", .table)
            Issue.record("\(sql) was accepted")
        } catch let error as CaptureError {
            guard case .unreadable(_, .corrupt, _) = error else { throw error }
        } catch QueryError.statement(let why) {
            #expect(why.contains("damaged"))
        }
    }

    @Test func ctrlCStopsAQuery() throws {
        let fixture = try fixture()
        let database = try CaptureDatabase(path: fixture.path)
        let interrupt = database.interrupt
        DispatchQueue.global().asyncAfter(deadline: .now() + 0.3) { interrupt.fire() }
        #expect(throws: QueryError.interrupted) {
            try output(
                database,
                "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c, turns",
                .table)
        }
        #expect(try output(database, "SELECT 1 AS one", .csv(isTerminal: false)) == "one\n1\n")
    }
}
