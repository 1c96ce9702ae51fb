import CFlightrec
import Events
import Testing

@testable import Window

@Suite struct BlockIndexTests {
    @Test func anIndexIsWhatTheRecordsSay() throws {
        var random = SeededGenerator(state: 7)
        for (count, spread) in [(1, 1), (2, 2), (100, 3000), (1500, 70), (1500, 200_000), (100, 4_000_000_000)] {
            var turns: [fr_turn] = []
            for index in 0..<count {
                turns.append(
                    pingPong(
                        end: 10_000_000_000 + UInt64(index) * 50_000, socket: UInt32(random.next() % UInt64(spread)),
                        sequence: UInt32(index), called: index % 2 == 0, &random))
            }
            let block = turns.withUnsafeBytes {
                BlockCodec.encode(.turn, container: 4242, packedRecords: $0, count: count)
            }
            let index = try block.index()
            #expect(index.began == turns.map(\.start).min())
            #expect(index.sockets == Set(turns.map(\.h.socket)).sorted())
            #expect(SocketSet.decode(SocketSet.encode(index.sockets), most: count) == index.sockets)
        }
    }

    @Test func kindsAboutAMomentBeginWithTheirBlock() throws {
        var drop = fr_drop()
        drop.h.ts = 77
        drop.h.kind = EventKind.drop.rawValue
        let block = withUnsafeBytes(of: drop) { BlockCodec.encode(.drop, container: 1, packedRecords: $0, count: 1) }
        #expect(try block.index() == BlockIndex(began: 77, sockets: [0]))
    }

    @Test func setsOfAnySize() {
        for sockets: [SocketID] in [
            [], [0], [1], [0, 1], [127, 128, 300], [.max], [0, .max], [16383, 16384, 2_097_152],
        ] {
            #expect(SocketSet.decode(SocketSet.encode(sockets), most: 10) == sockets)
        }
    }

    @Test func hostileBytesAreNoSet() {
        #expect(SocketSet.decode([0x80], most: 10) == nil)
        #expect(SocketSet.decode([1, 0], most: 10) == nil)
        #expect(SocketSet.decode([0xff, 0xff, 0xff, 0xff, 0x1f], most: 10) == nil)
        #expect(SocketSet.decode([0xff, 0xff, 0xff, 0xff, 0x0f, 1], most: 10) == nil)
        #expect(SocketSet.decode([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1], most: 10) == nil)
        #expect(SocketSet.decode([1, 1, 1], most: 2) == nil)
    }
}
