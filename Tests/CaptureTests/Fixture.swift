import Analysis
import CFlightrec
import Events
import Foundation
import Window

@testable import Capture

/// A directory of its own, removed with it.
final class Scratch {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "/flightrec-capture-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func directory() throws -> CaptureDirectory { try CaptureDirectory(preparing: path) }

    func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
}

/// An incident with every kind of event and every table filled, and the blocks its events are in.
struct Fixture {
    static let second: UInt64 = 1_000_000_000
    static let networkKey: ContainerKey = 1 << 63 | 4_026_532_000

    var incident: Incident
    var blocks: [Block]

    init(
        id: String = "20261123T165204Z-a1b2c3", container: String = "redis", turns: Int = 300,
        trigger: TriggerFact.Kind = .latency, startedAt: Int64 = 1_795_000_000_000_000_000
    ) throws {
        blocks = Self.blocks(turns: turns)
        var evidence = Evidence(
            id: id, clock: ClockPair(monotonic: 50 * Self.second, wall: startedAt + 10_000_000_000),
            askedFrom: 38 * Self.second, askedTo: 60 * Self.second, from: 40 * Self.second, to: 60 * Self.second)
        evidence.triggers = [
            TriggerFact(
                kind: trigger, at: 50 * Self.second, container: 77, socket: 1, observed: 812_000_000,
                threshold: 200_000_000, rule: "absolute 200ms")
        ]
        evidence.gaps = [
            Gap(from: 41 * Self.second, to: 42 * Self.second, lost: 9, why: "ring full"),
            Gap(from: 40 * Self.second, to: 41 * Self.second, lost: 0, why: "cut short", container: Self.networkKey),
        ]
        let name = ContainerName(id: "c0ffee", name: container, runtime: "docker", image: "redis:7")
        evidence.containers = [
            77: name, Self.networkKey: ContainerName(id: "netns", name: "länge 容器", runtime: "unknown"),
        ]
        evidence.sockets = [
            1: SocketInfo(
                id: 1, container: 77, leafCgroup: 78, netns: 4_026_531_840, role: .served,
                local: Endpoint(address: [172, 17, 0, 2], port: 6379),
                remote: Endpoint(address: [172, 17, 0, 1], port: 46780), pid: 4_000_000_000, process: "redis-server",
                seen: 39 * Self.second, established: 38 * Self.second, sentSequence: .max, receivedSequence: 5),
            2: SocketInfo(
                id: 2, container: Self.networkKey, role: .called,
                local: Endpoint(address: Array(repeating: 0xfd, count: 16), port: 1),
                remote: Endpoint(address: Array(repeating: 0xfe, count: 16), port: 65535), olderThanRecorder: true),
        ]
        evidence.softirqTotals = [SoftirqTotal(cpu: 3, vector: 3, count: 5, total: 6, max: 7, deferredMax: .max)]
        evidence.softirqTicks = [SoftirqTick(cpu: 511, from: 1, to: 2, total: 3, netRX: 4, stolen: 5)]
        var full = ContainerSample(at: 7, container: 0)
        full.throttledPeriods = 1
        full.memoryHigh = 2
        full.memoryMax = 3
        full.memoryKills = 4
        full.memory = 5
        full.memoryLimit = 6
        full.cpuPressure = 7
        full.memoryPressure = 8
        full.ioPressure = 9
        full.network = true
        evidence.samples = [
            ContainerSample(at: 5, container: 77, frozen: true, throttled: nil),
            ContainerSample(at: 6, container: 77, frozen: nil, throttled: 1 << 63), full,
        ]
        evidence.counters = [
            CounterReading(at: 5, container: 77, name: "ListenOverflows", value: 1),
            CounterReading(at: 6, container: Self.networkKey, name: "eth0 rx_dropped", value: .max),
        ]
        evidence.clocks = [ClockPair(monotonic: 1, wall: -5), ClockPair(monotonic: 2, wall: .max)]
        evidence.costs = [CostReading(at: 9, cpu: .max, residentBytes: 2, events: 3)]
        evidence.suppressed = [SuppressedFact(container: Self.networkKey, count: 7, worst: .max, last: 8)]
        evidence.softnet = [SoftnetReading(at: 5, cpu: 3, processed: .max, dropped: 1, squeezed: 2)]
        evidence.baselines = [
            Baseline(
                container: 77, role: 1, port: 6379, turns: 4200, p50: 40_000, p99: 90_000, retransmitsPerSecond: 0.25)
        ]
        evidence.relays = [
            Relay(
                program: "docker-proxy", pid: .max, netns: .max,
                listen: Endpoint(address: Array(repeating: 0, count: 16), port: 8080),
                target: Endpoint(address: [172, 17, 0, 2], port: 65535))
        ]
        evidence.hostAddresses = [[172, 17, 0, 1], Array(repeating: 0xfe, count: 16)]
        var coalescing = Coalescing(interface: "eth0")
        (coalescing.rxMicroseconds, coalescing.rxFrames, coalescing.adaptiveRX) = (.max, 0, true)
        (coalescing.rxMicrosecondsHigh, coalescing.txMicroseconds, coalescing.txFrames) = (1, 2, 3)
        coalescing.adaptiveTX = false
        evidence.coalescing = [coalescing, Coalescing(interface: "eth1")]
        evidence.interfaces = [InterfaceReading(at: 5, interface: "eth0", interrupts: .max, packets: 6)]
        evidence.dropReasons = [2: "NOT_SPECIFIED", 6: "SOCKET_RCVBUFF"]
        evidence.facts = ["kernel": "6.18.0", "flightrec": "1.0"]
        try evidence.collect(blocks)
        let slow = evidence.turns.filter { $0.total > 700_000_000 }
        let verdict = Verdict(
            layer: "application", cause: "app.lock", summary: "redis waited 800 ms for a lock", share: 0.94,
            confidence: .high, evidence: ["the thread was in futex", "no packet was lost"], peer: "db")
        let summary = IncidentSummary(
            id: id, startedAt: startedAt, endedAt: startedAt + 20_000_000_000, container: name, peak: 812_000_000,
            threshold: 200_000_000, slowTurns: slow.count, trigger: trigger, verdict: verdict,
            events: evidence.eventCount, lost: 9)
        incident = Incident(
            summary: summary, turn: slow.first,
            stages: [Stage(name: "receive-queue", duration: 5000, offset: 0)],
            unexplained: (slow.first?.total ?? 5000) - 5000, slow: slow,
            baseline: evidence.baselines[0], sockets: [], evidence: evidence)
    }

    /// Two blocks of turns that interleave in time, and one of every other kind.
    private static func blocks(turns: Int) -> [Block] {
        var blocks: [Block] = []
        for part in 0..<2 {
            let records = stride(from: part, to: turns, by: 2).map { index -> fr_turn in
                var raw = fr_turn()
                raw.h = header(.turn, at: 41 * second + UInt64(index) * 1_000_000, socket: UInt32(1 + part))
                raw.start = raw.h.ts - (index == 100 ? 812_000_000 : 30_000_000)
                raw.rx_first = raw.start
                raw.rx_bytes = 64
                raw.sequence = UInt32(index + 1)
                raw.role = UInt8(FR_SERVED.rawValue)
                if index == 100 {
                    raw.send_wait = 7_654_321
                    raw.tcp_receive = 1_234
                }
                return raw
            }
            blocks.append(block(.turn, records))
        }
        var open = fr_turn()
        open.h = header(.open, at: 45 * second, socket: 9)
        open.flags = UInt8(FR_TURN_OPEN.rawValue)
        open.start = 44 * second
        var later = open
        later.h.ts = 46 * second
        blocks.append(block(.open, [open, later]))
        var retransmit = fr_retransmit()
        retransmit.h = header(.retransmit, at: 43 * second, socket: 1)
        retransmit.rtx_kind = 1
        blocks.append(block(.retransmit, [retransmit]))
        var outside = retransmit
        outside.h.ts = 39 * second
        blocks.append(block(.retransmit, [outside]))
        var state = fr_state()
        state.h = header(.state, at: 43 * second, socket: 1)
        state.state_kind = 250
        blocks.append(block(.state, [state]))
        var reset = fr_reset()
        reset.h = header(.reset, at: 43 * second, socket: 1)
        blocks.append(block(.reset, [reset]))
        var drop = fr_drop()
        drop.h = header(.drop, at: 43 * second, socket: 0)
        drop.reason = 6
        drop.family = 2
        blocks.append(block(.drop, [drop]))
        var softirq = fr_softirq()
        softirq.h = header(.softirq, at: 43 * second, socket: 0)
        softirq.vector = 3
        blocks.append(block(.softirq, [softirq]))
        var socket = fr_socket()
        socket.h = header(.socket, at: 40 * second, socket: 30)
        socket.family = 2
        blocks.append(block(.socket, [socket]))
        return blocks
    }

    private static func header(_ kind: EventKind, at: Instant, socket: SocketID) -> fr_header {
        fr_header(ts: at, cgroup: 77, socket: socket, kind: kind.rawValue, cpu: 1)
    }

    private static func block<Raw: BitwiseCopyable>(_ kind: EventKind, _ records: [Raw]) -> Block {
        records.withUnsafeBytes {
            BlockCodec.encode(kind, container: 77, packedRecords: $0, count: records.count)
        }
    }
}
