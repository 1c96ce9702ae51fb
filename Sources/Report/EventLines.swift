import Analysis
import Events

/// Every event in scope, one line each, in order of time.
func renderEvents(_ scope: Scope, _ style: Style, to sink: (String) -> Void) {
    let evidence = scope.evidence
    var streams: [EventStream<Line>] = [
        EventStream(evidence.turns, \.end) { index in
            let turn = evidence.turns[index]
            guard scope.includes(turn.container, turn.socket) else { return nil }
            var text = "\(turn.role.name) \(style.duration(turn.total)), in \(Format.size(turn.receivedBytes))"
            text += ", out \(Format.size(turn.sentBytes))"
            if turn.isOpen { text += ", still open" }
            if turn.flags.contains(.aborted) { text += ", aborted" }
            if turn.retransmits > 0 { text += ", \(turn.retransmits) retransmits" }
            return ("turn", turn.socket, turn.container, text)
        },
        EventStream(evidence.retransmits, \.at) { index in
            let one = evidence.retransmits[index]
            guard scope.includes(one.container, one.socket) else { return nil }
            return (
                "retransmit", one.socket, one.container,
                "\(one.kind.name), timer \(one.rtoMilliseconds) ms, backoff \(one.backoff)"
            )
        },
        EventStream(evidence.states, \.at) { index in
            let one = evidence.states[index]
            guard scope.includes(one.container, one.socket) else { return nil }
            return ("state", one.socket, one.container, describe(one, style))
        },
        EventStream(evidence.resets, \.at) { index in
            let one = evidence.resets[index]
            guard scope.includes(one.container, one.socket) else { return nil }
            return ("reset", one.socket, one.container, one.sent ? "RST sent" : "RST received")
        },
        EventStream(evidence.drops, \.at) { index in
            let one = evidence.drops[index]
            guard scope.includes(one) else { return nil }
            var text = "\(scope.dropReason(one.reason)) \(style.times)\(one.count)"
            if let source = one.source, let destination = one.destination {
                text += ", \(source) \(style.outward) \(destination)"
            }
            return ("drop", 0, one.container, text)
        },
        EventStream(evidence.slices, \.end) { index in
            let slice = evidence.slices[index]
            // A slice names a thread, no socket.
            guard scope.includes(slice.container, 0) else { return nil }
            return ("slice", 0, slice.container, describe(slice, evidence, style))
        },
        EventStream(evidence.stacks, \.at) { index in
            let stack = evidence.stacks[index]
            guard scope.includes(stack.container, 0) else { return nil }
            let frames = stack.frames.map { style.name(evidence.symbols[$0] ?? "?") }.joined(
                separator: " \(style.inward) ")
            return ("stack", 0, stack.container, "thread \(stack.tid) in \(frames)")
        },
        EventStream(evidence.queued, \.at) { index in
            let one = evidence.queued[index]
            guard scope.includes(one.source, one.destination) else { return nil }
            var text = "on \(style.name(one.device)) \(style.duration(one.waited)), \(one.backlog) behind it"
            if let source = one.source, let destination = one.destination {
                text += ", \(source) \(style.outward) \(destination)"
            }
            return ("queued", 0, 0, text)
        },
    ]
    // Softirqs are the host's: they would drown what a filter asks for.
    if !scope.isFiltered {
        streams.append(
            EventStream(evidence.slowSoftirqs, \.at) { index in
                let one = evidence.slowSoftirqs[index]
                var text = "\(one.vectorName) ran \(style.duration(one.run)), \(style.duration(one.deferred)) late"
                if let backlog = one.backlog {
                    let whose =
                        backlog.from == 0 ? "from \(style.name(backlog.device))" : "of \(scope.container(backlog.from))"
                    text += ", \(one.waiting) packets behind it, \(backlog.alike) of the next \(backlog.of) \(whose)"
                }
                return ("softirq", 0, 0, "cpu \(one.cpu) \(text)")
            })
    }
    merge(streams) { at, line in
        let fit = { DisplayWidth.fit($0, $1, ellipsis: style.ellipsis) }
        let text =
            WallTime.clock(evidence.wall(at), digits: 9) + "  " + fit(line.kind, 10) + "  "
            + fit(line.socket == 0 ? "" : "#\(line.socket)", 6) + "  " + fit(scope.container(line.container), 14) + "  "
            + line.text
        sink(DisplayWidth.cut(text, style.width, ellipsis: style.ellipsis))
    }
}

private typealias Line = (kind: String, socket: SocketID, container: ContainerKey, text: String)

private func describe(_ slice: Slice, _ evidence: Evidence, _ style: Style) -> String {
    var parts = ["thread \(slice.tid)"]
    if slice.blockedTime > 0 {
        let why =
            switch slice.why {
            case .frozen: "frozen"
            case .stopped: "stopped"
            case .reclaim: slice.spent > 0 ? "freeing memory" : "waiting for memory"
            case .io: "in I/O, \(evidence.syscallName(slice.syscall))"
            default: "in \(evidence.syscallName(slice.syscall))"
            }
        parts.append("\(why) \(style.duration(slice.blockedTime))")
    }
    if slice.waitingTime > 0 {
        parts.append(
            "\(slice.isThrottled ? "out of CPU quota" : "waiting for a CPU") \(style.duration(slice.waitingTime))")
    }
    if slice.why == .stolen {
        let on = style.duration(slice.end &- slice.start)
        parts.append("its CPU taken by the hypervisor \(style.duration(slice.spent)) within \(on)")
    }
    if slice.why == .forgotten {
        let from = max(slice.start, evidence.from)
        parts.append(
            "had more waits than are kept, for \(style.duration(slice.end > from ? slice.end - from : 0))")
    }
    if slice.isBurst { parts.append("in many short waits within \(style.duration(slice.end &- slice.start))") }
    return parts.joined(separator: ", ") + (slice.isOpen ? ", still" : "")
}

private func describe(_ state: StateChange, _ style: Style) -> String {
    switch state.kind {
    case .established:
        return "established" + (state.duration > 0 ? ", handshake \(style.duration(state.duration))" : "")
    case .closed: return "closed after \(style.duration(state.duration)), \(Format.count(state.turns)) turns"
    case .connectFailed: return "connect failed, \(state.synRetries) SYN retries"
    case .other: return "state changed"
    }
}
