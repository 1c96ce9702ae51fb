import Events

/// Packets that waited for the CPU that had to take them in.
extension Rules {
    /// Packet processing ran late, or was busy with others' packets, while this turn's were under way.
    ///
    /// Exact where the softirq that brought the first segment says how long it had been due; otherwise the long NET_RX runs
    /// on that CPU during the transit.
    static func softirq(_ it: Case) -> Finding? {
        var late: [Range<Instant>] = []
        for (arrival, at) in [(it.turn.arrival, it.turn.receivedFirst), (it.answer?.arrival, it.answer?.receivedFirst)]
        {
            guard let arrival, let at, at > arrival.late else { continue }
            late.append(at - arrival.late..<at)
        }
        // Which CPU's run held a packet is known from where it arrived; else it is inferred from its time.
        let runs = longRuns(it)
        let isCall = it.turn.role == .called
        let ways = [
            Way(["request-transit"], by: isCall ? it.answer?.arrival?.cpu : it.turn.arrival?.cpu, of: runs),
            Way(["response-transit", "tcp-stack", "tcp-receive"], by: it.turn.arrival?.cpu, of: runs),
        ]
        let near = ways.flatMap(\.runs).sorted { ($0.slow.at, $0.slow.cpu) < ($1.slow.at, $1.slow.cpu) }
        let delivering =
            isCall && it.answer == nil
            ? ways[1].runs.filter { run in it.turn.receivedFirst.map { run.span.contains($0) } ?? false } : []
        let between = ways.reduce(UInt64(0)) { $0 + it.overlap(late + $1.runs.map(\.span), $1.stages) }
        let exact = ways.reduce(UInt64(0)) {
            $0 + it.overlap(late + ($1.isKnown ? $1.runs.map(\.span) : []), $1.stages)
        }
        let stacks = it.overlap(late + delivering.map(\.span), ["waiting-for-peer", "network"])
        let time = between + stacks
        let worst = near.filter { $0.span.overlaps(it.span) }.max {
            $0.span.clamped(to: it.span).length < $1.span.clamped(to: it.span).length
        }
        let cpu = worst?.slow.cpu ?? it.turn.arrival?.cpu
        guard time > 0, let cpu else { return nil }
        var evidence: [String] = []
        if let worst {
            evidence.append(
                "NET_RX ran \(milliseconds(worst.slow.run)) on CPU \(worst.slow.cpu), deferred for at most \(milliseconds(worst.slow.deferred))"
            )
        }
        let involved = near.enumerated().filter { index, run in
            // One that may have held up both ways is one run.
            run.span.overlaps(it.span)
                && (index == 0 || near[index - 1].slow.at != run.slow.at || near[index - 1].slow.cpu != run.slow.cpu)
        }.map(\.element)
        if involved.count > 1 {
            let busy = Intervals.union(involved.map { $0.span.clamped(to: it.span) }).reduce(UInt64(0)) {
                $0 + $1.length
            }
            evidence.append("\(involved.count) long NET_RX runs there during the turn, \(milliseconds(busy)) in all")
        }
        for range in late where range.length >= 1_000_000 {
            evidence.append("the softirq that brought a segment had been due for at most \(milliseconds(range.length))")
        }
        if it.waterfall["tcp-receive"] > 0 {
            evidence.append(
                "tcp_v4_do_rcv, tcp_v6_do_rcv: TCP took \(milliseconds(it.waterfall["tcp-receive"])) to take in what was read"
            )
        }
        let others = senders(it, involved.map(\.slow))
        if let others { evidence.append(others.sentence) }
        // Whose packets they are says why it was late only where handling them is what took the time.
        let isBusy = worst.map { $0.slow.run >= $0.slow.deferred / 2 } ?? true
        let whose = isBusy ? others.map { ", busy with packets of \($0.name)" } ?? "" : ", busy with other work"
        return Finding(
            explained: time, summary: "packet processing late on CPU \(cpu)\(whose): \(it.part(time))",
            evidence: evidence, certain: exact >= time / 2)
    }

    /// One way of the packets: the stages they are under way in, and the long runs that may have held them there.
    private struct Way {
        var stages: Set<String>
        /// The CPU that took them in is known, and these are its runs only.
        var isKnown: Bool
        var runs: [(slow: SlowSoftirq, span: Range<Instant>)]

        init(_ stages: Set<String>, by cpu: UInt16?, of runs: [(slow: SlowSoftirq, span: Range<Instant>)]) {
            self.stages = stages
            isKnown = cpu != nil
            self.runs = cpu.map { cpu in runs.filter { $0.slow.cpu == cpu } } ?? runs
        }
    }

    /// Long NET_RX runs of the CPUs that took in the request and the answer, where both ends are on this host.
    static func arrivalRuns(_ it: Case) -> [Range<Instant>] {
        guard it.answer != nil else { return [] }
        let cpus = arrivals(it)
        return longRuns(it).filter { cpus.contains($0.slow.cpu) }.map(\.span)
    }

    /// CPUs that took in the request and the answer, as far as they are known.
    private static func arrivals(_ it: Case) -> Set<UInt16> {
        Set([it.turn.arrival?.cpu, it.answer?.arrival?.cpu].compactMap(\.self))
    }

    /// With the time each had been due before.
    private static func longRuns(_ it: Case) -> [(slow: SlowSoftirq, span: Range<Instant>)] {
        it.evidence.slowSoftirqs.compactMap { slow in
            let (length, overflow) = slow.run.addingReportingOverflow(slow.deferred)
            guard slow.vectorName == "NET_RX", !overflow else { return nil }
            return (slow, (slow.at > length ? slow.at - length : 0)..<slow.at)
        }
    }

    /// Whose packets lay in the backlog of a CPU behind long runs: at each, the next few of them were looked at. `nil`: none
    /// did, or they were not mostly one sender's.
    private static func senders(_ it: Case, _ runs: [SlowSoftirq]) -> (name: String, sentence: String)? {
        struct Key: Hashable {
            var container: ContainerKey
            var device: String
        }
        var alike: [Key: Int] = [:]
        var all = 0
        for backlog in runs.compactMap(\.backlog) {
            let key = Key(container: backlog.from, device: backlog.from == 0 ? backlog.device : "")
            alike[key, default: 0] += backlog.alike
            all += backlog.of
        }
        guard let most = alike.max(by: { ($0.value, $1.key.device) < ($1.value, $0.key.device) }),
            most.value > all / 2
        else { return nil }
        let isKnown = most.key.container != 0
        let name = isKnown ? it.name(most.key.container) : "a sender on \(most.key.device)"
        let how = isKnown ? "sent by \(name)" : "not of a container here; they came in on \(most.key.device)"
        return (
            name,
            "\(most.value) of \(all) packets looked at in that CPU's backlog were \(how)"
        )
    }
}
