import Analysis
import Events
import Query

/// A track of a trace.
struct Track: Sendable, Equatable {
    let uuid: UInt64
}

/// What is told of an event beside its name.
enum Annotation {
    case number(String, UInt64)
    case text(String, String)
}

/// Writes a Perfetto trace, packet by packet: `TracePacket`s with `TrackEvent`s (perfetto.dev/docs/reference/
/// trace-packet-proto). Numbers of fields are those of protos/perfetto/trace.
///
/// On each track events must be written in order of time; tracks among each other need no order.
final class TraceWriter {
    private enum EventType: UInt64 {
        case begin = 1
        case end = 2
        case instant = 3
        case counter = 4
    }

    /// One sequence of packets, with one table of names.
    private static let sequence: UInt64 = 1
    /// CLOCK_MONOTONIC, REALTIME among `BuiltinClock`.
    private static let monotonic: UInt64 = 3
    private static let realtime: UInt64 = 1

    private let output: TextOutput
    private var packet = ProtoWriter()
    private var uuids: UInt64 = 0
    private var ranks: [UInt64: UInt64] = [:]
    private var eventNames: [String: UInt64] = [:]
    private var annotationNames: [String: UInt64] = [:]

    init(_ clock: ClockPair, _ output: TextOutput) {
        self.output = output
        write { packet in
            packet.varint(10, Self.sequence)
            packet.message(6) { snapshot in
                for (id, at) in [(Self.realtime, UInt64(bitPattern: clock.wall)), (Self.monotonic, clock.monotonic)] {
                    snapshot.message(1) { clock in
                        clock.varint(1, id)
                        clock.varint(2, at)
                    }
                }
                // What the trace's own times are in.
                snapshot.varint(2, Self.monotonic)
            }
        }
        write { packet in
            packet.varint(10, Self.sequence)
            packet.varint(13, 1)  // SEQ_INCREMENTAL_STATE_CLEARED
            packet.message(59) { defaults in defaults.varint(58, Self.monotonic) }
        }
    }

    func finish() { output.flush() }

    private func write(_ body: (inout ProtoWriter) -> Void) {
        packet.clear()
        packet.message(1, body)
        output.append(packet.bytes)
    }

    // MARK: Tracks

    /// Tracks of one parent stand in the order they are made.
    func track(_ name: String, in parent: Track? = nil) -> Track { track(name, parent) { _ in } }

    /// - Parameter unit: what its values are, to read.
    func counter(_ name: String, unit: String, in parent: Track? = nil) -> Track {
        track(name, parent) { descriptor in
            descriptor.message(8) { $0.string(6, unit) }
        }
    }

    private func track(_ name: String, _ parent: Track?, _ more: (inout ProtoWriter) -> Void) -> Track {
        uuids += 1
        let track = Track(uuid: uuids)
        let rank = ranks[parent?.uuid ?? 0, default: 0]
        ranks[parent?.uuid ?? 0] = rank + 1
        write { packet in
            packet.varint(10, Self.sequence)
            packet.message(60) { descriptor in
                descriptor.varint(1, track.uuid)
                descriptor.string(2, name)
                if let parent { descriptor.varint(5, parent.uuid) }
                descriptor.varint(11, 3)  // Children in order of their rank.
                descriptor.varint(12, rank)
                more(&descriptor)
            }
        }
        return track
    }

    // MARK: Events

    /// - Parameter flow: ties it to the slices elsewhere that have the same; `isFlowEnd`: the arrow ends here.
    func begin(
        _ name: String, at: Instant, on track: Track, _ annotations: [Annotation] = [], flow: UInt64? = nil,
        isFlowEnd: Bool = false
    ) {
        event(.begin, at, track, name, annotations) { event in
            if let flow { event.fixed64(isFlowEnd ? 48 : 47, flow) }
        }
    }

    func end(at: Instant, on track: Track) { event(.end, at, track, nil, []) { _ in } }

    func instant(_ name: String, at: Instant, on track: Track, _ annotations: [Annotation] = []) {
        event(.instant, at, track, name, annotations) { _ in }
    }

    func count(_ value: Int64, at: Instant, on track: Track) {
        event(.counter, at, track, nil, []) { $0.integer(30, value) }
    }

    func count(_ value: Double, at: Instant, on track: Track) {
        event(.counter, at, track, nil, []) { $0.double(44, value) }
    }

    private func event(
        _ type: EventType, _ at: Instant, _ track: Track, _ name: String?, _ annotations: [Annotation],
        _ more: (inout ProtoWriter) -> Void
    ) {
        // A name is written out once, in the packet that needs it first, and then is a number.
        var new: [(field: UInt64, id: UInt64, name: String)] = []
        func intern(_ name: String, _ table: inout [String: UInt64], _ field: UInt64) -> UInt64 {
            if let id = table[name] { return id }
            let id = UInt64(table.count + 1)
            table[name] = id
            new.append((field, id, name))
            return id
        }
        let nameID = name.map { intern($0, &eventNames, 2) }
        let told = annotations.map { annotation in
            switch annotation {
            case .number(let name, _), .text(let name, _): (intern(name, &annotationNames, 3), annotation)
            }
        }
        write { packet in
            packet.varint(8, at)
            packet.varint(10, Self.sequence)
            packet.varint(13, 2)  // SEQ_NEEDS_INCREMENTAL_STATE
            if !new.isEmpty {
                packet.message(12) { interned in
                    for (field, id, name) in new {
                        interned.message(field) { entry in
                            entry.varint(1, id)
                            entry.string(2, name)
                        }
                    }
                }
            }
            packet.message(11) { event in
                event.varint(9, type.rawValue)
                event.varint(11, track.uuid)
                if let nameID { event.varint(10, nameID) }
                for (id, annotation) in told {
                    event.message(4) { entry in
                        entry.varint(1, id)
                        switch annotation {
                        case .number(_, let value): entry.varint(3, value)
                        case .text(_, let value): entry.string(6, value)
                        }
                    }
                }
                more(&event)
            }
        }
    }
}

/// Puts things that last on tracks of their own kind, so that on each they follow or hold one another: what overlaps goes to
/// the next lane.
struct Lanes {
    /// More at once than can be looked at.
    private static let most = 16

    private let name: String
    private let parent: Track?
    /// A start this little before the end of what is there is moved to it.
    private let tolerance: UInt64
    private var lanes: [(track: Track, end: Instant)] = []

    init(_ name: String, in parent: Track?, tolerance: UInt64 = 0) {
        self.name = name
        self.parent = parent
        self.tolerance = tolerance
    }

    /// The track for `start` to `end`, and the start it has room for; `nil` when too many are at once. Starts must be
    /// ascending.
    mutating func place(_ start: Instant, _ end: Instant, _ trace: TraceWriter) -> (track: Track, start: Instant)? {
        for index in lanes.indices where lanes[index].end <= start || lanes[index].end - start <= tolerance {
            let from = max(start, min(lanes[index].end, end))
            // What ends before the one before it does has no room there.
            if lanes[index].end > end { continue }
            lanes[index].end = end
            return (lanes[index].track, from)
        }
        guard lanes.count < Self.most else { return nil }
        let track = trace.track(lanes.isEmpty ? name : "\(name) (\(lanes.count + 1))", in: parent)
        lanes.append((track, end))
        return (track, start)
    }

    /// The first lane, for what happens at a moment.
    mutating func first(_ trace: TraceWriter) -> Track {
        if lanes.isEmpty { lanes.append((trace.track(name, in: parent), 0)) }
        return lanes[0].track
    }
}
