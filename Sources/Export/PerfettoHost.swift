import Analysis
import Events
import Query

extension PerfettoExport {
    /// Turns are counted in steps of this, ns.
    private static let step: UInt64 = 100_000_000

    /// Turns and bytes a second of each container, by role.
    mutating func writeThroughput() {
        struct Key: Hashable {
            var container: ContainerKey
            var role: Role
        }
        var counts: [Key: [UInt64: (turns: UInt64, bytes: UInt64)]] = [:]
        for turn in evidence.turns where !turn.isOpen && turn.role != .unknown {
            let key = Key(container: turn.container, role: turn.role)
            var sum = counts[key, default: [:]][turn.end / Self.step] ?? (0, 0)
            sum.turns += 1
            sum.bytes &+= turn.receivedBytes &+ turn.sentBytes
            counts[key, default: [:]][turn.end / Self.step] = sum
        }
        for key in counts.keys.sorted(by: { ($0.container, $0.role.rawValue) < ($1.container, $1.role.rawValue) }) {
            let steps = counts[key] ?? [:]
            let parent = track(of: key.container)
            for (name, unit, value) in [
                ("\(key.role.name) turns", "turns/s", { $0.turns }), ("\(key.role.name) bytes", "B/s", { $0.bytes }),
            ] as [(String, String, ((turns: UInt64, bytes: UInt64)) -> UInt64)] {
                let counter = trace.counter(name, unit: unit, in: parent)
                for step in steps.keys.sorted() {
                    let perSecond = (steps[step].map(value) ?? 0).multipliedReportingOverflow(
                        by: 1_000_000_000 / Self.step)
                    let rate = perSecond.overflow ? Int64.max : Int64(clamping: perSecond.partialValue)
                    trace.count(rate, at: max(step * Self.step, evidence.from), on: counter)
                    // Nothing in the next step says so itself.
                    if steps[step + 1] == nil {
                        let (next, overflow) = (step + 1).multipliedReportingOverflow(by: Self.step)
                        trace.count(Int64(0), at: overflow ? evidence.to : min(next, evidence.to), on: counter)
                    }
                }
            }
        }
    }

    /// What cgroup files said: memory in use, time out of quota, frozen or not.
    mutating func writeSamples() {
        let byContainer = Dictionary(
            grouping: evidence.samples.filter { $0.at >= evidence.from && $0.at <= evidence.to }
        ) {
            $0.container
        }
        for key in byContainer.keys.sorted() {
            let samples = (byContainer[key] ?? []).sorted { $0.at < $1.at }
            let parent = track(of: key)
            let facts: [(String, String, (ContainerSample) -> UInt64?)] = [
                ("memory", "B", { $0.memory }), ("out of CPU quota so far", "ns", { $0.throttled }),
                ("frozen", "", { $0.frozen.map { $0 ? 1 : 0 } }),
            ]
            for (name, unit, value) in facts where samples.contains(where: { value($0) ?? 0 > 0 }) {
                let counter = trace.counter(name, unit: unit, in: parent)
                for sample in samples {
                    if let value = value(sample) { trace.count(Int64(clamping: value), at: sample.at, on: counter) }
                }
            }
        }
    }

    mutating func writeDrops() {
        let byContainer = Dictionary(grouping: evidence.drops) { $0.container }
        for key in byContainer.keys.sorted() {
            let track = trace.track("drops", in: self.track(of: key))
            for drop in (byContainer[key] ?? []).sorted(by: { $0.at < $1.at }) {
                trace.instant(
                    names.dropReason(drop.reason), at: drop.at, on: track,
                    [.number("count", UInt64(drop.count))] + ends(drop.source, drop.destination))
            }
        }
    }

    /// One CPU's share of time, tick by tick.
    private mutating func write(_ ticks: [SoftirqTick], _ name: String, _ value: (SoftirqTick) -> UInt64) {
        let counter = trace.counter(name, unit: "%", in: track(of: 0))
        var last: Instant?
        for tick in ticks {
            let from = max(tick.from, evidence.from)
            guard tick.to > tick.from, from <= evidence.to else { continue }
            // A CPU that did nothing in a tick has no row for it.
            if let last, last < from { trace.count(0.0, at: last, on: counter) }
            trace.count(Double(value(tick)) / Double(tick.to - tick.from) * 100, at: from, on: counter)
            last = min(tick.to, evidence.to)
        }
        if let last { trace.count(0.0, at: last, on: counter) }
    }

    /// Softirqs by CPU, and packets that waited in devices' queues.
    mutating func writeHost() {
        for (cpu, ticks) in Dictionary(grouping: evidence.softirqTicks, by: \.cpu).sorted(by: { $0.key < $1.key }) {
            let ticks = ticks.sorted { $0.from < $1.from }
            write(ticks, "softirq, CPU \(cpu)") { $0.total }
            guard ticks.contains(where: { $0.stolen > 0 }) else { continue }
            write(ticks, "stolen by the hypervisor, CPU \(cpu)") { $0.stolen }
        }
        for (cpu, slow) in Dictionary(grouping: evidence.slowSoftirqs, by: \.cpu).sorted(by: { $0.key < $1.key }) {
            var lanes = Lanes("slow softirqs, CPU \(cpu)", in: track(of: 0))
            func start(_ one: SlowSoftirq) -> Instant { one.at > one.run ? one.at - one.run : 0 }
            for one in slow.sorted(by: { start($0) < start($1) }) {
                guard let place = lanes.place(start(one), one.at, trace) else { continue }
                trace.begin(one.vectorName, at: place.start, on: place.track, [.number("deferred_ns", one.deferred)])
                trace.end(at: one.at, on: place.track)
            }
        }
        for (device, queued) in Dictionary(grouping: evidence.queued, by: \.device).sorted(by: { $0.key < $1.key }) {
            var lanes = Lanes("queue of \(Names.clean(device))", in: track(of: 0))
            for one in queued.sorted(by: { $0.span.lowerBound < $1.span.lowerBound }) {
                guard let place = lanes.place(one.span.lowerBound, one.at, trace) else { continue }
                trace.begin(
                    "queued", at: place.start, on: place.track,
                    [.number("backlog", UInt64(one.backlog)), .number("count", UInt64(one.count))]
                        + ends(one.source, one.destination))
                trace.end(at: one.at, on: place.track)
            }
        }
    }

    private func ends(_ source: Endpoint?, _ destination: Endpoint?) -> [Annotation] {
        guard let source, let destination else { return [] }
        return [.text("source", "\(source)"), .text("destination", "\(destination)")]
    }
}
