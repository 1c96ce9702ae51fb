import CFlightrec
import Events
import Testing
import Window

@testable import Recorder

@Suite struct DropSelectionTests {
    private func socket(_ role: Role, local: (UInt8, UInt16), remote: (UInt8, UInt16)) -> fr_socket {
        var raw = fr_socket()
        raw.h.kind = EventKind.socket.rawValue
        raw.family = 2
        raw.role = role.rawValue
        (raw.local.0, raw.local.1, raw.local.2, raw.local.3) = (10, 0, 0, local.0)
        (raw.remote.0, raw.remote.1, raw.remote.2, raw.remote.3) = (10, 0, 0, remote.0)
        (raw.local_port, raw.remote_port) = (local.1, remote.1)
        return raw
    }
    private func drop(_ at: UInt64, _ source: (UInt8, UInt16), _ destination: (UInt8, UInt16)) -> fr_drop {
        var raw = fr_drop()
        raw.h.kind = EventKind.drop.rawValue
        raw.h.ts = at
        raw.family = 2
        raw.count = 1
        (raw.source.0, raw.source.1, raw.source.2, raw.source.3) = (10, 0, 0, source.0)
        (raw.destination.0, raw.destination.1, raw.destination.2, raw.destination.3) = (10, 0, 0, destination.0)
        (raw.source_port, raw.destination_port) = (source.1, destination.1)
        return raw
    }
    private func block(_ drops: [fr_drop]) -> Block {
        drops.withUnsafeBytes { BlockCodec.encode(.drop, container: 0, packedRecords: $0, count: drops.count) }
    }
    private func times(_ blocks: [Block]) throws -> [UInt64] {
        try blocks.flatMap { block in
            let bytes = try block.records()
            return stride(from: 0, to: bytes.count, by: EventKind.drop.size).map { start in
                bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: start, as: fr_drop.self).h.ts }
            }
        }
    }

    @Test func whatTheirSocketsEndsTell() throws {
        let selection = DropSelection([
            socket(.served, local: (1, 80), remote: (9, 40_000)),
            socket(.called, local: (1, 50_000), remote: (2, 6379)),
        ])
        let mixed = block([
            drop(1, (9, 40_000), (1, 80)), drop(2, (2, 6379), (1, 50_000)), drop(3, (7, 41_000), (2, 6379)),
            drop(4, (9, 40_000), (8, 8080)), drop(5, (2, 6379), (1, 50_001)),
        ])
        let others = block([drop(6, (2, 6379), (3, 50_000))])
        let own = block([drop(7, (1, 80), (9, 40_000))])
        let kept = selection.only([mixed, others, own])
        #expect(try times(kept) == [1, 2, 4, 7], "4: before its destination was translated")
        #expect(kept.last === own, "nothing to leave out: not encoded anew")
        #expect(DropSelection([]).only([mixed, own]).isEmpty)
    }

    @Test func aSocketForBothFamilies() throws {
        var raw = socket(.served, local: (1, 80), remote: (9, 40_000))
        raw.family = 10
        let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1]
        withUnsafeMutableBytes(of: &raw.local) { $0.copyBytes(from: mapped) }
        #expect(try times(DropSelection([raw]).only([block([drop(1, (9, 40_000), (1, 80))])])) == [1])
    }

    @Test func aConnectThatNeverLearntItsPort() throws {
        let selection = DropSelection([socket(.called, local: (1, 0), remote: (2, 6379))])
        let drops = block([drop(1, (1, 50_000), (2, 6379)), drop(2, (1, 50_000), (3, 6379))])
        #expect(try times(selection.only([drops])) == [1])
    }

    @Test func everyNamespaceHasALoopbackOfItsOwn() throws {
        var raw = socket(.served, local: (1, 80), remote: (1, 40_000))
        raw.netns = 5
        (raw.local.0, raw.remote.0) = (127, 127)
        let drops = [5, 6, 0].map { (netns: UInt32) -> fr_drop in
            var one = drop(UInt64(netns), (1, 40_000), (1, 80))
            (one.source.0, one.destination.0, one.netns) = (127, 127, netns)
            return one
        }
        #expect(try times(DropSelection([raw]).only([block(drops)])) == [5, 0], "0: nobody knows where")
    }

    @Test func whatHasASocketTheKernelChose() throws {
        var listener = drop(1, (9, 1), (8, 2))
        listener.h.socket = 17
        #expect(try times(DropSelection([]).only([block([listener])])) == [1])
    }
}
