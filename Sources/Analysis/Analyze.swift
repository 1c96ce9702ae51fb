import Events

/// Explains a capture whose turns are all in `evidence`. Pure: the same evidence gives the same answer, on any machine.
public func analyze(_ evidence: Evidence) -> Incident { analysis(of: evidence, ArrayTurns(evidence.turns)) }

/// Explains a capture whose turns are in `turns`, and none in `evidence`: the same as if all were there, but what is told
/// of its surroundings is told already. Throws what `turns` throws.
public func analyze<Source: TurnSource>(
    _ evidence: Evidence, _ turns: Source
) throws(Source.Failure) -> Incident {
    var incident = try analysis(of: evidence, turns)
    incident.surroundings = Surroundings(
        comparison: try Comparison(incident, turns), alsoSlow: try alsoSlow(incident, turns))
    return incident
}

private func analysis<Source: TurnSource>(
    of evidence: Evidence, _ turns: Source
) throws(Source.Failure) -> Incident {
    let threshold = evidence.triggers.map(\.threshold).filter { $0 > 0 }.min() ?? 0
    var slow: [Turn] = []
    if threshold > 0 { slow = slowTurns(try turns.lasting(atLeast: threshold), evidence.triggers, threshold) }
    var worst = try worstTurn(slow, evidence, turns)
    if worst == nil, !evidence.triggers.isEmpty { worst = try turns.longest() }
    let scene = try Scene(evidence, turns, around: worst)
    let focus = worst.map { victim(of: $0, slow, scene) ?? $0 }
    let explained = focus.map { Case($0, scene) }
    let lost = evidence.gaps.reduce(0) { saturating($0, $1.lost) }
    let container = focus?.container ?? evidence.triggers.first?.container ?? 0
    let name =
        evidence.containers[container]
        ?? ContainerName(id: String(container, radix: 16), name: "unknown", runtime: "unknown")
    let kinds = evidence.triggers.map(\.kind)
    // Containers may have thresholds of their own.
    let own = evidence.triggers.lazy.filter { $0.container == container && $0.threshold > 0 }.map(\.threshold).min()
    let summary = IncidentSummary(
        id: evidence.id, startedAt: evidence.wall(focus?.start ?? evidence.triggers.first?.at ?? evidence.from),
        endedAt: evidence.wall(slow.map(\.end).max() ?? focus?.end ?? evidence.to), container: name,
        peak: focus?.total ?? 0, threshold: own ?? threshold, slowTurns: slow.count, trigger: kinds.first ?? .manual,
        verdict: explained.map(verdict) ?? noTurn,
        events: evidence.eventCount - evidence.turns.count + turns.count, lost: lost)
    return Incident(
        summary: summary, turn: focus, stages: explained?.waterfall.stages ?? [],
        unexplained: explained?.waterfall.unexplained ?? 0, calls: focus.map { callFacts(of: $0, scene) } ?? [],
        threads: explained.map(threadStages) ?? [], holding: explained.map(Rules.holding) ?? [], slow: slow,
        baseline: focus.flatMap { baseline(of: $0, evidence) }, sockets: socketRows(evidence, turns.figures),
        evidence: evidence)
}

/// The longest calls of a turn, each with a verdict of its own.
private func callFacts(of turn: Turn, _ scene: Scene) -> [CallFact] {
    scene.calls(of: turn).turns.sorted { ($1.total, $0.start) < ($0.total, $1.start) }.prefix(20)
        .sorted { $0.start < $1.start }
        .map { call in
            CallFact(
                turn: call, container: (scene.mirror(of: call.socket) ?? scene.behindRelay(call))?.container,
                verdict: verdict(Case(call, scene, depth: 1)))
        }
}

private let noTurn = Verdict(
    layer: "unknown", cause: "unknown", summary: "no turn to explain", share: 0, confidence: .low, evidence: [])

private func verdict(_ it: Case) -> Verdict {
    let focus = it.turn
    let evidence = it.evidence
    let rulings = Rules.rulings(it)
    guard let best = rulings.first, best.finding.explained >= it.total / 4 else {
        return Verdict(
            layer: "unknown", cause: "unknown",
            summary: "no stage explains \(milliseconds(it.total)): not enough evidence",
            share: 0, confidence: .low, evidence: rulings.flatMap(\.finding.evidence) + Rules.coalescing(it),
            chain: [Rules.link(it, nil)])
    }
    let share = min(1, Double(best.finding.explained) / Double(it.total))
    var notes = best.finding.evidence
    if ["network", "peer"].contains(best.rule.layer) { notes += Rules.coalescing(it) }
    let chain = Rules.chain(it, best)
    let involved = Set([focus.container] + chain.map(\.container) + [it.mirror?.container].compactMap(\.self))
    let missing = evidence.gaps.filter { $0.from <= focus.end && $0.to >= focus.start && $0.concerns(involved) }
    if !missing.isEmpty {
        let lost = missing.reduce(0) { saturating($0, $1.lost) }
        notes.append("\(lost) events lost around the turn: \(Set(missing.map(\.why)).sorted().joined(separator: ", "))")
    }
    // A handshake's are told with it.
    let unseen = it.turn.flags.contains(.connecting) ? 0 : Rules.unseen(it)
    if unseen > 0 {
        notes.append("by the kernel's count \(unseen) more segments were sent again in this turn; no probe saw when")
    }
    let doubtful = unseen > 0 && beyondTheContainer.contains(best.rule.layer)
    for other in rulings.dropFirst() where other.rule.cause != "unknown" && other.finding.explained >= it.total / 10 {
        notes.append("also \(other.rule.cause): \(other.finding.summary)")
    }
    for link in chain.dropFirst() { notes.append("→ \(it.name(link.container)): \(link.cause): \(link.summary)") }
    return Verdict(
        layer: best.rule.layer, cause: best.rule.cause, summary: oneLine(best.finding.summary), share: share,
        confidence: confidence(best, share, incomplete: !missing.isEmpty || doubtful), evidence: notes,
        peer: peer(it, best, chain), chain: chain)
}

/// Layers whose causes lie between the two ends of the connection, or at the other one.
private let beyondTheContainer: Set<String> = ["downstream", "host network stack", "bridge", "network", "peer"]

private func peer(_ it: Case, _ best: Ruling, _ chain: [ChainLink]) -> String {
    if let last = chain.last, last.container != it.turn.container { return it.name(last.container) }
    // A call to somebody who is not watched here.
    if let call = best.finding.next, call.role == .called {
        return it.evidence.sockets[call.socket]?.remote.description ?? ""
    }
    guard beyondTheContainer.contains(best.rule.layer), let socket = it.evidence.sockets[it.turn.socket] else {
        return ""
    }
    if let mirror = it.mirror { return it.name(mirror.container) }
    // A client's port is another one every time.
    return it.turn.role == .called ? "\(socket.remote)" : socket.remote.addressText
}

/// High only when the evidence is certain, complete, and explains nearly all.
private func confidence(_ best: Ruling, _ share: Double, incomplete: Bool) -> Verdict.Confidence {
    if best.rule.cause == "unknown" || share < 0.5 { return .low }
    let clear = best.finding.certain && share >= 0.8
    if incomplete { return clear ? .medium : .low }
    return clear ? .high : .medium
}

/// At most 80 characters: names are as long as their givers like.
private func oneLine(_ text: String) -> String { text.count <= 80 ? text : text.prefix(79) + "…" }

/// Captures are opened as hostile: a sum that would overflow stays at the top.
private func saturating(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let (sum, overflow) = a.addingReportingOverflow(b)
    return overflow ? .max : sum
}

package func baseline(of turn: Turn, _ evidence: Evidence) -> Baseline? {
    guard let socket = evidence.sockets[turn.socket] else { return nil }
    let port = turn.role == .served ? socket.local.port : socket.remote.port
    return evidence.baselines.first {
        $0.container == turn.container && $0.role == turn.role.rawValue && $0.port == port
    }
}

package func socketRows(_ evidence: Evidence, _ figures: [SocketID: SocketFigures]) -> [SocketRow] {
    var rows: [SocketID: SocketRow] = [:]
    for info in evidence.sockets.values {
        let established = info.established.map { evidence.to > $0 ? evidence.to - $0 : 0 }
        let sum = figures[info.id] ?? SocketFigures()
        rows[info.id] = SocketRow(
            info: info, turns: sum.turns, maximum: sum.maximum, established: established, bufferWait: sum.bufferWait,
            retransmits: 0)
    }
    for retransmit in evidence.retransmits { rows[retransmit.socket]?.retransmits += 1 }
    for state in evidence.states where state.kind == .closed {
        if rows[state.socket]?.established != nil { rows[state.socket]?.established = state.duration }
    }
    return rows.values.sorted { ($1.maximum, $0.info.id) < ($0.maximum, $1.info.id) }
}
