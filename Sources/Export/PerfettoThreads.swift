import Analysis
import Events
import Query

extension PerfettoExport {
    private struct Thread: Hashable {
        var container: ContainerKey
        var tid: UInt32
    }

    /// A lane for each thread that handled turns: what it did off the CPU, and where its CPU was taken. Between, it ran.
    mutating func writeThreads() {
        var slices: [Thread: [Slice]] = [:]
        for slice in evidence.slices {
            slices[Thread(container: slice.container, tid: slice.tid), default: []].append(slice)
        }
        var stacks: [Thread: [KernelStack]] = [:]
        for stack in evidence.stacks {
            stacks[Thread(container: stack.container, tid: stack.tid), default: []].append(stack)
        }
        for thread in Set(slices.keys).union(stacks.keys).sorted(by: { ($0.container, $0.tid) < ($1.container, $1.tid) }
        ) {
            let own = (slices[thread] ?? []).sorted { ($0.start, $1.end) < ($1.start, $0.end) }
            var lanes = Lanes("thread \(thread.tid)", in: track(of: own.first?.pid, in: thread.container))
            for var slice in own {
                // It may begin long before, when threads were last looked at.
                if slice.why == .forgotten { slice.start = max(slice.start, evidence.from) }
                let end = max(slice.start, slice.end)
                guard let place = lanes.place(slice.start, end, trace) else { continue }
                write(slice, end, on: place.track)
            }
            let track = lanes.first(trace)
            for stack in (stacks[thread] ?? []).sorted(by: { $0.at < $1.at }) {
                trace.instant(
                    "stack", at: stack.at, on: track,
                    [.text("frames", stack.frames.map(names.symbol).joined(separator: ";"))])
            }
        }
    }

    private func write(_ slice: Slice, _ end: Instant, on track: Track) {
        let syscall = names.syscall(slice.syscall)
        var name = slice.why == .sleep ? syscall ?? "sleep" : "\(slice.why)"
        if slice.why == .forgotten { name = "more waits than are kept" }
        if slice.why == .stolen { name = "runs the hypervisor took a part of" }
        if slice.isBurst { name = "short waits: \(name)" }
        var annotations: [Annotation] = [
            .number("blocked_ns", slice.blockedTime), .number("waiting_ns", slice.waitingTime),
        ]
        if let syscall { annotations.append(.text("syscall", syscall)) }
        if slice.spent > 0 { annotations.append(.number("spent_ns", slice.spent)) }
        trace.begin(name, at: slice.start, on: track, annotations)
        let waiting = slice.waiting
        if !waiting.isEmpty, slice.why != .preempted || slice.isThrottled {
            trace.begin(slice.isThrottled ? "out of CPU quota" : "waiting for a CPU", at: waiting.lowerBound, on: track)
            trace.end(at: min(waiting.upperBound, end), on: track)
        }
        trace.end(at: end, on: track)
    }
}
