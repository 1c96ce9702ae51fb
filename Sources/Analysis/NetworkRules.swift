import Events

/// What happened between the two ends.
extension Rules {
    static func connecting(_ it: Case) -> Finding? {
        let time = it.waterfall["connect"]
        guard time > 0 else { return noPort(it) }
        let again =
            it.evidence.retransmits.filter {
                $0.socket == it.turn.socket && $0.kind == .syn && it.span.contains($0.at)
            }.count + Int(it.turn.unseenRetransmits)
        return Finding(
            explained: time, summary: "connecting to \(it.peer) for \(milliseconds(time)), SYN sent again ×\(again)",
            evidence: ["the handshake was not finished; \(again) SYN retransmits"], certain: again > 0)
    }

    /// Connects that failed before a SYN was sent, for want of a local port (`inet_hash_connect`: EADDRNOTAVAIL), while the
    /// request was in hand: until one succeeded, or the process gave up.
    private static func noPort(_ it: Case) -> Finding? {
        guard it.turn.role == .served, let pid = it.evidence.sockets[it.turn.socket]?.pid else { return nil }
        func isTheirs(_ id: SocketID) -> Bool { it.evidence.sockets[id]?.pid == pid }
        let failed = it.evidence.states.filter {
            $0.kind == .connectFailed && it.span.contains($0.at) && $0.container == it.turn.container
                && isTheirs($0.socket) && it.evidence.sockets[$0.socket]?.local.port == 0
        }
        guard let first = failed.first, let last = failed.last else { return nil }
        let until = it.evidence.states.first {
            $0.kind == .established && $0.at > last.at && it.span.contains($0.at) && isTheirs($0.socket)
        }
        let time = it.overlap([first.at..<(until?.at ?? last.at)], ["request-read", "application", "response"])
        let whom = it.evidence.sockets[first.socket]?.remote.description ?? "another service"
        return Finding(
            explained: time, summary: "no local port left to connect to \(whom): ×\(failed.count), \(it.part(time))",
            evidence: ["\(failed.count) connects of process \(pid) failed before a SYN was sent"])
    }

    /// Stages in which a lost segment of the turn holds up its end. In the application's own, it can't.
    static func exposed(_ role: Role) -> Set<String> {
        role == .served
            ? ["request-transfer", "request-read", "send-buffer", "peer-window"]
            : [
                "connect", "request-send", "send-buffer", "peer-window", "request-transit", "request-relay", "network",
                "waiting-for-peer", "response-transit", "response-relay", "response-read",
            ]
    }

    /// Retransmits of either end within the turn, and the ns they cost it.
    static func losses(_ it: Case) -> (seen: [Retransmit], time: UInt64) {
        var ends: Set<SocketID> = [it.turn.socket]
        if let other = it.mirror?.id ?? it.relayed?.turn?.socket { ends.insert(other) }
        let seen = it.evidence.retransmits.filter {
            ends.contains($0.socket) && it.turn.start < $0.at && $0.at <= it.turn.end
        }.sorted { $0.at < $1.at }
        var silences: [Range<Instant>] = []
        for (index, retransmit) in seen.enumerated() {
            let previous = index > 0 ? seen[index - 1].at : it.turn.start
            silences.append(silence(before: retransmit, since: previous, it.turn))
        }
        // While the other end was at work on the request, nothing was missing; nor while its packets are known to have been
        // in a queue on this host, or in the backlog of a busy CPU: there, a timer only ran out.
        let present =
            (it.answer.map { [$0.start..<max($0.start, $0.sentFirst ?? $0.end)] } ?? []) + queueWaits(it).map(\.span)
            + arrivalRuns(it)
        let lost = silences.flatMap { Intervals.subtract(present, from: $0) }
        return (seen, it.overlap(lost, exposed(it.turn.role).subtracting(["connect"])))
    }

    static func retransmitted(_ it: Case) -> Finding? {
        let (seen, time) = losses(it)
        guard time > 0 else { return nil }
        let kinds = Dictionary(grouping: seen, by: \.kind)
            .sorted { ($1.value.count, $0.key.rawValue) < ($0.value.count, $1.key.rawValue) }
        let kind = kinds.first?.key.name.uppercased() ?? ""
        var evidence = kinds.map { "\($0.value.count) × \($0.key.name) retransmit on the turn's connection" }
        let late = needless(it, seen)
        // One path that became slow says all; a loss and something that was late besides are two.
        if late != nil, let path = path(it), path.explained >= time { return nil }
        if let late { evidence.append("\(late): what was sent first may only have been late") }
        return Finding(
            explained: time, summary: "\(kind) to \(it.peer) ×\(seen.count), \(it.part(time))", evidence: evidence,
            certain: late == nil)
    }

    /// What was lost is answered a round trip after it was sent again. An answer that takes longer may be the first copy's,
    /// on a path that became slow (a spurious timeout, RFC 5682). So it is when the kernel found, by TCP's timestamps (RFC 7323
    /// §4), that what was acknowledged had been sent earlier than the last copy: its smoothed round trip then rose by an
    /// eighth of what that took (RFC 6298 §2.3). Which of the two, in words; `nil`: it came in time, or what was sent behind
    /// the lost one had been acknowledged.
    static func needless(_ it: Case, _ seen: [Retransmit]) -> String? {
        guard it.turn.role == .called, it.answer == nil, it.relayed == nil, let last = seen.last, last.kind != .fast,
            let answered = [it.turn.acknowledged, it.turn.receivedFirst].compactMap(\.self).min(), answered > last.at
        else { return nil }
        let margin: UInt64 = 20_000_000
        let wait = answered - last.at
        let after = UInt64(it.turn.smoothedRTT) * 1000
        let before =
            seen.first { $0.socket == it.turn.socket }.map { UInt64($0.smoothedRTT) * 1000 } ?? 0
        let roundTrip = before > 0 ? min(before, after) : after
        if wait > roundTrip + margin { return "the answer came \(milliseconds(wait)) after the last" }
        // Of what goes out at once there is one measurement; of an upload many, and no telling which.
        let flight: UInt64 = 10 * 1460  // RFC 6928
        guard before > 0, it.turn.sentBytes <= flight, 8 * after > 7 * before + max(wait, before) + margin else {
            return nil
        }
        return "the smoothed round trip rose from \(milliseconds(before)) to \(milliseconds(after)), by one of "
            + "\(milliseconds(8 * after - 7 * before)) or more, and the last was sent \(milliseconds(wait)) before the answer"
    }

    /// Segments that either end sent again in this turn by the kernel's own count, without a probe being told when.
    static func unseen(_ it: Case) -> UInt64 {
        let others = [it.answer, it.relayed?.turn].compactMap(\.self).map { UInt64($0.unseenRetransmits) }
        return others.reduce(UInt64(it.turn.unseenRetransmits), +)
    }

    /// The gap a retransmission ended: since the last sign of life, and no longer than its own trigger takes. A segment
    /// lost after a long pause of the application does not explain that pause.
    private static func silence(before it: Retransmit, since previous: Instant, _ turn: Turn) -> Range<Instant> {
        let stamps = [turn.sentFirst, turn.sentLast, turn.receivedFirst, turn.receivedLast].compactMap(\.self)
        let from = max(previous, stamps.filter { $0 < it.at }.max() ?? turn.start)
        let roundTrip = UInt64(turn.smoothedRTT) * 1000
        let longest: UInt64
        // RFC 8985 §7.2: PTO = 2 × SRTT, and up to 200 ms for the peer's delayed ACK.
        // The kernel's timers run out late by up to an eighth of their time (kernel/time/timer.c), and by a jiffy.
        let probe = (2 * roundTrip + 200_000_000) / 8 * 9 + 10_000_000
        let timer = UInt64(it.rtoMilliseconds) * 1_125_000 + 10_000_000
        switch it.kind {
        // The timer starts again at a tail loss probe (RFC 8985 §7.3), which may have gone before unseen.
        case .rto where previous == turn.start && it.rtoMilliseconds > 0:
            longest = timer + probe
        case .rto, .syn, .synack, .other:
            longest = it.rtoMilliseconds > 0 ? timer : .max
        case .tlp: longest = probe
        // Told by duplicate ACKs or SACK a round trip after the loss, and a round trip to repair.
        case .fast: longest = turn.smoothedRTT > 0 ? 2 * roundTrip : .max
        }
        return max(from, it.at > longest ? it.at - longest : 0)..<it.at
    }

    /// The kernel's own chronograph; and where the path drains the buffer without a pause, it shows only in the sender, blocked.
    static func sendBuffer(_ it: Case) -> Finding? {
        let limited = it.waterfall["send-buffer"]
        let sender = it.turn.sender != 0 ? it.turn.sender : it.turn.tid
        let thread = ThreadTime(sender, in: it.ranges(["response", "request-send"]), it.evidence)
        // Where the wait itself was timed, that is all of it: what else the thread was blocked in is no wait for buffer.
        let isTimed =
            it.turn.sendBlocked > 0
            || it.evidence.facts["send-wait"] == "timed" && !it.turn.isOpen && !it.turn.flags.contains(.sending)
        let blocked = it.evidence.threadsFollowed && !isTimed ? thread.sending : 0
        let time = min(it.total, limited &+ blocked)
        guard time > 0 else { return nil }
        // write(2) may as well be to a file or a pipe.
        let certain = limited > 0 || it.turn.flags.contains(.sending) || thread.sendingToSocket >= blocked / 2
        var evidence: [String] = []
        if it.turn.sendBlocked > 0 {
            evidence.append(sendBlocked(it))
        } else if limited > 0 {
            evidence.append("tcp_sock.chrono_stat: send-buffer limited for \(milliseconds(it.turn.sendBufferWait))")
        }
        if blocked > 0 { evidence.append(thread.sentence) }
        return Finding(
            explained: time, summary: "waited \(it.part(time)) for send buffer", evidence: evidence, certain: certain)
    }

    /// What was timed, and what the stages make of it.
    private static func sendBlocked(_ it: Case) -> String {
        let window = it.turn.bufferWaits.peerWindow
        return "sk_stream_wait_memory: a sender was blocked for \(milliseconds(it.turn.sendBlocked))"
            + (window > 0 ? ", the peer's window closed for \(milliseconds(window)) of it" : "")
    }

    static func peerWindow(_ it: Case) -> Finding? {
        let sending = it.waterfall["peer-window"]
        // What was handed to TCP at once may wait for the window all the same, and its acknowledgement with it.
        let more = it.turn.receiverWindowWait > sending ? it.turn.receiverWindowWait - sending : 0
        let time = sending + min(more, it.turn.role == .called ? it.waterfall["network"] : 0)
        let timed = it.turn.sendBlocked > 0 ? [sendBlocked(it)] : []
        return Finding(
            explained: time, summary: "the peer's window was closed for \(it.part(time))",
            evidence: timed + [
                "tcp_sock.chrono_stat: receive-window limited for \(milliseconds(it.turn.receiverWindowWait))"
            ])
    }

    static func peer(_ it: Case) -> Finding? {
        guard it.turn.role == .called else { return slowClient(it) }
        guard it.answer == nil, it.relayed == nil else { return nil }
        let acknowledging = it.waterfall["network"]
        // So long a peer holds back an acknowledgement, for an answer to carry it (TCP_DELACK_MIN): that is its waiting too.
        let wait = it.waterfall["waiting-for-peer"] + (acknowledging <= 60_000_000 ? acknowledging : 0)
        let again = it.evidence.retransmits.contains { $0.socket == it.turn.socket && it.span.contains($0.at) }
        var evidence = [
            "\(again ? "data" : "nothing") was sent again while waiting; round trip \(it.turn.smoothedRTT) µs"
        ]
        if let acknowledged = it.turn.acknowledged, acknowledged < it.turn.receivedFirst ?? it.turn.end {
            let after = acknowledged > it.turn.start ? acknowledged - it.turn.start : 0
            evidence.append("its TCP had acknowledged the request after \(milliseconds(after))")
        } else {
            evidence.append("the other end is not watched here: path and peer can't be told apart")
        }
        return Finding(
            explained: wait, summary: "\(it.peer) answered late: \(it.part(wait))", evidence: evidence, certain: false)
    }

    /// The rest of the request was long in coming.
    private static func slowClient(_ it: Case) -> Finding? {
        let thread = ThreadTime(reader(it), in: it.ranges(["request-read"]), it.evidence)
        let time = min(
            it.total, it.waterfall["request-transfer"] &+ (it.evidence.threadsFollowed ? thread.receiving : 0))
        return Finding(
            explained: time, summary: "\(it.peer) sent its request slowly: \(it.part(time))",
            evidence: ["its first part had been read when the rest came"], certain: false)
    }
}
