import Events

/// What the rules look at: one turn, its stages, and what else was seen.
struct Case {
    var turn: Turn
    var waterfall: Waterfall
    let scene: Scene
    /// The socket at the other end of the same connection, when it is on this host.
    var mirror: SocketInfo?
    /// The turn in which that end, or the one behind a relay, served this call.
    var answer: Turn?
    /// The call went to a relay whose own sockets are not watched.
    var relayed: Relayed?
    /// Turns between this one and the verdict's: each waited for the next.
    var depth = 0

    init(_ turn: Turn, _ scene: Scene, depth: Int = 0) {
        self.turn = turn
        self.scene = scene
        self.depth = depth
        mirror = scene.mirror(of: turn.socket)
        relayed = turn.role == .called && mirror == nil ? scene.relays.relayed(turn) : nil
        answer = relayed.map(\.turn) ?? scene.answer(to: turn)
        waterfall = Waterfall(turn, answer: answer, relayed: relayed)
    }

    var evidence: Evidence { scene.evidence }

    /// ns, never 0: shares are of it.
    var total: UInt64 { max(turn.total, 1) }
    var span: Range<Instant> { turn.start..<max(turn.start, turn.end) }

    func name(_ key: ContainerKey) -> String {
        evidence.containers[key]?.name ?? "container \(String(key, radix: 16))"
    }

    /// It talks to another host, as far as is known: a container that is not watched looks like one.
    var isRemote: Bool {
        guard mirror == nil, relayed == nil, let remote = evidence.sockets[turn.socket]?.remote.unmapped else {
            return false
        }
        return !remote.isLoopback && !evidence.hostAddresses.contains(remote.address)
    }

    /// The address this turn's socket talks to.
    var peer: String { evidence.sockets[turn.socket]?.remote.description ?? "the peer" }

    /// Who is at the other end of `socket`: a container, or a process of the host by its own name.
    func whom(_ socket: SocketInfo) -> String {
        socket.container == 0 && !socket.process.isEmpty ? "\(socket.process) on \(name(0))" : name(socket.container)
    }

    /// Each of the stages named, as instants.
    func ranges(_ names: Set<String>) -> [Range<Instant>] {
        waterfall.stages.filter { names.contains($0.name) }.map {
            turn.start + $0.offset..<turn.start + $0.offset + $0.duration
        }
    }

    /// ns of these stretches that lie in the stages named; what overlaps counts once.
    func overlap(_ stretches: [Range<Instant>], _ names: Set<String>) -> UInt64 {
        Intervals.union(stretches.map { $0.clamped(to: span) }).reduce(0) {
            $0 + waterfall.overlap(names, turn.start, from: $1.lowerBound, to: $1.upperBound)
        }
    }

    /// "801 ms of 812 ms".
    func part(_ time: UInt64) -> String { "\(milliseconds(time)) of \(milliseconds(total))" }
}

/// A cause with the time it explains and why we say so.
struct Finding {
    /// ns.
    var explained: UInt64
    var summary: String
    var evidence: [String]
    /// Its evidence admits no other reading.
    var certain = true
    /// The turn this one waited for, which says the rest.
    var next: Turn?
}

/// One line of the table below.
struct Rule: Sendable {
    var layer: String
    var cause: String
    var judge: @Sendable (Case) -> Finding?
}

/// What a rule found.
struct Ruling {
    var rule: Rule
    var finding: Finding
}

/// The rules, most specific first: a cause stands before those it brings about. A container out of quota, for one, also
/// has a busy reader.
enum Rules {
    static let all: [Rule] = [
        Rule(layer: "application", cause: "app.frozen", judge: frozen),
        Rule(layer: "host CPU", cause: "cpu.throttled", judge: throttled),
        Rule(layer: "host CPU", cause: "cpu.steal", judge: stolen),
        Rule(layer: "host CPU", cause: "cpu.runqueue", judge: runQueue),
        Rule(layer: "memory", cause: "memory.reclaim", judge: reclaiming),
        Rule(layer: "host network stack", cause: "host.backlog", judge: backlog),
        Rule(layer: "bridge", cause: "bridge.drop", judge: dropped),
        Rule(layer: "network", cause: "net.connect", judge: connecting),
        Rule(layer: "network", cause: "net.retransmit", judge: retransmitted),
        Rule(layer: "host network stack", cause: "tcp.delayed-ack", judge: delayedAck),
        Rule(layer: "host network stack", cause: "host.qdisc", judge: queueing),
        Rule(layer: "host network stack", cause: "tcp.sndbuf", judge: sendBuffer),
        Rule(layer: "peer", cause: "peer.reader", judge: peerWindow),
        Rule(layer: "host network stack", cause: "host.softirq", judge: softirq),
        Rule(layer: "downstream", cause: "downstream.slow", judge: downstream),
        Rule(layer: "application", cause: "app.busy", judge: busyReader),
        Rule(layer: "bridge", cause: "bridge.delay", judge: transit),
        Rule(layer: "network", cause: "net.path", judge: path),
        Rule(layer: "peer", cause: "peer.slow", judge: peer),
        Rule(layer: "storage", cause: "storage.io", judge: storage),
        Rule(layer: "application", cause: "app.lock", judge: lock),
        Rule(layer: "application", cause: "app.sleep", judge: sleeping),
        Rule(layer: "application", cause: "app.blocked", judge: blocked),
        Rule(layer: "application", cause: "app.cpu", judge: computing),
        Rule(layer: "application", cause: "unknown", judge: application),
        Rule(layer: "application", cause: "unknown", judge: receiveQueue),
    ]

    /// What the rules say of one turn, the verdict first.
    ///
    /// A cause with evidence of its own goes before a mere place, which always explains more. Of such causes the one that
    /// explains most is taken; but one higher in the table that explains three quarters of that is its reason.
    static func rulings(_ it: Case) -> [Ruling] {
        let found = all.compactMap { rule in
            rule.judge(it).flatMap { $0.explained > 0 ? Ruling(rule: rule, finding: $0) : nil }
        }
        let enough = { (ruling: Ruling) in
            ruling.finding.certain && ruling.finding.explained >= it.total / 4
        }
        let weighty = found.filter(enough)
        let candidates = weighty.isEmpty ? found : weighty
        guard let most = candidates.map(\.finding.explained).max(),
            let first = found.firstIndex(where: {
                (weighty.isEmpty || enough($0)) && $0.finding.explained >= most - most / 4
            })
        else { return [] }
        var others = found
        let best = others.remove(at: first)
        return [best] + others.sorted { $0.finding.explained > $1.finding.explained }
    }
}

/// ns as `812 ms`, or `4250 µs` below 10 ms.
func milliseconds(_ nanoseconds: UInt64) -> String {
    func rounded(_ unit: UInt64) -> UInt64 { nanoseconds / unit + (nanoseconds % unit >= unit / 2 ? 1 : 0) }
    return nanoseconds >= 10_000_000 ? "\(rounded(1_000_000)) ms" : "\(rounded(10_000) * 10) µs"
}
