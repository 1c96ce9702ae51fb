import Analysis
import CFlightrec
import Events
import Report

/// A Redis container with 50 client sockets, paused for 800 ms while its clients kept asking.
enum Fixtures {
    static let second: UInt64 = 1_000_000_000
    static let millisecond: UInt64 = 1_000_000
    /// 2026-11-23T16:52:04.188123456Z.
    static let wall: Int64 = 1_795_452_724_188_123_456
    static let spike: UInt64 = 86_400 * second
    static let redis: ContainerKey = 4711
    static let api: ContainerKey = 4800

    static func ip(_ d: UInt8, _ port: UInt16) -> Endpoint { Endpoint(address: [172, 17, 0, d], port: port) }

    static func evidence() -> Evidence {
        var evidence = Evidence(
            id: "20261123T165204Z-a1b2c3", clock: ClockPair(monotonic: spike, wall: wall),
            askedFrom: spike - 10 * second, askedTo: spike + 5 * second + 812 * millisecond,
            from: spike - 10 * second, to: spike + 5 * second + 812 * millisecond)
        evidence.containers[redis] = ContainerName(
            id: "3f2a91c0b7de44aa90d2e1f0", name: "redis", runtime: "docker", image: "redis:7.2-alpine")
        evidence.containers[api] = ContainerName(
            id: "77b0c2d4e6f8", name: "checkout-api", runtime: "docker", image: "registry.local/checkout/api:2026.11.3")
        evidence.triggers = [
            TriggerFact(
                kind: .latency, at: spike + 812 * millisecond, container: redis, socket: 7,
                observed: 812 * millisecond, threshold: 200 * millisecond, rule: "absolute 200ms")
        ]
        for socket in SocketID(1)...50 {
            evidence.sockets[socket] = SocketInfo(
                id: socket, container: redis, role: .served, local: ip(2, 6379),
                remote: ip(socket < 40 ? 1 : 14, UInt16(46_773 + socket)), pid: 4211, process: "redis-server",
                established: spike - 3600 * second, sentSequence: socket * 1000, receivedSequence: socket)
        }
        evidence.sockets[51] = SocketInfo(
            id: 51, container: api, role: .called, local: ip(14, 40_412), remote: ip(2, 6379), pid: 5120,
            process: "node", olderThanRecorder: true)
        evidence.turns = turns().sorted { $0.end < $1.end }
        evidence.retransmits = [
            Retransmit(at: spike + 203 * millisecond, container: api, socket: 51, kind: .rto, rtoMilliseconds: 204),
            Retransmit(
                at: spike + 611 * millisecond, container: api, socket: 51, kind: .rto, rtoMilliseconds: 408, backoff: 1),
            Retransmit(at: spike + 640 * millisecond, container: redis, socket: 7, kind: .tlp, rtoMilliseconds: 201),
        ]
        evidence.dropReasons = [16: "SOCKET_RCVBUFF"]
        evidence.drops = [drop(at: spike + 420 * millisecond, reason: 16, count: 3)]
        evidence.slowSoftirqs = [softirq(at: spike + 815 * millisecond, run: 2_400_000, deferred: 310_000)]
        evidence.softirqTotals = [
            SoftirqTotal(cpu: 0, vector: 3, count: 181_022, total: 712_400_000, max: 2_400_000, deferredMax: 310_000),
            SoftirqTotal(cpu: 1, vector: 3, count: 9_412, total: 31_900_000, max: 412_000, deferredMax: 88_000),
            SoftirqTotal(cpu: 0, vector: 1, count: 15_800, total: 20_100_000, max: 61_000, deferredMax: 9_100),
            SoftirqTotal(cpu: 1, vector: 9, count: 22_410, total: 11_700_000, max: 140_000, deferredMax: 1_000_400),
        ]
        for index in UInt64(0)..<158 {
            let from = evidence.from + index * 100 * millisecond
            let quiet = from >= spike && from < spike + 800 * millisecond
            let load = (quiet ? 300_000 : 4_000_000) + index % 7 * 500_000
            evidence.softirqTicks.append(
                SoftirqTick(cpu: 0, from: from, to: from + 100 * millisecond, total: load, netRX: load * 9 / 10))
        }
        for index in UInt64(0)..<158 {
            let at = evidence.from + index * 100 * millisecond
            let frozen = at >= spike && at < spike + 800 * millisecond
            var sample = ContainerSample(at: at, container: redis, frozen: frozen, throttled: 0)
            sample.network = true
            sample.ioPressure = index * 2 * millisecond + (at >= spike ? (at - spike) / 2 : 0)
            evidence.samples.append(sample)
            evidence.samples.append(
                ContainerSample(at: at, container: api, frozen: false, throttled: index > 108 ? index * 30_000_000 : 0))
        }
        evidence.counters = [
            CounterReading(at: evidence.from - second, container: redis, name: "ListenOverflows", value: 40),
            CounterReading(at: spike + 400 * millisecond, container: redis, name: "ListenOverflows", value: 52),
        ]
        for index in UInt64(0)..<158 {
            let at = evidence.from + index * 100 * millisecond
            evidence.softnet.append(
                SoftnetReading(
                    at: at, cpu: 0, processed: index * 1000, dropped: 0, squeezed: index / 50 + (at > spike ? 21 : 0)))
        }
        evidence.baselines = [baseline]
        return evidence
    }

    /// The same, and two other containers were slow at that moment: one that calls redis, one that has nothing to do with
    /// it.
    static func crowd() -> Evidence {
        var evidence = evidence()
        let billing: ContainerKey = 4900
        evidence.containers[billing] = ContainerName(id: "9d1e", name: "billing", runtime: "docker")
        evidence.sockets[52] = SocketInfo(
            id: 52, container: billing, role: .served, local: ip(30, 80), remote: ip(1, 999))
        evidence.sockets[51]?.sentSequence = 7
        evidence.sockets[51]?.receivedSequence = 7000
        for (container, socket) in [(api, SocketID(51)), (billing, 52)] {
            for index in UInt64(0)..<10 {
                var turn = turn(socket, spike - second + index * 20 * millisecond, 9 * millisecond)
                turn.container = container
                evidence.turns.append(turn)
            }
            var slow = turn(socket, spike + 100 * millisecond, 640 * millisecond)
            slow.container = container
            evidence.turns.append(slow)
        }
        return evidence
    }

    static let baseline = Baseline(
        container: redis, role: 1, port: 6379, turns: 41_880, p50: 61_000, p99: 412_000, retransmitsPerSecond: 0.0125)

    static func turn(_ socket: SocketID, _ start: UInt64, _ total: UInt64, flags: Turn.Flags = []) -> Turn {
        Turn(
            container: redis, socket: socket, role: .served, flags: flags, start: start, end: start + total,
            receivedBytes: 31, sentBytes: 1029, tid: 4211)
    }

    /// Every 20 ms each of the sockets asks; what is asked during the pause waits for its end.
    private static func turns() -> [Turn] {
        var turns: [Turn] = []
        for socket in SocketID(1)...50 {
            let phase = UInt64(socket) * 317_000
            for index in UInt64(0)..<100 {
                let start = spike - second + index * 20 * millisecond + phase
                if start >= spike && start < spike + 812 * millisecond { continue }
                turns.append(turn(socket, start, 60_000 + UInt64(socket) * 1000))
            }
            if socket == 7 {
                turns.append(turn(socket, spike, 812 * millisecond))
            } else if socket % 3 == 0 {
                let late = UInt64(socket) * 11 * millisecond
                turns.append(turn(socket, spike + late, 811 * millisecond - late))
            }
        }
        return turns
    }

    static func incident(_ evidence: Evidence = evidence()) -> Incident {
        let slow = evidence.turns.filter { $0.total >= 200 * millisecond }.sorted { $0.total > $1.total }
        let turn = slow.first
        let total = turn?.total ?? 0
        let stages = [
            Stage(name: "receive-queue", duration: 5_200, offset: 0),
            Stage(name: "frozen", duration: 799_310_000, offset: 5_200),
            Stage(name: "wake-to-read", duration: 11_400_000, offset: 799_315_200),
            Stage(name: "processing", duration: 1_240_000, offset: 810_715_200),
            Stage(name: "send", duration: 43_600, offset: 811_955_200),
        ]
        let used = stages.reduce(0) { $0 + $1.duration }
        let sockets = evidence.sockets.values.map { info in
            let own = evidence.turns.filter { $0.socket == info.id }
            return SocketRow(
                info: info, turns: own.count, maximum: own.map(\.total).max() ?? 0,
                established: info.established.map { evidence.to - $0 }, bufferWait: info.id == 7 ? 4_000_000 : 0,
                retransmits: evidence.retransmits.filter { $0.socket == info.id }.count)
        }.sorted { ($0.maximum, $1.info.id) > ($1.maximum, $0.info.id) }
        return Incident(
            summary: summary(evidence, slow: slow.count), turn: turn, stages: turn == nil ? [] : stages,
            unexplained: total > used ? total - used : 0, slow: slow, baseline: evidence.baselines.first,
            sockets: sockets, evidence: evidence)
    }

    static func summary(_ evidence: Evidence, slow: Int) -> IncidentSummary {
        IncidentSummary(
            id: evidence.id, startedAt: wall, endedAt: wall + 812_000_000,
            container: evidence.containers[redis] ?? ContainerName(id: "", name: "", runtime: "unknown"),
            peak: 812 * millisecond, threshold: 200 * millisecond, slowTurns: slow, trigger: .latency,
            verdict: Verdict(
                layer: "application", cause: "app.frozen",
                summary: "redis was paused for 799 ms (cgroup frozen); its requests waited unread", share: 0.984,
                confidence: .high,
                evidence: [
                    "cgroup.events said frozen in 8 of 8 samples from 16:52:04.188 to 16:52:04.988",
                    "the request lay unread in the receive queue for 799 ms of the turn's 812 ms; no thread of the "
                        + "container read from any of its 50 sockets meanwhile",
                    "17 turns on 17 sockets ended within 1 ms of each other",
                ]), events: evidence.eventCount, lost: evidence.gaps.reduce(0) { $0 + $1.lost })
    }

    static func row(_ incident: Incident, state: CaptureState = .ok, pinned: Bool = false, note: String = "") -> ListRow
    {
        ListRow(
            summary: incident.summary, bytes: 987_654, state: state, pinned: pinned,
            path: "/var/lib/flightrec/\(incident.summary.id).flightrec", note: note)
    }

    static func drop(at: UInt64, reason: UInt32, count: UInt32) -> Drop {
        var raw = fr_drop()
        raw.h.ts = at
        raw.h.cgroup = redis
        raw.reason = reason
        raw.count = count
        raw.family = 2
        raw.source_port = 46_780
        raw.destination_port = 6379
        withUnsafeMutableBytes(of: &raw.source) { $0.copyBytes(from: [172, 17, 0, 1]) }
        withUnsafeMutableBytes(of: &raw.destination) { $0.copyBytes(from: [172, 17, 0, 2]) }
        return Drop(raw)
    }

    static func softirq(at: UInt64, run: UInt64, deferred: UInt64) -> SlowSoftirq {
        var raw = fr_softirq()
        raw.h.ts = at
        raw.vector = 3
        raw.run = run
        raw.deferred = deferred
        return SlowSoftirq(raw)
    }
}
