import Events

/// What the thread that handled the turn was doing, from `sched_switch`. None speaks where threads were not followed.
extension Rules {
    private static let handling: Set<String> = ["request-read", "application"]

    /// The thread's time in the stages where it had the request in hand.
    private static func inHand(_ it: Case) -> ThreadTime? {
        guard it.turn.role == .served, it.turn.tid != 0, it.evidence.threadsFollowed else { return nil }
        let ranges = it.ranges(handling)
        return ranges.isEmpty ? nil : ThreadTime(it.turn.tid, in: ranges, it.evidence)
    }

    /// A thread that has other turns in hand too may be doing their work, not this one's.
    private static func alone(_ it: Case) -> Bool {
        !it.evidence.turns.contains {
            $0.tid == it.turn.tid && $0.role == .served && $0.container == it.turn.container
                && ($0.socket, $0.sequence) != (it.turn.socket, it.turn.sequence)
                && ($0.readFirst ?? .max) < (it.turn.sentFirst ?? it.turn.end) && $0.end > (it.turn.readFirst ?? .max)
        }
    }

    private static func finding(_ it: Case, _ time: UInt64, _ summary: String, _ thread: ThreadTime) -> Finding? {
        time > 0 ? Finding(explained: time, summary: summary, evidence: [thread.sentence], certain: alone(it)) : nil
    }

    static func stopped(_ it: Case) -> Finding? {
        guard it.turn.role == .served, it.evidence.threadsFollowed else { return nil }
        let tid = it.turn.tid != 0 ? it.turn.tid : lastReader(it)
        guard tid != 0 else { return nil }
        let thread = ThreadTime(tid, in: it.ranges(handling.union(["receive-queue", "response"])), it.evidence)
        let time = thread.stopped
        return time == 0
            ? nil
            : Finding(
                explained: time, summary: "stopped by a signal for \(it.part(time))", evidence: [thread.sentence],
                certain: it.turn.tid != 0)
    }

    /// Woken, or preempted, and no CPU free: in any stage where this end's thread has to act.
    static func runQueue(_ it: Case) -> Finding? {
        guard it.turn.tid != 0, it.evidence.threadsFollowed else { return nil }
        let ranges = it.ranges(handling.union(["receive-queue", "response", "response-read", "request-send"]))
        let thread = ThreadTime(it.turn.tid, in: ranges, it.evidence)
        let time = thread.queued
        return time == 0
            ? nil
            : Finding(
                explained: time, summary: "waited for a CPU for \(it.part(time))", evidence: [thread.sentence])
    }

    static func storage(_ it: Case) -> Finding? {
        guard let thread = inHand(it) else { return nil }
        let place = thread.longest.map { " in \($0.name)" } ?? ""
        return finding(it, thread.io, "blocked in I/O\(place) for \(it.part(thread.io))", thread)
    }

    static func lock(_ it: Case) -> Finding? {
        guard let thread = inHand(it) else { return nil }
        let time = thread.byWaiting[.lock] ?? 0
        return finding(it, time, "waited for another thread (futex) for \(it.part(time))", thread)
    }

    static func sleeping(_ it: Case) -> Finding? {
        guard let thread = inHand(it) else { return nil }
        let time = thread.byWaiting[.timer] ?? 0
        return finding(it, time, "slept on a timer for \(it.part(time))", thread)
    }

    static func blocked(_ it: Case) -> Finding? {
        guard let thread = inHand(it) else { return nil }
        let time = (thread.byWaiting[.other] ?? 0) &+ (thread.byWaiting[.poll] ?? 0)
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
