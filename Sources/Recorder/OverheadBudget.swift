import Kernel

/// Keeps the recorder's cost under a limit: above it detail is shed step by step (`Detail`), and taken up again when there is
/// room. With hysteresis: it sheds after two seconds over the limit, and restores after twenty in which the detail before would
/// have taken less than four fifths of the limit.
struct OverheadBudget {
    /// Readings half a second apart.
    private static let overFor = 4
    private static let underFor = 40
    private static let margin = 0.8
    /// What each detail costs of the full one's, reckoned for a small request between two ends of this host: 12.5, 12.5, 10.5 and
    /// 6.5 runs of programs, and for the full one 0.3 µs of the recorder.
    private static func weight(_ detail: Detail) -> Double {
        switch detail {
        case .full: 1
        case .brief: 0.85
        case .withoutLateness: 0.72
        case .withoutSoftirqs: 0.45
        }
    }

    /// Of the time of all CPUs, 0…1.
    let limit: Double
    private(set) var detail = Detail.full
    /// Of the last reading, of the time of all CPUs.
    private(set) var share = 0.0
    /// Times detail was shed, since the start.
    private(set) var shed = 0
    private var over = 0
    private var under = 0

    init(limit: Double) { self.limit = limit }

    /// It costs too much, and there is nothing left to leave out.
    var isExhausted: Bool { share > limit && detail == Detail.allCases.last }

    /// `share`: of the time of all CPUs, over about half a second. The detail to go on with, where it changes.
    mutating func note(_ share: Double) -> Detail? {
        self.share = share
        over = share > limit ? over + 1 : 0
        let before = Detail(rawValue: detail.rawValue - 1)
        let then = before.map { share * Self.weight($0) / Self.weight(detail) } ?? .infinity
        under = then < limit * Self.margin ? under + 1 : 0
        if over >= Self.overFor, let next = Detail(rawValue: detail.rawValue + 1) {
            detail = next
            shed += 1
        } else if under >= Self.underFor, let before {
            detail = before
        } else {
            return nil
        }
        over = 0
        under = 0
        return detail
    }
}

/// Differences of what the probes and this process took.
struct OverheadMeter {
    /// What leads to a program and back, ns a run: the tracepoint's call, and what the cache misses after it. Programs that return
    /// at once cost this much of the throughput (README, "What it costs"), on a virtual AMD EPYC with retpolines and return thunks;
    /// not measured on other machines.
    static let dispatch = 75.0
    /// What the softirq hooks do besides, ns a run, and what the others do until enough runs were timed.
    static let untimed = 30.0
    /// Runs that must have been timed for their mean to count.
    static let least: UInt64 = 64

    private var last: (at: UInt64, runs: ProbeRuns, cpu: UInt64)?
    /// ns of a run that was timed; the mean of the last `least` or more.
    private(set) var perRun = Self.untimed
    private var meanOf = (timed: UInt64(0), nanoseconds: UInt64(0))

    /// Share of the time of all CPUs since the call before; `nil` at the first.
    mutating func note(at now: UInt64, runs: ProbeRuns, cpu: UInt64, cpus: Int) -> Double? {
        if runs.timed >= meanOf.timed + Self.least {
            perRun = Double(runs.timedNanoseconds - meanOf.nanoseconds) / Double(runs.timed - meanOf.timed)
            meanOf = (runs.timed, runs.timedNanoseconds)
        }
        defer { last = (now, runs, cpu) }
        guard let last, now > last.at, cpus > 0 else { return nil }
        let hot = Double(runs.hot - last.runs.hot) * (Self.dispatch + perRun)
        // Hooks that are detached count no more: then the sum falls.
        let softirqs = runs.softirqs > last.runs.softirqs ? Double(runs.softirqs - last.runs.softirqs) : 0
        let own = Double(cpu - last.cpu)
        return (hot + softirqs * (Self.dispatch + Self.untimed) + own) / (Double(now - last.at) * Double(cpus))
    }
}
