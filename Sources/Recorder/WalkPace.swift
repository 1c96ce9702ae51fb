import Events
import Glibc

/// When to look for open turns again. A walk visits every socket that has state, about 0.4 µs each: of 100,000 it takes 44 ms of CPU,
/// and ten a second would take half a CPU. Walks take a thirty-second of one at most; the more sockets, the rarer they are.
struct WalkPace {
    static let share: UInt64 = 32
    private var next: Instant = 0

    func isDue(at now: Instant) -> Bool { now >= next }

    /// A walk begun at `now` took so much CPU time, ns.
    mutating func took(_ time: UInt64, at now: Instant) { next = now &+ time &* Self.share }

    /// CPU time of the calling thread, ns: of the walk's own, whatever else runs on its CPU.
    static func threadTime() -> UInt64 {
        var time = timespec()
        // Fails for clocks that don't exist, which this does (time(7)).
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
