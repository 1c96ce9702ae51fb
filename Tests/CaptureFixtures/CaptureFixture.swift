import Analysis
import CFlightrec
import Capture
import Events
import Foundation
import Window

/// A capture of chosen events, written to a directory of its own that is removed with it.
public final class CaptureFixture {
    public static let second: UInt64 = 1_000_000_000
    /// When monotonic `origin` was.
    public static let wall: Int64 = 1_795_000_000_000_000_000
    public static let origin: UInt64 = 1000 * second

    public let path: String
    private let directory: String

    /// - Parameters:
    ///   - blocks: of an interval from `origin` on, 100 s long.
    ///   - containers: names by key; each has the sockets of `sockets` that say so.
    public init(
        _ blocks: [Block], containers: [ContainerKey: String] = [:], sockets: [SocketInfo] = [],
        triggers: [TriggerFact] = [], samples: [ContainerSample] = []
    ) throws {
        directory = NSTemporaryDirectory() + "/flightrec-query-\(UUID().uuidString)"
        let id = "20261118T110640Z-abcdef"
        var evidence = Evidence(
            id: id, clock: ClockPair(monotonic: Self.origin, wall: Self.wall), askedFrom: Self.origin,
            askedTo: Self.origin + 100 * Self.second, from: Self.origin, to: Self.origin + 100 * Self.second)
        evidence.containers = containers.mapValues { ContainerName(id: "c0ffee", name: $0, runtime: "docker") }
        for socket in sockets { evidence.sockets[socket.id] = socket }
        evidence.triggers = triggers
        evidence.samples = samples
        evidence.dropReasons = [6: "SOCKET_RCVBUFF"]
        evidence.symbols = [0xffff_0001: "do_nanosleep", 0xffff_0002: "schedule"]
        try evidence.collect(blocks)
        let verdict = Verdict(
            layer: "unknown", cause: "unknown", summary: "", share: 0, confidence: .low, evidence: [])
        let summary = IncidentSummary(
            id: id, startedAt: Self.wall, endedAt: Self.wall + 1,
            container: ContainerName(id: "c0ffee", name: "x", runtime: "docker"), peak: 0, threshold: 0, slowTurns: 0,
            trigger: .manual, verdict: verdict, events: evidence.eventCount, lost: 0)
        let slow = evidence.turns.max { $0.total < $1.total }.map { [$0] } ?? []
        path = try CaptureWriter.publish(
            incident: Incident(
                summary: summary, turn: slow.first, stages: [], unexplained: slow.first?.total ?? 0, slow: slow,
                baseline: nil, sockets: [],
                evidence: evidence),
            blocks: blocks, into: CaptureDirectory(preparing: directory)
        ).path
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    public static func header(_ kind: EventKind, at: Instant, container: ContainerKey, socket: SocketID) -> fr_header {
        fr_header(ts: at, cgroup: container, socket: socket, kind: kind.rawValue, cpu: 1)
    }

    /// A served turn, or a called one, with all its stamps: a tenth of it in the receive queue, the rest in the application
    /// (served) or waiting (called). Offsets from `origin`.
    public static func turn(
        _ start: UInt64, _ end: UInt64, container: ContainerKey, socket: SocketID, role: Role = .served,
        kind: EventKind = .turn, tid: UInt32 = 7
    ) -> fr_turn {
        var raw = fr_turn()
        raw.h = header(kind, at: origin + end, container: container, socket: socket)
        raw.start = origin + start
        if kind == .open { raw.flags = UInt8(FR_TURN_OPEN.rawValue) }
        let tenth = (end - start) / 10
        if role == .served {
            raw.rx_first = raw.start
            raw.rx_last = raw.start
            raw.woken = raw.start
            raw.read_first = raw.start + tenth
            raw.read_last = raw.read_first
            if kind == .turn {
                raw.tx_first = raw.h.ts
                raw.tx_last = raw.h.ts
            }
        } else {
            raw.tx_first = raw.start
            raw.tx_last = raw.start
            raw.rx_first = raw.h.ts
            raw.rx_last = raw.h.ts
            raw.woken = raw.h.ts
            raw.read_first = raw.h.ts
            raw.read_last = raw.h.ts
        }
        raw.rx_bytes = 100
        raw.tx_bytes = 200
        raw.sequence = 1
        raw.role = role.rawValue
        raw.tid = tid
        raw.rx_cpu = UInt16(FR_NO_CPU)
        return raw
    }

    public static func slice(
        _ start: UInt64, _ end: UInt64, container: ContainerKey, tid: UInt32 = 7, isOpen: Bool = false
    ) -> fr_slice {
        var raw = fr_slice()
        raw.h = header(.slice, at: origin + end, container: container, socket: 0)
        raw.start = origin + start
        raw.tid = tid
        raw.pid = tid
        raw.syscall = 35
        raw.why = UInt8(FR_OFF_SLEEP.rawValue)
        raw.flags = isOpen ? UInt8(FR_SLICE_OPEN.rawValue) : 0
        return raw
    }

    public static func block<Raw: BitwiseCopyable>(_ kind: EventKind, _ container: ContainerKey, _ records: [Raw])
        -> Block
    {
        records.withUnsafeBytes {
            BlockCodec.encode(kind, container: container, packedRecords: $0, count: records.count)
        }
    }

    /// `10.0.0.<socket>:80`, called by or calling `10.0.1.<socket>:<4000 + socket>`.
    public static func socket(_ id: SocketID, _ container: ContainerKey, role: Role = .served) -> SocketInfo {
        let own = Endpoint(address: [10, 0, 0, UInt8(id)], port: 80)
        let other = Endpoint(address: [10, 0, 1, UInt8(id)], port: 4000 + UInt16(id))
        return SocketInfo(
            id: id, container: container, role: role, local: role == .served ? own : other,
            remote: role == .served ? other : own, pid: 500 + UInt32(container), process: "worker\(container)")
    }
}
