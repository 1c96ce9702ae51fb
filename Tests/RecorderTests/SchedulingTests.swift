import CLinux
import Foundation
import Testing

@testable import Recorder

/// Each on a thread of its own, which ends with it.
@Suite struct SchedulingTests {
    private let process = __priority_which_t(PRIO_PROCESS.rawValue)

    @Test func batchAndAsNiceAsBefore() async {
        let (refused, policy, nice) = await onThread { [process] in
            // On Linux 0 is the thread (setpriority(2)).
            setpriority(process, 0, 5)
            return (Scheduling.giveWay(), sched_getscheduler(0), getpriority(process, 0))
        }
        #expect(refused == nil)
        #expect(policy == SCHED_BATCH)
        #expect(nice == 5)
    }

    @Test func aChosenPolicyStays() async {
        let (chosen, refused, policy) = await onThread {
            var parameters = sched_param()
            let chosen = sched_setscheduler(0, SCHED_IDLE, &parameters)
            return (chosen, Scheduling.giveWay(), sched_getscheduler(0))
        }
        #expect(chosen == 0)
        #expect(refused == nil)
        #expect(policy == SCHED_IDLE)
    }

    private func onThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            Thread { continuation.resume(returning: body()) }.start()
        }
    }
}
