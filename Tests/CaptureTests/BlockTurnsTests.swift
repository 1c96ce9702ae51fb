import Analysis
import CFlightrec
import CaptureFixtures
import Events
import Glibc
import Testing
import Window

@testable import Capture

/// A capture's turns in blocks give the same answers as all of them in memory.
@Suite struct BlockTurnsTests {
    /// Six connections, three ends of them seen on both sides; most turns are quick, one in fifty is slow.
    private struct Case {
        var blocks: [Block] = []
        var evidence: Evidence

        init(seed: UInt64) {
            var dice = Generator(state: seed)
            let origin = CaptureFixture.origin
            evidence = Evidence(
                id: "20261118T110640Z-abcdef", clock: ClockPair(monotonic: origin, wall: CaptureFixture.wall),
                askedFrom: origin, askedTo: origin + 15 * CaptureFixture.second, from: origin + CaptureFixture.second,
                to: origin + 15 * CaptureFixture.second)
            evidence.facts["threads"] = "followed"
            for id: SocketID in 1...6 {
                let container = ContainerKey(1 + id % 3)
                evidence.sockets[id] = CaptureFixture.socket(id, container, role: id % 2 == 0 ? .called : .served)
                var turns: [fr_turn] = []
                var at = UInt64.random(in: 0..<1_000_000_000, using: &dice)
                var sequence: UInt32 = 1
                while at < 15 * CaptureFixture.second {
                    let isSlow = UInt8.random(in: 0..<50, using: &dice) == 0
                    let length = UInt64.random(
                        in: isSlow ? 200_000_000..<900_000_000 : 50_000..<9_000_000, using: &dice)
                    var turn = CaptureFixture.turn(
                        at, at + length, container: container, socket: id, role: id % 2 == 0 ? .called : .served,
                        tid: UInt32.random(in: 0..<6, using: &dice) == 0 ? 0 : 7 + UInt32(container))
                    turn.sequence = sequence
                    if UInt8.random(in: 0..<20, using: &dice) == 0 { turn.sndbuf_wait = length / 3 }
                    turns.append(turn)
                    at += length + UInt64.random(in: 1000..<90_000_000, using: &dice)
                    sequence += 1
                }
                // The last walk saw one in flight that ended later, and one that did not.
                if var open = turns.last {
                    open.h.kind = EventKind.open.rawValue
                    open.flags = UInt8(FR_TURN_OPEN.rawValue)
                    open.h.ts = open.start + 1000
                    blocks.append(CaptureFixture.block(.open, container, [open]))
                    if id % 2 == 0 { turns.removeLast() }
                }
                for first in stride(from: 0, to: turns.count, by: 40) {
                    blocks.append(
                        CaptureFixture.block(.turn, container, Array(turns[first..<min(first + 40, turns.count)])))
                }
                let slow = turns.first { $0.h.ts > evidence.from && $0.h.ts - $0.start > 200_000_000 }
                if let slow, id > 2 {
                    evidence.triggers.append(
                        TriggerFact(
                            kind: .latency, at: slow.h.ts, container: container, socket: id,
                            observed: slow.h.ts - slow.start, threshold: 150_000_000, rule: "absolute 150ms"))
                }
            }
            blocks.sort { ($0.from, $0.container) < ($1.from, $1.container) }
        }
    }

    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ state >> 29
        }
    }

    private func compare(_ found: Incident, _ expected: Incident) {
        #expect(found.summary == expected.summary)
        #expect(found.turn == expected.turn)
        #expect(found.stages == expected.stages)
        #expect(found.unexplained == expected.unexplained)
        #expect(found.calls == expected.calls)
        #expect(found.threads == expected.threads)
        #expect(found.slow == expected.slow)
        #expect(found.sockets == expected.sockets)
        #expect(Comparison(found)?.quiet == Comparison(expected)?.quiet)
        #expect(Comparison(found)?.differences == Comparison(expected)?.differences)
        #expect(alsoSlow(found) == alsoSlow(expected))
    }

    @Test(arguments: UInt64(1)...24) func sameAsAllInMemory(seed: UInt64) throws {
        let it = Case(seed: seed)
        var all = it.evidence
        try all.collect(it.blocks)
        let expected = analyze(all)
        #expect(expected.turn != nil)
        var rest = it.evidence
        try rest.collectAllButTurns(it.blocks)
        let turns = try BlockTurns(it.blocks, from: rest.from, to: rest.to)
        let found = try analyze(rest, turns)
        compare(found, expected)
        #expect(turns.indices == (try it.blocks.map { try $0.index() }))
    }

    /// Around the slow one more turns than are held: of those a closer part is looked at, the same in both.
    @Test func sameAmongVeryMany() throws {
        let second = CaptureFixture.second
        var it = Case(seed: 3)
        for first in stride(from: UInt64(0), to: 80_000, by: 4000) {
            let turns = (first..<first + 4000).map {
                CaptureFixture.turn($0 * 180_000, $0 * 180_000 + 90_000, container: 9, socket: 40 + UInt32($0 % 8))
            }
            it.blocks.append(CaptureFixture.block(.turn, 9, turns))
        }
        let slow = CaptureFixture.turn(7 * second, 7 * second + 990_000_000, container: 8, socket: 90)
        it.blocks.append(CaptureFixture.block(.turn, 8, [slow]))
        var all = it.evidence
        try all.collect(it.blocks)
        let expected = analyze(all)
        let turns = try BlockTurns(it.blocks, from: it.evidence.from, to: it.evidence.to)
        compare(try analyze(it.evidence, turns), expected)
        let around = it.evidence.from...it.evidence.to
        #expect(try turns.count(overlapping: around) == turns.overlapping(around).count)
        #expect(try turns.count(overlapping: around) > 1 << 16)
    }

    @Test(arguments: UInt64(1)...4) func whatWasFoundComesBack(seed: UInt64) throws {
        let scratch = try Scratch()
        let it = Case(seed: seed)
        let turns = try BlockTurns(it.blocks, from: it.evidence.from, to: it.evidence.to)
        let written = try analyze(it.evidence, turns)
        let url = try CaptureWriter.publish(
            incident: written, blocks: it.blocks, indices: turns.indices, into: scratch.directory())
        let reader = try CaptureReader.open(url.path)
        let read = try #require(try reader.incident())
        #expect(read.summary == written.summary)
        #expect(
            read.turn.map { [UInt64($0.socket), $0.start, $0.end] }
                == written.turn.map { [UInt64($0.socket), $0.start, $0.end] })
        #expect(read.stages == written.stages)
        #expect(read.calls.map(\.verdict) == written.calls.map(\.verdict))
        #expect(read.threads == written.threads)
        #expect(read.sockets == written.sockets)
        #expect(Comparison(read)?.differences == Comparison(written)?.differences)
        #expect(alsoSlow(read) == alsoSlow(written))
        let span = written.evidence.from...written.evidence.to
        let briefs = try reader.briefs(overlapping: span, of: read.evidence)
        #expect(briefs.count == turns.count)
    }

    /// ns of this thread's CPU that it takes to look through `blocks` blocks of a turn each with `hung` turns open.
    private func cost(hung: Int, blocks number: Int) throws -> UInt64 {
        var blocks: [Block] = []
        for first in stride(from: 0, to: hung, by: 4000) {
            let open = (first..<min(first + 4000, hung)).map {
                CaptureFixture.turn(
                    UInt64($0), UInt64($0) + 9_000_000_000, container: 1, socket: 2 * SocketID($0), kind: .open)
            }
            blocks.append(CaptureFixture.block(.open, 1, open))
        }
        for index in 0..<number {
            let end = CaptureFixture.second + UInt64(index)
            let turn = CaptureFixture.turn(end - 1000, end, container: 1, socket: 2 * SocketID(index) + 1)
            blocks.append(CaptureFixture.block(.turn, 1, [turn]))
        }
        func now() -> UInt64 {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
        }
        let began = now()
        let turns = try BlockTurns(blocks, from: 0, to: .max)
        let took = now() - began
        #expect(turns.count == hung + number)
        return took
    }

    /// Not so much as their product: a host on which all hangs is where a capture is wanted.
    @Test func veryManyHungTurnsAreNoMoreWorkForEachBlock() throws {
        let few = try cost(hung: 20_000, blocks: 20)
        let many = try cost(hung: 20_000, blocks: 2_000)
        #expect(many < 4 * few, "\(few) and \(many) ns")
    }

    @Test(arguments: [1, 5000]) func aHungTurnOfAConnectionThatEndedIsNotTold(others: Int) throws {
        // It was seen open twice, and its end has another start: one by its number.
        var blocks: [Block] = []
        for (start, end) in [(1000, 2000), (1001, 3000)] as [(UInt64, UInt64)] {
            let open = (0..<others).map {
                CaptureFixture.turn(start, end, container: 1, socket: 7 + SocketID($0), kind: .open)
            }
            for part in stride(from: 0, to: others, by: 4000) {
                blocks.append(CaptureFixture.block(.open, 1, Array(open[part..<min(part + 4000, others)])))
            }
        }
        let ended = CaptureFixture.turn(1002, 5000, container: 1, socket: 7)
        blocks.append(CaptureFixture.block(.turn, 1, [ended]))
        let turns = try BlockTurns(blocks, from: 0, to: .max)
        let open = try turns.lasting(atLeast: 0).filter(\.isOpen)
        #expect(open.count == others - 1 && !open.contains { $0.socket == 7 })
    }
}
