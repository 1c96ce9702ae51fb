import Analysis
import Events
import Query

/// Writes a trace for the Perfetto UI (ui.perfetto.dev) and its trace processor.
///
/// Under each container, its requests and bytes a second, what its cgroup files said, its processes with a lane for each
/// thread and each socket, and its drops. A slow turn holds its stages; an arrow leads from a call to the turn that answered
/// it. Under the host, softirqs, queues and drops that are nobody's. Times are the recording host's CLOCK_MONOTONIC, which
/// the trace ties to wall clock.
public func exportPerfetto(_ evidence: Evidence, to output: TextOutput) {
    var export = PerfettoExport(evidence, output)
    export.write()
}

struct PerfettoExport {
    let evidence: Evidence
    let names: Names
    let trace: TraceWriter
    private var containers: [ContainerKey: Track] = [:]
    private var processes: [Process: Track] = [:]

    private struct Process: Hashable {
        var container: ContainerKey
        var pid: UInt32
    }

    init(_ evidence: Evidence, _ output: TextOutput) {
        self.evidence = evidence
        names = Names(evidence)
        trace = TraceWriter(evidence.clock, output)
    }

    mutating func write() {
        writeIncident()
        // The container it is about stands first.
        if let first = evidence.triggers.first { _ = track(of: first.container) }
        writeThroughput()
        writeSamples()
        writeTurns()
        writeThreads()
        writeDrops()
        writeHost()
        trace.finish()
    }

    /// Triggers, and where events are missing.
    private func writeIncident() {
        let track = trace.track("flightrec \(evidence.id)")
        let triggers = trace.track("triggers", in: track)
        for trigger in evidence.triggers.sorted(by: { $0.at < $1.at }) {
            trace.instant(
                trigger.kind.rawValue, at: trigger.at, on: triggers,
                [
                    .text("rule", Names.clean(trigger.rule)), .text("container", names.container(trigger.container)),
                    .number("socket", UInt64(trigger.socket)), .number("observed_ns", trigger.observed),
                    .number("threshold_ns", trigger.threshold),
                ])
        }
        var gaps = Lanes("events missing", in: track)
        for gap in evidence.gaps.sorted(by: { $0.from < $1.from }) {
            guard let place = gaps.place(gap.from, max(gap.from, gap.to), trace) else { continue }
            let whose = gap.container.map { [Annotation.text("container", names.container($0))] } ?? []
            trace.begin(
                Names.clean(gap.why), at: place.start, on: place.track, [.number("lost", gap.lost)] + whose)
            trace.end(at: max(gap.from, gap.to), on: place.track)
        }
    }

    /// A container's own lane; the host's is called `host`.
    mutating func track(of container: ContainerKey) -> Track {
        if let known = containers[container] { return known }
        let facts = evidence.containers[container]
        let runtime = facts.map { container == 0 ? "" : " (\(Names.clean($0.runtime)))" } ?? ""
        let track = trace.track(names.container(container) + runtime)
        containers[container] = track
        return track
    }

    /// A process's lane in its container; without a pid, the container's.
    mutating func track(of pid: UInt32?, in container: ContainerKey) -> Track {
        guard let pid else { return track(of: container) }
        let key = Process(container: container, pid: pid)
        if let known = processes[key] { return known }
        let parent = self.track(of: container)
        let track = trace.track("\(names.process(pid) ?? "process") \(pid)", in: parent)
        processes[key] = track
        return track
    }
}
