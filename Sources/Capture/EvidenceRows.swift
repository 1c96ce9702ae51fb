import Analysis
import Events
import Foundation
import GRDB

/// Everything of `Evidence` but the events, into rows. `EvidenceTables` reads them back.
enum EvidenceRows {
    static func insert(_ incident: Incident, into db: Database) throws {
        let evidence = incident.evidence
        let meta = try Insert(db, "meta", "key value")
        for (key, value) in evidence.facts { try meta.row(key, value) }
        let triggers = try Insert(
            db, "trigger", "position kind at_ns container socket observed_ns threshold_ns rule")
        for (index, fact) in evidence.triggers.enumerated() {
            try triggers.row(
                index + 1, fact.kind.rawValue, fact.at.signed, fact.container.signed, Int64(fact.socket),
                fact.observed.signed, fact.threshold.signed, fact.rule)
        }
        let clocks = try Insert(db, "clock", "monotonic_ns wall_ns")
        for pair in evidence.clocks { try clocks.row(pair.monotonic.signed, pair.wall) }
        let costs = try Insert(db, "recorder_cost", "at_ns cpu_ns resident_bytes events")
        for cost in evidence.costs {
            try costs.row(cost.at.signed, cost.cpu.signed, cost.residentBytes.signed, cost.events.signed)
        }
        let suppressed = try Insert(db, "suppressed", "container count worst_ns last_ns")
        for held in evidence.suppressed {
            try suppressed.row(held.container.signed, held.count.signed, held.worst.signed, held.last.signed)
        }
        let containers = try Insert(db, "container", "key id name runtime image")
        for (key, name) in evidence.containers {
            try containers.row(key.signed, name.id, name.name, name.runtime, name.image)
        }
        try insertSockets(evidence, into: db)
        let baselines = try Insert(
            db, "baseline", "container role port turns p50_ns p99_ns retransmits_per_s of_verdict")
        for baseline in evidence.baselines {
            try baselines.row(
                baseline.container.signed, Int64(baseline.role), Int64(baseline.port), baseline.turns.signed,
                baseline.p50.signed, baseline.p99.signed,
                baseline.retransmitsPerSecond.isFinite ? baseline.retransmitsPerSecond : 0,
                baseline == incident.baseline)
        }
        try HostRows.insert(evidence, into: db)
        let gaps = try Insert(db, "gap", "from_ns to_ns lost why container")
        for gap in evidence.gaps {
            try gaps.row(gap.from.signed, gap.to.signed, gap.lost.signed, gap.why, gap.container?.signed)
        }
        let reasons = try Insert(db, "drop_reason", "reason name")
        for (reason, name) in evidence.dropReasons { try reasons.row(Int64(reason), name) }
        let symbols = try Insert(db, "symbol", "address name")
        for (address, name) in evidence.symbols { try symbols.row(address.signed, name) }
        try insertLoad(evidence, into: db)
    }

    private static func insertSockets(_ evidence: Evidence, into db: Database) throws {
        let sockets = try Insert(
            db, "socket",
            """
            id container leaf_cgroup netns role local remote local_address local_port remote_address remote_port pid
            process seen_ns established_ns older_than_recorder sent_sequence received_sequence
            """)
        for info in evidence.sockets.values.sorted(by: { $0.id < $1.id }) {
            try sockets.row(
                Int64(info.id), info.container.signed, info.leafCgroup.signed, Int64(info.netns),
                Int64(info.role.rawValue), info.local.description, info.remote.description, Data(info.local.address),
                Int64(info.local.port), Data(info.remote.address), Int64(info.remote.port), info.pid.map { Int64($0) },
                info.process, info.seen.signed, info.established?.signed, info.olderThanRecorder,
                info.sentSequence.map { Int64($0) }, Int64(info.receivedSequence))
        }
    }

    private static func insertLoad(_ evidence: Evidence, into db: Database) throws {
        let totals = try Insert(db, "softirq_total", "cpu vector count total_ns max_ns deferred_max_ns")
        for total in evidence.softirqTotals {
            try totals.row(
                Int64(total.cpu), Int64(total.vector), total.count.signed, total.total.signed, total.max.signed,
                total.deferredMax.signed)
        }
        let ticks = try Insert(db, "softirq_tick", "cpu from_ns to_ns total_ns net_rx_ns stolen_ns")
        for tick in evidence.softirqTicks {
            try ticks.row(
                Int64(tick.cpu), tick.from.signed, tick.to.signed, tick.total.signed, tick.netRX.signed,
                tick.stolen.signed)
        }
        try ContextRows.insert(evidence, into: db)
    }
}
