import Glibc

/// What the recorder says of itself. Times in ns.
public struct RecorderStatus: Codable, Sendable {
    public struct Suppressed: Codable, Sendable {
        public var container: String
        public var count: UInt64
        public var worstNs: UInt64
    }

    /// A time in which something may have been missed.
    public struct Gap: Codable, Sendable {
        /// RFC 3339, UTC.
        public var from: String
        public var to: String
        /// Records known lost in it.
        public var lost: UInt64
        public var why: String
    }

    /// What an absolute threshold would have fired on since the recorder started.
    public struct WouldFire: Codable, Sendable {
        public var thresholdNs: UInt64
        /// Turns over it, by role.
        public var served: UInt64
        public var called: UInt64
        /// Incidents these make, before the rate limit.
        public var incidents: UInt64
        /// At the rate so far; `nil` in the first hour.
        public var incidentsPerDay: Double?
    }

    /// The file system captures go to.
    public struct Disk: Codable, Sendable {
        /// What there is room for: `ok`, `smaller` (captures without some of their events) or `none`.
        public var state: String
        public var freeBytes: UInt64
        /// `--keep-free`.
        public var keepFreeBytes: UInt64
        /// Captures made smaller for want of room, since the start; and those of which nothing could be written.
        public var cut: UInt64
        public var unsaved: UInt64
        /// The slowest turn of those.
        public var unsavedWorstNs: UInt64
    }

    /// A container whose history is shorter for want of room.
    public struct CutShort: Codable, Sendable {
        public var container: String
        /// How far back nothing of it is missing.
        public var completeNs: UInt64

        public init(container: String, completeNs: UInt64) {
            self.container = container
            self.completeNs = completeNs
        }
    }

    public struct Budget: Codable, Sendable {
        /// Of all CPUs, 0…1.
        public var limit: Double
        /// `full`, or what is left out to keep to it.
        public var detail: String
        /// 0: nothing is left out; each step leaves out more.
        public var step: Int
        /// Times something more was left out, since the start.
        public var shed: Int
        /// There is nothing more to leave out, and it costs too much all the same.
        public var exhausted: Bool
    }

    static let mostCutShort = 8

    public var version: String
    public var pid: Int32
    public var armedNs: UInt64
    /// RFC 3339, UTC.
    public var armedSince: String
    /// Part of the armed time without a known loss, 0…1.
    public var coverage: Double
    public var gaps: Int
    /// The last of them.
    public var latestGaps: [Gap]
    /// How far back the window reaches now.
    public var windowNs: UInt64
    /// How far back nothing is missing for want of room, of any container.
    public var windowCompleteNs: UInt64
    /// Those of which something is missing within `windowAskedNs`, the shortest first and `mostCutShort` at most, and how many
    /// there are. Of all others all is there.
    public var cutShort: [CutShort] = []
    public var cutShortContainers = 0
    /// The least that was, since the window was full for the first time; `nil` before.
    public var windowMinimumNs: UInt64?
    /// `--window`.
    public var windowAskedNs: UInt64
    public var windowBytes: Int
    /// What `windowBytes` may come to: `--memory` without `namesBytes`.
    public var windowBudget: Int
    /// What the names of sockets take of `--memory`.
    public var namesBytes: Int
    /// Open sockets whose names had to go for want of room, since the start.
    public var unnamedSockets: UInt64
    public var events: UInt64
    /// Over the last ten seconds.
    public var eventsPerSecond: Double
    public var lost: UInt64
    public var captures: Int
    public var failedCaptures: Int
    public var collecting: Bool
    /// `nil`: its file system does not say.
    public var disk: Disk?
    /// Triggers held back by the rate limit.
    public var suppressed: [Suppressed]
    /// Turns over the threshold whose service is slow by habit.
    public var habitual: UInt64
    public var threshold: String
    /// Turns that were judged at all.
    public var turnsJudged: UInt64
    public var wouldFire: [WouldFire]
    public var sockets: Int
    public var rssBytes: Int
    /// User and system time of this process.
    public var cpuNs: UInt64
    /// Of one CPU over the last ten seconds: 0.01 is 1 %.
    public var cpuShare: Double
    /// Of all CPUs over the last half second, 0…1: this process and its probes, those reckoned by how often they ran.
    public var overheadShare: Double
    /// `--max-overhead`, and what became of it; `nil`: there is no limit.
    public var budget: Budget?
    /// Hooks that could not attach.
    public var missingHooks: [String]
}

enum OwnCost {
    /// Resident memory, bytes: the second field of /proc/self/statm, in pages (proc_pid_statm(5)).
    static func residentBytes() -> Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var buffer = [CChar](repeating: 0, count: 128)
        guard fgets(&buffer, 128, file) != nil else { return 0 }
        let text = buffer.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        let fields = text.split(separator: " ")
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
    }

    /// ns of CPU this process used.
    static func cpu() -> UInt64 {
        var usage = rusage()
        getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
        let seconds = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec
        return UInt64(seconds) * 1_000_000_000 + UInt64(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000
    }
}
