import Events

/// Cuts a turn into its additive stages.
///
/// The stamps become monotone marks inside the turn; the time between two marks belongs to the stage the later one ends.
/// Where a mark that must be there is missing (its hook could not attach), the time up to the next one could be either
/// stage's and is unexplained, like what no mark ends. So the stages and the rest always sum to the total.
public struct Waterfall: Sendable, Equatable {
    public var stages: [Stage]
    public var unexplained: UInt64

    /// `answer`: the turn in which the other end, on this host too, served this call. One clock for both: what lay between
    /// them separates exactly from the answering.
    public init(_ turn: Turn, answer: Turn? = nil) { self.init(turn, answer: answer, relayed: nil) }

    /// `relayed`: the call went through a relay; what lay between the ends was the relay's.
    init(_ turn: Turn, answer: Turn?, relayed: Relayed?) {
        switch turn.role {
        // No byte of the request could be sent yet.
        case _ where turn.flags.contains(.connecting): self.init(turn, [Mark(stage: "connect", end: turn.end)])
        case .served: self.init(turn, Self.served(turn))
        case .called: self.init(turn, Self.called(turn, answer, relayed))
        case .unknown: self.init(turn, [])
        }
        takeOutBufferWaits(turn)
        takeOutReceiving(turn.receiveProcessing)
    }

    /// A stage and the mark that ends it.
    private struct Mark {
        var stage: String
        var end: Instant?
        /// Turns without this stage are usual: when the mark is missing, its time is the next stage's.
        var isOptional = false
    }

    private static func served(_ turn: Turn) -> [Mark] {
        // A request that went on arriving after its first part was read is the client's time until it was complete.
        let transfer = turn.readFirst.flatMap { read in turn.receivedLast.flatMap { $0 > read ? $0 : nil } }
        let readEnd = turn.readLast.map { last in turn.sentFirst.map { min($0, last) } ?? last }
        return [
            Mark(stage: "tcp-stack", end: turn.woken),
            Mark(stage: "receive-queue", end: turn.readFirst),
            Mark(stage: "request-transfer", end: transfer, isOptional: true),
            Mark(stage: "request-read", end: readEnd, isOptional: true),
            Mark(stage: "application", end: turn.sentFirst),
            Mark(stage: "response", end: turn.sentLast),
        ]
    }

    private static func called(_ turn: Turn, _ answer: Turn?, _ relayed: Relayed?) -> [Mark] {
        let between = relayed == nil ? "transit" : "relay"
        let arrived = answer?.start ?? turn.receivedFirst
        let sent = turn.sentLast.map { last in arrived.map { min($0, last) } ?? last }
        // An answer from this host may come before the send call returns, which then leaves no stamp.
        var marks = [Mark(stage: "request-send", end: sent, isOptional: true)]
        if let answer {
            // An answer is under way when it has been sent: what came earlier was not it.
            let answered = answer.sentFirst.map { min($0, turn.receivedFirst ?? $0) } ?? turn.receivedFirst
            marks += [
                Mark(stage: "request-\(between)", end: answer.start),
                Mark(stage: "waiting-for-peer", end: answered),
                Mark(stage: "response-\(between)", end: turn.receivedFirst),
            ]
        } else if relayed != nil {
            // Its TCP is this host's: that it acknowledged says nothing. Undecided, the wait may be its or its target's.
            let stage = relayed?.isCertain == true ? "request-relay" : "waiting-for-peer"
            marks.append(Mark(stage: stage, end: turn.receivedFirst))
        } else {
            // The path, both ways, and up to 200 ms of a delayed ACK. One that came with the answer tells nothing apart.
            let acknowledged = turn.acknowledged.flatMap { $0 < turn.receivedFirst ?? turn.end ? $0 : nil }
            marks += [
                Mark(stage: "network", end: acknowledged, isOptional: true),
                Mark(stage: "waiting-for-peer", end: turn.receivedFirst),
            ]
        }
        return marks + [
            Mark(stage: "tcp-stack", end: turn.woken),
            Mark(stage: "receive-queue", end: turn.readFirst),
            Mark(stage: "response-read", end: turn.readLast),
        ]
    }

    private init(_ turn: Turn, _ marks: [Mark]) {
        var stages: [Stage] = []
        var at = turn.start
        var beganHere = true
        for mark in marks {
            guard let end = mark.end.map({ min(max($0, at), max(turn.end, turn.start)) }) else {
                beganHere = beganHere && mark.isOptional
                continue
            }
            if beganHere { stages.append(Stage(name: mark.stage, duration: end - at, offset: at - turn.start)) }
            at = end
            beganHere = true
        }
        // An open turn, and one that was given up, is in the first stage whose mark is missing after the last one that is there.
        if turn.isOpen || turn.flags.contains(.aborted), turn.end > at {
            let reached = marks.lastIndex { $0.end != nil } ?? -1
            if let current = marks[(reached + 1)...].first(where: {
                $0.end == nil && !["request-transfer", "request-read", "network"].contains($0.stage)
            }) {
                stages.append(Stage(name: current.stage, duration: turn.end - at, offset: at - turn.start))
                at = turn.end
            }
        }
        self.stages = stages.filter { $0.duration > 0 }
        unexplained = turn.total - stages.reduce(0) { $0 + $1.duration }
    }

    /// How much of the sending was a wait for a buffer is known, but not when; it stands behind its stage as its own.
    private mutating func takeOutBufferWaits(_ turn: Turn) {
        let sending = turn.role == .served ? "response" : "request-send"
        let waits = turn.bufferWaits
        for (name, wait) in [("send-buffer", waits.sendBuffer), ("peer-window", waits.peerWindow)] {
            guard wait > 0, let index = stages.firstIndex(where: { $0.name == sending }) else { continue }
            let taken = min(wait, stages[index].duration)
            stages[index].duration -= taken
            let offset = stages[index].offset + stages[index].duration
            stages.insert(Stage(name: name, duration: taken, offset: offset), at: index + 1)
        }
        stages.removeAll { $0.duration == 0 }
    }

    /// TCP was at it from the arrival on, until the data waited to be read: before its reader could be woken for what it needed,
    /// and, with the socket locked, before it could read.
    private mutating func takeOutReceiving(_ time: UInt64) {
        let queue = stages.firstIndex { $0.name == "receive-queue" }
        let stack = stages.firstIndex { $0.name == "tcp-stack" }
        guard time > 0, let next = queue ?? stack.map({ $0 + 1 }) else { return }
        let after = queue.map { min(time, stages[$0].duration) } ?? 0
        let before = stack.map { min(time - after, stages[$0].duration) } ?? 0
        if let stack { stages[stack].duration -= before }
        if let queue {
            stages[queue].duration -= after
            stages[queue].offset += after
        }
        let end = queue.map { stages[$0].offset } ?? stack.map { stages[$0].offset + stages[$0].duration + before } ?? 0
        stages.insert(
            Stage(name: "tcp-receive", duration: before + after, offset: end - before - after), at: next)
        stages.removeAll { $0.duration == 0 }
    }

    public subscript(name: String) -> UInt64 {
        stages.reduce(0) { $0 + ($1.name == name ? $1.duration : 0) }
    }

    /// ns of `from..<to` that lie in the stages named; instants are the turn's own, `start` its start.
    func overlap(_ names: Set<String>, _ start: Instant, from: Instant, to: Instant) -> UInt64 {
        stages.reduce(0) { sum, stage in
            guard names.contains(stage.name) else { return sum }
            let low = max(start + stage.offset, from)
            let high = min(start + stage.offset + stage.duration, to)
            return high > low ? sum + (high - low) : sum
        }
    }

    /// The longest stage.
    public var longest: Stage? { stages.max { $0.duration < $1.duration } }
}
