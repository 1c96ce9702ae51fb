import Events

/// What the thread that handled the turn was doing, from `sched_switch`. None speaks where threads were not followed.
extension Rules {
    private static let handling: Set<String> = ["request-read", "application"]
    /// Stages in which this end's thread has to act, or to come and read.
    static let own = handling.union(["receive-queue", "response", "response-read", "request-send"])

    /// The thread's time where it had the request in hand; and where the request lay unread while the thread did something
    /// else than wait for requests, which a rule above explains when that was another turn. Of a call: where the answer lay
    /// unread.
    private static func inHand(_ it: Case) -> ThreadTime? {
        guard it.evidence.threadsFollowed else { return nil }
        let tid = reader(it)
        if it.turn.role == .called { return unread(it) }
        guard it.turn.role == .served else { return nil }
        let before =
            it.scene.firstSign(of: tid) < it.turn.start
            && (!it.turn.flags.contains(.unaccepted) || acceptsLate(it))
        let ranges = it.ranges(before ? handling.union(["receive-queue"]) : handling)
        return tid == 0 || ranges.isEmpty ? nil : ThreadTime(tid, in: ranges, it.evidence)
    }

    /// While the connection lay in the accept queue its only reader did something of its own, outside of any request: that is why.
    static func acceptsLate(_ it: Case) -> Bool {
        let tid = reader(it)
        let ranges = it.ranges(["receive-queue"])
        guard it.evidence.threadsFollowed, tid != 0, !ranges.isEmpty, it.scene.readsAlone(tid, for: it.turn),
            it.scene.firstSign(of: tid) < it.turn.start, busyReader(it) == nil
        else { return false }
        let thread = ThreadTime(tid, in: ranges, it.evidence)
        // Where another thread accepts for it, it waits for that one: in a lock, or for a message, as whoever is idle does.
        let own = thread.running &+ thread.io &+ (thread.byWaiting[.timer] ?? 0)
        let queue = it.waterfall["receive-queue"]
        return own >= queue - queue / 4
    }

    /// Of a call: its thread's time while the answer lay unread. Only of one that asked itself and then read, and had nothing else in
    /// hand meanwhile but the request it made the call for: who takes answers from a pool, or waits for another first, is not late
    /// by its own doing.
    private static func unread(_ it: Case) -> ThreadTime? {
        let turn = it.turn
        guard turn.role == .called, turn.tid != 0, turn.sender == turn.tid, turn.readFirst != nil,
            let range = it.ranges(["receive-queue"]).first, let sent = turn.sentFirst, sent <= range.lowerBound
        else { return nil }
        let others = it.scene.near.contains {
            ($0.tid == turn.tid || $0.sender == turn.tid) && !it.scene.isSame($0, turn) && $0.start < range.upperBound
                && $0.end > range.lowerBound && ($0.role == .called || ($0.readFirst ?? .max) > turn.start)
        }
        return others ? nil : ThreadTime(turn.tid, in: [range], it.evidence)
    }

    /// A thread that has other turns in hand too may be doing their work, not this one's; and one that hands its work to
    /// others does not do it itself.
    private static func alone(_ it: Case) -> Bool {
        !it.scene.near.contains {
            $0.tid == it.turn.tid && $0.role == .served && $0.container == it.turn.container
                && !it.scene.isSame($0, it.turn)
                && ($0.readFirst ?? .max) < (it.turn.sentFirst ?? it.turn.end) && $0.end > (it.turn.readFirst ?? .max)
        } && (it.turn.sender == 0 || it.turn.sender == it.turn.tid)
    }

    private static func finding(_ it: Case, _ time: UInt64, _ summary: String, _ thread: ThreadTime) -> Finding? {
        guard time > 0 else { return nil }
        // What is not known may have been more of something else.
        let certain = thread.forgotten <= time && alone(it)
        let late = it.turn.flags.contains(.unaccepted) && acceptsLate(it)
        return Finding(
            explained: time, summary: summary,
            evidence: [thread.sentence]
                + (late ? ["it had not accepted the connection yet when the first byte came"] : []),
            certain: certain)
    }

    static func stopped(_ it: Case) -> Finding? {
        let tid = reader(it)
        guard tid != 0, it.evidence.threadsFollowed else { return nil }
        let thread = ThreadTime(tid, in: it.ranges(own), it.evidence)
        let time = thread.stopped
        return time == 0
            ? nil
            : Finding(
                explained: time, summary: "stopped by a signal for \(it.part(time))", evidence: [thread.sentence],
                certain: it.turn.tid != 0 || it.turn.isOpen)
    }

    /// Woken, or preempted, and no CPU free: in any stage where this end's thread has to act.
    static func runQueue(_ it: Case) -> Finding? {
        let tid = reader(it)
        guard tid != 0, it.evidence.threadsFollowed else { return nil }
        let thread = ThreadTime(tid, in: it.ranges(own), it.evidence)
        // Before 6.18 a thread woken while its cgroup is out of quota looks like any other that waits for a CPU.
        let quota = it.ranges(own).reduce(0) {
            $0 + Intervals.throttled(it.evidence.samples, container: it.turn.container, in: $1)
        }
        let time = thread.queued > quota || thread.throttled > 0 ? thread.queued : 0
        return time == 0
            ? nil
            : Finding(
                explained: time, summary: "waited for a CPU for \(it.part(time))", evidence: [thread.sentence])
    }

    /// On a CPU that the hypervisor had given to others: in any stage where this end's thread has to act.
    static func stolen(_ it: Case) -> Finding? {
        let tid = reader(it)
        guard tid != 0, it.evidence.threadsFollowed else { return nil }
        let thread = ThreadTime(tid, in: it.ranges(own), it.evidence)
        return thread.stolen == 0
            ? nil
            : Finding(
                explained: thread.stolen,
                summary: "the hypervisor ran others on its CPU (steal) for \(it.part(thread.stolen))",
                evidence: [thread.sentence])
    }

    /// Freed memory for itself, or was made to wait for that: its cgroup is at its limit, or the host is.
    static func reclaiming(_ it: Case) -> Finding? {
        let tid = reader(it)
        guard tid != 0, it.evidence.threadsFollowed else { return nil }
        let thread = ThreadTime(tid, in: it.ranges(own), it.evidence)
        let time = thread.reclaim
        return time == 0
            ? nil
            : Finding(
                explained: time, summary: "freed memory (reclaim) for \(it.part(time))", evidence: [thread.sentence])
    }

    static func storage(_ it: Case) -> Finding? {
        guard let thread = inHand(it) else { return nil }
        let place = thread.longest.map { " in \($0.name)" } ?? ""
        return finding(it, thread.io, "blocked in I/O\(place) for \(it.part(thread.io))", thread)
    }

    static func lock(_ it: Case) -> Finding? {
        guard let thread = inHand(it) else { return nil }
        let time = thread.byWaiting[.lock] ?? 0
        guard var found = finding(it, time, "waited for another thread (futex) for \(it.part(time))", thread) else {
            return nil
        }
        // What a caller's runtime does with its threads does not show in its calls.
        if it.turn.role == .called { found.certain = false }
        // There a thread parks in a futex whatever its task waits for.
        if let pid = it.evidence.sockets[it.turn.socket]?.pid, it.scene.handsOver(pid) {
            found.certain = false
            found.evidence.append(
                "process \(pid) hands connections from thread to thread: the wait may be for anything")
        }
        if let call = callInstead(of: time, it) {
            found.certain = false
            found.evidence.append(
                "another thread of its process called meanwhile, for \(milliseconds(call.total)): the wait may be for that"
            )
        }
        return found
    }

    /// The one call of another thread that lasted as long as the thread waited for another: who hands a call to a pool waits like this.
    private static func callInstead(of time: UInt64, _ it: Case) -> Turn? {
        let calls = it.scene.calls(of: it.turn)
        guard calls.doubt != nil, let longest = calls.turns.max(by: { $0.total < $1.total }) else { return nil }
        let within = it.overlap([longest.start..<max(longest.start, longest.end)], handling)
        return longest.end <= it.turn.end && within >= time - time / 4 ? longest : nil
    }

    static func sleeping(_ it: Case) -> Finding? {
        guard let thread = inHand(it) else { return nil }
        let time = thread.byWaiting[.timer] ?? 0
        return finding(it, time, "slept on a timer for \(it.part(time))", thread)
    }

    static func blocked(_ it: Case) -> Finding? {
        guard it.turn.role == .served, let thread = inHand(it) else { return nil }
        // In the middle of reading a request, that is a wait for the rest of it.
        let rest = ThreadTime(reader(it), in: it.ranges(["request-read"]), it.evidence).receiving
        let all = (thread.byWaiting[.other] ?? 0) &+ (thread.byWaiting[.poll] ?? 0)
        let time = all > rest ? all - rest : 0
        let name = thread.longest?.name ?? "a syscall"
        guard var found = finding(it, time, "blocked in \(name) for \(it.part(time))", thread) else { return nil }
        // An event loop waits there for whatever comes: who would have had to come is not known.
        if (thread.byWaiting[.poll] ?? 0) > time / 2 { found.certain = false }
        return found
    }

    static func computing(_ it: Case) -> Finding? {
        guard let thread = inHand(it) else { return nil }
        return finding(it, thread.running, "computed for \(it.part(thread.running))", thread)
    }
}
