import Events

/// What happened in the container, or in one it waited for.
extension Rules {
    static func frozen(_ it: Case) -> Finding? {
        let unread: Set<String> = ["receive-queue"]
        let samples = it.evidence.samples
        func frozen(_ stages: Set<String>, unread: Bool) -> UInt64 {
            it.ranges(stages).reduce(0) {
                $0 + Intervals.frozen(samples, container: it.turn.container, in: $1, unread: unread)
            }
        }
        let sampled = frozen(unread, unread: true) + frozen(own.subtracting(unread), unread: false)
        // The thread's own slices tell to the microsecond what the samples tell to their distance, and see what is too short
        // for them.
        let thread = ThreadTime(reader(it), in: it.ranges(own), it.evidence)
        // Not the freezer: then perhaps a signal.
        guard sampled > 0 || thread.frozen > 0 else { return stopped(it) }
        let time = thread.frozen > 0 ? thread.frozen : sampled
        let place = it.waterfall.longest?.name == "receive-queue" ? " while the request waited unread" : ""
        let seen =
            sampled > 0
            ? "cgroup freezer of \(it.name(it.turn.container)): frozen for \(milliseconds(time)) of the turn"
            : thread.sentence
        return Finding(
            explained: time, summary: "paused for \(it.part(time))\(place)",
            evidence: [seen, "the data waited \(milliseconds(it.waterfall["receive-queue"])) in the receive queue"])
    }

    static func throttled(_ it: Case) -> Finding? {
        let sampled = it.ranges(own).reduce(0) {
            $0 + Intervals.throttled(it.evidence.samples, container: it.turn.container, in: $1)
        }
        let thread = ThreadTime(reader(it), in: it.ranges(own), it.evidence)
        // The cgroup's counter moves when any of its CPUs is held back; the thread's own slices say whether this one was. Where
        // the kernel does not tell quota from CPU, it looks like a wait for a CPU while the counter moves.
        let known = it.evidence.threadsFollowed && thread.tid != 0
        let time = known ? thread.throttled > 0 ? thread.throttled : min(sampled, thread.queued) : sampled
        guard time > 0 else { return nil }
        var evidence = [
            "cpu.stat of \(it.name(it.turn.container)): throttled for about \(milliseconds(sampled)) meanwhile"
        ]
        if known { evidence.append(thread.sentence) }
        return Finding(
            explained: time, summary: "CPU quota: throttled for \(it.part(time))", evidence: evidence)
    }

    /// The thread that read this request was handling others while it waited.
    static func busyReader(_ it: Case) -> Finding? {
        guard it.turn.role == .served, let queue = it.ranges(["receive-queue"]).first else { return nil }
        let reader = reader(it)
        guard reader != 0 else { return nil }
        let handled = it.scene.near.compactMap { other -> (turn: Turn, span: Range<Instant>)? in
            guard other.tid == reader, other.role == .served, other.container == it.turn.container,
                other.socket != it.turn.socket, let from = other.readFirst,
                let to = other.sentLast ?? (other.isOpen ? other.end : nil), to > from
            else { return nil }
            let span = (from..<to).clamped(to: queue)
            return span.isEmpty ? nil : (other, span)
        }
        // An event loop that waits for what comes is not busy, whatever it has in hand.
        let idle = ThreadTime.polling(reader, it.evidence)
        let busy = handled.flatMap { Intervals.subtract(idle, from: $0.span) }
        let time = it.overlap(busy, ["receive-queue"])
        let longest = handled.max { $0.span.length < $1.span.length }?.span ?? 0..<0
        // Of several in hand all the while the one read last is being worked on; the others wait for something. Those handled one after
        // the other are not such.
        let holding = handled.filter { $0.span.clamped(to: longest).length >= longest.length - longest.length / 4 }
        guard let worst = holding.max(by: { $0.turn.readFirst ?? 0 < $1.turn.readFirst ?? 0 })?.turn,
            time >= (queue.upperBound - queue.lowerBound) / 4
        else { return nil }
        let client = it.evidence.sockets[worst.socket]?.remote.description ?? "another client"
        return Finding(
            explained: time, summary: "thread \(reader) was busy with \(client) for \(it.part(time))",
            evidence: [
                "the same thread handled \(handled.count) other turns while this one was queued, the longest of "
                    + milliseconds(worst.total)
            ], certain: holding.count == 1 && (it.turn.tid != 0 || it.turn.isOpen), next: worst)
    }

    /// The thread this end's turn needs. Nobody has read an unread request: its connection's last reader will.
    static func reader(_ it: Case) -> UInt32 { it.turn.tid != 0 ? it.turn.tid : it.scene.lastReader(before: it.turn) }

    /// No thread evidence: where, not why.
    static func application(_ it: Case) -> Finding? {
        let time = it.waterfall["application"]
        let tid = reader(it)
        let thread =
            tid == 0 || !it.evidence.threadsFollowed
            ? nil : ThreadTime(tid, in: it.ranges(["application"]), it.evidence)
        if let thread, thread.forgotten > 0 {
            return Finding(
                explained: time, summary: "application took \(it.part(time)); its thread had too many waits to know",
                evidence: [thread.sentence], certain: false)
        }
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
