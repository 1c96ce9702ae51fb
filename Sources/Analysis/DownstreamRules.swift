import Events

/// Who waited for whom.
extension Rules {
    /// The other end of the call is on this host and was slow itself; or the turn was waiting for a call.
    static func downstream(_ it: Case) -> Finding? {
        // A chain longer than this is a loop in the evidence.
        guard it.depth < 8 else { return nil }
        return it.turn.role == .called ? watchedPeer(it) : nestedCalls(it)
    }

    private static func watchedPeer(_ it: Case) -> Finding? {
        guard let answer = it.answer, let other = it.evidence.sockets[answer.socket] else { return behindRelay(it) }
        let time = it.overlap([answer.start..<max(answer.start, answer.end)], ["waiting-for-peer", "response-read"])
        guard time > 0 else { return nil }
        var evidence = ["the other end's own turn took \(milliseconds(answer.total))"]
        var whom = it.whom(other)
        if let relayed = it.relayed {
            whom += " through \(relayed.relay.program)"
            evidence += [relayed.sentence] + (relayed.doubt.map { [$0] } ?? [])
        }
        return Finding(
            explained: time, summary: "waited \(it.part(time)) for \(whom)", evidence: evidence,
            certain: it.relayed?.isCertain ?? true, next: answer)
    }

    /// It is on this host, and no more is known.
    private static func behindRelay(_ it: Case) -> Finding? {
        guard let relayed = it.relayed, let doubt = relayed.doubt, relayed.turn == nil else { return nil }
        let time = it.waterfall["waiting-for-peer"]
        return Finding(
            explained: time, summary: "waited \(it.part(time)) for \(relayed.relay.program) at \(it.peer)",
            evidence: [relayed.sentence, doubt], certain: false)
    }

    private static func nestedCalls(_ it: Case) -> Finding? {
        let calls = it.scene.calls(of: it.turn)
        let stages: Set<String> = ["request-read", "application", "response"]
        let time = it.overlap(calls.turns.flatMap(waits), stages)
        func waited(_ call: Turn) -> UInt64 { waits(call).reduce(0) { $0 + $1.length } }
        guard time > 0, let longest = calls.turns.max(by: { waited($0) < waited($1) }) else { return nil }
        let other = it.scene.mirror(of: longest.socket).map(it.whom) ?? behindRelay(longest, it)
        let whom = other ?? it.evidence.sockets[longest.socket]?.remote.description ?? "another service"
        var evidence = [
            "\(calls.turns.count) call\(calls.turns.count == 1 ? "" : "s") in this turn, the longest to \(whom): \(milliseconds(waited(longest)))"
        ]
        if longest.flags.contains(.aborted) { evidence.append("given up without an answer") }
        if let doubt = calls.doubt { evidence.append(doubt) }
        return Finding(
            explained: time, summary: "waited \(it.part(time)) for \(whom)", evidence: evidence,
            certain: calls.doubt == nil, next: longest)
    }

    /// When a call waited for the other end: not while its answer was here and its own process had yet to read it.
    private static func waits(_ call: Turn) -> [Range<Instant>] {
        let end = max(call.start, call.end)
        guard let received = call.receivedFirst.map({ min(max($0, call.start), end) }) else {
            return [call.start..<end]
        }
        let read = min(max(call.readFirst ?? end, received), end)
        return [call.start..<received, read..<end]
    }

    /// Who served a call that went through a relay.
    private static func behindRelay(_ call: Turn, _ it: Case) -> String? {
        guard let relayed = it.scene.relays.relayed(call) else { return nil }
        let server = relayed.turn.map { it.name($0.container) } ?? "\(relayed.relay.target)"
        return "\(server) through \(relayed.relay.program)"
    }

    /// From this turn to its cause: each link is a turn that waited for the next. A call and the turn that served it are one
    /// link, the server's, unless the time was lost between them.
    static func chain(_ it: Case, _ best: Ruling) -> [ChainLink] {
        var links = [link(it, best)]
        guard let next = best.finding.next, it.depth < 8 else { return links }
        let following = Case(next, it.scene, depth: it.depth + 1)
        guard let ruling = rulings(following).first else { return links }
        let rest = chain(following, ruling)
        let isPassedOn = next.role == .called && ruling.rule.cause == "downstream.slow"
        links += isPassedOn ? Array(rest.dropFirst()) : rest
        return links
    }

    static func link(_ it: Case, _ ruling: Ruling?) -> ChainLink {
        ChainLink(
            container: it.turn.container, cause: ruling?.rule.cause ?? "unknown",
            summary: ruling?.finding.summary ?? "not enough evidence", total: it.turn.total,
            share: min(1, Double(ruling?.finding.explained ?? 0) / Double(it.total)))
    }
}
