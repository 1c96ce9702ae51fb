import Events

/// What one thread did in some stretches of time. `running` is what is left.
struct ThreadTime {
    private(set) var running: UInt64 = 0
    /// Able to run, waiting for a CPU.
    private(set) var queued: UInt64 = 0
    /// Able to run, waiting for its cgroup's quota.
    private(set) var throttled: UInt64 = 0
    /// Freeing memory, on and off the CPU.
    private(set) var reclaim: UInt64 = 0
    /// On the CPU as far as the kernel knew, while the hypervisor ran others there.
    private(set) var stolen: UInt64 = 0
    /// Not known: it had more waits than are kept.
    private(set) var forgotten: UInt64 = 0
    private(set) var stopped: UInt64 = 0
    private(set) var frozen: UInt64 = 0
    /// ns blocked, by syscall's name.
    private(set) var blocked: [String: UInt64] = [:]
    private(set) var byWaiting: [Syscalls.Waiting: UInt64] = [:]
    /// In block I/O, whatever the syscall.
    private(set) var io: UInt64 = 0
    let tid: UInt32

    init(_ tid: UInt32, in ranges: [Range<Instant>], _ evidence: Evidence) {
        self.tid = tid
        let machine = evidence.facts["machine"] ?? "x86_64"
        var off: UInt64 = 0
        // A walk tells of one such stretch at most, and a turn lasts a few walks.
        let gaps = Intervals.union(
            evidence.slices.filter { $0.tid == tid && $0.why == .forgotten && $0.end > $0.start }
                .flatMap { slice in ranges.map { (slice.start..<slice.end).clamped(to: $0) } }
        ).filter { !$0.isEmpty }.prefix(64)
        forgotten = gaps.reduce(0) { $0 &+ $1.length }
        for slice in evidence.slices where slice.tid == tid && !slice.isWithinReclaim && slice.why != .forgotten {
            for range in ranges {
                let part = Part(of: slice, in: range)
                stolen &+= part.stolen
                reclaim &+= part.reclaim
                if slice.isThrottled { throttled &+= part.waited } else { queued &+= part.waited }
                off &+= part.reclaim &+ part.waited &+ part.stuck
                if part.stuck > 0 { add(slice, part.stuck, machine) }
            }
            // What is kept elsewhere, or was kept late, may lie there.
            for gap in gaps { forgotten -= min(forgotten, Part(of: slice, in: gap).all) }
        }
        let all = ranges.reduce(UInt64(0)) { $0 &+ $1.length }
        running = all > off ? all - off : 0
        // Spread evenly over a stretch, it may reach into what was no running.
        stolen = min(stolen, running)
        running -= stolen
        forgotten = min(forgotten, running)
        running -= forgotten
    }

    /// ns of one slice that lie in a range.
    private struct Part {
        var waited: UInt64 = 0
        var stuck: UInt64 = 0
        var reclaim: UInt64 = 0
        var stolen: UInt64 = 0

        init(of slice: Slice, in range: Range<Instant>) {
            if slice.why == .stolen {
                stolen = ThreadTime.part(slice.spent, of: slice, in: range)
            } else if slice.why == .reclaim && slice.spent > 0 {
                reclaim = ThreadTime.part(slice.spent, of: slice, in: range)
            } else if slice.isBurst {
                waited = ThreadTime.part(slice.waitingTime, of: slice, in: range)
                stuck = ThreadTime.part(slice.blockedTime, of: slice, in: range)
            } else {
                waited = slice.waiting.clamped(to: range).length
                stuck = slice.blocked.clamped(to: range).length
            }
        }

        var all: UInt64 { waited &+ stuck &+ reclaim &+ stolen }
    }

    private mutating func add(_ slice: Slice, _ stuck: UInt64, _ machine: String) {
        switch slice.why {
        case .frozen: frozen &+= stuck
        case .stopped: stopped &+= stuck
        case .reclaim: reclaim &+= stuck
        default:
            let syscall = Syscalls.describe(slice.syscall, machine: machine)
            blocked[syscall.name, default: 0] &+= stuck
            // A page fault's read is in no syscall; a lock's is not what the lock waits for.
            let isIO = slice.why == .io || (syscall.waiting == .file)
            if isIO { io &+= stuck } else { byWaiting[syscall.waiting, default: 0] &+= stuck }
        }
    }

    /// When the thread waited for whatever comes (poll, epoll, select).
    static func polling(_ tid: UInt32, _ evidence: Evidence) -> [Range<Instant>] {
        let machine = evidence.facts["machine"] ?? "x86_64"
        return evidence.slices.filter {
            $0.tid == tid && !$0.isBurst && Syscalls.describe($0.syscall, machine: machine).waiting == .poll
        }.map(\.blocked)
    }

    /// A burst's time inside `range`, as if it were spread evenly.
    private static func part(_ spent: UInt64, of slice: Slice, in range: Range<Instant>) -> UInt64 {
        let whole = slice.end > slice.start ? slice.end - slice.start : 0
        let inside = (slice.start..<max(slice.start, slice.end)).clamped(to: range).length
        guard whole > 0 else { return 0 }
        // Rounding up may reach 2^64, which no UInt64 holds.
        return min(
            inside, UInt64(exactly: (Double(min(spent, whole)) * (Double(inside) / Double(whole))).rounded()) ?? inside)
    }

    /// Blocked in taking data from a socket.
    var receiving: UInt64 {
        ["recvfrom", "recvmsg", "read", "readv"].reduce(0) { $0 &+ (blocked[$1] ?? 0) }
    }

    /// Blocked in handing data to a socket.
    var sending: UInt64 {
        ["sendto", "sendmsg", "sendmmsg", "write", "writev", "sendfile", "splice"].reduce(0) {
            $0 &+ (blocked[$1] ?? 0)
        }
    }

    /// Of that, in calls that only take sockets.
    var sendingToSocket: UInt64 { ["sendto", "sendmsg", "sendmmsg"].reduce(0) { $0 &+ (blocked[$1] ?? 0) } }

    /// The syscall it was blocked in longest.
    var longest: (name: String, time: UInt64)? {
        blocked.max { ($0.value, $1.key) < ($1.value, $0.key) }.map { ($0.key, $0.value) }
    }

    /// ns: what took less is in no sentence.
    private static let worthSaying: UInt64 = 100_000

    /// `thread 17: running 3 ms, blocked in futex 790 ms, waiting for a CPU 2 ms`.
    var sentence: String {
        var parts = ["running \(milliseconds(running))"]
        for (name, time) in blocked.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }).prefix(3)
        where time >= Self.worthSaying {
            parts.append("blocked in \(name) \(milliseconds(time))")
        }
        if queued >= Self.worthSaying { parts.append("waiting for a CPU \(milliseconds(queued))") }
        if throttled > 0 { parts.append("out of CPU quota \(milliseconds(throttled))") }
        if stolen >= Self.worthSaying { parts.append("its CPU taken by the hypervisor \(milliseconds(stolen))") }
        if forgotten >= Self.worthSaying { parts.append("too many waits to know \(milliseconds(forgotten))") }
        if reclaim > 0 { parts.append("freeing memory \(milliseconds(reclaim))") }
        if stopped > 0 { parts.append("stopped \(milliseconds(stopped))") }
        if frozen > 0 { parts.append("frozen \(milliseconds(frozen))") }
        return "thread \(tid): " + parts.joined(separator: ", ")
    }
}

extension Range<Instant> {
    /// ns. (`count` is an `Int`: a hostile capture's range may not fit.)
    public var length: UInt64 { upperBound - lowerBound }
}
