import Events

/// Cuts a turn into its additive stages.
///
/// The stamps become monotone marks inside the turn; the time up to each mark belongs to the stage it ends. What lies
/// before a missing mark belongs to the next stage that has one, and what no mark ends is unexplained, so the stages and
/// the unexplained rest always sum to the total.
public struct Waterfall: Sendable, Equatable {
    public var stages: [Stage]
    public var unexplained: UInt64

    public init(_ turn: Turn) {
        switch turn.role {
        case .served: self.init(turn, Self.served(turn))
        case .called: self.init(turn, Self.called(turn))
        case .unknown: self.init(turn, [])
        }
        takeOutBufferWaits(turn)
    }

    /// A stage and the mark that ends it. `waiting`: where an open turn without that mark is now.
    private struct Mark {
        var stage: String
        var end: Instant?
    }

    private static func served(_ turn: Turn) -> [Mark] {
        // A request that went on arriving after its first part was read is the client's time until it was complete.
        let transfer = turn.readFirst.flatMap { read in turn.receivedLast.flatMap { $0 > read ? $0 : nil } }
        let readEnd = turn.readLast.map { last in turn.sentFirst.map { min($0, last) } ?? last }
        return [
            Mark(stage: "tcp-stack", end: turn.woken),
            Mark(stage: "receive-queue", end: turn.readFirst),
            Mark(stage: "request-transfer", end: transfer),
            Mark(stage: "request-read", end: readEnd),
            Mark(stage: "application", end: turn.sentFirst),
            Mark(stage: "response", end: turn.sentLast),
        ]
    }

    private static func called(_ turn: Turn) -> [Mark] {
        let sent = turn.sentLast.map { last in turn.receivedFirst.map { min($0, last) } ?? last }
        return [
            Mark(stage: "request-send", end: sent),
            Mark(stage: "waiting-for-peer", end: turn.receivedFirst),
            Mark(stage: "tcp-stack", end: turn.woken),
            Mark(stage: "receive-queue", end: turn.readFirst),
            Mark(stage: "response-read", end: turn.readLast),
        ]
    }

    private init(_ turn: Turn, _ marks: [Mark]) {
        var stages: [Stage] = []
        var at = turn.start
        for mark in marks {
            guard let end = mark.end.map({ min(max($0, at), max(turn.end, turn.start)) }) else { continue }
            stages.append(Stage(name: mark.stage, duration: end - at, offset: at - turn.start))
            at = end
        }
        // An open turn is in the first stage whose mark is missing after the last one that is there.
        if turn.isOpen, turn.end > at {
            let reached = marks.lastIndex { $0.end != nil } ?? -1
            if let current = marks[(reached + 1)...].first(where: { $0.stage != "request-transfer" && $0.end == nil }) {
                stages.append(Stage(name: current.stage, duration: turn.end - at, offset: at - turn.start))
                at = turn.end
            }
        }
        self.stages = stages.filter { $0.duration > 0 }
        unexplained = max(turn.end, turn.start) - at
    }

    /// `chrono_stat` says how much of the sending was a wait for a buffer; it stands behind its stage as its own.
    private mutating func takeOutBufferWaits(_ turn: Turn) {
        let sending = turn.role == .served ? "response" : "request-send"
        for (name, wait) in [("send-buffer", turn.sendBufferWait), ("peer-window", turn.receiverWindowWait)] {
            guard wait > 0, let index = stages.firstIndex(where: { $0.name == sending }) else { continue }
            let taken = min(wait, stages[index].duration)
            stages[index].duration -= taken
            let offset = stages[index].offset + stages[index].duration
            stages.insert(Stage(name: name, duration: taken, offset: offset), at: index + 1)
        }
        stages.removeAll { $0.duration == 0 }
    }

    public subscript(name: String) -> UInt64 {
        stages.reduce(0) { $0 + ($1.name == name ? $1.duration : 0) }
    }

    /// The longest stage.
    public var longest: Stage? { stages.max { $0.duration < $1.duration } }
}
