import Events

/// What happened between the two ends.
extension Rules {
    static func connecting(_ it: Case) -> Finding? {
        let time = it.waterfall["connect"]
        guard time > 0 else { return nil }
        let again = it.evidence.retransmits.filter {
            $0.socket == it.turn.socket && $0.kind == .syn && it.span.contains($0.at)
        }.count
        return Finding(
            explained: time, summary: "connecting to \(it.peer) for \(milliseconds(time)), SYN sent again ×\(again)",
            evidence: ["the handshake was not finished; \(again) SYN retransmits"], certain: again > 0)
    }

    /// Stages in which a lost segment of the turn holds up its end. In the application's own, it can't.
    private static func exposed(_ role: Role) -> Set<String> {
        role == .served
            ? ["request-transfer", "request-read", "response", "send-buffer", "peer-window"]
            : ["request-send", "send-buffer", "peer-window", "waiting-for-peer", "response-read"]
    }

    static func retransmitted(_ it: Case) -> Finding? {
        var ends: Set<SocketID> = [it.turn.socket]
        if let mirror = it.mirror { ends.insert(mirror.id) }
        let seen = it.evidence.retransmits.filter {
            ends.contains($0.socket) && it.turn.start < $0.at && $0.at <= it.turn.end
        }.sorted { $0.at < $1.at }
        var silences: [Range<Instant>] = []
        for (index, retransmit) in seen.enumerated() {
            let previous = index > 0 ? seen[index - 1].at : it.turn.start
            silences.append(silence(before: retransmit, since: previous, it.turn))
        }
        let time = it.overlap(silences, exposed(it.turn.role))
        guard time > 0 else { return nil }
        let kinds = Dictionary(grouping: seen, by: \.kind)
            .sorted { ($1.value.count, $0.key.rawValue) < ($0.value.count, $1.key.rawValue) }
        let kind = kinds.first?.key.name.uppercased() ?? ""
        return Finding(
            explained: time, summary: "\(kind) to \(it.peer) ×\(seen.count), \(it.part(time))",
            evidence: kinds.map { "\($0.value.count) × \($0.key.name) retransmit on the turn's connection" })
    }

    /// The gap a retransmission ended: since the last sign of life, and no longer than its own trigger takes. A segment
    /// lost after a long pause of the application does not explain that pause.
    private static func silence(before it: Retransmit, since previous: Instant, _ turn: Turn) -> Range<Instant> {
        let stamps = [turn.sentFirst, turn.sentLast, turn.receivedFirst, turn.receivedLast].compactMap(\.self)
        let from = max(previous, stamps.filter { $0 < it.at }.max() ?? turn.start)
        let roundTrip = UInt64(turn.smoothedRTT) * 1000
        let longest: UInt64
        switch it.kind {
        case .rto, .syn, .synack, .other:
            longest = it.rtoMilliseconds > 0 ? UInt64(it.rtoMilliseconds) * 1_000_000 : .max
        // RFC 8985 §7.2: PTO = 2 × SRTT, and up to 200 ms for the peer's delayed ACK.
        case .tlp: longest = 2 * roundTrip + 200_000_000
        // Told by duplicate ACKs or SACK a round trip after the loss, and a round trip to repair.
        case .fast: longest = turn.smoothedRTT > 0 ? 2 * roundTrip : .max
        }
        return max(from, it.at > longest ? it.at - longest : 0)..<it.at
    }

    static func sendBuffer(_ it: Case) -> Finding? {
        let time = it.waterfall["send-buffer"]
        return Finding(
            explained: time, summary: "waited \(it.part(time)) for send buffer",
            evidence: ["tcp_sock.chrono_stat: send-buffer limited for \(milliseconds(it.turn.sendBufferWait))"])
    }

    static func peerWindow(_ it: Case) -> Finding? {
        let time = it.waterfall["peer-window"]
        return Finding(
            explained: time, summary: "the peer's window was closed for \(it.part(time))",
            evidence: ["tcp_sock.chrono_stat: receive-window limited for \(milliseconds(it.turn.receiverWindowWait))"])
    }

    /// NET_RX that ran long or late: over the stack's own stage; or, for a call, when the answer came out of that very run.
    static func softirq(_ it: Case) -> Finding? {
        let runs = it.evidence.slowSoftirqs.compactMap { slow -> (SlowSoftirq, Range<Instant>)? in
            let (length, overflow) = slow.run.addingReportingOverflow(slow.deferred)
            guard slow.vectorName == "NET_RX", !overflow else { return nil }
            return (slow, (slow.at > length ? slow.at - length : 0)..<slow.at)
        }
        let inStack = it.overlap(runs.map(\.1), ["tcp-stack"])
        let delivering =
            it.turn.role == .called
            ? runs.filter { run in it.turn.receivedFirst.map { run.1.contains($0) } ?? false } : []
        let time = inStack + it.overlap(delivering.map(\.1), ["waiting-for-peer"])
        let involved = runs.map { ($0.0, $0.1.clamped(to: it.span)) }
        guard time > 0, let worst = involved.max(by: { $0.1.length < $1.1.length })?.0 else { return nil }
        return Finding(
            explained: time, summary: "packet processing late on CPU \(worst.cpu): \(it.part(time))",
            evidence: ["NET_RX ran \(milliseconds(worst.run)), deferred \(milliseconds(worst.deferred))"],
            // Which CPU's run held this packet is inferred from its time.
            certain: inStack >= time / 2)
    }

    static func peer(_ it: Case) -> Finding? {
        guard it.turn.role == .called, it.mirror == nil else { return nil }
        let wait = it.waterfall["waiting-for-peer"]
        let again = it.evidence.retransmits.contains { $0.socket == it.turn.socket && it.span.contains($0.at) }
        return Finding(
            explained: wait, summary: "\(it.peer) answered late: \(it.part(wait))",
            evidence: [
                "\(again ? "data" : "nothing") was sent again while waiting; round trip \(it.turn.smoothedRTT) µs",
                "the other end is not watched here: path and peer can't be told apart",
            ], certain: false)
    }
}
