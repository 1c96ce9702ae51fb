import Events

/// Turns over their container's threshold, slowest first. Containers that fired nothing are held to the lowest.
func slowTurns(_ turns: [Turn], _ triggers: [TriggerFact], _ lowest: UInt64) -> [Turn] {
    let own = Dictionary(triggers.filter { $0.threshold > 0 }.map { ($0.container, $0.threshold) }) { min($0, $1) }
    let hung = Dictionary(grouping: triggers.filter { $0.kind == .inFlight }, by: \.socket)
    // An end without an answer is no latency; but one that was too slow before its client gave up is what fired.
    func counts(_ turn: Turn) -> Bool {
        guard turn.flags.contains(.aborted) else { return true }
        return hung[turn.socket]?.contains { turn.start <= $0.at && $0.at <= turn.end } ?? false
    }
    return turns.filter { $0.total >= own[$0.container] ?? lowest && counts($0) }
        .sorted { ($1.total, $0.end, $0.socket) < ($0.total, $1.end, $1.socket) }
}

/// The slowest turn that fired; of a call the served turn it waited for, when that is at least half as slow: the cause is where
/// the work is, not where it is awaited. Turns that did not fire come after: a container next door may have its long polls.
func worstTurn<Source: TurnSource>(
    _ slow: [Turn], _ evidence: Evidence, _ turns: Source
) throws(Source.Failure) -> Turn? {
    let triggers = Dictionary(grouping: evidence.triggers.filter { $0.kind != .manual }, by: \.socket)
    let fired = slow.filter { turn in
        triggers[turn.socket]?.contains { turn.start <= $0.at && $0.at <= turn.end } ?? false
    }
    let candidates = fired.isEmpty ? slow : fired
    guard let slowest = candidates.first else { return nil }
    let alike = candidates.prefix { $0.total >= slowest.total / 2 }
    // A relay only passes on: what it was called for, or what it called, tells more.
    let relays = Set(evidence.relays.map(\.pid))
    let ends = alike.filter { !(evidence.sockets[$0.socket]?.pid.map(relays.contains) ?? false) }
    let first = ends.first ?? slowest
    if first.role != .called, !ends.contains(where: { mayWait($0, for: first) }) { return first }
    let scene = try Scene(evidence, turns, around: first)
    guard first.role == .called else { return whoWaited(for: first, ends, scene) }
    if let answer = Case(first, scene).answer, let served = ends.first(where: { scene.isSame($0, answer) }) {
        return whoWaited(for: served, ends, scene)
    }
    // A request that was slow at the same time, of a container that has to do with it: with a third one's it would be another
    // incident that fell into the same seconds.
    let connected = connectedContainers(first.container, evidence).union([first.container])
    return ends.first {
        $0.role == .served && connected.contains($0.container) && $0.start < first.end && $0.end > first.start
    } ?? first
}

/// The turn that waited for this one's answer, and so on to the outermost, where they are connected without a relay. It has the whole
/// of it, and is the slower one as a rule: but a thread that loses the CPU in its send call is still in that when the answer is with
/// the client.
private func whoWaited(for served: Turn, _ ends: [Turn], _ scene: Scene) -> Turn {
    var outermost = served
    // Hostile captures have circles.
    var others = ends.filter { mayWait($0, for: served) }
    while let call = scene.question(of: outermost), awaited(call, outermost) {
        let candidates = others.filter { other in
            guard other.container == call.container, mayWait(other, for: outermost), let read = other.readFirst else {
                return false
            }
            return read <= call.start && call.start < (other.sentFirst ?? other.end)
        }
        // Among so many in hand whose call it is would be a guess, and long to make.
        guard candidates.count <= 8 else { break }
        let owners = candidates.filter { other in
            let calls = scene.calls(of: other)
            return (calls.doubt == nil || candidates.count == 1) && calls.turns.contains { scene.isSame($0, call) }
        }
        guard owners.count == 1, let owner = owners.first else { break }
        outermost = owner
        others.removeAll { scene.isSame($0, owner) }
    }
    return outermost
}

/// By its times, which is soon told.
private func mayWait(_ other: Turn, for served: Turn) -> Bool {
    other.role == .served && other.socket != served.socket && other.start <= served.start && awaited(other, served)
}

/// Until the answer was out: who gave up before did not wait for it. (The end of one that is open is when it was looked at.)
private func awaited(_ other: Turn, _ served: Turn) -> Bool {
    (!other.flags.contains(.aborted) && other.end >= served.sentFirst ?? served.end) || (other.isOpen && served.isOpen)
}

/// Who waited behind this turn on its own thread. When there are such, they are what the incident is about: their
/// verdict names this turn as the one that held them up, and goes on with its cause.
func victim(of worst: Turn, _ slow: [Turn], _ scene: Scene) -> Turn? {
    guard worst.role == .served, worst.tid != 0, let from = worst.readFirst else { return nil }
    let handling = from..<max(from, worst.sentLast ?? worst.end)
    return slow.first { other in
        guard other.role == .served, other.container == worst.container, !scene.isSame(other, worst),
            (other.tid != 0 ? other.tid : scene.lastReader(before: other)) == worst.tid
        else { return false }
        let queue = other.start..<max(other.start, other.readFirst ?? other.end)
        return queue.clamped(to: handling).length >= max(other.total, 1) / 2
    }
}
