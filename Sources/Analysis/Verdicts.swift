import Events

/// What the rules look at: one turn, its stages, and what else was seen.
struct Case {
    var turn: Turn
    var waterfall: Waterfall
    var evidence: Evidence
    /// The socket at the other end of the same connection, when it is on this host.
    var mirror: SocketInfo?

    var total: UInt64 { max(turn.total, 1) }

    /// The turn's sockets: its own and the other end's.
    var sockets: Set<SocketID> {
        var ids: Set<SocketID> = [turn.socket]
        if let mirror { ids.insert(mirror.id) }
        return ids
    }

    func name(_ key: ContainerKey) -> String { evidence.containers[key]?.name ?? "container \(String(key, radix: 16))" }
}

/// A cause with the time it explains and why we say so.
struct Finding {
    var layer: String
    var cause: String
    /// ns.
    var explained: UInt64
    var summary: String
    var evidence: [String]
    var certain: Bool = true
}

func milliseconds(_ nanoseconds: UInt64) -> String {
    nanoseconds >= 10_000_000 ? "\((nanoseconds + 500_000) / 1_000_000) ms" : "\((nanoseconds + 5000) / 10_000 * 10) µs"
}

/// The rules, each with its own evidence. All are asked; the one that explains most is the verdict.
enum Rules {
    static let all: [@Sendable (Case) -> Finding?] = [
        frozen, throttled, retransmits, sendBuffer, peerWindow, softirq, busyReader, downstream, peer, application,
        receiveQueue,
    ]

    static func frozen(_ it: Case) -> Finding? {
        let time = Intervals.frozen(
            it.evidence.samples, container: it.turn.container, from: it.turn.start, to: it.turn.end)
        // Samples bound the pause to their spacing; the stage that waited through it says how long it was.
        let waiting = max(it.waterfall["receive-queue"], it.waterfall["application"])
        guard time > 0 else { return nil }
        let explained = time * 2 >= waiting ? waiting : time
        return Finding(
            layer: "application", cause: "app.frozen", explained: explained,
            summary:
                "\(it.name(it.turn.container)) was frozen for \(milliseconds(explained)) of \(milliseconds(it.total))",
            evidence: [
                "cgroup freezer: frozen for about \(milliseconds(time)) of the turn",
                "the request waited \(milliseconds(it.waterfall["receive-queue"])) in the receive queue",
            ])
    }

    static func throttled(_ it: Case) -> Finding? {
        let counted = Intervals.throttled(
            it.evidence.samples, container: it.turn.container, from: it.turn.start, to: it.turn.end)
        let onCPU = it.waterfall["application"] + it.waterfall["receive-queue"]
        let time = min(counted, onCPU)
        guard time > 0 else { return nil }
        return Finding(
            layer: "host CPU", cause: "cpu.throttled", explained: time,
            summary: "CPU quota: throttled for \(milliseconds(time)) of \(milliseconds(it.total))",
            evidence: ["cpu.stat throttled time grew by \(milliseconds(counted)) during the turn"])
    }

    static func retransmits(_ it: Case) -> Finding? {
        let sockets = it.sockets
        let mine = it.evidence.retransmits.filter {
            sockets.contains($0.socket) && $0.at >= it.turn.start && $0.at <= it.turn.end
        }
        guard !mine.isEmpty else { return nil }
        // A retransmission ends a silence as long as its timer; recovery is quick after it.
        var time: UInt64 = 0
        var last = it.turn.start
        for retransmit in mine {
            let timer = UInt64(retransmit.rtoMilliseconds) * 1_000_000
            let silence = retransmit.at > last ? retransmit.at - last : 0
            time += retransmit.kind == .rto ? min(silence, max(timer, silence / 2)) : silence
            last = max(last, retransmit.at)
        }
        let kinds = Dictionary(grouping: mine, by: \.kind).sorted { $0.value.count > $1.value.count }
        let kind = kinds.first?.key ?? .other
        let peer = it.evidence.sockets[it.turn.socket]?.remote.description ?? "its peer"
        return Finding(
            layer: "network", cause: "net.retransmit", explained: min(time, it.total),
            summary: "\(kind.name.uppercased()) to \(peer) ×\(mine.count), \(milliseconds(min(time, it.total))) of "
                + milliseconds(it.total),
            evidence: kinds.map { "\($0.value.count) × \($0.key.name) retransmit on the turn's connection" })
    }

    static func sendBuffer(_ it: Case) -> Finding? {
        let time = it.waterfall["send-buffer"]
        guard time > 0 else { return nil }
        return Finding(
            layer: "host network stack", cause: "tcp.sndbuf", explained: time,
            summary: "waited \(milliseconds(time)) of \(milliseconds(it.total)) for send buffer",
            evidence: ["tcp_sock.chrono_stat: send-buffer limited for \(milliseconds(it.turn.sendBufferWait))"])
    }

    static func peerWindow(_ it: Case) -> Finding? {
        let time = it.waterfall["peer-window"]
        guard time > 0 else { return nil }
        return Finding(
            layer: "peer", cause: "peer.reader", explained: time,
            summary: "the peer's window was closed for \(milliseconds(time)) of \(milliseconds(it.total))",
            evidence: ["tcp_sock.chrono_stat: receive-window limited for \(milliseconds(it.turn.receiverWindowWait))"])
    }

    static func softirq(_ it: Case) -> Finding? {
        let stack = it.waterfall["tcp-stack"]
        let slow = it.evidence.slowSoftirqs.filter {
            $0.vectorName == "NET_RX" && $0.at >= it.turn.start && $0.at <= it.turn.end
        }
        guard let worst = slow.max(by: { $0.run + $0.deferred < $1.run + $1.deferred }) else { return nil }
        let time = min(stack, worst.run + worst.deferred)
        guard time > 0 else { return nil }
        return Finding(
            layer: "host network stack", cause: "host.softirq", explained: time,
            summary: "packet processing late on CPU \(worst.cpu): \(milliseconds(time)) of \(milliseconds(it.total))",
            evidence: ["NET_RX ran \(milliseconds(worst.run)), deferred \(milliseconds(worst.deferred))"])
    }

    /// The thread that read this request was handling another one while it waited.
    static func busyReader(_ it: Case) -> Finding? {
        guard it.turn.role == .served, it.turn.tid != 0, let read = it.turn.readFirst, let queued = it.turn.woken,
            read > queued
        else { return nil }
        let others = it.evidence.turns.filter {
            $0.tid == it.turn.tid && $0.role == .served && $0.socket != it.turn.socket
        }
        let busiest = others.compactMap { other -> (Turn, UInt64)? in
            guard let from = other.readFirst, let to = other.sentLast ?? (other.isOpen ? other.end : nil) else {
                return nil
            }
            let low = max(from, queued)
            let high = min(to, read)
            return high > low ? (other, high - low) : nil
        }.max { $0.1 < $1.1 }
        guard let (other, time) = busiest, time * 4 >= read - queued else { return nil }
        let peer = it.evidence.sockets[other.socket]?.remote.description ?? "another client"
        return Finding(
            layer: "application", cause: "app.busy", explained: time,
            summary:
                "thread \(it.turn.tid) was busy with \(peer) for \(milliseconds(time)) of \(milliseconds(it.total))",
            evidence: ["the same thread handled a turn of \(milliseconds(other.total)) while this one was queued"])
    }

    /// The other end is on this host and was slow itself.
    static func downstream(_ it: Case) -> Finding? {
        guard it.turn.role == .called, let mirror = it.mirror else { return nil }
        let wait = it.waterfall["waiting-for-peer"]
        let served = it.evidence.turns.filter {
            $0.socket == mirror.id && $0.role == .served && $0.end >= it.turn.start && $0.start <= it.turn.end
        }.max { $0.total < $1.total }
        guard wait > 0, let served else { return nil }
        let time = min(wait, served.total)
        return Finding(
            layer: "downstream", cause: "downstream.slow", explained: time,
            summary: "waited \(milliseconds(time)) of \(milliseconds(it.total)) for \(it.name(mirror.container))",
            evidence: ["the other end's own turn took \(milliseconds(served.total))"])
    }

    static func peer(_ it: Case) -> Finding? {
        guard it.turn.role == .called, it.mirror == nil else { return nil }
        let wait = it.waterfall["waiting-for-peer"]
        guard wait > 0 else { return nil }
        let peer = it.evidence.sockets[it.turn.socket]?.remote.description ?? "the peer"
        return Finding(
            layer: "peer", cause: "peer.slow", explained: wait,
            summary: "\(peer) answered after \(milliseconds(wait)) of \(milliseconds(it.total))",
            evidence: [
                "nothing was sent again while waiting; smoothed round trip \(it.turn.smoothedRTT) µs",
                "the other end is not watched here: path and peer can't be told apart",
            ], certain: false)
    }

    /// No thread evidence yet: where, not why.
    static func application(_ it: Case) -> Finding? {
        let time = it.waterfall["application"]
        guard time > 0 else { return nil }
        return Finding(
            layer: "application", cause: "unknown", explained: time,
            summary: "the application took \(milliseconds(time)) of \(milliseconds(it.total)); why is not recorded",
            evidence: ["read the request, and sent its first byte \(milliseconds(time)) later"], certain: false)
    }

    static func receiveQueue(_ it: Case) -> Finding? {
        let time = it.waterfall["receive-queue"]
        guard time > 0 else { return nil }
        return Finding(
            layer: "application", cause: "unknown", explained: time,
            summary: "the request lay unread for \(milliseconds(time)) of \(milliseconds(it.total))",
            evidence: ["the reader was woken and read \(milliseconds(time)) later; why is not recorded"],
            certain: false)
    }
}
