import CFlightrec
import Events
import Testing

@testable import Window

@Suite struct WindowTests {
    private let second: UInt64 = 1_000_000_000

    private func append(_ turn: fr_turn, to window: Window) {
        withUnsafeBytes(of: turn) { window.append($0, kind: .turn, container: turn.h.cgroup) }
    }

    private func turn(_ at: UInt64, _ container: UInt64 = 1, socket: UInt32 = 1) -> fr_turn {
        var random = SeededGenerator(state: at)
        return pingPong(
            end: at, socket: socket, sequence: UInt32(truncatingIfNeeded: at), container: container, &random)
    }

    /// Records that LZ4 cannot shorten, to fill a budget fast.
    private func noise(_ at: UInt64, _ container: UInt64, _ random: inout SeededGenerator) -> fr_turn {
        var turn = fr_turn()
        turn.h.ts = at
        turn.h.cgroup = container
        (turn.start, turn.rx_first, turn.rx_last, turn.woken) = (
            random.next(), random.next(), random.next(), random.next()
        )
        return turn
    }

    @Test func recordsComeBackInOrderBeforeAndAfterSealing() throws {
        let window = Window(bytes: 1 << 20, duration: 60 * second)
        var expected: [UInt8] = []
        for index in 1...5_000 {
            let turn = turn(UInt64(index) * 100_000 + second)
            expected += bytes(of: turn)
            append(turn, to: window)
        }
        let blocks = window.snapshot(from: 0, to: .max)
        #expect(blocks.count > 2)
        #expect(try blocks.flatMap { try $0.records() } == expected)
        window.seal(olderThan: .max)
        #expect(try window.snapshot(from: 0, to: .max).flatMap { try $0.records() } == expected)
        #expect(window.statistics.records == 5_000)
    }

    @Test func snapshotTakesWhatOverlapsAndLeavesStagingAlone() {
        let window = Window(bytes: 1 << 20, duration: 60 * second)
        for at in [10, 20, 30] as [UInt64] {
            append(turn(at * second), to: window)
            window.seal(olderThan: .max)
        }
        append(turn(40 * second), to: window)
        #expect(window.snapshot(from: 15 * second, to: 30 * second).map(\.from) == [20 * second, 30 * second])
        #expect(window.snapshot(from: 35 * second, to: 50 * second).map(\.from) == [40 * second])
        #expect(window.snapshot(from: 41 * second, to: 50 * second).isEmpty)
        #expect(window.statistics.blocks == 3)
        #expect(window.statistics.records == 4)
    }

    @Test func sealingWaitsForAge() {
        let window = Window(bytes: 1 << 20, duration: 60 * second)
        append(turn(10 * second), to: window)
        window.seal(olderThan: 10 * second)
        #expect(window.statistics.blocks == 0)
        window.seal(olderThan: 10 * second + 1)
        #expect(window.statistics.blocks == 1)
    }

    @Test func ageEvicts() {
        let window = Window(bytes: 1 << 20, duration: 60 * second)
        append(turn(10 * second), to: window)
        window.seal(olderThan: .max)
        append(turn(50 * second), to: window)
        window.seal(olderThan: .max)
        window.evict(now: 70 * second)
        #expect(window.statistics.records == 2)
        #expect(window.oldestComplete(1) == 0)
        window.evict(now: 70 * second + 1)
        #expect(window.statistics.records == 1)
        #expect(window.statistics.oldest == 50 * second)
        #expect(window.oldestComplete(1) == 10 * second + 1)
        #expect(window.cutByBytes(1) == nil)
        #expect(window.evicted(1) == (byAge: 1, byBytes: 0))
    }

    @Test func whatHasLostItsNamesGoesAsForWantOfRoom() {
        let window = Window(bytes: 1 << 20, duration: 60 * second)
        #expect(window.oldest == nil)
        append(turn(10 * second), to: window)
        window.seal(olderThan: .max)
        append(turn(50 * second), to: window)
        append(turn(12 * second, 2), to: window)
        #expect(window.oldest == 8 * second)
        window.evict(1, before: 20 * second)
        #expect(window.statistics.records == 2 && window.oldest == 10 * second)
        #expect(window.cutByBytes(1) == 20 * second + 1 && window.cutByBytes == 20 * second + 1)
        #expect(window.evicted(1) == (byAge: 0, byBytes: 1))
        // The other one lost nothing, and it says so.
        #expect(window.cutByBytes(2) == nil && window.oldestComplete(2) == 0)
        #expect(window.cutByBytes(after: 0) == [1: 20 * second + 1])
        #expect(window.cutByBytes(after: 20 * second + 1).isEmpty)
    }

    @Test func bytesStayWithinTheBudgetAndNothingIsLostSilently() throws {
        let budget = 512 << 10
        let window = Window(bytes: budget, duration: .max)
        var random = SeededGenerator(state: 3)
        for index in 1...30_000 {
            append(noise(UInt64(index), UInt64(index % 3 + 1), &random), to: window)
            if index % 500 == 0 {
                #expect(window.statistics.bytes <= budget)
                window.evict(now: UInt64(index))
            }
        }
        let held = window.snapshot(from: 0, to: .max)
        let statistics = window.statistics
        #expect(statistics.evictedByBytes > 0)
        #expect(UInt64(held.reduce(0) { $0 + $1.count }) == statistics.records)
        #expect(statistics.records + statistics.evictedByBytes + statistics.evictedByAge == 30_000)
        #expect(statistics.kinds[.turn]?.appended == 30_000)
        for container in 1...3 as ClosedRange<UInt64> {
            let complete = window.oldestComplete(container)
            #expect(complete > 0)
            #expect(window.cutByBytes(container) == complete)
            // From there on every third instant must be there.
            let times = try held.filter { $0.container == container }.flatMap { block in
                try block.records().withUnsafeBytes { records in
                    (0..<block.count).map {
                        records.loadUnaligned(fromByteOffset: $0 * EventKind.turn.size, as: UInt64.self)
                    }
                }
            }
            let expected = (complete...30_000).filter { $0 % 3 + 1 == container }
            #expect(Set(times).isSuperset(of: expected))
        }
    }

    @Test func aNoisyContainerOnlyEvictsItself() {
        let window = Window(bytes: 512 << 10, duration: .max)
        var random = SeededGenerator(state: 4)
        for index in 1...40_000 {
            append(noise(UInt64(index), 99, &random), to: window)
            if index % 100 == 0 { append(noise(UInt64(index), 5, &random), to: window) }
            if index % 1_000 == 0 { window.seal(olderThan: UInt64(index) - 500) }
        }
        window.evict(now: 40_000)
        #expect(window.evicted(99).byBytes > 10_000)
        #expect(window.evicted(5) == (byAge: 0, byBytes: 0))
        #expect(window.oldestComplete(5) == 0)
        #expect(window.snapshot(from: 0, to: .max).filter { $0.container == 5 }.reduce(0) { $0 + $1.count } == 400)
    }

    @Test func aSnapshotOutlivesEviction() throws {
        let window = Window(bytes: 1 << 20, duration: second)
        for index in 1...3_000 { append(turn(UInt64(index) * 1_000 + second), to: window) }
        let pinned = window.snapshot(from: 0, to: .max)
        let before = try pinned.flatMap { try $0.records() }
        window.seal(olderThan: .max)
        window.evict(now: 100 * second)
        #expect(window.snapshot(from: 0, to: .max).isEmpty)
        #expect(window.statistics.evictedByAge == 3_000)
        #expect(try pinned.flatMap { try $0.records() } == before)
        #expect(before.count == 3_000 * EventKind.turn.size)
    }

    @Test func thousandsOfContainersShareABoundedStaging() {
        let budget = 4 << 20
        let window = Window(bytes: budget, duration: 60 * second)
        for round in 0..<8 as Range<UInt64> {
            for container in 1...3_000 as ClosedRange<UInt64> {
                append(turn(second + round * 3_000 + container, container), to: window)
            }
        }
        let statistics = window.statistics
        #expect(statistics.stagingBytes <= budget / 4 + 1_024)
        #expect(statistics.bytes <= budget)
        #expect(statistics.records + statistics.evictedByBytes == 24_000)
        // Two ticks without an event give all buffers back.
        for _ in 0..<3 { window.seal(olderThan: .max) }
        #expect(window.statistics.stagingBytes == 0)
        // Containers without history are forgotten.
        window.evict(now: 1_000 * second)
        #expect(window.statistics.containers == 0)
        #expect(window.statistics.bytes == 0)
        #expect(window.statistics.records == 0)
    }

    @Test func aBurstDoesNotKeepItsBuffer() {
        let window = Window(bytes: 64 << 20, duration: 60 * second)
        for index in 1...1_900 { append(turn(second + UInt64(index)), to: window) }
        #expect(window.statistics.stagingBytes == 256 << 10)
        window.seal(olderThan: .max)
        append(turn(2 * second), to: window)
        window.seal(olderThan: .max)
        #expect(window.statistics.stagingBytes == 1 << 10)
    }

    @Test func kindsAreKeptApart() throws {
        let window = Window(bytes: 1 << 20, duration: 60 * second)
        var reset = fr_reset()
        reset.h.ts = second
        reset.h.kind = EventKind.reset.rawValue
        append(turn(second), to: window)
        withUnsafeBytes(of: reset) { window.append($0, kind: .reset, container: 1) }
        let blocks = window.snapshot(from: 0, to: .max)
        #expect(blocks.map(\.kind) == [.turn, .reset])
        #expect(try blocks[1].records() == bytes(of: reset))
        window.seal(olderThan: .max)
        let statistics = window.statistics
        #expect(statistics.kinds[.turn]?.rawBytes == EventKind.turn.size)
        #expect(statistics.kinds[.reset]?.rawBytes == EventKind.reset.size)
        #expect(statistics.kinds[.reset]?.encodedBytes == blocks[1].bytes.count)
        #expect(statistics.kinds[.drop] == nil)
    }
}
