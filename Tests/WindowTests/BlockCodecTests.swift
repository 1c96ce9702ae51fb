import CFlightrec
import Events
import Testing

@testable import Window

@Suite struct BlockCodecTests {
    private func encode(_ kind: EventKind, _ records: [UInt8]) -> Block {
        records.withUnsafeBytes {
            BlockCodec.encode(kind, container: 7, packedRecords: $0, count: records.count / kind.size)
        }
    }

    @Test(arguments: EventKind.allCases)
    func everyByteOfARecordIsInOneColumn(kind: EventKind) {
        var covered = [Int](repeating: 0, count: kind.size)
        for field in ColumnLayout.of(kind).fields {
            for byte in field.offset..<field.offset + field.width { covered[byte] += 1 }
        }
        #expect(covered == [Int](repeating: 1, count: kind.size))
        let sided = ColumnLayout.of(kind).sidedFields
        guard !sided.isEmpty else { return }
        #expect(Set(sided.map(\.offset)) == Set(ColumnLayout.of(kind).fields.map(\.offset)))
        #expect(sided.count == ColumnLayout.of(kind).fields.count && sided.first?.offset == ColumnLayout.of(kind).role)
    }

    @Test func columnsReferOnlyToEarlierOnes() {
        let layout = ColumnLayout.of(.turn)
        var seen: Set<Int> = []
        for field in layout.fields {
            if case .since(let served, let called) = field.mode {
                #expect(seen.isSuperset(of: [served, called, layout.role]))
                #expect(field.offset == layout.start || seen.contains(layout.start))
            }
            seen.insert(field.offset)
        }
    }

    @Test(arguments: EventKind.allCases, [0, 1, 2, 3, 257])
    func roundTripOfRandomBytes(kind: EventKind, count: Int) throws {
        var random = SeededGenerator(state: UInt64(count) + 99)
        // Whole-range bytes, then sparse ones, where many fields are zero or at an extreme.
        let dense = (0..<count * kind.size).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        let sparse = dense.map { [0, 0, 0, 0xFF, 1, 0x80, $0, 0][Int($0 % 8)] }
        for records in [dense, sparse] {
            let block = encode(kind, records)
            #expect(try block.records() == records)
            #expect(block.count == count)
            #expect(block.bytes.count <= records.count)
            let known = withoutLater(kind, records)
            #expect(try decodeColumns(kind, records, count: count, codec: BlockCodec.columns) == known)
            let layout = ColumnLayout.of(kind)
            if !layout.sidedFields.isEmpty {
                #expect(try decodeColumns(kind, records, count: count, codec: BlockCodec.sided) == known)
            }
            guard layout.later > 0 else { continue }
            #expect(try decodeColumns(kind, records, count: count, codec: BlockCodec.timed) == records)
        }
    }

    /// Through the columns even where the block would have fallen back to raw.
    private func decodeColumns(_ kind: EventKind, _ records: [UInt8], count: Int, codec: UInt8) throws -> [UInt8] {
        let columns = records.withUnsafeBytes { ColumnCodec.encode(kind, $0, count: count, codec: codec) }
        return try columns.withUnsafeBytes { try ColumnCodec.decode(kind, $0, count: count, codec: codec) }
    }

    /// As codecs keep them that do not know the later fields.
    private func withoutLater(_ kind: EventKind, _ records: [UInt8]) -> [UInt8] {
        let size = ColumnLayout.of(kind).earlierSize(kind)
        return records.enumerated().map { $0.offset % kind.size < size ? $0.element : 0 }
    }

    @Test func recordsOfBeforeSendersWereTimedAreRead() throws {
        let turn = EventKind.turn
        #expect(ColumnLayout.of(.turn).earlierSize(.turn) == 160)
        #expect(ColumnLayout.of(.retransmit).earlierSize(.retransmit) == 32)
        var one = pingPongRecords(3)
        for byte in one.indices where byte % turn.size >= 160 { one[byte] = 0xa5 }
        let known = withoutLater(.turn, one)
        let old = stride(from: 0, to: one.count, by: turn.size).flatMap { one[$0..<$0 + 160] }
        #expect(old.count == 3 * 160 && known != one)
        #expect(
            try BlockCodec.decode(
                kind: .turn, codec: BlockCodec.raw, count: 3, rawLength: old.count, checksum: nil, bytes: old) == known)
        #expect(throws: BlockError.length(expected: 3 * turn.size, found: old.count - 160)) {
            try BlockCodec.decode(
                kind: .turn, codec: BlockCodec.raw, count: 3, rawLength: old.count - 160, checksum: nil,
                bytes: Array(old.dropLast(160)))
        }
        // A column more than it may have is damage.
        let columns = one.withUnsafeBytes { ColumnCodec.encode(.turn, $0, count: 3, codec: BlockCodec.timed) }
        #expect(throws: BlockError.self) {
            try columns.withUnsafeBytes { try ColumnCodec.decode(.turn, $0, count: 3, codec: BlockCodec.sided) }
        }
    }

    @Test func absentStampsAndExtremesSurvive() throws {
        let extremes: [UInt64] = [0, 1, .max, 1 << 63, (1 << 63) - 1, 86_400_000_000_000]
        var random = SeededGenerator(state: 5)
        var records: [UInt8] = []
        for _ in 0..<500 {
            var turn = fr_turn()
            func pick() -> UInt64 { extremes[Int(random.next() % UInt64(extremes.count))] }
            (turn.h.ts, turn.start, turn.rx_first, turn.rx_last, turn.woken) = (pick(), pick(), pick(), pick(), pick())
            (turn.read_first, turn.read_last, turn.tx_first, turn.tx_last) = (pick(), pick(), pick(), pick())
            turn.role = UInt8(random.next() % 4)
            turn.h.socket = UInt32(truncatingIfNeeded: pick())
            records += bytes(of: turn)
        }
        #expect(try decodeColumns(.turn, records, count: 500, codec: BlockCodec.columns) == records)
        #expect(try encode(.turn, records).records() == records)
    }

    @Test func timesAndContainerOfABlock() throws {
        let records = pingPongRecords(100)
        let ends = stride(from: 0, to: records.count, by: EventKind.turn.size).map { offset in
            records.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self) }
        }
        let block = encode(.turn, records)
        #expect(block.from == ends.min())
        #expect(block.to == ends.max())
        #expect(block.container == 7)
        #expect(block.kind == .turn)
    }

    @Test func checksumIsTheStandardOne() {
        #expect(Array("123456789".utf8).withUnsafeBytes(CRC32.checksum) == 0xCBF4_3926)
        #expect([UInt8]().withUnsafeBytes(CRC32.checksum) == 0)
    }

    @Test(arguments: [0, 1, 7, 8, 4096, 1_000_003])
    func zerosCountAsIfTheyWereThere(_ count: Int) {
        let text = Array("evidence".utf8)
        let written = (text + [UInt8](repeating: 0, count: count) + text).withUnsafeBytes(CRC32.checksum)
        let skipped = CRC32.zeros(UInt64(count), continuing: text.withUnsafeBytes(CRC32.checksum))
        #expect(text.withUnsafeBytes { CRC32.checksum($0, continuing: skipped) } == written)
    }

    @Test func damageIsFoundByTheChecksum() throws {
        let block = encode(.turn, pingPongRecords(64))
        var random = SeededGenerator(state: 11)
        for _ in 0..<10_000 {
            var bytes = block.bytes
            if random.next() % 4 == 0 {
                bytes.removeLast(1 + Int(random.next() % UInt64(bytes.count)))
            } else {
                bytes[Int(random.next() % UInt64(bytes.count))] ^= UInt8(1 + random.next() % 255)
            }
            #expect(throws: BlockError.self) { try decode(block, bytes: bytes, checksum: block.checksum) }
        }
    }

    /// A hostile file has a right checksum: what lies behind it must hold as well.
    @Test(arguments: [BlockCodec.columns, BlockCodec.sided, BlockCodec.timed])
    func damageBehindARightChecksumNeverTraps(codec: UInt8) {
        let original = pingPongRecords(64)
        #expect(encode(.turn, original).codec == BlockCodec.timed)
        let columns = original.withUnsafeBytes {
            ColumnCodec.encode(.turn, $0, count: 64, codec: codec)
        }
        let compressed = BlockCodec.compress(columns)
        var random = SeededGenerator(state: 12)
        var refused = 0
        for round in 0..<10_000 {
            // Alternately the LZ4 bytes and the columns within.
            var bytes = round % 2 == 0 ? compressed : columns
            if random.next() % 4 == 0 {
                bytes.removeLast(1 + Int(random.next() % UInt64(bytes.count)))
            } else {
                bytes[Int(random.next() % UInt64(bytes.count))] ^= UInt8(1 + random.next() % 255)
            }
            let rawLength = round % 2 == 0 ? columns.count : bytes.count
            if round % 2 == 1 { bytes = BlockCodec.compress(bytes) }
            do {
                let records = try BlockCodec.decode(
                    kind: .turn, codec: codec, count: 64, rawLength: rawLength,
                    checksum: bytes.withUnsafeBytes(CRC32.checksum), bytes: bytes)
                #expect(records.count == 64 * EventKind.turn.size)
            } catch {
                refused += 1
                #expect(!error.description.isEmpty)
            }
        }
        #expect(refused > 2_500)
    }

    private func decode(_ block: Block, bytes: [UInt8], checksum: UInt32) throws -> [UInt8] {
        try BlockCodec.decode(
            kind: block.kind, codec: block.codec, count: block.count, rawLength: block.rawLength, checksum: checksum,
            bytes: bytes)
    }

    @Test func impossibleClaimsAreRefused() {
        func decode(codec: UInt8 = 1, count: Int = 1, rawLength: Int = 8, bytes: [UInt8] = [0]) -> BlockError? {
            do {
                _ = try BlockCodec.decode(
                    kind: .turn, codec: codec, count: count, rawLength: rawLength,
                    checksum: bytes.withUnsafeBytes(CRC32.checksum), bytes: bytes)
                return nil
            } catch { return error }
        }
        #expect(decode(count: -1) == .tooLarge(count: -1, rawLength: 8))
        #expect(decode(count: .max) == .tooLarge(count: .max, rawLength: 8))
        #expect(decode(rawLength: .max) == .tooLarge(count: 1, rawLength: .max))
        #expect(decode(codec: 9) == .unknownCodec(9))
        #expect(decode(bytes: []) == .decompression)
        #expect(decode(codec: 0, rawLength: 1) == .length(expected: 176, found: 1))
        // Eight bytes as one LZ4 literal run are too few for a turn's columns.
        #expect(decode(bytes: [0x80] + [UInt8](repeating: 0, count: 8)) == .truncated)
        #expect(decode(bytes: [0x80, 3] + [UInt8](repeating: 0, count: 7)) == .unknownColumn(3))
        // A header's time is not written against another stamp.
        #expect(decode(bytes: [0x80, 2] + [UInt8](repeating: 0, count: 7)) == .unknownColumn(2))
        #expect(decode(count: 0, bytes: [0x80] + [UInt8](repeating: 0, count: 8)) == .trailing(8))
    }

    /// Both ends of 40 connections, taken one after another by an event loop on either side, with times as the recorder keeps
    /// them. What differs is the steps between them, not how long each had waited.
    @Test func bothEndsOfEventLoopsTakeFewBytes() throws {
        var random = SeededGenerator(state: 21)
        var records: [UInt8] = []
        var at: UInt64 = 3_000_000_000_000
        var began = [UInt64](repeating: at - 400_000, count: 80)
        var sequence: UInt32 = 1
        while records.count < 4_000 * EventKind.turn.size {
            for side in [true, false] {
                for connection in 0..<40 {
                    let socket = UInt32(2 * connection + (side ? 1 : 2))
                    at += random.latency(floor: 3_000, tail: 100)
                    var turn = pingPong(end: at, socket: socket, sequence: sequence, called: side, &random)
                    let sent = side ? 5_000 + random.next() % 400 : 0
                    (turn.start, turn.rx_first) = (began[Int(socket) - 1], side ? at - 200_000 : began[Int(socket) - 1])
                    (turn.tx_first, turn.tx_last) = side ? (turn.start, turn.start + sent) : (at - 900, at)
                    turn.rx_last = turn.rx_first
                    turn.woken = turn.rx_first + 1_000 + random.next() % 300
                    turn.read_first = side ? at : at - 2_000 - random.next() % 300
                    turn.read_last = turn.read_first
                    began[Int(socket) - 1] = at + 8_000 + random.next() % 300
                    turn.cutTimes()
                    records += bytes(of: turn)
                }
                at += 100_000 + random.next() % 50_000
            }
            sequence += 1
        }
        let count = records.count / EventKind.turn.size
        let block = encode(.turn, records)
        #expect(try block.records() == records)
        let brief = try block.briefRecords()
        for (offset, width) in [(0, 24), (24, 8)] {
            for row in 0..<count {
                let place = row * EventKind.turn.size + offset
                #expect(brief[place..<place + width] == records[place..<place + width])
            }
        }
        let before = BlockCodec.compress(
            records.withUnsafeBytes { ColumnCodec.encode(.turn, $0, count: count, codec: BlockCodec.columns) })
        #expect(block.bytes.count < before.count * 3 / 4)
        #expect(Double(block.bytes.count) / Double(count) <= 8)
    }

    @Test func aWayOfWritingThatCannotBeIsRefused() {
        // The role is the first column, and has no side to be written against.
        for how: UInt8 in [64, 128, 192] {
            let bytes = BlockCodec.compress([0, how] + [UInt8](repeating: 0, count: 100))
            #expect(throws: BlockError.unknownColumn(how)) {
                try BlockCodec.decode(
                    kind: .turn, codec: BlockCodec.sided, count: 2, rawLength: 102,
                    checksum: bytes.withUnsafeBytes(CRC32.checksum), bytes: bytes)
            }
        }
        // Retransmits have no sides; changes of state have no later fields either.
        for (kind, codec) in [
            (EventKind.retransmit, BlockCodec.sided), (.state, BlockCodec.sided), (.state, BlockCodec.timed),
        ] {
            #expect(throws: BlockError.unknownCodec(codec)) {
                try BlockCodec.decode(kind: kind, codec: codec, count: 0, rawLength: 0, checksum: 0, bytes: [])
            }
        }
    }

    @Test(arguments: [false, true])
    func pingPongTurnsStaySmall(called: Bool) throws {
        let records = pingPongRecords(4_000, called: called)
        let block = encode(.turn, records)
        #expect(try block.records() == records)
        let perTurn = Double(block.bytes.count) / 4_000
        print("\(called ? "called" : "served") turns: \(perTurn) bytes each of \(EventKind.turn.size)")
        #expect(perTurn <= 12)
    }
}
