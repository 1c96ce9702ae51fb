import Events

/// One capture, prepared for the rules: who is at the other end of a connection, and who called whom.
struct Scene {
    let evidence: Evidence
    /// Turns at the time of the one to explain, in order of `end`: a capture may hold a million others.
    let near: [Turn]
    private let bySequence: [Sequences: [SocketID]]
    /// Calls through docker-proxy and its like.
    let relays: RelayLinks
    /// Threads that read on connections of `near`, in order of the turns.
    private let readers: [SocketID: [TurnReader]]

    private struct Sequences: Hashable {
        var sent: UInt32
        var received: UInt32
    }

    /// A little more than what a thread was in just before matters. Where there are very many turns, what matters is closer:
    /// they are not all held.
    private static let margins: [UInt64] = [1_000_000_000, 250_000_000, 60_000_000, 15_000_000]
    private static let mostNear = 1 << 16

    /// Throws what `turns` throws.
    init<Source: TurnSource>(
        _ evidence: Evidence, _ turns: Source, around focus: Turn?
    ) throws(Source.Failure) {
        self.evidence = evidence
        var (from, to) = (Instant(0), Instant.max)
        var near: [Turn] = []
        if let focus {
            for margin in Self.margins {
                from = focus.start > margin ? focus.start - margin : 0
                let (end, overflow) = focus.end.addingReportingOverflow(margin)
                to = overflow ? .max : max(from, end)
                guard margin != Self.margins.last, try turns.count(overlapping: from...to) > Self.mostNear else {
                    break
                }
            }
            near = try turns.overlapping(from...to)
        }
        self.near = near
        readers = try Self.readers(near, turns)
        var bySequence: [Sequences: [SocketID]] = [:]
        for socket in evidence.sockets.values {
            guard let pair = socket.sequence else { continue }
            bySequence[Sequences(sent: pair.sent, received: pair.received), default: []].append(socket.id)
        }
        self.bySequence = bySequence
        let ends = evidence.relays.isEmpty ? [] : Set(evidence.sockets.values.map { [$0.local, $0.remote] })
        relays = RelayLinks(evidence, near, from: from, to: to) { socket in
            if let pair = socket.sequence, bySequence[Sequences(sent: pair.received, received: pair.sent)] != nil {
                return true
            }
            return ends.contains([socket.remote, socket.local])
        }
    }

    /// Those of turns that nobody read yet, and whoever may read them.
    private static func readers<Source: TurnSource>(
        _ near: [Turn], _ turns: Source
    ) throws(Source.Failure) -> [SocketID: [TurnReader]] {
        var wanted: [SocketID: UInt32] = [:]
        for turn in near where turn.tid == 0 && turn.sequence > 1 {
            wanted[turn.socket] = min(wanted[turn.socket] ?? .max, turn.sequence)
        }
        guard !wanted.isEmpty else { return [:] }
        var readers: [SocketID: [TurnReader]] = [:]
        for turn in near where turn.tid != 0 && wanted[turn.socket] != nil {
            readers[turn.socket, default: []].append(TurnReader(sequence: turn.sequence, tid: turn.tid))
        }
        // Most were read from a moment before: only of the others all turns are asked.
        let missing = wanted.filter { socket, sequence in
            !(readers[socket] ?? []).contains { $0.sequence < sequence }
        }
        for (socket, reader) in try turns.lastReaders(before: missing) { readers[socket, default: []].append(reader) }
        return readers
    }

    /// The other end of a connection on this host: its sequence numbers at ESTABLISHED are the mirror image (RFC 9293
    /// §3.4), whatever NAT did to the addresses; without them, its addresses are. Two that match can't be told apart (an
    /// address in two network namespaces): then neither is claimed.
    func mirror(of id: SocketID) -> SocketInfo? {
        guard let mine = evidence.sockets[id] else { return nil }
        if let pair = mine.sequence {
            let exact = bySequence[Sequences(sent: pair.received, received: pair.sent)]?.filter { $0 != id } ?? []
            if !exact.isEmpty { return exact.count == 1 ? evidence.sockets[exact[0]] : nil }
        }
        let others = evidence.sockets.values.filter {
            $0.id != id && $0.local == mine.remote && $0.remote == mine.local
                && ($0.sequence == nil || mine.sequence == nil)
        }
        return others.count == 1 ? others[0] : nil
    }

    /// The thread that read the turn before on the same connection; 0: not known.
    func lastReader(before turn: Turn) -> UInt32 {
        readers[turn.socket]?.filter { $0.sequence < turn.sequence }.max { $0.sequence < $1.sequence }?.tid ?? 0
    }

    /// Whether the process hands its connections from thread to thread, as runtimes do that run many tasks on few threads
    /// (Go, tokio, virtual threads): then a thread that waits need not wait for the turn's sake.
    func handsOver(_ pid: UInt32) -> Bool {
        var tids: [SocketID: UInt32] = [:]
        for turn in near where turn.role == .served && turn.tid != 0 && evidence.sockets[turn.socket]?.pid == pid {
            if turn.sender != 0 && turn.sender != turn.tid { return true }
            if let known = tids.updateValue(turn.tid, forKey: turn.socket), known != turn.tid { return true }
        }
        return false
    }

    /// Whether the process that serves this turn has this thread read all its requests, others before this one: then it is likely to accept
    /// its connections, too.
    func readsAlone(_ tid: UInt32, for turn: Turn) -> Bool {
        guard let pid = evidence.sockets[turn.socket]?.pid else { return false }
        let others = near.filter {
            $0.role == .served && $0.tid != 0 && !isSame($0, turn) && evidence.sockets[$0.socket]?.pid == pid
        }
        return others.allSatisfy { $0.tid == tid } && others.contains { ($0.readFirst ?? .max) < turn.start }
    }

    /// When the thread was first seen at work: before, nobody knows what it did.
    func firstSign(of tid: UInt32) -> Instant {
        let turns = near.lazy.filter { $0.tid == tid || $0.sender == tid }.map { $0.readFirst ?? $0.start }.min()
        let slices = evidence.slices.lazy.filter { $0.tid == tid && $0.why != .forgotten }.map(\.start).min()
        return min(turns ?? .max, slices ?? .max)
    }

    /// The turn in which the other end served this call.
    func answer(to call: Turn) -> Turn? {
        guard call.role == .called, !call.flags.contains(.connecting), let mirror = mirror(of: call.socket) else {
            return nil
        }
        return near.filter {
            $0.socket == mirror.id && $0.role == .served && $0.start >= call.start && $0.start < call.end
        }.max { ($0.total, $1.start) < ($1.total, $0.start) }
    }

    /// The socket that served a call which went through a relay.
    func behindRelay(_ call: Turn) -> SocketInfo? {
        relays.relayed(call)?.turn.flatMap { evidence.sockets[$0.socket] }
    }

    /// The call at the other end of a served turn.
    func question(of turn: Turn) -> Turn? {
        guard turn.role == .served, let mirror = mirror(of: turn.socket) else { return nil }
        return near.filter {
            $0.socket == mirror.id && $0.role == .called && $0.start <= turn.start && $0.end > turn.start
        }.max { $0.start < $1.start }
    }
}

/// The calls a served turn made, and how sure that is.
struct Calls {
    /// In order of their start.
    var turns: [Turn]
    /// Why they may be another turn's, in words; `nil`: they can't be.
    var doubt: String?
}

extension Scene {
    /// Calls made while this turn was in hand: by its thread, or else by its process.
    ///
    /// A thread with one turn in hand calls for that one. With several, as in an event loop, a call is taken to be for the
    /// turn read last before it, which is where such a server goes on from; that is an inference, and said to be one.
    func calls(of turn: Turn) -> Calls {
        guard turn.role == .served, let from = turn.readFirst else { return Calls(turns: [], doubt: nil) }
        if let relayed = relays.relayed(turn) {
            return Calls(turns: relayed.turn.map { [$0] } ?? [], doubt: relayed.doubt)
        }
        let to = turn.sentFirst ?? turn.end
        let during = near.filter {
            $0.role == .called && $0.container == turn.container && $0.start >= from && $0.start < to
        }
        let own = during.filter { $0.tid != 0 && ($0.tid == turn.tid || $0.tid == turn.sender) }
        if !own.isEmpty {
            return claim(own, for: turn, whose: "thread \(turn.tid)") { $0.tid == turn.tid }
        }
        // Runtimes with threads of their own (Go, Java's executors) read in one and call in another.
        guard let pid = evidence.sockets[turn.socket]?.pid else { return Calls(turns: [], doubt: nil) }
        let theirs = during.filter { evidence.sockets[$0.socket]?.pid == pid }
        guard !theirs.isEmpty else { return Calls(turns: [], doubt: nil) }
        var calls = claim(theirs, for: turn, whose: "process \(pid)") { evidence.sockets[$0.socket]?.pid == pid }
        if calls.doubt == nil {
            calls.doubt = "made by another thread of process \(pid): for this request, by their times"
        }
        return calls
    }

    /// Requests and calls of one thread that are compared: a proxy's may be thousands of each while one request hangs.
    private static let mostPairs = 2_000_000

    private func claim(_ calls: [Turn], for turn: Turn, whose: String, _ sameHands: (Turn) -> Bool) -> Calls {
        let others = near.filter {
            $0.role == .served && $0.container == turn.container && !isSame($0, turn) && $0.readFirst != nil
                && ($0.readFirst ?? 0) < (turn.sentFirst ?? turn.end)
                && ($0.sentFirst ?? $0.end) > (turn.readFirst ?? 0)
                && sameHands($0)
        }
        let sorted = calls.sorted { $0.start < $1.start }
        let (pairs, overflow) = others.count.multipliedReportingOverflow(by: sorted.count)
        guard !overflow, pairs <= Self.mostPairs else {
            return Calls(
                turns: sorted,
                doubt: "\(whose) had \(others.count + 1) requests in hand: too many to tell which one called")
        }
        let rivals = others.filter { other in sorted.contains { Self.mayAwait(other, $0) } }
        if rivals.isEmpty { return Calls(turns: sorted, doubt: nil) }
        let likely = sorted.filter { call in
            rivals.filter { Self.mayAwait($0, call) }.allSatisfy { ($0.readFirst ?? 0) <= (turn.readFirst ?? 0) }
        }
        return Calls(
            turns: likely,
            doubt: "\(whose) had \(rivals.count + 1) requests in hand: which one called is inferred from the order")
    }

    /// Whether the turn can have waited for the call: it was in hand from the call's beginning on, and not answered long
    /// before the call was. (Half of it: a server may lose patience and answer without.)
    private static func mayAwait(_ turn: Turn, _ call: Turn) -> Bool {
        let until = turn.isOpen ? .max : turn.sentFirst ?? turn.end
        guard let read = turn.readFirst, read <= call.start, until > call.start else { return false }
        return until - call.start >= call.total / 2
    }

    func isSame(_ a: Turn, _ b: Turn) -> Bool { a.socket == b.socket && a.sequence == b.sequence && a.role == b.role }
}
