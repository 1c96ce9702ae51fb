import CFlightrec
import Events

/// Turns records into columns, one after another without lengths: each ends by itself after `count` values.
enum ColumnCodec {
    /// The columns of `count` records of `kind.size` bytes each, as `codec` has them, which must be one that writes this kind.
    static func encode(
        _ kind: EventKind, _ records: UnsafeRawBufferPointer, count: Int, codec: UInt8
    ) -> [UInt8] {
        let layout = ColumnLayout.of(kind)
        guard let fields = layout.fields(codec) else { preconditionFailure("codec \(codec) of \(kind) records") }
        let sided = codec != BlockCodec.columns && !layout.sidedFields.isEmpty
        let perRecord = layout.fields.reduce(0) { $0 + ($1.isBytes ? $1.width : BitWriter.maximumBytes) }
        let capacity = count * perRecord + layout.fields.count * 17 + BitWriter.slack
        return Array(unsafeUninitializedCapacity: capacity) { target, length in
            guard count > 0, let output = target.baseAddress, let input = records.baseAddress else { return }
            var writer = BitWriter(output)
            let step = kind.size
            withUnsafeTemporaryAllocation(of: Int32.self, capacity: count) { previous in
                guard let previous = previous.baseAddress else { return }
                let rows = Rows(
                    base: input, step: step, count: count, layout: layout, sided: sided, previous: previous)
                rows.findPrevious()
                RecordBits.with(input, step: step, count: count) { bits in
                    for field in fields { rows.write(field, bits, &writer) }
                }
            }
            length = writer.position
        }
    }

    /// The records of `columns`, which may be hostile; `count` × `kind.size` must have been bounded. `last`: offset of
    /// the last field that is wanted; those written after it stay 0, as do those that `codec` does not know.
    static func decode(
        _ kind: EventKind, _ columns: UnsafeRawBufferPointer, count: Int, codec: UInt8, last: Int? = nil
    ) throws(BlockError) -> [UInt8] {
        let layout = ColumnLayout.of(kind)
        guard let fields = layout.fields(codec) else { throw .unknownCodec(codec) }
        let sided = codec != BlockCodec.columns && !layout.sidedFields.isEmpty
        let step = kind.size
        var result = [UInt8](repeating: 0, count: count * step)
        var failure: BlockError?
        result.withUnsafeMutableBytes { target in
            guard count > 0, let output = target.baseAddress else {
                if !columns.isEmpty { failure = .trailing(columns.count) }
                return
            }
            var reader = BitReader(columns)
            // -1: nothing is known of its socket yet.
            let previous = UnsafeMutablePointer<Int32>.allocate(capacity: count)
            previous.initialize(repeating: -1, count: count)
            defer { previous.deallocate() }
            let rows = Rows(base: output, step: step, count: count, layout: layout, sided: sided, previous: previous)
            for field in fields {
                var unknown: UInt8?
                switch (field.mode, field.width) {
                case (.bytes, _):
                    for row in 0..<count
                    where !reader.copy(
                        to: UnsafeMutableRawBufferPointer(
                            start: output + row * step + field.offset, count: field.width))
                    {
                        failure = .truncated
                        return
                    }
                case (_, 1): unknown = rows.read(field, UInt8.self, &reader, output)
                case (_, 2): unknown = rows.read(field, UInt16.self, &reader, output)
                case (_, 4): unknown = rows.read(field, UInt32.self, &reader, output)
                default: unknown = rows.read(field, UInt64.self, &reader, output)
                }
                reader.align()
                if let unknown, !reader.overrun {
                    failure = .unknownColumn(unknown)
                    return
                }
                if reader.overrun {
                    failure = .truncated
                    return
                }
                if field.offset == ColumnLayout.socketOffset { rows.findPrevious() }
                if field.offset == last { return }
            }
            if reader.remaining > 0 { failure = .trailing(reader.remaining) }
        }
        if let failure { throw failure }
        return result
    }
}

extension Field {
    var isBytes: Bool { if case .bytes = mode { true } else { false } }
}

/// How one column is written; its first byte.
private enum ColumnForm: UInt8 {
    /// Differences as Rice codes.
    case rice = 0
    /// One value, little-endian, for all.
    case constant = 1
    /// Stamps, each equal to the one it is written against.
    case same = 2
}

/// Records side by side in memory, read by row and field. Holds nothing that is counted: it is copied a lot.
struct Rows {
    let base: UnsafeRawPointer
    let step: Int
    let count: Int
    let sided: Bool
    /// See `PreviousBySocket`; as many as there are rows.
    let previous: UnsafeMutablePointer<Int32>
    /// Offsets of what others are written against.
    let role: Int
    let start: Int

    init(
        base: UnsafeRawPointer, step: Int, count: Int, layout: ColumnLayout, sided: Bool,
        previous: UnsafeMutablePointer<Int32>
    ) {
        self.base = base
        self.step = step
        self.count = count
        self.sided = sided
        self.previous = previous
        role = layout.role
        start = layout.start
    }

    /// Works `previous` out, once the column of sockets is there.
    func findPrevious() {
        var table = PreviousBySocket(count: count)
        for row in 0..<count { previous[row] = table.previous(row, load(UInt32.self, row, ColumnLayout.socketOffset)) }
    }

    @inline(__always)
    func load<Value: FixedWidthInteger & BitwiseCopyable>(_ type: Value.Type, _ row: Int, _ offset: Int) -> Value {
        base.loadUnaligned(fromByteOffset: row &* step &+ offset, as: type)
    }

    /// The stamp that `row`'s is written against. The start cannot stand in for what it is itself written against.
    @inline(__always)
    func reference(_ row: Int, _ field: Field, _ served: Int, _ called: Int) -> UInt64 {
        let isCalled = load(UInt8.self, row, role) == UInt8(truncatingIfNeeded: FR_CALLED.rawValue)
        let stamp = load(UInt64.self, row, isCalled ? called : served)
        return stamp != 0 || field.offset == start ? stamp : load(UInt64.self, row, start)
    }

    func write(_ field: Field, _ bits: RecordBits, _ writer: inout BitWriter) {
        switch (field.mode, field.width) {
        case (.bytes, _):
            for row in 0..<count {
                writer.copy(UnsafeRawBufferPointer(start: base + row * step + field.offset, count: field.width))
            }
        case (_, 1): write(field, UInt8.self, bits, &writer)
        case (_, 2): write(field, UInt16.self, bits, &writer)
        case (_, 4): write(field, UInt32.self, bits, &writer)
        default: write(field, UInt64.self, bits, &writer)
        }
    }

    /// Writes a column with its form first: most columns of most blocks are constant or equal to another one.
    private func write<Value: FixedWidthInteger & BitwiseCopyable>(
        _ field: Field, _ type: Value.Type, _ bits: RecordBits, _ writer: inout BitWriter
    ) {
        if bits.isConstant(field, type) {
            let first = load(type, 0, field.offset)
            writer.copy([ColumnForm.constant.rawValue])
            withUnsafeBytes(of: first.littleEndian) { writer.copy($0) }
        } else if case .since(let served, let called) = field.mode,
            isSame(field, served, called)
        {
            writer.copy([ColumnForm.same.rawValue])
        } else {
            writer.copy([ColumnForm.rice.rawValue])
            if sided { encodeSided(field, type, bits, &writer) } else { encode(field, type, &writer) }
            writer.align()
        }
    }

    private func isSame(_ field: Field, _ served: Int, _ called: Int) -> Bool {
        for row in 0..<count where load(UInt64.self, row, field.offset) != reference(row, field, served, called) {
            return false
        }
        return true
    }

    /// Reads a column into `output`, which is `base`. Returns the form, or what says more of it, when it is
    /// not one for this field.
    func read<Value: FixedWidthInteger & BitwiseCopyable>(
        _ field: Field, _ type: Value.Type, _ reader: inout BitReader, _ output: UnsafeMutableRawPointer
    ) -> UInt8? {
        let form = reader.readByte()
        switch (ColumnForm(rawValue: form), field.mode) {
        case (.constant, _):
            var value: Value = 0
            for byte in 0..<field.width { value |= Value(truncatingIfNeeded: reader.readByte()) &<< Value(byte * 8) }
            for row in 0..<count {
                output.storeBytes(of: value, toByteOffset: row &* step &+ field.offset, as: type)
            }
        case (.same, .since(let served, let called)):
            for row in 0..<count {
                output.storeBytes(
                    of: reference(row, field, served, called), toByteOffset: row &* step &+ field.offset,
                    as: UInt64.self)
            }
        case (.rice, _):
            if sided { return decodeSided(field, type, &reader, output) }
            decode(field, type, &reader, output)
        default: return form
        }
        return nil
    }

    func encode<Value: FixedWidthInteger & BitwiseCopyable>(
        _ field: Field, _ type: Value.Type, _ writer: inout BitWriter
    ) {
        var predictor = RicePredictor()
        switch field.mode {
        case .bytes: break
        case .delta:
            var last: UInt64 = 0
            for row in 0..<count {
                let value = UInt64(truncatingIfNeeded: load(type, row, field.offset))
                predictor.write(value, against: last, to: &writer)
                last = value
            }
        case .socketDelta:
            for row in 0..<count {
                let earlier = Int(previous[row])
                let last = earlier < 0 ? 0 : UInt64(truncatingIfNeeded: load(type, earlier, field.offset))
                predictor.write(
                    UInt64(truncatingIfNeeded: load(type, row, field.offset)), against: last, to: &writer)
            }
        case .since(let served, let called):
            for row in 0..<count {
                let value = load(UInt64.self, row, field.offset)
                let expected = reference(row, field, served, called) &+ predictor.bias
                let error = value &- expected
                let code = Absent.code(zigzag(error), absent: zigzag(0 &- expected))
                writer.write(code, parameter: predictor.parameter)
                predictor.update(code: code, error: value == 0 ? 0 : Int64(bitPattern: error))
            }
        }
    }

    func decode<Value: FixedWidthInteger & BitwiseCopyable>(
        _ field: Field, _ type: Value.Type, _ reader: inout BitReader, _ output: UnsafeMutableRawPointer
    ) {
        var predictor = RicePredictor()
        switch field.mode {
        case .bytes: break
        case .delta:
            var last: UInt64 = 0
            for row in 0..<count {
                let value = Value(truncatingIfNeeded: predictor.read(against: last, from: &reader))
                output.storeBytes(of: value, toByteOffset: row &* step &+ field.offset, as: type)
                last = UInt64(truncatingIfNeeded: value)
            }
        case .socketDelta:
            for row in 0..<count {
                let earlier = Int(previous[row])
                let last = earlier < 0 ? 0 : UInt64(truncatingIfNeeded: load(type, earlier, field.offset))
                let value = Value(truncatingIfNeeded: predictor.read(against: last, from: &reader))
                output.storeBytes(of: value, toByteOffset: row &* step &+ field.offset, as: type)
            }
        case .since(let served, let called):
            for row in 0..<count {
                let expected = reference(row, field, served, called) &+ predictor.bias
                let code = reader.read(parameter: predictor.parameter)
                let error = unzigzag(Absent.zigzag(code, absent: zigzag(0 &- expected)))
                let value = expected &+ error
                output.storeBytes(of: value, toByteOffset: row &* step &+ field.offset, as: UInt64.self)
                predictor.update(code: code, error: value == 0 ? 0 : Int64(bitPattern: error))
            }
        }
    }
}

/// Gives the difference that means "absent" code 0 and moves those below it up by one: a bijection on 64 bits, so
/// that no value is special and none overflows.
enum Absent {
    @inline(__always)
    static func code(_ value: UInt64, absent: UInt64) -> UInt64 {
        value == absent ? 0 : value < absent ? value &+ 1 : value
    }

    @inline(__always)
    static func zigzag(_ code: UInt64, absent: UInt64) -> UInt64 {
        code == 0 ? absent : code <= absent ? code &- 1 : code
    }
}
