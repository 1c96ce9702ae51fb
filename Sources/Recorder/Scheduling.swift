import CLinux
import Synchronization

/// How the thread that reads the ring shares a CPU with what it watches: a request that arrives there goes first.
///
/// It would otherwise wait until that is done: the scheduler (EEVDF, Linux 6.6 and later) lets a thread go on to the end of its slice,
/// but for one that wakes up with a shorter slice and is owed time (`PREEMPT_SHORT` in kernel/sched/features.h, since 6.12). And of
/// `SCHED_BATCH`, it takes the CPU from no other thread of the usual policy when it wakes up itself (kernel/sched/fair.c). Its fair
/// part it gets all the same, but later.
enum Scheduling {
    /// ns; the usual is 3 ms at most, and 0.1 to 100 ms may be asked for.
    static let slice: UInt64 = 20_000_000

    private static let givesWay = Atomic(false)

    /// For the calling thread; `false`: this kernel has no slices to choose (before 6.12), or the user chose a policy, and all is as
    /// it was. Throws why the kernel refuses.
    static func giveWay() throws(SystemError) -> Bool {
        switch flightrec_change_policy(SCHED_NORMAL, SCHED_BATCH, slice) {
        case 0: return false
        case 1: break
        default: throw SystemError("another scheduling policy")
        }
        givesWay.store(true, ordering: .relaxed)
        guard flightrec_slice() == slice else {
            try asUsual()
            return false
        }
        return true
    }

    /// Takes it back, for a thread that gives way or was started by one that did: the policy is inherited.
    static func asUsual() throws(SystemError) {
        guard givesWay.load(ordering: .relaxed) else { return }
        guard flightrec_change_policy(SCHED_BATCH, SCHED_NORMAL, 0) >= 0 else {
            throw SystemError("the usual scheduling policy")
        }
    }
}

/// When the pump gives way: while the ring has room for half a second and more of what comes. With less it must be read in time, whoever
/// else wants the CPU.
struct Courtesy {
    /// Records in a tick of 100 ms; at 40,000 a second the ring fills in half a second.
    static let most = 4_000

    private(set) var isOn = false

    /// Told how many records the last tick brought; whether to change.
    mutating func took(_ records: Int) -> Bool {
        let wanted = isOn ? records <= Self.most : records <= Self.most * 3 / 4
        defer { isOn = wanted }
        return wanted != isOn
    }
}
