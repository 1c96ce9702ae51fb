import Events

/// Where the figures come from.
extension Comparison {
    /// Of the slow turn's own service, its turns; of its container, what was sent again.
    func traffic<Source: TurnSource>(_ turns: Source) throws(Source.Failure) -> [Difference] {
        let brief = TurnBrief(turn)
        let service = Service(brief, evidence.sockets[turn.socket])
        let sockets = SocketMask(evidence.sockets.values.lazy.filter { Service(brief, $0) == service }.map(\.id))
        var quietTotals: [UInt64] = []
        var totals: [UInt64] = []
        var ended = 0
        // What the closure needs, in locals: it is called for each of a million.
        let (quiet, incident, container, role) = (quiet, incident, turn.container, turn.role)
        try turns.briefs(TurnFilter(containers: [container], except: turn)) { other in
            guard other.container == container, other.role == role, sockets.contains(other.socket) else { return }
            if quiet.contains(other.end), !other.isOpen { quietTotals.append(other.total) }
            if incident.contains(other.end), !other.isOpen { ended += 1 }
            if other.start < incident.upperBound, other.end > incident.lowerBound { totals.append(other.total) }
        }
        let again = evidence.retransmits.filter { $0.container == turn.container }
        var found = [
            rate(
                "retransmits", quiet: again.count { quiet.contains($0.at) },
                incident: again.count { incident.contains($0.at) })
        ]
        // Where short turns were only counted at times (`--max-overhead`), those that were recorded are not alike before and during.
        guard evidence.facts["detail"] == nil else { return found.compactMap(\.self) }
        found.append(rate("turns", quiet: quietTotals.count, incident: ended, isEitherWay: true))
        for (name, fraction, enough) in [("p50 of its other turns", 0.5, 10), ("p99 of its other turns", 0.99, 50)] {
            guard isKnown, quietTotals.count >= enough, totals.count >= enough else { continue }
            found.append(
                growth(
                    name, turn.container, Double(quantile(&quietTotals, fraction)),
                    Double(quantile(&totals, fraction)), .nanoseconds, floor: 200_000))
        }
        return found.compactMap(\.self)
    }

    func softirqs() -> [Difference] {
        let before = SoftirqShare(evidence.softirqTicks, quiet)
        let during = SoftirqShare(evidence.softirqTicks, incident)
        // There is always some: without knowing what is usual, none is worth telling. Nor where the hooks were off (`--max-overhead`)
        // for so much of either time that the rest need not be like it.
        guard before.time >= Double(Self.shortest), during.time > 0, during.time >= Double(incident.length) / 2 else {
            return []
        }
        var found = [growth("softirq NET_RX", nil, before.all, during.all, .cpu, floor: 0.01)]
        if during.byCPU.count > 1, let busiest = during.byCPU.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }) {
            found.append(
                growth(
                    "softirq NET_RX on CPU \(busiest.key)", nil, before.byCPU[busiest.key] ?? 0, busiest.value, .cpu,
                    floor: 0.01))
        }
        found.append(growth("stolen by the hypervisor", nil, before.stolen, during.stolen, .cpu, floor: 0.01))
        return found.compactMap(\.self)
    }

    func softnet() -> [Difference] {
        var looks: [Instant: (dropped: UInt64, squeezed: UInt64)] = [:]
        for reading in evidence.softnet {
            let sum = looks[reading.at] ?? (0, 0)
            looks[reading.at] = (sum.dropped &+ reading.dropped, sum.squeezed &+ reading.squeezed)
        }
        return [
            moved("softnet dropped", nil, looks.map { ($0.key, $0.value.dropped) }),
            moved("softnet time_squeeze", nil, looks.map { ($0.key, $0.value.squeezed) }),
        ].compactMap(\.self)
    }

    /// The container's cgroup, and the host's pressures.
    func cgroup() -> [Difference] {
        let mine = evidence.samples.filter { $0.container == turn.container }
        let host = evidence.samples.filter { $0.container == 0 }
        func time(_ what: String, _ samples: [ContainerSample], _ value: (ContainerSample) -> UInt64?) -> Difference? {
            let looks = Looks(samples.compactMap { sample in value(sample).map { (sample.at, $0) } })
            guard let share = looks.share(incident) else { return nil }
            let whose = samples.first?.container == 0 ? nil : turn.container
            return growth(what, whose, share.before, share.during, .time, floor: 0.01)
        }
        func count(_ what: String, _ value: (ContainerSample) -> UInt64?) -> Difference? {
            moved(what, turn.container, mine.compactMap { sample in value(sample).map { (sample.at, $0) } })
        }
        var found = [
            time("throttled by CPU quota", mine, \.throttled), count("memory.events high", \.memoryHigh),
            count("memory limit reached", \.memoryMax), count("killed for want of memory", \.memoryKills),
            memory(mine),
        ]
        for (samples, whose) in turn.container == 0 ? [(host, "host ")] : [(mine, ""), (host, "host ")] {
            found.append(time("\(whose)CPU pressure", samples, \.cpuPressure))
            found.append(time("\(whose)memory pressure", samples, \.memoryPressure))
            found.append(time("\(whose)I/O pressure", samples, \.ioPressure))
        }
        return found.compactMap(\.self)
    }

    /// Full or nearly so, and it was not before.
    private func memory(_ samples: [ContainerSample]) -> Difference? {
        var before: Double?
        var during = 0.0
        for sample in samples {
            guard let used = sample.memory, let limit = sample.memoryLimit, limit > 0 else { continue }
            let share = Double(used) / Double(limit)
            if sample.at < incident.lowerBound { before = share }
            if incident.contains(sample.at) { during = max(during, share) }
        }
        guard during >= 0.95, during - (before ?? 0) >= 0.05 else { return nil }
        return Difference(
            what: "memory in use", container: turn.container, before: before, during: during, unit: .limit,
            weight: (during + 0.1) / ((before ?? 0) + 0.1))
    }

    /// Counters of the container's network namespace that moved; of the host's, those of its interfaces.
    func network() -> [Difference] {
        struct Series: Hashable {
            var container: ContainerKey
            var name: String
        }
        var series: [Series: [CounterReading]] = [:]
        for reading in evidence.counters where reading.container == turn.container || reading.container == 0 {
            let isInterface = reading.name.contains(" ")
            // What was sent again is counted above, socket by socket.
            guard reading.name != "RetransSegs", isInterface || reading.container == turn.container else { continue }
            series[Series(container: reading.container, name: reading.name), default: []].append(reading)
        }
        var looks: [ContainerKey: [Instant]] = [:]
        for sample in evidence.samples where sample.network { looks[sample.container, default: []].append(sample.at) }
        return series.compactMap { key, readings in
            let whose = key.container == 0 ? nil : turn.container
            let readings = readings.sorted { $0.at < $1.at }
            var next = 0
            var value: UInt64 = 0
            let values = (looks[key.container] ?? []).sorted().map { at in
                while next < readings.count, readings[next].at <= at {
                    value = readings[next].value
                    next += 1
                }
                return (at, value)
            }
            return moved(key.container == 0 && turn.container != 0 ? "host \(key.name)" : key.name, whose, values)
        }
    }

    private func moved(_ what: String, _ container: ContainerKey?, _ looks: [(Instant, UInt64)]) -> Difference? {
        guard let growth = Looks(looks).growth(incident) else { return nil }
        return count(what, container, growth.grown, expected: growth.before.map { $0 * Double(growth.time) })
    }
}

/// NET_RX in an interval and what the hypervisor took, in CPUs; a tick that reaches past it counts in proportion.
private struct SoftirqShare {
    var all = 0.0
    var byCPU: [UInt16: Double] = [:]
    var stolen = 0.0
    /// ns of it that ticks cover.
    var time: Double

    init(_ ticks: [SoftirqTick], _ span: Range<Instant>) {
        var covered: Set<Range<Instant>> = []
        for tick in ticks where tick.to > tick.from {
            let whole = tick.from..<tick.to
            let part = whole.clamped(to: span)
            guard !part.isEmpty else { continue }
            covered.insert(part)
            byCPU[tick.cpu, default: 0] += Double(tick.netRX) * Double(part.length) / Double(whole.length)
            stolen += Double(tick.stolen) * Double(part.length) / Double(whole.length)
        }
        time = covered.reduce(0) { $0 + Double($1.length) }
        guard time > 0 else { return }
        for cpu in byCPU.keys { byCPU[cpu]? /= time }
        stolen /= time
        all = byCPU.values.reduce(0, +)
    }
}

/// A set of sockets that is asked a million times: ids are given out in order, so those of one capture lie close together.
struct SocketMask {
    private var low: SocketID = 0
    private var members: [Bool] = []
    /// Where they do not.
    private var scattered: Set<SocketID> = []

    init(_ sockets: some Sequence<SocketID>) {
        let ids = Array(sockets)
        guard let least = ids.min(), let most = ids.max() else { return }
        guard most - least < 1 << 20 else {
            scattered = Set(ids)
            return
        }
        low = least
        members = [Bool](repeating: false, count: Int(most - least) + 1)
        for id in ids { members[Int(id - least)] = true }
    }

    func contains(_ id: SocketID) -> Bool {
        guard scattered.isEmpty else { return scattered.contains(id) }
        return id >= low && Int(id - low) < members.count && members[Int(id - low)]
    }
}

/// One port of a container, in one role.
struct Service: Hashable {
    var container: ContainerKey
    var role: Role
    /// The server's; 0: not known.
    var port: UInt16

    init(_ turn: TurnBrief, _ socket: SocketInfo?) {
        container = turn.container
        role = turn.role
        port = (turn.role == .served ? socket?.local.port : socket?.remote.port) ?? 0
    }
}

/// The value not exceeded by that part of them; 0 when there are none. Reorders them: no need to sort a million.
func quantile(_ values: inout [UInt64], _ fraction: Double) -> UInt64 {
    guard !values.isEmpty else { return 0 }
    let rank = Int((Double(values.count) * fraction).rounded(.up))
    return select(&values, min(max(rank, 1), values.count) - 1)
}

/// What would be at `index` of the sorted values (Hoare's selection; equal ones are set aside at each step, and the pivot is
/// anyone's guess, so that no choice of values makes it slow).
private func select(_ values: inout [UInt64], _ index: Int) -> UInt64 {
    var low = 0
    var high = values.count
    while high - low > 1 {
        let pivot = values[Int.random(in: low..<high)]
        var (less, at, greater) = (low, low, high)
        while at < greater {
            if values[at] < pivot {
                values.swapAt(less, at)
                less += 1
                at += 1
            } else if values[at] > pivot {
                greater -= 1
                values.swapAt(at, greater)
            } else {
                at += 1
            }
        }
        if index < less {
            high = less
        } else if index >= greater {
            low = greater
        } else {
            return pivot
        }
    }
    return values[low]
}
