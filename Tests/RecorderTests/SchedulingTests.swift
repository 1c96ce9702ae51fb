import CLinux
import Foundation
import Synchronization
import Testing

@testable import Recorder

/// Each on a thread of its own, which ends with it.
@Suite struct SchedulingTests {
    private let process = __priority_which_t(PRIO_PROCESS.rawValue)

    private struct Seen: Sendable, Equatable {
        /// Without SCHED_RESET_ON_FORK.
        var policy = sched_getscheduler(0) & 0xffff
        var slice = flightrec_slice()
    }

    /// Since Linux 6.12 with a longer slice, before that not at all; what it starts has the usual slice.
    @Test func givesWayAndTakesItBack() async throws {
        let seen = await onThread { [process] in
            // Whatever these tests were started with.
            var parameters = sched_param()
            sched_setscheduler(0, SCHED_NORMAL, &parameters)
            // On Linux 0 is the thread (setpriority(2)).
            setpriority(process, 0, 5)
            let usual = Seen()
            let gave = Result { try Scheduling.giveWay() }
            let giving = Seen()
            let nice = getpriority(process, 0)
            let child = Mutex(Seen())
            let done = DispatchSemaphore(value: 0)
            Thread {
                child.withLock { $0 = Seen() }
                done.signal()
            }.start()
            done.wait()
            let back = Result { try Scheduling.asUsual() }
            return (
                usual: usual, gave: gave, giving: giving, nice: nice, child: child.withLock { $0 }, back: back,
                after: Seen()
            )
        }
        let chosen = seen.usual.slice != 0
        #expect(try seen.gave.get() == chosen)
        #expect(seen.giving.policy == (chosen ? SCHED_BATCH : SCHED_NORMAL))
        #expect(seen.giving.slice == (chosen ? Scheduling.slice : 0))
        #expect(seen.child.slice == seen.usual.slice)
        #expect(seen.nice == 5)
        try seen.back.get()
        #expect(seen.after == seen.usual)
    }

    @Test func aChosenPolicyStays() async throws {
        let (chosen, gave, policy) = await onThread {
            var parameters = sched_param()
            let chosen = sched_setscheduler(0, SCHED_IDLE, &parameters)
            return (chosen, Result { try Scheduling.giveWay() }, sched_getscheduler(0))
        }
        #expect(chosen == 0)
        #expect(try !gave.get())
        #expect(policy == SCHED_IDLE)
    }

    @Test func inTimeWhenTheRingWouldFillSoon() {
        var courtesy = Courtesy()
        for (records, changes, isOn) in [
            (3_001, false, false), (3_000, true, true), (4_000, false, true), (4_001, true, false),
            (3_500, false, false),
            (0, true, true),
        ] {
            #expect(courtesy.took(records) == changes, "\(records) records")
            #expect(courtesy.isOn == isOn, "\(records) records")
        }
    }

    private func onThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            Thread { continuation.resume(returning: body()) }.start()
        }
    }
}
