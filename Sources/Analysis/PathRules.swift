import Events

/// What happened to the turn's packets on this host, between the sockets and the wire.
extension Rules {
    /// Stages in which packets are under way.
    private static let transits: Set<String> = [
        "connect", "request-transit", "response-transit", "request-relay", "response-relay", "network",
        "waiting-for-peer", "response-read", "request-send", "request-transfer", "response", "send-buffer",
    ]

    /// Whether a packet with these addresses is of the turn's connection: as either end sees it, whatever NAT does between.
    private static func concerns(_ it: Case, _ source: Endpoint?, _ destination: Endpoint?) -> Bool {
        guard let source, let destination else { return false }
        let behind = it.relayed?.turn.flatMap { it.evidence.sockets[$0.socket] }
        return [it.evidence.sockets[it.turn.socket], it.mirror, behind].compactMap(\.self).contains {
            $0.carries(source, destination)
        }
    }

    private static func drops(_ it: Case) -> [(drop: Drop, name: String)] {
        it.evidence.drops.compactMap { drop in
            guard it.span.contains(drop.at), concerns(it, drop.source, drop.destination) else { return nil }
            return (drop, it.evidence.dropReasons[drop.reason] ?? "reason \(drop.reason)")
        }
    }

    /// Reasons of drops that happen at a socket: the packet had passed host and bridge.
    private static func isSockets(_ reason: String) -> Bool {
        reason.hasPrefix("TCP_") || reason.hasPrefix("SOCKET_") || reason == "NO_SOCKET"
            || reason.hasPrefix("PFMEMALLOC")
    }

    /// A packet of this connection was dropped on this host, and the connection waited for it to be sent again.
    static func dropped(_ it: Case) -> Finding? {
        let dropped = drops(it).filter {
            // Those of a container are dropped in its own namespace: the packet never was, or no longer is, on the bridge.
            $0.drop.container == 0 && !isSockets($0.name) && !$0.name.hasPrefix("QDISC")
        }
        guard !dropped.isEmpty else { return nil }
        let losses = losses(it)
        let time = losses.time + it.waterfall["connect"]
        guard time > 0 else { return nil }
        let names = Set(dropped.map(\.name)).sorted().joined(separator: ", ")
        let count = dropped.reduce(0) { $0 + Int($1.drop.count) }
        return Finding(
            explained: time, summary: "dropped on this host (\(names)) ×\(count), \(it.part(time)) to send again",
            evidence: [
                "\(count) of the connection's packets dropped: \(names)", "\(losses.seen.count) retransmits followed",
            ])
    }

    /// The listener's queues were full; or the connection waited to be accepted.
    static func backlog(_ it: Case) -> Finding? {
        let queue = it.waterfall["receive-queue"]
        if it.turn.role == .served, it.turn.flags.contains(.unaccepted), queue > 0 {
            // A server of one thread accepts when it is done with the request in hand: that is why, and says more.
            if let busy = busyReader(it), busy.certain, busy.explained >= queue - queue / 4 { return nil }
            if acceptsLate(it) { return nil }
            return Finding(
                explained: queue, summary: "waited \(it.part(queue)) in the accept queue",
                evidence: ["the first byte came before the application had accepted the connection"])
        }
        let time = it.waterfall["connect"]
        guard time > 0, let remote = it.evidence.sockets[it.turn.socket]?.remote else { return nil }
        let port = it.mirror?.local.port ?? remote.port
        // Read from the listener ten times a second.
        let late: UInt64 = 150_000_000
        let overflows = it.evidence.drops.filter {
            it.evidence.dropReasons[$0.reason] == "TCP_LISTEN_OVERFLOW" && $0.destination?.port == port
                && $0.at >= it.turn.start && $0.at <= it.turn.end &+ late
        }
        guard !overflows.isEmpty else { return nil }
        // Ports are the same in many containers: it must be the one that was asked.
        let theirs = overflows.filter { listens(it, $0.container, at: remote) && !isOtherRefusal($0, it) }
        let told = theirs.isEmpty ? overflows : theirs
        let count = told.reduce(0) { $0 + Int($1.count) }
        let container = told.first.map { it.name($0.container) } ?? remote.description
        return Finding(
            explained: time, summary: "listen queue of \(container) full: SYN dropped, \(it.part(time)) to connect",
            evidence: ["\(count) connection requests dropped by the listener on port \(port) meanwhile"],
            certain: !theirs.isEmpty)
    }

    /// A listener counts all it refuses alike (`sk_drops`): a SYN that came again, a bare ACK where it waits for data. Whether the kernel's
    /// own counters show that no queue was full, by looks before and after.
    private static func isOtherRefusal(_ drop: Drop, _ it: Case) -> Bool {
        let looks = it.evidence.samples.lazy.filter { $0.network && $0.container == drop.container }.map(\.at)
        let late: UInt64 = 150_000_000
        guard let before = looks.filter({ $0 &+ late <= drop.at }).max(),
            let after = looks.filter({ $0 >= drop.at }).min()
        else { return false }
        return !it.evidence.counters.contains {
            $0.container == drop.container && ["ListenOverflows", "ListenDrops"].contains($0.name) && $0.at > before
                && $0.at <= after
        }
    }

    /// Whether a listener of `container` can be who answers there, as far as its sockets show; the host's own also by its addresses.
    private static func listens(_ it: Case, _ container: ContainerKey, at remote: Endpoint) -> Bool {
        if let mirror = it.mirror { return mirror.container == container }
        if container == it.turn.container, remote.unmapped.isLoopback { return true }
        if container == 0, remote.unmapped.isLoopback || it.evidence.hostAddresses.contains(remote.unmapped.address) {
            return true
        }
        return it.evidence.sockets.values.contains {
            $0.container == container && $0.local.unmapped.address == remote.unmapped.address
        }
    }

    /// This connection's packets that waited in a device's queueing discipline.
    static func queueWaits(_ it: Case) -> [Queued] {
        it.evidence.queued.filter {
            $0.at > it.turn.start && $0.span.lowerBound < it.turn.end && concerns(it, $0.source, $0.destination)
        }
    }

    static func queueing(_ it: Case) -> Finding? {
        let waits = queueWaits(it)
        let full = drops(it).filter { $0.name.hasPrefix("QDISC") }
        let time = max(it.overlap(waits.map(\.span), transits), full.isEmpty ? 0 : losses(it).time)
        guard time > 0 else { return nil }
        let worst = waits.max { $0.waited < $1.waited }
        var evidence: [String] = []
        if let worst {
            evidence.append(
                "\(waits.count) packets seen waiting on \(worst.device), the longest \(milliseconds(worst.waited)), \(worst.backlog) more behind it"
            )
        }
        if !full.isEmpty {
            evidence.append("\(full.reduce(0) { $0 + Int($1.drop.count) }) packets dropped by a full queue")
        }
        return Finding(
            explained: time, summary: "queued on \(worst?.device ?? "a device") for \(it.part(time))",
            evidence: evidence)
    }

    /// A small write held back until the one before it was acknowledged, by a peer that delays its acknowledgements.
    static func delayedAck(_ it: Case) -> Finding? {
        let mine = it.turn.nagle
        let theirs = (it.turn.role == .called ? it.answer : it.scene.question(of: it.turn))?.nagle ?? 0
        func length(_ stages: Set<String>) -> UInt64 { it.ranges(stages).reduce(0) { $0 + $1.length } }
        let time: UInt64
        if it.turn.role == .called {
            time = min(mine + theirs, length(transits.union(["receive-queue"])))
        } else {
            // What a served turn's own end holds back delays it between its sends only; its last segment leaves after its end.
            time =
                min(mine, length(["response"]))
                + min(theirs, length(["receive-queue", "request-transfer", "request-read", "application"]))
        }
        // Less than the shortest delayed ACK (TCP_DELACK_MIN, 40 ms) is a round trip.
        guard mine + theirs >= 30_000_000 else { return nil }
        let who = mine >= theirs ? it.name(it.turn.container) : it.peer
        return Finding(
            explained: time, summary: "small writes of \(who) held back for delayed ACKs: \(it.part(time))",
            evidence: [
                "Nagle's algorithm (no TCP_NODELAY) held a segment back for \(milliseconds(mine + theirs)) in all",
                "round trip \(it.turn.smoothedRTT) µs",
            ])
    }

    /// Between the two ends, both on this host, and nothing above says why.
    static func transit(_ it: Case) -> Finding? {
        if let relayed = it.relayed { return relaying(it, relayed) }
        let time = it.waterfall["request-transit"] + it.waterfall["response-transit"]
        guard time > 0, let mirror = it.mirror else { return nil }
        return Finding(
            explained: time,
            summary: "between \(it.name(it.turn.container)) and \(it.name(mirror.container)): \(it.part(time))",
            evidence: [
                "request under way \(milliseconds(it.waterfall["request-transit"])), answer \(milliseconds(it.waterfall["response-transit"])): both ends are on this host"
            ],
            // Its beginning is the reading then, and the request may have been there for long.
            certain: it.answer.map { $0.receivedFirst != nil } ?? true)
    }

    /// A relay between the two ends had the request or its answer in hand.
    private static func relaying(_ it: Case, _ relayed: Relayed) -> Finding? {
        let request = it.waterfall["request-relay"]
        let response = it.waterfall["response-relay"]
        let time = request + response
        guard time > 0 else { return nil }
        let said =
            relayed.turn == nil
            ? "it has not passed the request on"
            : "the request was in it for \(milliseconds(request)), the answer for \(milliseconds(response))"
        return Finding(
            explained: time,
            summary: "held by \(relayed.relay.program), between two connections of this host: \(it.part(time))",
            evidence: [said, relayed.sentence] + (relayed.doubt.map { [$0] } ?? []), certain: relayed.isCertain)
    }

    /// The peer's TCP itself was late to acknowledge: what no application can delay, but by the 200 ms of a delayed ACK
    /// (TCP_DELACK_MAX).
    static func path(_ it: Case) -> Finding? {
        guard it.turn.role == .called, it.answer == nil, it.mirror == nil, it.relayed == nil else { return nil }
        // What had to be sent again was not under way all the time, unless it was sent again for nothing.
        let again = losses(it).seen
        guard again.isEmpty || needless(it, again) != nil else { return nil }
        let delayed: UInt64 = 200_000_000
        let separate = it.waterfall["network"]
        // An ACK that came with the answer: the peer cannot have held it back for longer.
        let together = it.turn.acknowledged == it.turn.receivedFirst && it.turn.acknowledged != nil
        let wait = it.waterfall["waiting-for-peer"]
        let whole = separate > 0 ? separate : together ? wait : 0
        // A peer that does not read acknowledges late too: then its window was closed.
        let time = whole - min(whole, it.turn.receiverWindowWait)
        let trip = UInt64(it.turn.smoothedRTT) * 1000
        // Most peers hold an ACK back for 40 ms at the longest (TCP_DELACK_MIN).
        guard time > 60_000_000 else { return nil }
        // What was sent again may have been lost after all, and the peer have been late besides: not certain then.
        var evidence = [
            "the peer's TCP acknowledged the request after \(milliseconds(time)); smoothed round trip \(milliseconds(trip))"
        ]
        if let late = needless(it, again) {
            evidence.append(
                "sent again ×\(again.count); \(late): to what was sent first"
            )
        }
        return Finding(
            explained: time, summary: "the path to \(it.peer) took \(it.part(time))", evidence: evidence,
            // One that came with the answer may have been sent before, and both been lost: the peer then sends again after 200 ms
            // and more (TCP_RTO_MIN), which nobody sees here.
            certain: again.isEmpty && separate > delayed && time > delayed)
    }
}
