/// Enough of a protobuf parser to read a trace back: fields by number, in order.
struct ProtoMessage {
    enum Field {
        case number(UInt64)
        case bytes([UInt8])
    }

    private(set) var fields: [(number: Int, field: Field)] = []

    /// `nil` when the bytes are no message.
    init?(_ bytes: [UInt8]) {
        var at = 0
        func varint() -> UInt64? {
            var value: UInt64 = 0
            var shift: UInt64 = 0
            while at < bytes.count, shift < 64 {
                let byte = bytes[at]
                at += 1
                value |= UInt64(byte & 0x7f) << shift
                if byte < 0x80 { return value }
                shift += 7
            }
            return nil
        }
        while at < bytes.count {
            guard let tag = varint() else { return nil }
            switch tag & 7 {
            case 0:
                guard let value = varint() else { return nil }
                fields.append((Int(tag >> 3), .number(value)))
            case 1:
                guard at + 8 <= bytes.count else { return nil }
                let value = bytes[at..<at + 8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
                at += 8
                fields.append((Int(tag >> 3), .number(value)))
            case 2:
                guard let count = varint(), count <= UInt64(bytes.count - at) else { return nil }
                fields.append((Int(tag >> 3), .bytes(Array(bytes[at..<at + Int(count)]))))
                at += Int(count)
            default: return nil
            }
        }
    }

    func numbers(_ number: Int) -> [UInt64] {
        fields.compactMap { if $0.number == number, case .number(let value) = $0.field { value } else { nil } }
    }
    func number(_ number: Int) -> UInt64? { numbers(number).last }
    func messages(_ number: Int) -> [ProtoMessage] {
        fields.compactMap {
            if $0.number == number, case .bytes(let bytes) = $0.field { ProtoMessage(bytes) } else { nil }
        }
    }
    func text(_ number: Int) -> String? {
        fields.compactMap {
            if $0.number == number, case .bytes(let bytes) = $0.field {
                String(decoding: bytes, as: UTF8.self)
            } else {
                nil
            }
        }.last
    }
}

/// A trace as a viewer would draw it. Throws what is wrong with it.
struct DrawnTrace {
    struct Slice: Equatable {
        var track: String
        var name: String
        var start: UInt64
        var end: UInt64
        /// How many hold it.
        var depth: Int
    }

    struct Mistake: Error { var what: String }

    private(set) var slices: [Slice] = []
    private(set) var instants: [(track: String, name: String, at: UInt64)] = []
    private(set) var counts: [(track: String, value: UInt64, at: UInt64)] = []
    /// Tracks of the slice a flow leaves and of the one it ends at.
    private(set) var flows: [UInt64: (from: String?, to: String?)] = [:]
    private(set) var parents: [String: String] = [:]

    init(_ bytes: [UInt8]) throws {
        guard let trace = ProtoMessage(bytes) else { throw Mistake(what: "no protobuf") }
        var tracks: [UInt64: String] = [:]
        var names: [UInt64: String] = [:]
        var open: [UInt64: [(name: String, start: UInt64)]] = [:]
        for packet in trace.messages(1) {
            for track in packet.messages(60) {
                let name = track.text(2) ?? ""
                tracks[track.number(1) ?? 0] = name
                if let parent = track.number(5) { parents[name] = tracks[parent] }
            }
            for entry in packet.messages(12).flatMap({ $0.messages(2) }) { names[entry.number(1) ?? 0] = entry.text(2) }
            guard let event = packet.messages(11).first else { continue }
            guard let at = packet.number(8), let uuid = event.number(11), let track = tracks[uuid] else {
                throw Mistake(what: "an event without a time or track")
            }
            let name = event.number(10).flatMap { names[$0] }
            switch event.number(9) {
            case 1:
                guard let name else { throw Mistake(what: "a slice without a name") }
                open[uuid, default: []].append((name, at))
                for flow in event.numbers(47) { flows[flow, default: (nil, nil)].from = track }
                for flow in event.numbers(48) { flows[flow, default: (nil, nil)].to = track }
            case 2:
                guard let began = open[uuid]?.popLast(), began.start <= at else {
                    throw Mistake(what: "an end without a beginning on \(track)")
                }
                slices.append(
                    Slice(track: track, name: began.name, start: began.start, end: at, depth: open[uuid]?.count ?? 0))
            case 3: instants.append((track, name ?? "", at))
            case 4: counts.append((track, event.number(30) ?? event.number(44) ?? 0, at))
            default: throw Mistake(what: "an event of no type")
            }
        }
        if let left = open.first(where: { !$0.value.isEmpty }) {
            throw Mistake(what: "no end on \(tracks[left.key] ?? "")")
        }
    }
}
