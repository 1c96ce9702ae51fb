import Events

/// Explains a capture. Pure: the same evidence gives the same answer, on any machine.
public func analyze(_ evidence: Evidence) -> Incident {
    let threshold = evidence.triggers.map(\.threshold).filter { $0 > 0 }.min() ?? 0
    let turns = settled(evidence.turns)
    let slow =
        threshold == 0
        ? [] : turns.filter { $0.total >= threshold && !$0.flags.contains(.aborted) }.sorted { $0.total > $1.total }
    let focus = focusTurn(slow, evidence) ?? (evidence.triggers.isEmpty ? nil : turns.max { $0.total < $1.total })
    let waterfall = focus.map(Waterfall.init)
    let lost = evidence.gaps.reduce(0) { $0 + $1.lost }
    let container = focus?.container ?? evidence.triggers.first?.container ?? 0
    let name =
        evidence.containers[container]
        ?? ContainerName(id: String(container, radix: 16), name: "unknown", runtime: "unknown")
    let kinds = evidence.triggers.map(\.kind)
    let summary = IncidentSummary(
        id: evidence.id, startedAt: evidence.wall(focus?.start ?? evidence.triggers.first?.at ?? evidence.from),
        endedAt: evidence.wall(slow.map(\.end).max() ?? focus?.end ?? evidence.to), container: name,
        peak: focus?.total ?? 0, threshold: threshold, slowTurns: slow.count, trigger: kinds.first ?? .manual,
        verdict: verdict(focus, waterfall, evidence, lost: lost), events: evidence.eventCount, lost: lost)
    return Incident(
        summary: summary, turn: focus, stages: waterfall?.stages ?? [], unexplained: waterfall?.unexplained ?? 0,
        slow: slow, baseline: focus.flatMap { baseline(of: $0, evidence) }, sockets: socketRows(evidence, turns),
        evidence: evidence)
}

/// Completed turns, and open ones that never were completed.
private func settled(_ turns: [Turn]) -> [Turn] {
    struct Key: Hashable {
        var socket: SocketID
        var sequence: UInt32
    }
    var byKey: [Key: Turn] = [:]
    for turn in turns {
        let key = Key(socket: turn.socket, sequence: turn.sequence)
        if let known = byKey[key], !known.isOpen || (turn.isOpen && known.end >= turn.end) { continue }
        byKey[key] = turn
    }
    return byKey.values.sorted { ($0.end, $0.socket) < ($1.end, $1.socket) }
}

/// The slowest; but a served turn at least half as slow, because the cause is where the work is, not where it is awaited.
private func focusTurn(_ slow: [Turn], _ evidence: Evidence) -> Turn? {
    guard let slowest = slow.first else { return nil }
    return slow.first { $0.role == .served && $0.total * 2 >= slowest.total } ?? slowest
}

/// The other end of a connection on this host: its sequence numbers at ESTABLISHED are the mirror image, whatever NAT
/// did to the addresses; without them, its addresses are.
func mirror(of id: SocketID, _ evidence: Evidence) -> SocketInfo? {
    guard let mine = evidence.sockets[id] else { return nil }
    return evidence.sockets.values.first { other in
        guard other.id != id else { return false }
        if let a = mine.sequence, let b = other.sequence { return a.sent == b.received && a.received == b.sent }
        return other.local == mine.remote && other.remote == mine.local
    }
}

private func verdict(_ focus: Turn?, _ waterfall: Waterfall?, _ evidence: Evidence, lost: UInt64) -> Verdict {
    guard let focus, let waterfall else {
        return Verdict(
            layer: "unknown", cause: "unknown", summary: "no turn to explain", share: 0, confidence: .low, evidence: [])
    }
    let it = Case(turn: focus, waterfall: waterfall, evidence: evidence, mirror: mirror(of: focus.socket, evidence))
    // A cause with evidence of its own goes before a mere place, which always explains more. Stable: of two that
    // explain the same time, the earlier rule is the more specific one.
    let enough = { (finding: Finding) in finding.certain && finding.explained * 4 >= it.total }
    let findings = Rules.all.compactMap { $0(it) }.enumerated().sorted { a, b in
        if enough(a.element) != enough(b.element) { return enough(a.element) }
        if a.element.explained != b.element.explained { return a.element.explained > b.element.explained }
        return a.offset < b.offset
    }.map(\.element)
    guard let best = findings.first, best.explained * 4 >= it.total else {
        return Verdict(
            layer: "unknown", cause: "unknown",
            summary: "no stage explains \(milliseconds(it.total)): not enough evidence",
            share: 0, confidence: .low, evidence: findings.flatMap(\.evidence))
    }
    let share = min(1, Double(best.explained) / Double(it.total))
    var confidence: Verdict.Confidence = share >= 0.8 && best.certain ? .high : share >= 0.5 ? .medium : .low
    var notes = best.evidence
    if lost > 0 {
        confidence = confidence == .high ? .medium : .low
        notes.append("\(lost) events were lost in this interval")
    }
    if best.cause == "unknown" { confidence = .low }
    for other in findings.dropFirst() where other.cause != "unknown" && other.explained * 10 >= it.total {
        notes.append("also \(other.cause): \(other.summary)")
    }
    return Verdict(
        layer: best.layer, cause: best.cause, summary: best.summary, share: share, confidence: confidence,
        evidence: notes)
}

private func baseline(of turn: Turn, _ evidence: Evidence) -> Baseline? {
    guard let socket = evidence.sockets[turn.socket] else { return nil }
    let port = turn.role == .served ? socket.local.port : socket.remote.port
    return evidence.baselines.first {
        $0.container == turn.container && $0.role == turn.role.rawValue && $0.port == port
    }
}

private func socketRows(_ evidence: Evidence, _ turns: [Turn]) -> [SocketRow] {
    var rows: [SocketID: SocketRow] = [:]
    for info in evidence.sockets.values {
        let established = info.established.map { evidence.to > $0 ? evidence.to - $0 : 0 }
        rows[info.id] = SocketRow(
            info: info, turns: 0, maximum: 0, established: established, bufferWait: 0, retransmits: 0)
    }
    for turn in turns {
        guard var row = rows[turn.socket] else { continue }
        row.turns += 1
        row.maximum = max(row.maximum, turn.total)
        row.bufferWait += turn.sendBufferWait + turn.receiverWindowWait
        rows[turn.socket] = row
    }
    for retransmit in evidence.retransmits { rows[retransmit.socket]?.retransmits += 1 }
    for state in evidence.states where state.kind == .closed {
        if rows[state.socket]?.established != nil { rows[state.socket]?.established = state.duration }
    }
    return rows.values.sorted { ($1.maximum, $0.info.id) < ($0.maximum, $1.info.id) }
}
