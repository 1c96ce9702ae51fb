import Capture
import Kernel
import Trigger

/// What `record` was asked to do.
public struct RecorderOptions: Sendable {
    /// What is watched, in words for the log.
    var watched: String {
        var words =
            choices.isEmpty
            ? "watching all containers" : "watching containers \(choices.map(\.pattern).joined(separator: ", "))"
        words += filter.host ? " and processes outside them" : ", not processes outside them (--host)"
        let ports = filter.ports.map(String.init).joined(separator: ", ")
        let pids = filter.pids.map(String.init).joined(separator: ", ")
        if !ports.isEmpty { words += "; of these, port \(ports) only" }
        if !pids.isEmpty { words += "; of these, process \(pids) only" }
        words += "; a turn is slow from \(rule.meaning)"
        for choice in choices { if let own = choice.rule { words += ", of \(choice.pattern) from \(own.meaning)" } }
        return words
    }

    public struct Choice: Sendable, Equatable {
        /// Shell glob on the name, or a prefix of the id.
        public var pattern: String
        /// A threshold of its own.
        public var rule: ThresholdRule?

        public init(pattern: String, rule: ThresholdRule?) {
            self.pattern = pattern
            self.rule = rule
        }
    }

    public var directory: String
    public var rule: ThresholdRule = .auto
    /// Empty: every container.
    public var choices: [Choice] = []
    public var filter = ProbeFilter()
    /// ns.
    public var before: UInt64 = 10_000_000_000
    public var after: UInt64 = 5_000_000_000
    public var window: UInt64 = 60_000_000_000
    /// Bytes.
    public var memory = 256 << 20
    /// ns; `nil`: until a signal.
    public var duration: UInt64?
    /// Shell command run for every published capture.
    public var execute: String?
    /// Checked before each write; the default keeps 2 GiB and leaves 1 GiB of the file system free.
    /// Without `freeBytes`: as many as are usual (`CaptureDirectory.usualFreeBytes`).
    public var retention = RetentionPolicy(maximumBytes: 2 << 30)
    /// Docker daemons beside the default one.
    public var dockerSockets: [String] = []
    /// Data roots of Docker daemons, beside the usual one: names when no socket answers.
    public var dockerRoots: [String] = []
    /// Where Prometheus may ask; `nil`: nowhere.
    public var metrics: MetricsAddress?
    /// Above this much of the time of all CPUs, 0…1, the probes tell less (`OverheadBudget`); `nil`: never.
    public var maximumOverhead: Double?
    /// The log tells warnings and errors alone; the caller sets the logger's level.
    public var quiet = false
    public var version = ""

    public init(directory: String) { self.directory = directory }
}

extension RetentionPolicy {
    /// This one, with so many bytes left free where it doesn't say how many.
    func leaving(_ usual: UInt64) -> RetentionPolicy {
        var policy = self
        policy.freeBytes = freeBytes ?? usual
        return policy
    }
}
