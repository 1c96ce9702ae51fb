import Events

/// What the turn's thread did in one stage. The times sum to the stage's duration.
public struct ThreadStage: Sendable, Equatable, Codable {
    public var stage: String
    public var tid: UInt32
    /// ns each.
    public var running: UInt64
    /// Able to run, and waiting for a CPU; for its cgroup's quota.
    public var queued: UInt64
    public var throttled: UInt64
    /// On a CPU, while the hypervisor ran others there. Captures of before it was looked at have none.
    public var stolen: UInt64?
    /// Not known: it had more waits than are kept. Earlier captures count it as running.
    public var forgotten: UInt64?
    public var reclaim: UInt64
    public var frozen: UInt64
    public var stopped: UInt64
    /// By syscall, longest first.
    public var blocked: [Block]
    /// Kernel functions it was blocked in longest, innermost first; empty where no stack was taken.
    public var stack: [String]

    public struct Block: Sendable, Equatable, Codable {
        public var syscall: String
        /// ns.
        public var time: UInt64
    }
}

/// The turn's thread, stage by stage; none where threads were not followed.
func threadStages(of it: Case) -> [ThreadStage] {
    let tid = Rules.reader(it)
    guard it.evidence.threadsFollowed, tid != 0 else { return [] }
    let known = it.scene.firstSign(of: tid)
    return it.waterfall.stages.compactMap { stage in
        // The rest is the other end's time, or the network's.
        guard Rules.own.contains(stage.name) else { return nil }
        let range = it.turn.start + stage.offset..<it.turn.start + stage.offset + stage.duration
        guard known <= range.lowerBound || stage.name == "application" else { return nil }
        let time = ThreadTime(tid, in: [range], it.evidence)
        return ThreadStage(
            stage: stage.name, tid: tid, running: time.running, queued: time.queued, throttled: time.throttled,
            stolen: time.stolen, forgotten: time.forgotten,
            reclaim: time.reclaim, frozen: time.frozen, stopped: time.stopped,
            blocked: time.blocked.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
                .map { ThreadStage.Block(syscall: $0.key, time: $0.value) },
            stack: stack(of: tid, in: range, it.evidence))
    }
}

/// Of the longest block in `range` that has a stack.
private func stack(of tid: UInt32, in range: Range<Instant>, _ evidence: Evidence) -> [String] {
    let blocks = evidence.slices.filter { $0.tid == tid && $0.blocked.overlaps(range) }
    let starts = Dictionary(blocks.map { ($0.start, $0.blocked.clamped(to: range).length) }) { max($0, $1) }
    let taken = evidence.stacks.filter { $0.tid == tid && starts[$0.start] != nil }
    guard let stack = taken.max(by: { starts[$0.start] ?? 0 < starts[$1.start] ?? 0 }) else { return [] }
    let names = stack.frames.compactMap { evidence.symbols[$0] }
    // The scheduler's own end of every stack, and its entry, say nothing.
    let scheduler: Set<String> = [
        "__schedule", "schedule", "schedule_timeout", "io_schedule", "schedule_hrtimeout_range",
    ]
    return names.drop { scheduler.contains($0) }
        .prefix { !$0.hasPrefix("do_syscall") && !$0.hasPrefix("entry_SYSCALL") && $0 != "x64_sys_call" }.map(\.self)
}
