import Analysis
import CFlightrec
import CaptureFixtures
import Events
import Foundation
import Testing
import Window

@testable import Query

/// Constraints pass over the blocks they can, and change nothing of an answer.
@Suite struct PruningTests {
    private static let second = CaptureFixture.second

    /// For each of containers 1 to 4 and seconds 10, 20, … 50: a block of 10 turns, 100 ms long, of two sockets that occur in
    /// no other block.
    private let fixture: CaptureFixture
    private let database: CaptureDatabase

    init() throws {
        var blocks: [Block] = []
        var sockets: [SocketInfo] = []
        for container in UInt64(1)...4 {
            for slot in UInt64(1)...5 {
                let first = UInt32(container * 20 + slot * 2)
                let turns = (UInt64(0)..<10).map { index in
                    CaptureFixture.turn(
                        slot * 10 * Self.second + index * Self.second / 2,
                        slot * 10 * Self.second + index * Self.second / 2 + Self.second / 10, container: container,
                        socket: first + UInt32(index % 2))
                }
                blocks.append(CaptureFixture.block(.turn, container, turns))
                sockets += [CaptureFixture.socket(first, container), CaptureFixture.socket(first + 1, container)]
            }
        }
        fixture = try CaptureFixture(
            blocks, containers: [1: "api-1", 2: "api-2", 3: "db", 4: "Cache"], sockets: sockets)
        database = try CaptureDatabase(path: fixture.path)
    }

    /// The first value of the first row, and blocks decoded for it.
    private func ask(_ sql: String) throws -> (Value, decoded: Int) {
        let before = database.events.decoded
        var answer: Value?
        try database.run(sql) { row, _ in if let row, answer == nil { answer = row[0] } }
        return (try #require(answer), database.events.decoded - before)
    }

    @Test(arguments: [
        ("1", 200, 20),
        ("container = 'db'", 50, 5),
        ("container_key = 3", 50, 5),
        ("container GLOB 'api-*'", 100, 10),
        ("container LIKE 'CACHE'", 50, 5),
        ("container IN ('db', 'api-1')", 100, 10),
        ("container = 'nobody'", 0, 0),
        ("socket = 42", 5, 1),
        ("socket IN (42, 43, 44)", 15, 3),
        ("socket < 24", 10, 1),
        ("socket = 4711", 0, 0),
        ("remote = '10.0.1.42:4042'", 5, 1),
        ("local GLOB '10.0.0.4[23]:80'", 10, 1),
        ("process = 'worker2'", 50, 5),
        ("pid = 503", 50, 5),
        ("socket = 42 AND container = 'db'", 0, 0),
        // Both hold for some socket of a block, for none of them together.
        ("socket = 42 AND remote = '10.0.1.43:4043'", 0, 0),
        ("start_ns >= (1000 + 50) * 1000000000", 40, 4),
        ("start_ns < (1000 + 20) * 1000000000", 40, 4),
        ("end_ns < (1000 + 20) * 1000000000", 40, 4),
        ("start_wall_ns BETWEEN 1795000020000000000 AND 1795000024000000000", 36, 4),
        ("start_wall_ns > 1.795000049e18", 40, 4),
        ("started_at >= '2026-11-18T11:07:30'", 40, 4),
        ("ended_at < '2026-11-18T11:07:00'", 40, 4),
        ("started_at BETWEEN '2026-11-18T11:07:00' AND '2026-11-18T11:07:05' AND container = 'db'", 10, 1),
        ("start_ns <= (1000 + 30) * 1000000000 AND end_ns >= (1000 + 30) * 1000000000", 4, 4),
        ("start_ns = NULL", 0, 0),
    ])
    func blocksThatCannotMatchAreNotDecoded(condition: String, rows: Int64, blocks: Int) throws {
        let (count, decoded) = try ask("SELECT count(*) FROM turns WHERE \(condition)")
        #expect(count == .integer(rows), "\(condition)")
        #expect(decoded == blocks, "\(condition)")
    }

    /// SQLite gives no constraint on `+column`, so the same condition without pruning.
    @Test func anAnswerIsTheSameWithoutPruning() throws {
        var random = SystemRandomNumberGenerator()
        let start = Int64(CaptureFixture.origin)
        for _ in 0..<300 {
            let column =
                ["start_ns", "end_ns", "start_wall_ns", "socket", "container_key", "pid", "total_ns"].randomElement()
                ?? ""
            let value: Int64 =
                switch column {
                case "start_ns", "end_ns": start + Int64.random(in: 0...60_000_000_000, using: &random)
                case "start_wall_ns": CaptureFixture.wall + Int64.random(in: 0...60_000_000_000, using: &random)
                case "socket": Int64.random(in: 20...92, using: &random)
                case "pid": Int64.random(in: 500...505, using: &random)
                default: Int64.random(in: 0...5, using: &random)
                }
            let comparison = ["=", "<", "<=", ">", ">=", "IS"].randomElement() ?? ""
            let literal = Bool.random(using: &random) ? "\(value)" : "\(value).5"
            let pruned = try ask("SELECT count(*) FROM turns WHERE \(column) \(comparison) \(literal)")
            let whole = try ask("SELECT count(*) FROM turns WHERE +\(column) \(comparison) \(literal)")
            #expect(pruned.0 == whole.0, "\(column) \(comparison) \(literal)")
            #expect(whole.decoded == 20)
        }
    }

    @Test func aCaseInsensitiveComparisonIsNotPrunedByBytes() throws {
        let (count, _) = try ask("SELECT count(*) FROM turns WHERE container = 'CACHE' COLLATE NOCASE")
        #expect(count == .integer(50))
    }

    @Test func aJoinWithAPlainTableReadsTheBlocksOfItsRow() throws {
        // The slowest turn is the first of all those that are equally long.
        let (count, decoded) = try ask(
            "SELECT count(*) FROM turn_slow AS s CROSS JOIN turns AS t ON t.socket = s.socket AND t.start_ns = s.start_ns"
        )
        #expect(count == .integer(1))
        #expect(decoded == 1)
    }

    @Test func valuesCompareAsSQLiteDoes() throws {
        let numbers = [
            "0", "-1", "9223372036854775807", "-9223372036854775808", "9007199254740993", "9007199254740992.0",
            "9223372036854775807.0", "-9.3e18", "0.5", "-0.5", "1e300",
        ]
        for one in numbers {
            for other in numbers {
                let (answer, _) = try ask("SELECT (\(one) > \(other)) - (\(one) < \(other))")
                let mine = Value.compare(try ask("SELECT \(one)").0, try ask("SELECT \(other)").0)
                #expect(answer == .integer(Int64(try #require(mine))), "\(one) against \(other)")
            }
        }
        #expect(Value.compare(.text("a"), .integer(1)) == nil)
        #expect(Value.compare(.null, .null) == nil)
        #expect(Value.compare(.text("é"), .text("z")) == 1)
    }
}
