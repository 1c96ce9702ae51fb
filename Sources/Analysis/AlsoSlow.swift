import Events

/// Another container whose own turns were slow at the same time.
public struct AlsoSlow: Sendable, Equatable, Codable {
    public var container: ContainerKey
    /// Its slow turns that overlap the one explained.
    public var turns: Int
    /// ns, the slowest of them.
    public var maximum: UInt64
    /// It talks to the container explained, directly or over others: then it may have waited for it. One that does not
    /// points at what they share: the host.
    public var connected: Bool

    public init(container: ContainerKey, turns: Int, maximum: UInt64, connected: Bool) {
        self.container = container
        self.turns = turns
        self.maximum = maximum
        self.connected = connected
    }
}

/// Containers with turns that overlap the slow one and took three times their own port's median in this capture or more;
/// slowest first. Turns below a tenth of the slow one are nobody's complaint.
public func alsoSlow(_ incident: Incident) -> [AlsoSlow] {
    incident.surroundings?.alsoSlow ?? alsoSlow(incident, ArrayTurns(incident.evidence.turns))
}

/// The same, of `turns`.
func alsoSlow<Source: TurnSource>(_ incident: Incident, _ turns: Source) throws(Source.Failure) -> [AlsoSlow] {
    guard let turn = incident.turn else { return [] }
    let evidence = incident.evidence
    let shortest = max(turn.total / 10, 1)
    var slow: [TurnBrief] = []
    let span = turn.start...max(turn.start, turn.end)
    try turns.briefs(TurnFilter(span: span, shortest: shortest)) { other in
        if other.container != turn.container, other.role != .unknown, !other.flags.contains(.aborted),
            other.start < turn.end, other.end > turn.start, other.total >= shortest
        {
            slow.append(other)
        }
    }
    guard !slow.isEmpty else { return [] }
    func service(_ turn: TurnBrief) -> Service { Service(turn, evidence.sockets[turn.socket]) }
    let medians = try medians(of: Set(slow.map(service)), evidence, turns)
    var found: [ContainerKey: AlsoSlow] = [:]
    for other in slow {
        guard let median = medians[service(other)], other.total / 3 >= median else { continue }
        var row =
            found[other.container] ?? AlsoSlow(container: other.container, turns: 0, maximum: 0, connected: false)
        row.turns += 1
        row.maximum = max(row.maximum, other.total)
        found[other.container] = row
    }
    guard !found.isEmpty else { return [] }
    let connected = connectedContainers(turn.container, evidence)
    return found.values.map { row in
        var row = row
        row.connected = connected.contains(row.container)
        return row
    }.sorted { ($1.maximum, $0.container) < ($0.maximum, $1.container) }
}

/// ns, of all the capture has of these services; of fewer than five turns there is none.
private func medians<Source: TurnSource>(
    of services: Set<Service>, _ evidence: Evidence, _ turns: Source
) throws(Source.Failure) -> [Service: UInt64] {
    let containers = Set(services.map(\.container))
    var known: [SocketID: Service] = [:]
    var totals: [Service: [UInt64]] = [:]
    try turns.briefs(TurnFilter(containers: containers)) { turn in
        guard containers.contains(turn.container) else { return }
        let service = known[turn.socket] ?? Service(turn, evidence.sockets[turn.socket])
        known[turn.socket] = service
        if services.contains(service) { totals[service, default: []].append(turn.total) }
    }
    return totals.filter { $0.value.count >= 5 }.mapValues { values in
        var values = values
        return quantile(&values, 0.5)
    }
}

/// Containers that talk to `container`, to those, and so on. Everybody may talk to the host's own processes (key 0): over
/// them nobody is connected.
func connectedContainers(_ container: ContainerKey, _ evidence: Evidence) -> Set<ContainerKey> {
    struct Ends: Hashable {
        var local: Endpoint
        var remote: Endpoint
    }
    struct Numbers: Hashable {
        var sent: UInt32
        var received: UInt32
    }
    var byNumbers: [Numbers: ContainerKey] = [:]
    var byEnds: [Ends: ContainerKey] = [:]
    var byLocal: [Endpoint: ContainerKey] = [:]
    let relays = Dictionary(grouping: evidence.relays, by: \.listen.port).compactMapValues(\.first)
    for socket in evidence.sockets.values {
        if let pair = socket.sequence {
            byNumbers[Numbers(sent: pair.sent, received: pair.received)] = socket.container
        }
        byEnds[Ends(local: socket.local, remote: socket.remote)] = socket.container
        if socket.role == .served, !relays.isEmpty { byLocal[socket.local.unmapped] = socket.container }
    }
    /// A relay stands between.
    func behindRelay(_ socket: SocketInfo) -> ContainerKey? {
        guard let relay = relays[socket.remote.port],
            relay.takes(socket.remote, from: socket.netns, evidence.hostAddresses)
        else { return nil }
        return byLocal[relay.target]
    }
    var links: [ContainerKey: Set<ContainerKey>] = [:]
    for socket in evidence.sockets.values {
        let peer =
            socket.sequence.flatMap { byNumbers[Numbers(sent: $0.received, received: $0.sent)] }
            ?? byEnds[Ends(local: socket.remote, remote: socket.local)] ?? behindRelay(socket)
        guard let peer, peer != socket.container else { continue }
        links[socket.container, default: []].insert(peer)
        links[peer, default: []].insert(socket.container)
    }
    var reached: Set<ContainerKey> = [container]
    var pending = [container]
    while let next = pending.popLast() {
        for peer in links[next] ?? [] where reached.insert(peer).inserted && peer != 0 { pending.append(peer) }
    }
    return reached
}
