import CFlightrec

/// A stretch in which a thread was off the CPU: blocked from `start` to `woken`, then waiting for a CPU to `end`
/// (`sched_switch`, `sched_wakeup`). Or a burst of many short ones of the same kind, with running between them. Or a stretch on
/// the CPU of which the hypervisor took a part; or one of which nothing is known.
public struct Slice: Sendable, Equatable {
    public enum Why: UInt8, Sendable {
        /// Anything the recorder did not recognise.
        case other = 0
        /// Runnable all along.
        case preempted = 1
        case sleep = 2
        case uninterruptible = 3
        /// In block I/O (`task_struct.in_iowait`).
        case io = 4
        /// By a signal or a tracer.
        case stopped = 5
        /// By the cgroup freezer.
        case frozen = 6
        /// Freeing memory for itself, or made to wait for that (`mm_vmscan_*_reclaim_begin`, `psi_memstall_enter`).
        case reclaim = 7
        /// On the CPU as far as the kernel knew, while the hypervisor ran others there (steal time in proc_stat(5)).
        case stolen = 8
        /// Not known: the thread had more slices than the kernel side keeps of it between two looks.
        case forgotten = 9
    }

    public var container: ContainerKey
    public var tid: UInt32
    public var pid: UInt32
    public var start: Instant
    /// When it became runnable; `nil`: it was all along, or is not yet.
    public var woken: Instant?
    public var end: Instant
    public var why: Why
    /// The syscall it blocked in, by its architecture's number; `nil`: preempted, or in none.
    public var syscall: UInt32?
    /// Still off the CPU at `end`.
    public var isOpen: Bool
    /// When it could run, it waited for its cgroup's quota.
    public var isThrottled = false
    /// Part of a reclaim that has a slice of its own.
    public var isWithinReclaim = false
    /// A burst: ns of it between `start` and `end`, of reclaims on and off the CPU, else off the CPU; 0: not a burst. Of a stretch on the
    /// CPU what was stolen of it.
    public var spent: UInt64 = 0
    /// ns of a burst's `spent` in which the thread could run, and waited for a CPU.
    public var spentWaiting: UInt64 = 0

    public init(
        container: ContainerKey, tid: UInt32, pid: UInt32, start: Instant, woken: Instant?, end: Instant, why: Why,
        syscall: UInt32?, isOpen: Bool = false
    ) {
        self.container = container
        self.tid = tid
        self.pid = pid
        self.start = start
        self.woken = woken
        self.end = end
        self.why = why
        self.syscall = syscall
        self.isOpen = isOpen
    }

    public init(_ raw: fr_slice) {
        self.init(
            container: raw.h.cgroup, tid: raw.tid, pid: raw.pid, start: raw.start,
            woken: raw.woken == 0 || raw.flags & UInt8(FR_SLICE_BURST.rawValue) != 0 ? nil : raw.woken, end: raw.h.ts,
            why: Why(rawValue: raw.why) ?? .other,
            syscall: raw.syscall == FR_NO_SYSCALL ? nil : raw.syscall,
            isOpen: raw.flags & UInt8(FR_SLICE_OPEN.rawValue) != 0)
        isThrottled = raw.flags & UInt8(FR_SLICE_THROTTLED.rawValue) != 0
        isWithinReclaim = raw.flags & UInt8(FR_SLICE_WITHIN.rawValue) != 0
        spent = raw.spent
        if raw.flags & UInt8(FR_SLICE_BURST.rawValue) != 0 { spentWaiting = min(raw.woken, raw.spent) }
    }

    /// Many short ones; those of reclaim are told by `why`.
    public var isBurst: Bool { spent > 0 && why != .reclaim && why != .stolen }

    /// ns blocked, and waiting for a CPU.
    public var blockedTime: UInt64 { isBurst ? spent - spentWaiting : blocked.upperBound - blocked.lowerBound }
    public var waitingTime: UInt64 { isBurst ? spentWaiting : waiting.upperBound - waiting.lowerBound }

    /// Off the CPU and not able to run; empty when preempted or on it, and of a burst.
    public var blocked: Range<Instant> {
        let until = why == .preempted || why == .stolen || why == .forgotten || isBurst ? start : woken ?? end
        return start..<max(start, min(until, end))
    }

    /// Able to run, and waiting for a CPU; empty of a burst.
    public var waiting: Range<Instant> {
        if isBurst || why == .stolen || why == .forgotten { return start..<start }
        let from = why == .preempted ? start : woken ?? end
        return min(from, end)..<max(end, min(from, end))
    }
}
