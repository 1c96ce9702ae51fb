import Analysis
import Events

/// Every event in scope, one line each, in order of time.
func renderEvents(_ scope: Scope, _ style: Style, to sink: (String) -> Void) {
    let evidence = scope.evidence
    var streams = [
        Stream(evidence.turns, \.end) { index in
            let turn = evidence.turns[index]
            guard scope.includes(turn.container, turn.socket) else { return nil }
            var text = "\(turn.role.name) \(style.duration(turn.total)), in \(Format.size(turn.receivedBytes))"
            text += ", out \(Format.size(turn.sentBytes))"
            if turn.isOpen { text += ", still open" }
            if turn.flags.contains(.aborted) { text += ", aborted" }
            if turn.retransmits > 0 { text += ", \(turn.retransmits) retransmits" }
            return ("turn", turn.socket, turn.container, text)
        },
        Stream(evidence.retransmits, \.at) { index in
            let one = evidence.retransmits[index]
            guard scope.includes(one.container, one.socket) else { return nil }
            return (
                "retransmit", one.socket, one.container,
                "\(one.kind.name), timer \(one.rtoMilliseconds) ms, backoff \(one.backoff)"
            )
        },
        Stream(evidence.states, \.at) { index in
            let one = evidence.states[index]
            guard scope.includes(one.container, one.socket) else { return nil }
            return ("state", one.socket, one.container, describe(one, style))
        },
        Stream(evidence.resets, \.at) { index in
            let one = evidence.resets[index]
            guard scope.includes(one.container, one.socket) else { return nil }
            return ("reset", one.socket, one.container, one.sent ? "RST sent" : "RST received")
        },
        Stream(evidence.drops, \.at) { index in
            let one = evidence.drops[index]
            guard scope.includes(one) else { return nil }
            var text = "\(scope.dropReason(one.reason)) \(style.times)\(one.count)"
            if let source = one.source, let destination = one.destination {
                text += ", \(source) \(style.outward) \(destination)"
            }
            return ("drop", 0, one.container, text)
        },
    ]
    // Softirqs are the host's: they would drown what a filter asks for.
    if !scope.isFiltered {
        streams.append(
            Stream(evidence.slowSoftirqs, \.at) { index in
                let one = evidence.slowSoftirqs[index]
                let text = "\(one.vectorName) ran \(style.duration(one.run)), \(style.duration(one.deferred)) late"
                return ("softirq", 0, 0, "cpu \(one.cpu) \(text)")
            })
    }
    while let next = streams.indices.filter({ streams[$0].head != nil }).min(by: { first($0, $1, streams) }) {
        let at = streams[next].head ?? 0
        if let (kind, socket, container, text) = streams[next].line() {
            let fit = { DisplayWidth.fit($0, $1, ellipsis: style.ellipsis) }
            let line =
                WallTime.clock(evidence.wall(at), digits: 9) + "  " + fit(kind, 10) + "  "
                + fit(socket == 0 ? "" : "#\(socket)", 6) + "  " + fit(scope.container(container), 14) + "  " + text
            sink(DisplayWidth.cut(line, style.width, ellipsis: style.ellipsis))
        }
        streams[next].advance()
    }
}

private func first(_ one: Int, _ other: Int, _ streams: [Stream]) -> Bool {
    (streams[one].head ?? .max) < (streams[other].head ?? .max)
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

/// One kind of event in order of time, by index: nothing is copied.
private struct Stream {
    typealias Line = (kind: String, socket: SocketID, container: ContainerKey, text: String)

    private let order: [Int]?
    private let count: Int
    private let at: (Int) -> Instant
    private let text: (Int) -> Line?
    private var position = 0
    /// When the next event happened; `nil` at the end.
    private(set) var head: Instant?

    init<Event>(_ events: [Event], _ key: KeyPath<Event, Instant>, _ text: @escaping (Int) -> Line?) {
        let count = events.count
        let at = { (index: Int) in events[index][keyPath: key] }
        self.count = count
        self.at = at
        self.text = text
        // Captures are in order but for CPUs that interleave; only those pay for a sort.
        let sorted = count < 2 || (1..<count).allSatisfy { at($0 - 1) <= at($0) }
        order = sorted ? nil : (0..<count).sorted { (at($0), $0) < (at($1), $1) }
        head = count > 0 ? at(order?[0] ?? 0) : nil
    }

    func line() -> Line? { text(order?[position] ?? position) }

    mutating func advance() {
        position += 1
        head = position < count ? at(order?[position] ?? position) : nil
    }
}
