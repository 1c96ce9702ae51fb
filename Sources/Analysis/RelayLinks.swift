import Events

/// Which connection a relay opened for which: nothing in them says so, but their turns lie in one another.
///
/// *Outer* is the connection the relay was called on, as its client sees it, *inner* the one the relay opened, as its
/// server sees it; or both as the relay's own sockets see them, where those are watched.
struct RelayLinks {
    private struct Stream {
        var socket: SocketInfo
        /// At the time of the turn to explain, in order of start.
        var turns: [Turn]
    }

    private struct Link {
        var relay: Relay
        /// Inner connections it may be.
        var candidates: [SocketID]
        /// The relay's other side was seen at all.
        var isWatched: Bool
        /// There were more connections than can be compared.
        var isCrowded = false
    }

    /// In which turns are known, and until when they are all complete.
    private struct Span {
        var from: Instant
        var to: Instant
        /// No event is missing that would tell of a turn.
        var isWhole: Bool
    }

    private var links: [SocketID: Link] = [:]
    private var turns: [SocketID: [Turn]] = [:]
    private var own: Set<UInt32> = []

    /// Relays looked at, and relays of one port: a host restarts containers, it does not publish a port twice.
    private static let mostRelays = 4096
    private static let mostOfPort = 16
    /// Pairs of connections compared; beyond, links stay in doubt.
    private static let mostPairs = 500_000
    /// ns before the capture's end from when a turn may still wait for its report: those end with a rest of a second.
    private static let settling: UInt64 = 1_500_000_000

    /// `near`: the turns between `from` and `to`. `isMirrored`: the other end of the connection is watched too.
    init(_ evidence: Evidence, _ near: [Turn], from: Instant, to: Instant, isMirrored: (SocketInfo) -> Bool) {
        guard !evidence.relays.isEmpty else { return }
        let settled = evidence.to - min(evidence.to, Self.settling)
        let span = Span(from: from, to: min(to, settled), isWhole: evidence.gaps.allSatisfy { $0.lost == 0 })
        let relays = evidence.relays.prefix(Self.mostRelays)
        own = Set(relays.map(\.pid))
        let sides = sides(relays, evidence, isMirrored)
        let wanted = Set(sides.flatMap { $0.value.outer + $0.value.inner })
        for turn in near where wanted.contains(turn.socket) && !turn.flags.contains(.connecting) {
            turns[turn.socket, default: []].append(turn)
        }
        turns = turns.mapValues { $0.sorted { $0.start < $1.start } }
        var budget = Self.mostPairs
        for relay in relays {
            guard let side = sides[relay] else { continue }
            let inner = side.inner.sorted().compactMap { stream($0, evidence) }
            for id in side.outer.sorted() {
                guard let outer = stream(id, evidence) else { continue }
                budget -= inner.count
                guard budget >= 0 else {
                    links[id] = Link(relay: relay, candidates: [], isWatched: !inner.isEmpty, isCrowded: true)
                    continue
                }
                let found = inner.filter { Self.fits($0, outer, span) }.map(\.socket.id)
                // A port may be taken by one relay after another: the one that has something to show is meant.
                if let known = links[id], known.candidates.count >= found.count { continue }
                links[id] = Link(relay: relay, candidates: found, isWatched: !inner.isEmpty)
            }
        }
        if budget >= 0 { ruleOut() }
    }

    private func sides(
        _ relays: ArraySlice<Relay>, _ evidence: Evidence, _ isMirrored: (SocketInfo) -> Bool
    ) -> [Relay: (outer: [SocketID], inner: [SocketID])] {
        let byPort = Dictionary(grouping: relays, by: \.listen.port).mapValues { $0.prefix(Self.mostOfPort) }
        let byTarget = Dictionary(grouping: relays, by: \.target).mapValues { $0.prefix(Self.mostOfPort) }
        var sides: [Relay: (outer: [SocketID], inner: [SocketID])] = [:]
        for socket in evidence.sockets.values {
            let isOwn = isRelays(socket)
            let called = isOwn ? socket.local : socket.remote
            for relay in byPort[called.port] ?? [] where socket.role == (isOwn ? .served : .called) {
                let isOuter =
                    isOwn
                    ? socket.pid == relay.pid
                    : relay.takes(called, from: socket.netns, evidence.hostAddresses) && !isMirrored(socket)
                if isOuter { sides[relay, default: ([], [])].outer.append(socket.id) }
            }
            let target = isOwn ? socket.remote : socket.local
            for relay in byTarget[target.unmapped] ?? [] where socket.role == (isOwn ? .called : .served) {
                // A process of this host calls from an address of this host.
                let isInner =
                    isOwn
                    ? socket.pid == relay.pid
                    : evidence.hostAddresses.contains(socket.remote.unmapped.address) && !isMirrored(socket)
                if isInner { sides[relay, default: ([], [])].inner.append(socket.id) }
            }
        }
        return sides
    }

    private func stream(_ id: SocketID, _ evidence: Evidence) -> Stream? {
        evidence.sockets[id].map { Stream(socket: $0, turns: turns[id] ?? []) }
    }

    /// Whether the relay may have opened `inner` for `outer`: every turn of the one lies in a turn of the other, and every
    /// turn of the other holds one.
    private static func fits(_ inner: Stream, _ outer: Stream, _ span: Span) -> Bool {
        // Its own sockets are watched on both sides or on none.
        guard inner.socket.role != outer.socket.role else { return false }
        if let accepted = outer.socket.established {
            guard !inner.socket.olderThanRecorder, inner.socket.established.map({ $0 > accepted }) ?? true else {
                return false
            }
        }
        var at = 0
        for turn in inner.turns where !turn.flags.contains(.aborted) && turn.end <= span.to {
            while at < outer.turns.count, outer.turns[at].end < turn.start { at += 1 }
            guard at < outer.turns.count, holds(outer.turns[at], turn) else { return false }
        }
        guard span.isWhole else { return true }
        at = 0
        for turn in outer.turns
        where turn.flags.isDisjoint(with: [.aborted, .open, .stream]) && turn.start >= span.from && turn.end <= span.to
        {
            while at < inner.turns.count, inner.turns[at].start < turn.start { at += 1 }
            guard at < inner.turns.count, holds(turn, inner.turns[at]) else { return false }
        }
        return true
    }

    /// Whether `inner` can have been what `outer` waited for.
    private static func holds(_ outer: Turn, _ inner: Turn) -> Bool {
        guard inner.start >= outer.start, inner.start < outer.end else { return false }
        guard let answered = inner.answered else { return outer.answered == nil }
        return answered <= outer.answered ?? .max
    }

    /// A connection that is the only one for its client is nobody else's.
    private mutating func ruleOut() {
        var settled = links.filter { $0.value.candidates.count == 1 }.map(\.key).sorted()
        var users: [SocketID: [SocketID]] = [:]
        for id in links.keys.sorted() {
            for candidate in links[id]?.candidates ?? [] { users[candidate, default: []].append(id) }
        }
        while let id = settled.popLast() {
            guard let candidates = links[id]?.candidates, candidates.count == 1 else { continue }
            for other in users[candidates[0]] ?? [] where other != id {
                guard let index = links[other]?.candidates.firstIndex(of: candidates[0]) else { continue }
                links[other]?.candidates.remove(at: index)
                if links[other]?.candidates.count == 1 { settled.append(other) }
            }
        }
    }

    /// Whether the socket is a relay's own.
    func isRelays(_ socket: SocketInfo?) -> Bool { socket?.pid.map(own.contains) ?? false }

    /// What a call became behind its relay; `nil`: it went through none.
    func relayed(_ call: Turn) -> Relayed? {
        guard !call.flags.contains(.connecting), let link = links[call.socket] else { return nil }
        if link.isCrowded {
            return Relayed(relay: link.relay, doubt: "too many connections went through it to tell which is whose")
        }
        var found = link.candidates.flatMap { turns[$0] ?? [] }.filter {
            !$0.flags.contains(.aborted) && Self.holds(call, $0)
        }
        // What a relay passes on has as many bytes on both sides.
        let same = found.filter { $0.requestBytes == call.requestBytes && $0.answerBytes == call.answerBytes }
        if same.count == 1, !call.isOpen { found = same }
        // Of several that fit, the one that leaves least for the relay.
        let turn = found.max { ($0.total, $1.start) < ($1.total, $0.start) }
        let connections = Set(found.map(\.socket)).count
        if connections > 1 {
            return Relayed(
                relay: link.relay, turn: turn,
                doubt: "\(connections) connections behind it fit: which one was this call's is inferred")
        }
        if turn != nil { return Relayed(relay: link.relay, turn: turn) }
        let isHeld = call.isOpen && link.isWatched && link.candidates.count <= 1
        return Relayed(
            relay: link.relay,
            doubt: isHeld ? nil : "the request was not seen behind it: the relay and what it calls can't be told apart")
    }
}

extension Turn {
    /// When its answer began, as its own end saw it.
    fileprivate var answered: Instant? { role == .called ? receivedFirst : sentFirst }
    fileprivate var requestBytes: UInt64 { role == .called ? sentBytes : receivedBytes }
    fileprivate var answerBytes: UInt64 { role == .called ? receivedBytes : sentBytes }
}
