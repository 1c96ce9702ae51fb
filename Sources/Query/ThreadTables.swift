import Analysis
import Events

extension Tables {
    static let slices = EventTable<Slice, Slice>(
        name: "slices", kind: "slice",
        about: "stretches in which a thread that handles turns was off the CPU, or its CPU taken by the hypervisor",
        kinds: [.slice], events: { $0.slices }, at: { $0.end }, row: { $0 },
        // A thread begins one slice at a time (EventCollector). Mixed, so that two are the same by chance once in 2^64.
        identity: { slice in
            let mixed = (slice.start ^ UInt64(slice.tid) << 40) &* 0x9e37_79b9_7f4a_7c15
            let isGap: UInt64 = slice.why == .forgotten ? 0x1656_67b1_9e37_79f9 : 0
            return Int64(bitPattern: mixed ^ UInt64(slice.tid) &* 0xc2b2_ae3d_27d4_eb4f ^ isGap)
        },
        columns: Column.container { $0.container } + [
            Column("process", .text, "comm of a process that used a socket") { row, names in
                .text(names.process(row.pid))
            },
            Column("pid", "of its process") { row, _ in .integer(row.pid) },
            Column("tid", "the thread") { row, _ in .integer(row.tid) },
        ] + Column.time("started_at", "start", .start) { $0.start } + Column.time("ended_at", "end") { $0.end } + [
            Column(
                "why", .text,
                "preempted, sleep, uninterruptible, io, stopped, frozen, reclaim, stolen, forgotten or other"
            ) {
                row, _ in
                .text("\(row.why)")
            },
            Column("syscall", .text, "it was blocked in; null: in none") { row, names in
                .text(names.syscall(row.syscall))
            },
            Column("blocked_ns", "not able to run") { row, _ in .integer(row.blockedTime) },
            Column("waiting_ns", "able to run, and waiting for a CPU") { row, _ in .integer(row.waitingTime) },
            Column("throttled", .flag, "1: what it waited for was its cgroup's quota") { row, _ in
                .flag(row.isThrottled)
            },
            Column("reclaim_ns", "spent freeing memory") { row, _ in .integer(row.why == .reclaim ? row.spent : 0) },
            Column("stolen_ns", "on its CPU, while the hypervisor ran others there") { row, _ in
                .integer(row.why == .stolen ? row.spent : 0)
            },
            Column("burst", .flag, "1: many short ones, with running between them") { row, _ in .flag(row.isBurst) },
            Column("in_flight", .flag, "1: still so at its end") { row, _ in .flag(row.isOpen) },
        ])

    static let stacks = EventTable<KernelStack, KernelStack>(
        name: "stacks", kind: "stack", about: "where in the kernel a thread was blocked", kinds: [.stack],
        events: { $0.stacks }, at: { $0.at }, row: { $0 },
        columns: Column.time("at", "at") { $0.at } + Column.container { $0.container } + [
            Column("tid", "the thread") { row, _ in .integer(row.tid) },
            Column("slice_start_ns", hidden: true, "start_ns of its slice") { row, _ in .bits(row.start) },
            Column("frames", .text, "functions, innermost first, apart by ;") { row, names in
                .text(row.frames.map(names.symbol).joined(separator: ";"))
            },
        ])

    static let samples = EventTable<ContainerSample, ContainerSample>(
        name: "samples", kind: "sample", about: "what containers' cgroup files said, look by look", kinds: [],
        events: { $0.samples }, at: { $0.at }, row: { $0 },
        columns: Column.time("at", "at", nil) { $0.at } + Column.container { $0.container } + [
            Column("frozen", .flag, "1: frozen or freezing") { row, _ in row.frozen.map { .flag($0) } ?? .null },
            Column("throttled_ns", "by the CPU quota, since the cgroup exists") { row, _ in .integer(row.throttled) },
            Column("throttled_periods", "since the cgroup exists") { row, _ in .integer(row.throttledPeriods) },
            Column("memory_bytes", "in use") { row, _ in .integer(row.memory) },
            Column("memory_limit_bytes", "null: no limit") { row, _ in .integer(row.memoryLimit) },
            Column("memory_high", "times over the soft limit") { row, _ in .integer(row.memoryHigh) },
            Column("memory_max", "times at the limit") { row, _ in .integer(row.memoryMax) },
            Column("memory_kills", "processes killed") { row, _ in .integer(row.memoryKills) },
            Column("cpu_pressure_ns", "at least one task waited") { row, _ in .integer(row.cpuPressure) },
            Column("memory_pressure_ns", "at least one task waited") { row, _ in .integer(row.memoryPressure) },
            Column("io_pressure_ns", "at least one task waited") { row, _ in .integer(row.ioPressure) },
        ])

    static let sockets = EventTable<SocketInfo, SocketInfo>(
        name: "sockets", kind: "socket", about: "the sockets that events name", kinds: [],
        events: { $0.sockets.values.sorted { $0.id < $1.id } }, at: { $0.seen }, row: { $0 },
        columns: Column.container { $0.container } + Column.socket { $0.id }
            + Column.time("seen_at", "seen", nil) { $0.seen }
            + Column.time("established_at", "established", nil) { $0.established } + [
                Column("older_than_recorder", .flag, "1: it was there before the recorder") { row, _ in
                    .flag(row.olderThanRecorder)
                },
                Column("netns", "inode of its network namespace") { row, _ in .integer(row.netns) },
            ])
}
