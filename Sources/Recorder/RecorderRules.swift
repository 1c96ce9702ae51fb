import Events
import Kernel

/// Which containers are watched: what was decided is told to the kernel, and told again when it forgot.
extension Recorder {
    /// ns: at a look, a turn in this time before it is one since the look before.
    private static let lately: UInt64 = 1_000_000_000

    /// At the slow ticks: the memories of who is wanted, the kernel's and ours, have room for the last used ones, and connections
    /// that stay open for days make no new sockets that would ask anew.
    func recallRules(_ now: Instant) throws(KernelError) {
        let since = now > Self.lately ? now - Self.lately : 0
        let again = selection.recall(trigger.containers(activeSince: since), since: since, at: now)
        for container in again.undecided { rules.noteForgotten(container) }
        for container in again.untold { try probes.setRule(container: container, watch: false) }
    }

    func applyRules() throws {
        for decision in rules.take() {
            if let watch = decision.watch { try probes.setRule(container: decision.container, watch: watch) }
            // Nothing more is told of its sockets, so not that they close.
            if decision.watch == false { sweep.isWanted = true }
            trigger.setRule(decision.rule, for: decision.container)
            for held in selection.note(decision, at: Clock.monotonic()) { fire(held.fact, began: held.began) }
        }
        probes.setOpenFloor(trigger.openFloor)
        try probes.set(detail: detail, floor: trigger.floor)
    }
}
