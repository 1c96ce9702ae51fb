import Analysis
import Events
import Query

extension PerfettoExport {
    /// On the slowest turns stages are shown whatever the threshold was.
    private static let slowest = 20
    /// A request may arrive before the call that sent the last answer has returned, on another CPU: that overlap is no
    /// second turn at once.
    private static let overlap: UInt64 = 100_000

    private struct Happening {
        var at: Instant
        var name: String
        var annotations: [Annotation]
    }

    /// A lane for each socket: its turns, and what happened to it.
    mutating func writeTurns() {
        let slow = slowTurns()
        let ends = Ends(evidence)
        var calls: [Int: Int] = [:]
        for (call, answer) in ends.answers { calls[answer] = call }
        var turns: [SocketID: [Int]] = [:]
        for (index, turn) in evidence.turns.enumerated() { turns[turn.socket, default: []].append(index) }
        let moments = moments()
        for socket in Set(turns.keys).union(moments.keys).sorted() {
            let own = (turns[socket] ?? []).sorted { evidence.turns[$0].start < evidence.turns[$1].start }
            let container =
                own.first.map { evidence.turns[$0].container } ?? moments[socket]?.first?.container ?? 0
            var lanes = Lanes(
                label(socket), in: track(of: names.socket(socket)?.pid, in: container), tolerance: Self.overlap)
            for index in own {
                let turn = evidence.turns[index]
                let end = max(turn.start, turn.end)
                guard let place = lanes.place(turn.start, end, trace) else { continue }
                // An arrow needs both ends; its number is the call's.
                let isAnswer = calls[index] != nil
                let flow = (calls[index] ?? (ends.answers[index] == nil ? nil : index)).map { UInt64($0 + 1) }
                trace.begin(
                    name(of: turn), at: place.start, on: place.track, annotations(of: turn), flow: flow,
                    isFlowEnd: isAnswer)
                if slow.contains(index) {
                    writeStages(
                        Waterfall(turn, answer: ends.answers[index].map { evidence.turns[$0] }), of: turn,
                        from: place.start,
                        on: place.track)
                }
                trace.end(at: end, on: place.track)
            }
            let happenings = (moments[socket] ?? []).sorted { $0.happening.at < $1.happening.at }.map(\.happening)
            if happenings.isEmpty { continue }
            let track = lanes.first(trace)
            for one in happenings { trace.instant(one.name, at: one.at, on: track, one.annotations) }
        }
    }

    private func writeStages(_ waterfall: Waterfall, of turn: Turn, from: Instant, on track: Track) {
        var at = from
        for stage in waterfall.stages.sorted(by: { $0.offset < $1.offset }) {
            let start = max(turn.start &+ stage.offset, at)
            let end = min(max(turn.start &+ stage.offset &+ stage.duration, start), max(turn.start, turn.end))
            guard start <= end else { continue }
            trace.begin(stage.name, at: start, on: track)
            trace.end(at: end, on: track)
            at = end
        }
    }

    /// Those over the threshold that fired for their container, and the slowest of all.
    private func slowTurns() -> Set<Int> {
        var thresholds: [ContainerKey: UInt64] = [:]
        for trigger in evidence.triggers where trigger.threshold > 0 {
            thresholds[trigger.container] = min(thresholds[trigger.container] ?? .max, trigger.threshold)
        }
        var slow = Set<Int>()
        var slowest: [(total: UInt64, index: Int)] = []
        for (index, turn) in evidence.turns.enumerated() {
            if let threshold = thresholds[turn.container], turn.total >= threshold { slow.insert(index) }
            if slowest.count == Self.slowest, turn.total <= slowest[Self.slowest - 1].total { continue }
            let place = slowest.partitioningIndex { $0.total < turn.total }
            slowest.insert((turn.total, index), at: place)
            if slowest.count > Self.slowest { slowest.removeLast() }
        }
        return slow.union(slowest.map(\.index))
    }

    private func name(of turn: Turn) -> String {
        var name = turn.flags.contains(.connecting) ? "connect" : turn.role.name
        if turn.flags.contains(.aborted) { name += ", aborted" }
        if turn.isOpen { name += ", in flight" }
        return name
    }

    private func annotations(of turn: Turn) -> [Annotation] {
        var told: [Annotation] = [
            .number("received_bytes", turn.receivedBytes), .number("sent_bytes", turn.sentBytes),
            .number("sequence", UInt64(turn.sequence)),
        ]
        if turn.tid != 0 { told.append(.number("tid", UInt64(turn.tid))) }
        if turn.retransmits > 0 { told.append(.number("retransmits", UInt64(turn.retransmits))) }
        return told
    }

    private func label(_ id: SocketID) -> String {
        guard let socket = names.socket(id) else { return "#\(id)" }
        return "#\(id) \(socket.local) \(socket.role == "called" ? "→" : "←") \(socket.remote) (\(socket.role))"
    }

    /// Retransmits, resets and changes of state, by socket.
    private func moments() -> [SocketID: [(container: ContainerKey, happening: Happening)]] {
        var moments: [SocketID: [(container: ContainerKey, happening: Happening)]] = [:]
        for one in evidence.retransmits {
            let annotations: [Annotation] = [
                .number("rto_ms", UInt64(one.rtoMilliseconds)), .number("backoff", UInt64(one.backoff)),
                .number("srtt_us", UInt64(one.smoothedRTT)),
            ]
            moments[one.socket, default: []].append(
                (one.container, Happening(at: one.at, name: "retransmit \(one.kind.name)", annotations: annotations)))
        }
        for one in evidence.resets {
            moments[one.socket, default: []].append(
                (one.container, Happening(at: one.at, name: one.sent ? "RST sent" : "RST received", annotations: [])))
        }
        for one in evidence.states {
            let annotations: [Annotation] = [
                .number("duration_ns", one.duration), .number("turns", UInt64(one.turns)),
                .number("syn_retries", UInt64(one.synRetries)),
            ]
            moments[one.socket, default: []].append(
                (one.container, Happening(at: one.at, name: one.kind.name, annotations: annotations)))
        }
        return moments
    }
}
