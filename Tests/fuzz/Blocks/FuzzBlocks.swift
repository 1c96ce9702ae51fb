import Analysis
import Capture
import Events
import FuzzSupport
import Glibc

@testable import Window

// A block as a hostile capture could hold it: kind, how, count and raw length, then its bytes. The checksum is right, for
// whoever forges a block forges that too.
@c(LLVMFuzzerTestOneInput)
public func one(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let input = UnsafeRawBufferPointer(start: data, count: size)
    guard size >= 10, let kind = EventKind(rawValue: UInt16(input[0])) else { return -1 }
    let count = Int(input.loadUnaligned(fromByteOffset: 2, as: UInt32.self))
    let bytes = Array(input[10...])
    let columns: Bool = input[1] & 0x80 != 0
    do {
        if columns {
            // Behind LZ4, where mutations of compressed bytes rarely reach.
            guard count <= BlockCodec.maximumLength / kind.size else { return 0 }
            let records = try bytes.withUnsafeBytes { bytes in
                try ColumnCodec.decode(kind, bytes, count: count, codec: input[1] & 0x7f)
            }
            try collect(kind, records, count)
        } else {
            let block = Block(
                kind: kind, container: 1, from: 0, to: .max, count: count, codec: input[1],
                rawLength: Int(input.loadUnaligned(fromByteOffset: 6, as: UInt32.self)),
                checksum: bytes.withUnsafeBytes(CRC32.checksum), bytes: bytes)
            try collect(kind, try block.records(), count)
        }
    } catch {
        // Refused in plain words: that is an answer.
        return 0
    }
    return 0
}

/// What was decoded is whole, survives being encoded again, can be passed over by its index, and can be explained and shown, as
/// turns in memory and block by block.
private func collect(_ kind: EventKind, _ records: [UInt8], _ count: Int) throws {
    precondition(records.count == count * kind.size, "\(records.count) bytes for \(count) records")
    let block = records.withUnsafeBytes {
        BlockCodec.encode(kind, container: 1, packedRecords: $0, count: count)
    }
    let again = try block.records()
    precondition(again == records, "encoded and decoded, it is another")
    let index = try block.index()
    let sockets = SocketSet.decode(SocketSet.encode(index.sockets), most: count)
    precondition(sockets == index.sockets, "its sockets come back as others")
    var evidence = Evidence(
        id: "fuzz", clock: ClockPair(monotonic: 0, wall: 0), askedFrom: 0, askedTo: .max, from: 0, to: .max)
    evidence.facts["threads"] = "followed"
    var byBlock = evidence
    try evidence.collect([block])
    let first = evidence.turns.first
    evidence.triggers = [
        TriggerFact(
            kind: .latency, at: first?.end ?? 0, container: 1, socket: first?.socket ?? 0, observed: 2, threshold: 1,
            rule: "fuzz")
    ]
    present(analyze(evidence), bytes: UInt64(records.count))
    guard kind == .turn || kind == .open else { return }
    byBlock.triggers = evidence.triggers
    let turns = try BlockTurns([block], from: 0, to: .max)
    precondition(turns.count == evidence.turns.count, "block by block there are \(turns.count) turns")
    precondition(turns.indices == [index], "its index is another")
    byBlock.sockets = evidence.sockets
    present(try analyze(byBlock, turns), bytes: UInt64(records.count))
}
