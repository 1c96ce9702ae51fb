import Analysis
import Events
import GRDB

/// Reads back what `EvidenceRows` wrote.
enum EvidenceTables {
    /// Rows any one table of a capture may hold; far above what the recorder writes.
    static let mostRows = 4_000_000
    private static let mostClocks = 1024

    /// From this version on a gap says whose events are missing (schema/004).
    private static let gapsHaveContainersSince = 4
    private static let stealSince = 5

    /// `version`: the capture's.
    static func read(into evidence: inout Evidence, from db: Database, version: UInt32) throws {
        try each(db, "key, value", "meta") { evidence.facts[try $0.text(0)] = try $0.text(1) }
        try each(
            db, "kind, at_ns, container, socket, observed_ns, threshold_ns, rule", "trigger ORDER BY position"
        ) {
            evidence.triggers.append(
                TriggerFact(
                    kind: IncidentRows.trigger(try $0.text(0)), at: try $0.bits(1), container: try $0.bits(2),
                    socket: try $0.number(3), observed: try $0.bits(4), threshold: try $0.bits(5),
                    rule: try $0.text(6)))
        }
        try each(db, "monotonic_ns, wall_ns", "clock ORDER BY monotonic_ns") {
            // Looked through for every time that is shown.
            guard evidence.clocks.count < mostClocks else { throw Damage(why: "its clock was set too often") }
            evidence.clocks.append(ClockPair(monotonic: try $0.bits(0), wall: try $0.int64(1)))
        }
        try each(db, "at_ns, cpu_ns, resident_bytes, events", "recorder_cost ORDER BY at_ns") {
            evidence.costs.append(
                CostReading(
                    at: try $0.bits(0), cpu: try $0.bits(1), residentBytes: try $0.bits(2), events: try $0.bits(3)))
        }
        try each(db, "container, count, worst_ns, last_ns", "suppressed ORDER BY container") {
            evidence.suppressed.append(
                SuppressedFact(
                    container: try $0.bits(0), count: try $0.bits(1), worst: try $0.bits(2), last: try $0.bits(3)))
        }
        try each(db, "key, id, name, runtime, image", "container") {
            evidence.containers[try $0.bits(0)] = ContainerName(
                id: try $0.text(1), name: try $0.text(2), runtime: try $0.text(3), image: try $0.text(4))
        }
        try readSockets(into: &evidence, from: db)
        try each(
            db, "container, role, port, turns, p50_ns, p99_ns, retransmits_per_s", "baseline ORDER BY rowid"
        ) {
            evidence.baselines.append(
                Baseline(
                    container: try $0.bits(0), role: try $0.number(1), port: try $0.number(2), turns: try $0.bits(3),
                    p50: try $0.bits(4), p99: try $0.bits(5), retransmitsPerSecond: try $0.real(6)))
        }
        try HostRows.read(into: &evidence, from: db)
        let container = version >= gapsHaveContainersSince ? "container" : "NULL"
        try each(db, "from_ns, to_ns, lost, why, \(container)", "gap ORDER BY rowid") {
            evidence.gaps.append(
                Gap(
                    from: try $0.bits(0), to: try $0.bits(1), lost: try $0.bits(2), why: try $0.text(3),
                    container: try $0.optionalBits(4)))
        }
        try each(db, "reason, name", "drop_reason") { evidence.dropReasons[try $0.number(0)] = try $0.text(1) }
        try each(db, "address, name", "symbol") { evidence.symbols[try $0.bits(0)] = try $0.text(1) }
        try readLoad(into: &evidence, from: db, hasSteal: version >= stealSince)
    }

    private static func readSockets(into evidence: inout Evidence, from db: Database) throws {
        let columns = """
            id, container, leaf_cgroup, netns, role, local_address, local_port, remote_address, remote_port, pid,
            process, seen_ns, established_ns, older_than_recorder, sent_sequence, received_sequence
            """
        try each(db, columns, "socket") {
            let id: SocketID = try $0.number(0)
            evidence.sockets[id] = SocketInfo(
                id: id, container: try $0.bits(1), leafCgroup: try $0.bits(2), netns: try $0.number(3),
                role: Role(rawValue: try $0.number(4)) ?? .unknown,
                local: Endpoint(address: try $0.address(5), port: try $0.number(6)),
                remote: Endpoint(address: try $0.address(7), port: try $0.number(8)),
                pid: $0.isNull(9) ? nil : try $0.number(9), process: try $0.text(10), seen: try $0.bits(11),
                established: try $0.optionalBits(12), olderThanRecorder: try $0.int64(13) != 0,
                sentSequence: $0.isNull(14) ? nil : try $0.number(14), receivedSequence: try $0.number(15))
        }
    }

    private static func readLoad(into evidence: inout Evidence, from db: Database, hasSteal: Bool) throws {
        try each(
            db, "cpu, vector, count, total_ns, max_ns, deferred_max_ns", "softirq_total ORDER BY rowid"
        ) {
            evidence.softirqTotals.append(
                SoftirqTotal(
                    cpu: try $0.number(0), vector: try $0.number(1), count: try $0.bits(2), total: try $0.bits(3),
                    max: try $0.bits(4), deferredMax: try $0.bits(5)))
        }
        let stolen = hasSteal ? "stolen_ns" : "0"
        try each(db, "cpu, from_ns, to_ns, total_ns, net_rx_ns, \(stolen)", "softirq_tick ORDER BY rowid") {
            evidence.softirqTicks.append(
                SoftirqTick(
                    cpu: try $0.number(0), from: try $0.bits(1), to: try $0.bits(2), total: try $0.bits(3),
                    netRX: try $0.bits(4), stolen: try $0.bits(5)))
        }
        try ContextRows.read(into: &evidence, from: db)
    }

    /// Calls `body` for every row of a query whose column list and source are ours, never the file's.
    static func each(
        _ db: Database, _ columns: String, _ source: String, _ body: (Fields) throws -> Void
    ) throws {
        let rows = try Row.fetchCursor(db, sql: "SELECT \(columns) FROM \(source)")
        var count = 0
        while let row = try rows.next() {
            count += 1
            guard count <= mostRows else { throw Damage(why: "a table has more than \(mostRows) rows") }
            try body(Fields(row: row))
        }
    }
}
