import Analysis
import Events

/// `show --json`: the object of `list` and everything the incident explains; with `options.events` also `events`, in
/// order of time. Goes to `sink` in pieces that join to one document. Throws what `JSONEncoder` throws.
/// - Returns: false when `options` filter out everything.
@discardableResult
public func showJSON(
    _ incident: Incident, row: ListRow, options: ShowOptions = ShowOptions(), to sink: (String) -> Void
) throws -> Bool {
    let evidence = incident.evidence
    let unstyled = Style(color: false, width: 80, utf8: true)
    let scope = Scope(evidence, options, unstyled)
    let object = try showObject(incident, row, scope).text()
    guard options.events else {
        sink(object)
        return !scope.isEmpty
    }
    // A million events never are in memory as text.
    sink(object.dropLast() + ",\"events\":[")
    var before = ""
    try eventsJSON(scope) { text in
        sink(before + text)
        before = ","
    }
    sink("]}")
    return !scope.isEmpty
}

private func showObject(_ incident: Incident, _ row: ListRow, _ scope: Scope) -> JSONValue {
    let evidence = incident.evidence
    var verdict = verdictObject(incident.summary.verdict)
    verdict["evidence"] = .array(incident.summary.verdict.evidence.map { .name($0) })
    verdict["chain"] = chainArray(incident.summary.verdict, scope)
    var object = listObject(row)
    object["verdict"] = .object(verdict)
    object["turn"] = incident.turn.map { turnObject($0, incident, scope) } ?? .null
    object["baseline"] = incident.baseline.map(baselineObject) ?? .null
    object["differences"] = differencesJSON(incident, scope)
    object["also_slow"] = alsoSlowJSON(incident)
    object["suppressed"] = .array(
        evidence.suppressed.map {
            [
                "container": .string(scope.container($0.container)), "count": .integer($0.count),
                "worst_ns": .integer($0.worst), "last": .time(evidence.wall($0.last)),
            ]
        })
    object["retransmits"] = .array(
        evidence.retransmits.filter { scope.includes($0.container, $0.socket) }.map {
            [
                "at": .time(evidence.wall($0.at)), "socket": .integer($0.socket), "kind": .string($0.kind.name),
                "container": .string(scope.container($0.container)),
            ]
        })
    object["resets"] = .array(
        evidence.resets.map {
            [
                "at": .time(evidence.wall($0.at)), "socket": .integer($0.socket),
                "kind": .string($0.sent ? "sent" : "received"), "container": .string(scope.container($0.container)),
            ]
        })
    object["drops"] = .array(
        evidence.drops.filter(scope.includes).map {
            [
                "at": .time(evidence.wall($0.at)), "reason": .string(scope.dropReason($0.reason)),
                "count": .integer($0.count), "container": .string(scope.container($0.container)),
                "source": $0.source.map { .string("\($0)") } ?? .null,
                "destination": $0.destination.map { .string("\($0)") } ?? .null,
            ]
        })
    object["softirq"] = softirqObject(evidence)
    object["sockets"] = .array(
        incident.sockets.filter { scope.includes($0.info.container, $0.info.id) }.map { socketObject($0, scope) })
    object["relays"] = .array(
        evidence.relays.map {
            [
                "program": .name($0.program), "pid": .integer($0.pid), "listen": .string("\($0.listen)"),
                "target": .string("\($0.target)"),
            ]
        })
    object["interfaces"] = interfacesJSON(evidence, incident.turn)
    object["coverage"] = coverageObject(evidence, scope)
    object["facts"] = .object(evidence.facts.mapValues { .name($0) })
    object["recorder_cost"] = .array(
        evidence.costs.map {
            [
                "at": .time(evidence.wall($0.at)), "cpu_ns": .integer($0.cpu),
                "resident_bytes": .integer($0.residentBytes), "events": .integer($0.events),
            ]
        })
    return .object(object)
}

private func turnObject(_ turn: Turn, _ incident: Incident, _ scope: Scope) -> JSONValue {
    let evidence = incident.evidence
    let socket = evidence.sockets[turn.socket]
    let total = turn.total
    return [
        "role": .string(turn.role.name),
        "socket": .integer(turn.socket),
        "local": socket.map { .string("\($0.local)") } ?? .null,
        "remote": socket.map { .string("\($0.remote)") } ?? .null,
        "process": socket.map { .name($0.process) } ?? .null,
        "pid": socket?.pid.map { .integer($0) } ?? .null,
        "tid": turn.tid == 0 ? .null : .integer(turn.tid),
        "started_at": .time(evidence.wall(turn.start)),
        "total_ns": .integer(total),
        "in_flight": .bool(turn.isOpen),
        "stages": .array(
            incident.stages.map {
                [
                    "name": .name($0.name), "ns": .integer($0.duration), "offset_ns": .integer($0.offset),
                    "share": .finite(total == 0 ? 0 : Double($0.duration) / Double(total)),
                ]
            }),
        "unexplained_ns": .integer(incident.unexplained),
        "threads": .array(incident.threads.map(threadObject)),
        "calls": .array(
            incident.calls.map { call in
                let offset: UInt64 = call.turn.start > turn.start ? call.turn.start - turn.start : 0
                var verdict = verdictObject(call.verdict)
                verdict["chain"] = chainArray(call.verdict, scope)
                return [
                    "to": evidence.sockets[call.turn.socket].map { .string("\($0.remote)") } ?? .null,
                    "container": call.container.flatMap { evidence.containers[$0] }.map(containerObject) ?? .null,
                    "socket": .integer(call.turn.socket),
                    "offset_ns": .integer(offset),
                    "total_ns": .integer(call.turn.total),
                    "verdict": .object(verdict),
                ]
            }),
    ]
}

/// Who waited for whom: from the slow turn to its cause.
private func chainArray(_ verdict: Verdict, _ scope: Scope) -> JSONValue {
    .array(
        verdict.chain.map {
            [
                "container": .string(scope.container($0.container)), "cause": .name($0.cause),
                "summary": .name($0.summary), "total_ns": .integer($0.total), "share": .finite($0.share),
            ]
        })
}

private func baselineObject(_ baseline: Baseline) -> JSONValue {
    [
        "turns": .integer(baseline.turns), "p50_ns": .integer(baseline.p50), "p99_ns": .integer(baseline.p99),
        "retransmits_per_s": .finite(baseline.retransmitsPerSecond),
    ]
}

/// Whose packets lay in the CPU's backlog; `null` when none did.
private func backlogObject(_ backlog: SlowSoftirq.Backlog?, _ evidence: Evidence) -> JSONValue {
    guard let backlog else { return .null }
    let container = backlog.from == 0 ? nil : evidence.containers[backlog.from]?.name
    return [
        "container": container.map(JSONValue.name) ?? .null, "device": .name(backlog.device),
        "alike": .integer(backlog.alike), "looked_at": .integer(backlog.of),
    ]
}

private func softirqObject(_ evidence: Evidence) -> JSONValue {
    [
        "per_cpu": .array(
            evidence.softirqTotals.map {
                [
                    "cpu": .integer($0.cpu), "vector": .string(vectorName($0.vector)), "count": .integer($0.count),
                    "total_ns": .integer($0.total), "max_ns": .integer($0.max),
                    "deferred_max_ns": .integer($0.deferredMax),
                ]
            }),
        "slow": .array(
            evidence.slowSoftirqs.map {
                [
                    "at": .time(evidence.wall($0.at)), "cpu": .integer($0.cpu), "vector": .string($0.vectorName),
                    "ns": .integer($0.run), "deferred_ns": .integer($0.deferred),
                    "waiting": .integer($0.waiting), "backlog": backlogObject($0.backlog, evidence),
                ]
            }),
    ]
}

private func socketObject(_ row: SocketRow, _ scope: Scope) -> JSONValue {
    [
        "socket": .integer(row.info.id), "container": .string(scope.container(row.info.container)),
        "role": .string(row.info.role.name), "local": .string("\(row.info.local)"),
        "remote": .string("\(row.info.remote)"), "turns": .integer(row.turns), "max_ns": .integer(row.maximum),
        "established_ns": row.established.map { .integer($0) } ?? .null,
        "buffer_wait_ns": .integer(row.bufferWait), "retransmits": .integer(row.retransmits),
    ]
}

private func coverageObject(_ evidence: Evidence, _ scope: Scope) -> JSONValue {
    func time(_ instant: Instant) -> JSONValue { .time(evidence.wall(instant)) }
    return [
        "asked_from": time(evidence.askedFrom), "asked_to": time(evidence.askedTo), "from": time(evidence.from),
        "to": time(evidence.to),
        // What `--max-overhead` had left out for some of it.
        "left_out": evidence.facts["detail"].map { .name($0) } ?? .null,
        "clock_set": .array(evidence.clocks.dropFirst().map { .time($0.wall) }),
        "gaps": .array(
            evidence.gaps.map {
                [
                    "from": time($0.from), "to": time($0.to), "lost": .integer($0.lost), "why": .name($0.why),
                    // Whose events are missing; null: of any.
                    "container": $0.container.map { .string(scope.container($0)) } ?? .null,
                ]
            }),
    ]
}
