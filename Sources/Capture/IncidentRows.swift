import Analysis
import Events
import GRDB

/// The incident, its verdict and its slow turns, to and from rows.
enum IncidentRows {
    static func insert(_ incident: Incident, into db: Database) throws {
        let summary = incident.summary
        let evidence = incident.evidence
        try Insert(
            db, "incident",
            summaryColumns.replacing(",", with: " ")
                + " unexplained_ns asked_from_ns asked_to_ns from_ns to_ns clock_monotonic_ns clock_wall_ns"
        ).row(
            summaryValues(summary) + [
                incident.unexplained.signed, evidence.askedFrom.signed, evidence.askedTo.signed, evidence.from.signed,
                evidence.to.signed, evidence.clock.monotonic.signed, evidence.clock.wall,
            ])
        let lines = try Insert(db, "verdict_evidence", "line text")
        for (index, line) in summary.verdict.evidence.enumerated() { try lines.row(index + 1, line) }
        let stages = try Insert(db, "stage", "position name offset_ns duration_ns")
        for (index, stage) in incident.stages.enumerated() {
            try stages.row(index + 1, stage.name, stage.offset.signed, stage.duration.signed)
        }
        try insertTurns(incident, into: db)
    }

    private static func insertTurns(_ incident: Incident, into db: Database) throws {
        let turns = try Insert(
            db, "turn_slow",
            """
            position of_verdict over_threshold container socket sequence role flags cpu tid start_ns end_ns total_ns
            received_first_ns received_last_ns woken_ns read_first_ns read_last_ns sent_first_ns sent_last_ns
            received_bytes sent_bytes send_buffer_wait_ns receiver_window_wait_ns smoothed_rtt_us retransmits
            unseen_retransmits send_blocked_ns tcp_receive_ns
            """)
        var all = incident.slow.map { ($0, true) }
        if let turn = incident.turn, !incident.slow.contains(turn) { all.append((turn, false)) }
        for (index, (turn, over)) in all.enumerated() {
            try turns.row(
                index + 1, turn == incident.turn, over, turn.container.signed, Int64(turn.socket),
                Int64(turn.sequence), Int64(turn.role.rawValue), Int64(turn.flags.rawValue), Int64(turn.cpu),
                Int64(turn.tid), turn.start.signed, turn.end.signed, turn.total.signed, turn.receivedFirst?.signed,
                turn.receivedLast?.signed, turn.woken?.signed, turn.readFirst?.signed, turn.readLast?.signed,
                turn.sentFirst?.signed, turn.sentLast?.signed, turn.receivedBytes.signed, turn.sentBytes.signed,
                turn.sendBufferWait.signed, turn.receiverWindowWait.signed, Int64(turn.smoothedRTT),
                Int64(turn.retransmits), Int64(turn.unseenRetransmits), turn.sendBlocked.signed,
                turn.receiveProcessing.signed)
        }
    }

    /// From this version on `turn_slow` has what hooks timed besides (schema/003).
    private static let timedSince = 3

    /// A row of `turn_slow`.
    typealias SlowTurn = (turn: Turn, ofVerdict: Bool, overThreshold: Bool)

    /// As far as they are rows: who acknowledged, sent and brought them is in the blocks alone.
    /// `version`: the capture's.
    static func slowTurns(from db: Database, version: UInt32) throws -> [SlowTurn] {
        var turns: [SlowTurn] = []
        let isTimed = version >= timedSince
        let columns =
            """
            of_verdict, over_threshold, container, socket, sequence, role, flags, cpu, tid, start_ns, end_ns, \
            received_first_ns, received_last_ns, woken_ns, read_first_ns, read_last_ns, sent_first_ns, sent_last_ns, \
            received_bytes, sent_bytes, send_buffer_wait_ns, receiver_window_wait_ns, smoothed_rtt_us, retransmits, \
            unseen_retransmits
            """ + (isTimed ? ", send_blocked_ns, tcp_receive_ns" : "")
        try EvidenceTables.each(db, columns, "turn_slow ORDER BY position") { row in
            var turn = Turn(
                container: try row.bits(2), socket: try row.number(3), cpu: try row.number(7),
                role: Role(rawValue: try row.number(5)) ?? .unknown, flags: Turn.Flags(rawValue: try row.number(6)),
                start: try row.bits(9), end: try row.bits(10), receivedFirst: try row.optionalBits(11),
                receivedLast: try row.optionalBits(12), woken: try row.optionalBits(13),
                readFirst: try row.optionalBits(14), readLast: try row.optionalBits(15),
                sentFirst: try row.optionalBits(16), sentLast: try row.optionalBits(17),
                receivedBytes: try row.bits(18), sentBytes: try row.bits(19), sendBufferWait: try row.bits(20),
                receiverWindowWait: try row.bits(21), tid: try row.number(8), smoothedRTT: try row.number(22),
                sequence: try row.number(4), retransmits: try row.number(23))
            turn.unseenRetransmits = try row.number(24)
            if isTimed {
                turn.sendBlocked = try row.bits(25)
                turn.receiveProcessing = try row.bits(26)
            }
            turns.append((turn, try row.int64(0) != 0, try row.int64(1) != 0))
        }
        return turns
    }

    /// Of `turn`, to whose total they must sum with the time that is not explained.
    static func stages(of turn: Turn?, from db: Database) throws -> (stages: [Stage], unexplained: UInt64) {
        var stages: [Stage] = []
        try EvidenceTables.each(db, "name, duration_ns, offset_ns", "stage ORDER BY position LIMIT 1000") { row in
            stages.append(Stage(name: try row.text(0), duration: try row.bits(1), offset: try row.bits(2)))
        }
        var unexplained: UInt64 = 0
        try EvidenceTables.each(db, "unexplained_ns", "incident LIMIT 1") { unexplained = try $0.bits(0) }
        let sum = stages.reduce((unexplained, false)) { sum, stage in
            let (next, overflow) = sum.0.addingReportingOverflow(stage.duration)
            return (next, sum.1 || overflow)
        }
        guard let turn else { return ([], 0) }
        guard !sum.1, sum.0 == turn.total else { throw Damage(why: "its stages do not sum to its turn") }
        return (stages, unexplained)
    }

    /// Of a summary, in the order of `summaryValues`.
    static let summaryColumns = """
        id, started_wall_ns, ended_wall_ns, container_id, container_name, container_runtime, container_image, peak_ns, \
        threshold_ns, slow_turns, trigger, verdict_layer, verdict_cause, verdict_summary, verdict_share, \
        verdict_confidence, events, lost, verdict_peer
        """
    static let summaryColumnCount = 19

    static func summaryValues(_ summary: IncidentSummary) -> [(any DatabaseValueConvertible)?] {
        let verdict = summary.verdict
        return [
            summary.id, summary.startedAt, summary.endedAt, summary.container.id, summary.container.name,
            summary.container.runtime, summary.container.image, summary.peak.signed, summary.threshold.signed,
            summary.slowTurns, summary.trigger.rawValue, verdict.layer, verdict.cause, verdict.summary,
            verdict.share.isFinite ? verdict.share : 0, verdict.confidence.rawValue, summary.events,
            summary.lost.signed, verdict.peer,
        ]
    }

    /// The summary, whole. Reads the incident's row and the verdict's lines, nothing else.
    static func summary(from db: Database) throws -> IncidentSummary {
        let rows = try Row.fetchAll(db, sql: "SELECT \(summaryColumns) FROM incident LIMIT 2")
        guard rows.count == 1 else { throw Damage(why: "it holds \(rows.isEmpty ? "no" : "several") incidents") }
        let lines = try Row.fetchAll(db, sql: "SELECT text FROM verdict_evidence ORDER BY line LIMIT 1000")
        return try summary(of: Fields(row: rows[0]), evidence: try lines.map { try Fields(row: $0).text(0) })
    }

    /// Of a row that begins with `summaryColumns`.
    static func summary(of row: Fields, evidence: [String]) throws -> IncidentSummary {
        let verdict = Verdict(
            layer: try row.text(11), cause: try row.text(12), summary: try row.text(13),
            share: min(max(try row.real(14), 0), 1),
            // A word this version does not know must not raise confidence.
            confidence: Verdict.Confidence(rawValue: try row.text(15)) ?? .low, evidence: evidence,
            peer: try row.text(18))
        return IncidentSummary(
            id: try row.text(0), startedAt: try row.int64(1), endedAt: try row.int64(2),
            container: ContainerName(
                id: try row.text(3), name: try row.text(4), runtime: try row.text(5), image: try row.text(6)),
            peak: try row.bits(7), threshold: try row.bits(8), slowTurns: try row.count(9),
            trigger: trigger(try row.text(10)), verdict: verdict, events: try row.count(16), lost: try row.bits(17))
    }

    /// Evidence without any of its parts: id, clock and interval.
    static func frame(from db: Database) throws -> Evidence {
        let rows = try Row.fetchAll(
            db,
            sql: """
                SELECT id, clock_monotonic_ns, clock_wall_ns, asked_from_ns, asked_to_ns, from_ns, to_ns
                FROM incident LIMIT 2
                """)
        guard rows.count == 1 else { throw Damage(why: "it holds \(rows.isEmpty ? "no" : "several") incidents") }
        let row = Fields(row: rows[0])
        return Evidence(
            id: try row.text(0), clock: ClockPair(monotonic: try row.bits(1), wall: try row.int64(2)),
            askedFrom: try row.bits(3), askedTo: try row.bits(4), from: try row.bits(5), to: try row.bits(6))
    }

    /// An unknown word becomes `manual`, which retention never removes on its own: what is not understood is kept.
    static func trigger(_ text: String) -> TriggerFact.Kind { TriggerFact.Kind(rawValue: text) ?? .manual }
}
