import Kernel

/// Keeps the recorder's cost under a limit: above it detail is shed step by step (`Detail`), and taken up again when there is
/// room. With hysteresis: it sheds after two seconds over the limit, and restores after twenty in which the detail before would
/// have taken less than four fifths of the limit. What that would be is reckoned of one kind of load: where it was wrong, and what
/// came back goes again within a minute, the next try comes after twice as long.
struct OverheadBudget {
    /// Readings half a second apart.
    private static let overFor = 4
    private static let underFor = 40
    /// Ten minutes.
    private static let underForMost = 1200
    /// What was restored so long ago has proved to fit.
    private static let proved = 120
    private static let margin = 0.8
    /// What each detail costs of the full one's, reckoned for a small request between two ends of this host: 10.5, 10.5 and 6.5
    /// runs of programs, and for the full one 0.3 µs of the recorder.
    private static func weight(_ detail: Detail) -> Double {
        switch detail {
        case .full: 1
        case .brief: 0.83
        case .withoutSoftirqs: 0.51
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
    /// Readings in a row that it takes to restore.
    private var patience = Self.underFor
    /// Readings since detail was restored, until that has proved to fit or not.
    private var sinceRestored: Int?

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
        if let since = sinceRestored {
            sinceRestored = since + 1
            if since + 1 >= Self.proved {
                sinceRestored = nil
                patience = Self.underFor
            }
        }
        if over >= Self.overFor, let next = Detail(rawValue: detail.rawValue + 1) {
            detail = next
            shed += 1
            if sinceRestored != nil { patience = min(patience * 2, Self.underForMost) }
            sinceRestored = nil
        } else if under >= patience, let before {
            detail = before
            sinceRestored = 0
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

    /// Sums since the start, of all CPUs.
    struct Reading {
        /// Of programs that count their own.
        var runs: ProbeRuns
        var softirqs: UInt64
        /// ns of this process.
        var cpu: UInt64
    }

    private var last: (at: UInt64, reading: Reading)?
    /// ns of a run that was timed; the mean of the last `least` or more.
    private(set) var perRun = Self.untimed
    private var meanOf = (timed: UInt64(0), nanoseconds: UInt64(0))

    /// Share of the time of all CPUs since the call before; `nil` at the first. `hooks`: programs that run for each softirq now.
    mutating func note(at now: UInt64, _ reading: Reading, hooks: Int, cpus: Int) -> Double? {
        let runs = reading.runs
        if runs.timed >= meanOf.timed + Self.least {
            perRun = Double(runs.timedNanoseconds - meanOf.nanoseconds) / Double(runs.timed - meanOf.timed)
            meanOf = (runs.timed, runs.timedNanoseconds)
        }
        defer { last = (now, reading) }
        guard let (at, before) = last, now > at, cpus > 0 else { return nil }
        let hot = Double(runs.hot &- before.runs.hot) * (Self.dispatch + perRun)
        // The softirqs' differences, and only then times the hooks: those come and go.
        let softirqs = Double((reading.softirqs &- before.softirqs) &* UInt64(hooks)) * (Self.dispatch + Self.untimed)
        return (hot + softirqs + Double(reading.cpu &- before.cpu)) / (Double(now - at) * Double(cpus))
    }
}
