import CLinux

/// How the recorder shares the CPUs with what it watches: it takes its fair part, and whoever wakes up meanwhile goes first.
///
/// A request that arrives on a CPU where the ring is being read would otherwise wait until that is done: the scheduler (EEVDF, Linux
/// 6.6 and later) lets a thread go on to the end of its slice, but for one that wakes up with a shorter slice (`PREEMPT_SHORT` in
/// kernel/sched/features.h, since 6.12). And a thread of `SCHED_BATCH` takes no CPU away when it wakes up itself (sched(7)).
enum Scheduling {
    /// ns; the usual is 3 ms at most, and a user may ask for 0.1 to 100 ms.
    static let slice: UInt64 = 20_000_000

    /// For this thread and all that it starts. A policy or niceness the user chose stays. Returns why it can't be, where that is so.
    static func giveWay() -> SystemError? {
        flightrec_give_way(slice) == 0 ? nil : SystemError("sched_setattr")
    }
}
