import Analysis
import Events

/// Every event in scope as JSON objects in order of time, one a call of `sink`. Written by hand, not through an
/// encoder: a capture may hold a million of them.
func eventsJSON(_ scope: Scope, to sink: (String) -> Void) throws {
    let evidence = scope.evidence
    var names: [ContainerKey: String] = [:]
    let keys = Set(evidence.turns.map(\.container)).union(evidence.retransmits.map(\.container))
        .union(evidence.states.map(\.container)).union(evidence.resets.map(\.container))
        .union(evidence.drops.map(\.container)).union(evidence.slices.map(\.container))
        .union(evidence.stacks.map(\.container))
    for key in keys { names[key] = try JSONValue.string(scope.container(key)).text() }
    var reasons: [UInt32: String] = [:]
    for reason in Set(evidence.drops.map(\.reason)) {
        reasons[reason] = try JSONValue.string(scope.dropReason(reason)).text()
    }
    func head(_ kind: String, _ at: Instant, _ container: ContainerKey, _ socket: SocketID) -> String {
        let time = WallTime.rfc3339(evidence.wall(at))
        return
            "{\"kind\":\"\(kind)\",\"at\":\"\(time)\",\"container\":\(names[container] ?? "null"),\"socket\":\(socket)"
    }
    var streams: [EventStream<String>] = [
        EventStream(evidence.turns, \.end) { index in
            let turn = evidence.turns[index]
            guard scope.includes(turn.container, turn.socket) else { return nil }
            let started = WallTime.rfc3339(evidence.wall(turn.start))
            let cut = Waterfall(turn)
            let stages = cut.stages.map { "{\"name\":\"\($0.name)\",\"ns\":\($0.duration)}" }
            return head("turn", turn.end, turn.container, turn.socket)
                + ",\"role\":\"\(turn.role.name)\",\"started_at\":\"\(started)\",\"total_ns\":\(turn.total)"
                + ",\"in_flight\":\(turn.isOpen),\"aborted\":\(turn.flags.contains(.aborted))"
                + ",\"received_bytes\":\(turn.receivedBytes),\"sent_bytes\":\(turn.sentBytes)"
                + ",\"retransmits\":\(turn.retransmits),\"unseen_retransmits\":\(turn.unseenRetransmits),\"tid\":\(turn.tid)"
                + ",\"stages\":[\(stages.joined(separator: ","))],\"unexplained_ns\":\(cut.unexplained)}"
        },
        EventStream(evidence.retransmits, \.at) { index in
            let one = evidence.retransmits[index]
            guard scope.includes(one.container, one.socket) else { return nil }
            return head("retransmit", one.at, one.container, one.socket)
                + ",\"retransmit\":\"\(one.kind.name)\",\"rto_ms\":\(one.rtoMilliseconds)"
                + ",\"backoff\":\(one.backoff),\"srtt_us\":\(one.smoothedRTT)}"
        },
        EventStream(evidence.states, \.at) { index in
            let one = evidence.states[index]
            guard scope.includes(one.container, one.socket) else { return nil }
            return head("state", one.at, one.container, one.socket)
                + ",\"state\":\"\(one.kind.name)\",\"ns\":\(one.duration),\"turns\":\(one.turns)"
                + ",\"syn_retries\":\(one.synRetries)}"
        },
        EventStream(evidence.resets, \.at) { index in
            let one = evidence.resets[index]
            guard scope.includes(one.container, one.socket) else { return nil }
            return head("reset", one.at, one.container, one.socket) + ",\"sent\":\(one.sent)}"
        },
        EventStream(evidence.drops, \.at) { index in
            let one = evidence.drops[index]
            guard scope.includes(one) else { return nil }
            return head("drop", one.at, one.container, 0)
                + ",\"reason\":\(reasons[one.reason] ?? "null"),\"count\":\(one.count)"
                + ",\"source\":\(one.source.map { "\"\($0)\"" } ?? "null")"
                + ",\"destination\":\(one.destination.map { "\"\($0)\"" } ?? "null")}"
        },
        EventStream(evidence.slices, \.end) { index in
            let slice = evidence.slices[index]
            guard scope.includes(slice.container, 0) else { return nil }
            return head("slice", slice.end, slice.container, 0)
                + ",\"tid\":\(slice.tid),\"pid\":\(slice.pid),\"why\":\"\(slice.why)\""
                + ",\"syscall\":\(slice.syscall == nil ? "null" : "\"\(evidence.syscallName(slice.syscall))\"")"
                + ",\"blocked_ns\":\(slice.blockedTime),\"waiting_ns\":\(slice.waitingTime)"
                + ",\"throttled\":\(slice.isThrottled),\"reclaim_ns\":\(slice.why == .reclaim ? slice.spent : 0)"
                + ",\"stolen_ns\":\(slice.why == .stolen ? slice.spent : 0)"
                + ",\"not_known_ns\":\(slice.why == .forgotten ? slice.end &- slice.start : 0)"
                + ",\"burst_ns\":\(slice.isBurst ? slice.end &- slice.start : 0)"
                + ",\"in_flight\":\(slice.isOpen)}"
        },
        EventStream(evidence.stacks, \.at) { index in
            let stack = evidence.stacks[index]
            guard scope.includes(stack.container, 0) else { return nil }
            let frames = try? JSONValue.array(stack.frames.map { .name(evidence.symbols[$0] ?? "?") }).text()
            return head("stack", stack.at, stack.container, 0)
                + ",\"tid\":\(stack.tid),\"frames\":\(frames ?? "[]")}"
        },
        EventStream(evidence.queued, \.at) { index in
            let one = evidence.queued[index]
            guard scope.includes(one.source, one.destination) else { return nil }
            let device = try? JSONValue.name(one.device).text()
            return head("queued", one.at, 0, 0)
                + ",\"ns\":\(one.waited),\"device\":\(device ?? "null"),\"backlog\":\(one.backlog)"
                + ",\"count\":\(one.count)"
                + ",\"source\":\(one.source.map { "\"\($0)\"" } ?? "null")"
                + ",\"destination\":\(one.destination.map { "\"\($0)\"" } ?? "null")}"
        },
    ]
    // Softirqs are the host's: they would drown what a filter asks for.
    if !scope.isFiltered {
        streams.append(
            EventStream(evidence.slowSoftirqs, \.at) { index in
                let one = evidence.slowSoftirqs[index]
                return head("softirq", one.at, 0, 0)
                    + ",\"cpu\":\(one.cpu),\"vector\":\"\(one.vectorName)\",\"ns\":\(one.run)"
                    + ",\"deferred_ns\":\(one.deferred),\"waiting\":\(one.waiting)}"
            })
    }
    merge(streams) { _, text in sink(text) }
}
