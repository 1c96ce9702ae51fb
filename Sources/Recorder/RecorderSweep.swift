import Events
import Kernel

/// When the names of sockets are compared with the sockets there are: a close may be lost, with a full ring or a probe that was
/// skipped, and of a container that is not wanted none is told.
struct SweepSchedule {
    /// There is reason to think that closes were not told.
    var isWanted = false
    private var last: Instant = 0
    private var missed: UInt64 = 0
    /// ns between two: with a reason, and without.
    private static let soonest: UInt64 = 10_000_000_000
    private static let latest: UInt64 = 600_000_000_000

    /// `missed`: events known not to have been told so far.
    mutating func isDue(at now: Instant, missed: UInt64) -> Bool {
        if missed != self.missed { isWanted = true }
        self.missed = missed
        guard last > 0 else {
            last = now
            return false
        }
        guard now > last &+ (isWanted ? Self.soonest : Self.latest) else { return false }
        last = now
        isWanted = false
        return true
    }
}

extension Recorder {
    /// At the slow ticks.
    func sweepSockets(_ now: Instant, missed: UInt64) throws(KernelError) {
        guard detachedAt == nil, sweep.isDue(at: now, missed: missed) else { return }
        let live = try probes.watchedSockets()
        registry.sweep(keeping: live, toldBefore: now, at: now)
    }
}
