import CFlightrec

/// Codecs 2 and 3: columns of turns whose two ends may both be in a block, in an order of their own each.
///
/// The two sides, called turns and all others, have their own estimates in every column: what a client measures is another
/// thing than what a server does, and their records come in bursts of either. A column may also be written against the last
/// record of the same side: an event loop takes connection after connection, each a steady step after the last, while how long
/// each of them had waited is nearly anything. And low bits that are 0 in the whole column are left out.
private struct ColumnHow {
    private static let shiftMask: UInt8 = 63
    private static let othersFlag: UInt8 = 64
    private static let calledFlag: UInt8 = 128

    /// Low bits left out, 0…63.
    var shift: UInt64
    /// Turns that are not called: against the last record of their side, instead of as the field's mode says.
    var othersBySide: Bool
    /// The same for called ones.
    var calledBySide: Bool

    init(shift: UInt64, othersBySide: Bool, calledBySide: Bool) {
        self.shift = shift
        self.othersBySide = othersBySide
        self.calledBySide = calledBySide
    }

    init(_ byte: UInt8) {
        shift = UInt64(byte & Self.shiftMask)
        othersBySide = byte & Self.othersFlag != 0
        calledBySide = byte & Self.calledFlag != 0
    }

    var byte: UInt8 {
        UInt8(truncatingIfNeeded: shift) | (othersBySide ? Self.othersFlag : 0) | (calledBySide ? Self.calledFlag : 0)
    }
}

/// What is known of one side on the way through a column.
private struct Side {
    var predictor = RicePredictor()
    /// Value of its last record; 0 before the first.
    var last: UInt64 = 0
    let bySide: Bool
}

extension Rows {
    /// The role itself has no sides: it is not known yet.
    private func hasSides(_ field: Field) -> Bool { field.offset != role }

    @inline(__always)
    private func isCalled(_ row: Int) -> Bool {
        load(UInt8.self, row, role) == UInt8(truncatingIfNeeded: FR_CALLED.rawValue)
    }

    /// What the field's mode expects of `row`, before any bias.
    @inline(__always)
    private func expected<Value: FixedWidthInteger & BitwiseCopyable>(
        _ row: Int, _ field: Field, _ type: Value.Type
    ) -> UInt64 {
        let earlier: Int
        switch field.mode {
        case .since(let served, let called): return reference(row, field, served, called)
        case .socketDelta: earlier = Int(previous[row])
        case .delta, .bytes: earlier = row &- 1
        }
        return earlier < 0 ? 0 : UInt64(truncatingIfNeeded: load(type, earlier, field.offset))
    }

    func encodeSided<Value: FixedWidthInteger & BitwiseCopyable>(
        _ field: Field, _ type: Value.Type, _ bits: RecordBits, _ writer: inout BitWriter
    ) {
        // A column of zeros alone is written as a constant.
        let how = choose(field, type, shift: UInt64(min(bits.bits(field, type).trailingZeroBitCount, 63)))
        writer.copy([how.byte])
        var others = Side(bySide: how.othersBySide)
        var called = Side(bySide: how.calledBySide)
        let sides = hasSides(field)
        for row in 0..<count {
            if sides && isCalled(row) {
                write(row, field, type, how.shift, &called, &writer)
            } else {
                write(row, field, type, how.shift, &others, &writer)
            }
        }
    }

    @inline(__always)
    private func write<Value: FixedWidthInteger & BitwiseCopyable>(
        _ row: Int, _ field: Field, _ type: Value.Type, _ shift: UInt64, _ side: inout Side, _ writer: inout BitWriter
    ) {
        let value = UInt64(truncatingIfNeeded: load(type, row, field.offset))
        if case .since = field.mode, !side.bySide {
            let expected = expected(row, field, type) &>> shift &+ side.predictor.bias
            let error = value &>> shift &- expected
            let code = Absent.code(zigzag(error), absent: zigzag(0 &- expected))
            writer.write(code, parameter: side.predictor.parameter)
            side.predictor.update(code: code, error: value == 0 ? 0 : Int64(bitPattern: error))
        } else {
            let expected = side.bySide ? side.last : expected(row, field, type)
            side.predictor.write(value &>> shift, against: expected &>> shift, to: &writer)
        }
        side.last = value
    }

    /// Returns what says how it is written when that cannot be.
    func decodeSided<Value: FixedWidthInteger & BitwiseCopyable>(
        _ field: Field, _ type: Value.Type, _ reader: inout BitReader, _ output: UnsafeMutableRawPointer
    ) -> UInt8? {
        let how = ColumnHow(reader.readByte())
        let sides = hasSides(field)
        guard sides || !how.othersBySide && !how.calledBySide else { return how.byte }
        var others = Side(bySide: how.othersBySide)
        var called = Side(bySide: how.calledBySide)
        for row in 0..<count {
            let value =
                sides && isCalled(row)
                ? read(row, field, type, how.shift, &called, &reader)
                : read(row, field, type, how.shift, &others, &reader)
            output.storeBytes(of: value, toByteOffset: row &* step &+ field.offset, as: type)
        }
        return nil
    }

    @inline(__always)
    private func read<Value: FixedWidthInteger & BitwiseCopyable>(
        _ row: Int, _ field: Field, _ type: Value.Type, _ shift: UInt64, _ side: inout Side, _ reader: inout BitReader
    ) -> Value {
        let value: Value
        if case .since = field.mode, !side.bySide {
            let expected = expected(row, field, type) &>> shift &+ side.predictor.bias
            let code = reader.read(parameter: side.predictor.parameter)
            let error = unzigzag(Absent.zigzag(code, absent: zigzag(0 &- expected)))
            value = Value(truncatingIfNeeded: (expected &+ error) &<< shift)
            side.predictor.update(code: code, error: value == 0 ? 0 : Int64(bitPattern: error))
        } else {
            let expected = side.bySide ? side.last : expected(row, field, type)
            value = Value(
                truncatingIfNeeded: side.predictor.read(against: expected &>> shift, from: &reader) &<< shift)
        }
        side.last = UInt64(truncatingIfNeeded: value)
        return value
    }
}

extension Rows {
    /// Runs of records that are tried, and their length.
    private static let tries = 4
    private static let run = 32

    /// Tries both ways on a few runs of records: what differs less from its own last difference takes fewer bits.
    private func choose<Value: FixedWidthInteger & BitwiseCopyable>(
        _ field: Field, _ type: Value.Type, shift: UInt64
    ) -> ColumnHow {
        var how = ColumnHow(shift: shift, othersBySide: false, calledBySide: false)
        guard hasSides(field) else { return how }
        // Bits by mode and by side, of the others and of the called.
        var bits = (ofOthers: (0, 0), ofCalled: (0, 0))
        for attempt in 0..<Self.tries {
            let first = attempt &* max(0, count &- Self.run) / max(1, Self.tries &- 1)
            var others = Trial()
            var called = Trial()
            for row in first..<min(count, first &+ Self.run) {
                let value = UInt64(truncatingIfNeeded: load(type, row, field.offset))
                let byMode = value &- expected(row, field, type)
                // What did not happen costs next to nothing where it is written against another stamp.
                let isAbsent = if case .since = field.mode { value == 0 } else { false }
                if isCalled(row) {
                    called.note(value, byMode, isAbsent, shift, &bits.ofCalled)
                } else {
                    others.note(value, byMode, isAbsent, shift, &bits.ofOthers)
                }
            }
        }
        how.othersBySide = bits.ofOthers.1 < bits.ofOthers.0
        how.calledBySide = bits.ofCalled.1 < bits.ofCalled.0
        return how
    }
}

/// One side's records in a run that is tried.
private struct Trial {
    private var last: UInt64?
    /// Differences of the record before; `nil`: there was none.
    private var before: (byMode: UInt64, bySide: UInt64)?

    @inline(__always)
    mutating func note(
        _ value: UInt64, _ byMode: UInt64, _ isAbsent: Bool, _ shift: UInt64, _ bits: inout (Int, Int)
    ) {
        defer { last = value }
        guard let last else { return }
        let bySide = value &- last
        if let before {
            if !isAbsent { bits.0 &+= Self.width(byMode &- before.byMode, shift) }
            bits.1 &+= Self.width(bySide &- before.bySide, shift)
        }
        before = (isAbsent ? before?.byMode ?? byMode : byMode, bySide)
    }

    /// Bits of a signed difference.
    private static func width(_ difference: UInt64, _ shift: UInt64) -> Int {
        64 &- (zigzag(difference) &>> shift).leadingZeroBitCount
    }
}
