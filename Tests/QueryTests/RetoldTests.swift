import CFlightrec
import CaptureFixtures
import Events
import Testing

@testable import Query

/// What is told again while it lasts counts once, as it was told last, whatever blocks a query reads.
@Suite struct RetoldTests {
    private static let second = CaptureFixture.second

    private func rows(_ database: CaptureDatabase, _ sql: String) throws -> [[Value]] {
        var rows: [[Value]] = []
        try database.run(sql) { row, _ in if let row { rows.append((0..<row.count).map { row[$0] }) } }
        return rows
    }

    @Test func anOpenTurnIsGoneWhenItsEndWasRecorded() throws {
        let second = Self.second
        let fixture = try CaptureFixture([
            CaptureFixture.block(
                .open, 1,
                [
                    CaptureFixture.turn(10 * second, 11 * second, container: 1, socket: 1, kind: .open),
                    CaptureFixture.turn(10 * second, 12 * second, container: 1, socket: 1, kind: .open),
                    CaptureFixture.turn(10 * second, 12 * second, container: 1, socket: 2, kind: .open),
                ]),
            CaptureFixture.block(.turn, 1, [CaptureFixture.turn(10 * second, 30 * second, container: 1, socket: 1)]),
            CaptureFixture.block(.turn, 2, [CaptureFixture.turn(10 * second, 30 * second, container: 2, socket: 3)]),
        ])
        let database = try CaptureDatabase(path: fixture.path)
        #expect(
            try rows(database, "SELECT socket, total_ns, in_flight, flags FROM turns ORDER BY socket") == [
                [.integer(1), .integer(20_000_000_000), .integer(0), .text("")],
                [.integer(2), .integer(2_000_000_000), .integer(1), .text("open")],
                [.integer(3), .integer(20_000_000_000), .integer(0), .text("")],
            ])
        // The block of the end is passed over, and says all the same that the reports are no rows.
        #expect(
            try rows(database, "SELECT socket FROM turns WHERE ended_at < '2026-11-18T11:07:05'") == [[.integer(2)]])
        #expect(try rows(database, "SELECT count(*) FROM turns WHERE in_flight") == [[.integer(1)]])
    }

    @Test func aSliceCountsAsItWasToldLast() throws {
        let second = Self.second
        let fixture = try CaptureFixture([
            CaptureFixture.block(
                .slice, 1, [CaptureFixture.slice(10 * second, 11 * second, container: 1, isOpen: true)]),
            CaptureFixture.block(.slice, 1, [CaptureFixture.slice(10 * second, 40 * second, container: 1)]),
        ])
        let database = try CaptureDatabase(path: fixture.path)
        #expect(
            try rows(database, "SELECT blocked_ns, in_flight, why FROM slices") == [
                [.integer(30_000_000_000), .integer(0), .text("sleep")]
            ])
        let early = "SELECT count(*) FROM slices WHERE end_ns < \(CaptureFixture.origin + 20 * second)"
        #expect(try rows(database, early) == [[.integer(0)]])
        let before = database.events.decoded
        let later = "SELECT count(*) FROM slices WHERE start_ns > \(CaptureFixture.origin + 50 * second)"
        #expect(try rows(database, later) == [[.integer(0)]])
        #expect(database.events.decoded == before)
    }

    /// SQLite scans once for each term of an OR, and leaves out what it had already: by the rows' numbers.
    @Test func anORHasEveryRowOnce() throws {
        let second = Self.second
        let fixture = try CaptureFixture([
            CaptureFixture.block(.turn, 1, [CaptureFixture.turn(10 * second, 11 * second, container: 1, socket: 1)]),
            CaptureFixture.block(.turn, 2, [CaptureFixture.turn(12 * second, 30 * second, container: 2, socket: 3)]),
            CaptureFixture.block(
                .open, 1, [CaptureFixture.turn(10 * second, 12 * second, container: 1, socket: 2, kind: .open)]),
            CaptureFixture.block(
                .slice, 1, [CaptureFixture.slice(10 * second, 11 * second, container: 1, isOpen: true)]),
            CaptureFixture.block(.slice, 1, [CaptureFixture.slice(10 * second, 40 * second, container: 1)]),
            CaptureFixture.block(.slice, 2, [CaptureFixture.slice(41 * second, 42 * second, container: 2)]),
        ])
        let database = try CaptureDatabase(path: fixture.path)
        let late = CaptureFixture.origin + 15 * second
        let turns = "SELECT socket FROM turns WHERE socket < 3 OR end_ns > \(late) ORDER BY socket"
        #expect(try rows(database, turns) == [[.integer(1)], [.integer(2)], [.integer(3)]])
        let overlapping = "SELECT count(*) FROM turns WHERE socket >= 1 OR end_ns > \(late)"
        #expect(try rows(database, overlapping) == [[.integer(3)]])
        let slices = "SELECT count(*) FROM slices WHERE end_ns > \(late) OR start_ns < \(late)"
        #expect(try rows(database, slices) == [[.integer(2)]])
    }
}
