import Containers
import Events

/// What `--metrics` tells of one moment, pinned by the pump.
struct MetricsSnapshot: Sendable {
    struct Softirq: Sendable {
        var cpu: Int
        var vector: Int
        var count: UInt64
        /// ns.
        var time: UInt64
    }

    var status: RecorderStatus
    /// ns since 1970.
    var startedAt: Int64
    var tallies: [TallyRow]
    var softirqs: [Softirq]
    /// Turns that fired, once when they were open and again when they ended; and those the rate limit held back.
    var fired: [(kind: String, count: UInt64)]
    var suppressed: UInt64
    /// ns.
    var timeInGaps: UInt64
}

/// The figures in Prometheus' text format 0.0.4.
struct MetricsText {
    private(set) var text = ""

    /// `series`: what was told before, and from now on what is told here.
    init(_ snapshot: MetricsSnapshot, _ resolver: ContainerResolver, _ series: inout SeriesTotals) {
        containers(
            series.sums(snapshot.tallies) {
                Self.labels("cgroup \($0.container)", String($0.container, radix: 16), $0.role)
            } named: { key in
                resolver.cached(key.container).map { Self.labels($0.name, String($0.id.prefix(12)), key.role) }
            })
        host(snapshot.softirqs)
        triggers(snapshot)
        watching(snapshot)
        own(snapshot)
    }

    // linux/interrupt.h
    private static let vectors = [
        "HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU",
    ]

    private mutating func family(_ name: String, _ type: String, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }

    private mutating func sample(_ name: String, _ labels: String = "", _ value: some CustomStringConvertible) {
        text += labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n"
    }

    private mutating func single(
        _ name: String, _ type: String, _ help: String, _ value: some CustomStringConvertible
    ) {
        family(name, type, help)
        sample(name, "", value)
    }

    private static func seconds(_ ns: UInt64) -> Double { Double(ns) / 1e9 }

    /// Backslash, quote and line break are what the format escapes.
    static func escaped(_ value: String) -> String {
        value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }

    private static func labels(_ name: String, _ id: String, _ role: Role) -> String {
        "container=\"\(escaped(name))\",container_id=\"\(escaped(id))\",role=\"\(role == .served ? "served" : "called")\""
    }

    private mutating func containers(_ sorted: [(labels: String, total: TallyTotal)]) {
        let duration = "flightrec_turn_duration_seconds"
        family(duration, "histogram", "Turns (a request and its answer) that ended, by container and role.")
        for (labels, total) in sorted {
            var count: UInt64 = 0
            for (index, bound) in TallyTotal.bounds.enumerated() {
                count += total.buckets[index]
                sample(duration + "_bucket", "\(labels),le=\"\(Self.seconds(bound))\"", count)
            }
            count += total.buckets[TallyTotal.bounds.count]
            sample(duration + "_bucket", "\(labels),le=\"+Inf\"", count)
            sample(duration + "_sum", labels, Self.seconds(total.sum))
            sample(duration + "_count", labels, count)
        }
        family("flightrec_retransmits_total", "counter", "Segments sent again, by container and role.")
        for (labels, total) in sorted { sample("flightrec_retransmits_total", labels, total.retransmits) }
    }

    private mutating func host(_ softirqs: [MetricsSnapshot.Softirq]) {
        func labels(_ one: MetricsSnapshot.Softirq) -> String {
            "cpu=\"\(one.cpu)\",vector=\"\(one.vector < Self.vectors.count ? Self.vectors[one.vector] : String(one.vector))\""
        }
        family("flightrec_softirq_seconds_total", "counter", "Time in softirqs, by CPU and vector.")
        for one in softirqs { sample("flightrec_softirq_seconds_total", labels(one), Self.seconds(one.time)) }
        family("flightrec_softirqs_total", "counter", "Softirqs run, by CPU and vector.")
        for one in softirqs { sample("flightrec_softirqs_total", labels(one), one.count) }
    }

    private mutating func triggers(_ snapshot: MetricsSnapshot) {
        family(
            "flightrec_triggers_total", "counter",
            "Turns over their threshold, while open (in-flight) and when they ended (latency).")
        for (kind, count) in snapshot.fired { sample("flightrec_triggers_total", "kind=\"\(kind)\"", count) }
        let status = snapshot.status
        single(
            "flightrec_triggers_suppressed_total", "counter", "Triggers the rate limit held back.", snapshot.suppressed)
        single(
            "flightrec_triggers_habitual_total", "counter", "Slow turns of services that are always slow.",
            status.habitual)
        single("flightrec_captures_total", "counter", "Captures begun.", status.captures)
        single(
            "flightrec_capture_failures_total", "counter", "Captures that could not be written.", status.failedCaptures)
    }

    private mutating func watching(_ snapshot: MetricsSnapshot) {
        let status = snapshot.status
        single(
            "flightrec_start_time_seconds", "gauge", "When it was armed, in Unix time.",
            Double(snapshot.startedAt) / 1e9)
        single("flightrec_events_total", "counter", "Events the kernel side reported.", status.events)
        single("flightrec_events_lost_total", "counter", "Events known to be missing.", status.lost)
        single("flightrec_gaps_total", "counter", "Times in which something may have been missed.", status.gaps)
        single(
            "flightrec_gap_seconds_total", "counter", "Time in which something may have been missed.",
            Self.seconds(snapshot.timeInGaps))
        single(
            "flightrec_window_seconds", "gauge", "How far back the history is whole.",
            Self.seconds(status.windowCompleteNs))
        single("flightrec_window_bytes", "gauge", "Memory the history takes.", status.windowBytes)
        single("flightrec_window_budget_bytes", "gauge", "Memory the history may take.", status.windowBudget)
        single("flightrec_sockets", "gauge", "Sockets known.", status.sockets)
        single("flightrec_socket_names_bytes", "gauge", "Memory the names of sockets take.", status.namesBytes)
        single(
            "flightrec_sockets_unnamed_total", "counter", "Open sockets whose names went for want of room.",
            status.unnamedSockets)
    }

    private mutating func own(_ snapshot: MetricsSnapshot) {
        let status = snapshot.status
        family("flightrec_build_info", "gauge", "The version that runs.")
        sample("flightrec_build_info", "version=\"\(Self.escaped(status.version))\"", 1)
        single("process_cpu_seconds_total", "counter", "CPU time of the recorder.", Self.seconds(status.cpuNs))
        single(
            "flightrec_overhead_ratio", "gauge", "Of all CPUs' time: the recorder and its probes, these reckoned.",
            status.overheadShare)
        single(
            "flightrec_shed_steps", "gauge", "Steps of detail that --max-overhead has left out now.",
            status.budget?.step ?? 0)
        single("process_resident_memory_bytes", "gauge", "Resident memory of the recorder.", status.rssBytes)
    }
}

extension TallyTotal {
    func adding(_ other: TallyTotal) -> TallyTotal {
        var sum = self
        for index in buckets.indices { sum.buckets[index] &+= other.buckets[index] }
        sum.sum &+= other.sum
        sum.retransmits &+= other.retransmits
        return sum
    }
}
