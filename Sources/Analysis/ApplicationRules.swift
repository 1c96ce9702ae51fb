import Events

/// What happened in the container, or in one it waited for.
extension Rules {
    /// Stages in which this end's own threads have to do something.
    private static let own: Set<String> = [
        "receive-queue", "request-read", "application", "response", "response-read", "request-send",
    ]

    static func frozen(_ it: Case) -> Finding? {
        let unread: Set<String> = ["receive-queue"]
        let samples = it.evidence.samples
        func frozen(_ stages: Set<String>, unread: Bool) -> UInt64 {
            it.ranges(stages).reduce(0) {
                $0 + Intervals.frozen(samples, container: it.turn.container, in: $1, unread: unread)
            }
        }
        let time = frozen(unread, unread: true) + frozen(own.subtracting(unread), unread: false)
        // Not the cgroup's: then perhaps a signal.
        guard time > 0 else { return stopped(it) }
        let place = it.waterfall.longest?.name == "receive-queue" ? " while the request waited unread" : ""
        return Finding(
            explained: time, summary: "paused for \(it.part(time))\(place)",
            evidence: [
                "cgroup freezer of \(it.name(it.turn.container)): frozen for \(milliseconds(time)) of the turn",
                "the data waited \(milliseconds(it.waterfall["receive-queue"])) in the receive queue",
            ])
    }

    static func throttled(_ it: Case) -> Finding? {
        let time = it.ranges(own).reduce(0) {
            $0 + Intervals.throttled(it.evidence.samples, container: it.turn.container, in: $1)
        }
        guard time > 0 else { return nil }
        return Finding(
            explained: time, summary: "CPU quota: throttled for \(it.part(time))",
            evidence: ["cpu.stat of \(it.name(it.turn.container)): throttled about \(milliseconds(time)) of the turn"])
    }

    /// The thread that read this request was handling others while it waited.
    static func busyReader(_ it: Case) -> Finding? {
        guard it.turn.role == .served, let queue = it.ranges(["receive-queue"]).first else { return nil }
        // Nobody has read an unread request: its connection's last reader will.
        let reader = it.turn.tid != 0 ? it.turn.tid : lastReader(it)
        guard reader != 0 else { return nil }
        let handled = it.evidence.turns.compactMap { other -> (turn: Turn, span: Range<Instant>)? in
            guard other.tid == reader, other.role == .served, other.container == it.turn.container,
                other.socket != it.turn.socket, let from = other.readFirst,
                let to = other.sentLast ?? (other.isOpen ? other.end : nil), to > from
            else { return nil }
            let span = (from..<to).clamped(to: queue)
            return span.isEmpty ? nil : (other, span)
        }
        let time = it.overlap(handled.map(\.span), ["receive-queue"])
        guard let worst = handled.max(by: { $0.span.length < $1.span.length })?.turn,
            time >= (queue.upperBound - queue.lowerBound) / 4
        else { return nil }
        let client = it.evidence.sockets[worst.socket]?.remote.description ?? "another client"
        return Finding(
            explained: time, summary: "thread \(reader) was busy with \(client) for \(it.part(time))",
            evidence: [
                "the same thread handled \(handled.count) other turns while this one was queued, the longest of "
                    + milliseconds(worst.total)
            ], certain: it.turn.tid != 0)
    }

    static func lastReader(_ it: Case) -> UInt32 {
        it.evidence.turns.filter { $0.socket == it.turn.socket && $0.tid != 0 && $0.sequence < it.turn.sequence }
            .max { $0.sequence < $1.sequence }?.tid ?? 0
    }

    /// The other end of the call is on this host and was slow itself; or the thread that served was waiting for a call.
    static func downstream(_ it: Case) -> Finding? {
        // A chain longer than this is a loop in the evidence.
        guard it.depth < 8 else { return nil }
        return it.turn.role == .called ? watchedPeer(it) : nestedCalls(it)
    }

    private static func watchedPeer(_ it: Case) -> Finding? {
        guard let mirror = it.mirror else { return nil }
        let served = it.evidence.turns.filter {
            $0.socket == mirror.id && $0.role == .served && $0.end > it.turn.start && $0.start < it.turn.end
        }.max { ($0.total, $1.start) < ($1.total, $0.start) }
        guard let served else { return nil }
        let time = it.overlap([served.start..<max(served.start, served.end)], ["waiting-for-peer"])
        guard time > 0 else { return nil }
        return Finding(
            explained: time, summary: "waited \(it.part(time)) for \(it.name(mirror.container))",
            evidence: ["the other end's own turn took \(milliseconds(served.total))"] + chain(served, it))
    }

    private static func nestedCalls(_ it: Case) -> Finding? {
        guard it.turn.role == .served, it.turn.tid != 0, it.waterfall["application"] > 0 else { return nil }
        let sameThread = it.evidence.turns.filter { $0.tid == it.turn.tid && $0.container == it.turn.container }
        // With several turns in hand the thread could have called for any of them: then none is claimed.
        let inHand = sameThread.filter {
            $0.role == .served && $0.start < it.turn.end && $0.end > it.turn.start
                && ($0.socket, $0.sequence) != (it.turn.socket, it.turn.sequence)
        }
        guard inHand.isEmpty else { return nil }
        let calls = sameThread.filter { $0.role == .called && $0.start >= it.turn.start && $0.start < it.turn.end }
        let time = it.overlap(calls.map { $0.start..<max($0.start, $0.end) }, ["application"])
        guard time > 0, let longest = calls.max(by: { $0.total < $1.total }) else { return nil }
        let other = mirror(of: longest.socket, it.evidence).map { it.name($0.container) }
        let whom = other ?? it.evidence.sockets[longest.socket]?.remote.description ?? "another service"
        return Finding(
            explained: time, summary: "waited \(it.part(time)) for \(whom)",
            evidence: ["thread \(it.turn.tid) made \(calls.count) calls in this turn"] + chain(longest, it))
    }

    /// What the turn waited for says of itself.
    private static func chain(_ next: Turn, _ it: Case) -> [String] {
        guard let best = rulings(Case(next, it.evidence, depth: it.depth + 1)).first else { return [] }
        let indirect = best.rule.cause == "downstream.slow" ? best.finding.evidence.filter { $0.hasPrefix("→ ") } : []
        return ["→ \(it.name(next.container)): \(best.rule.cause): \(best.finding.summary)"] + indirect
    }

    /// No thread evidence: where, not why.
    static func application(_ it: Case) -> Finding? {
        let time = it.waterfall["application"]
        return Finding(
            explained: time, summary: "application took \(it.part(time)); no thread evidence",
            evidence: ["read the request, and sent its first byte \(milliseconds(time)) later"], certain: false)
    }

    static func receiveQueue(_ it: Case) -> Finding? {
        let time = it.waterfall["receive-queue"]
        return Finding(
            explained: time, summary: "data lay unread for \(it.part(time)); no thread evidence",
            evidence: ["the reader was woken \(milliseconds(time)) before it read, or has not read yet"],
            certain: false)
    }
}
