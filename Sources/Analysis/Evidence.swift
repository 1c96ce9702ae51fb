import Events

/// How people know a container.
public struct ContainerName: Sendable, Hashable, Codable {
    /// The runtime's full id; for the host and unknown cgroups, what is known instead.
    public var id: String
    public var name: String
    /// docker, podman, containerd, kubernetes, host, demo or unknown.
    public var runtime: String
    /// Empty when not known.
    public var image: String

    public init(id: String, name: String, runtime: String, image: String = "") {
        self.id = id
        self.name = name
        self.runtime = runtime
        self.image = image
    }

    /// Somebody gave it this name: it is not only its id, or a cgroup's number.
    public var isNamed: Bool { runtime != "unknown" && !id.hasPrefix(name) }
}

/// The rule and the observation that fired.
public struct TriggerFact: Sendable, Equatable, Codable {
    public enum Kind: String, Sendable, Codable {
        case latency
        case inFlight = "in-flight"
        case manual
    }

    public var kind: Kind
    public var at: Instant
    public var container: ContainerKey
    public var socket: SocketID
    /// ns observed when it fired; 0 for a manual snapshot.
    public var observed: UInt64
    /// ns; 0 for a manual snapshot.
    public var threshold: UInt64
    /// In words: `absolute 200ms`, `auto: 5 × p99 12ms`, or the reason given to `snapshot`.
    public var rule: String

    public init(
        kind: Kind, at: Instant, container: ContainerKey, socket: SocketID, observed: UInt64, threshold: UInt64,
        rule: String
    ) {
        self.kind = kind
        self.at = at
        self.container = container
        self.socket = socket
        self.observed = observed
        self.threshold = threshold
        self.rule = rule
    }
}

/// A container's triggers that the rate limit held back, since the recorder started.
public struct SuppressedFact: Sendable, Equatable, Codable {
    public var container: ContainerKey
    public var count: UInt64
    /// ns, the slowest.
    public var worst: UInt64
    public var last: Instant

    public init(container: ContainerKey, count: UInt64, worst: UInt64, last: Instant) {
        self.container = container
        self.count = count
        self.worst = worst
        self.last = last
    }
}

/// A moment read on both clocks: turns `Instant`s into wall-clock time.
public struct ClockPair: Sendable, Equatable, Codable {
    public var monotonic: Instant
    /// ns since 1970-01-01 UTC.
    public var wall: Int64

    public init(monotonic: Instant, wall: Int64) {
        self.monotonic = monotonic
        self.wall = wall
    }
}

/// The recorder's own cost since it started, read at one moment.
public struct CostReading: Sendable, Equatable, Codable {
    public var at: Instant
    /// ns of user and system time.
    public var cpu: UInt64
    public var residentBytes: UInt64
    /// Records the probes emitted.
    public var events: UInt64

    public init(at: Instant, cpu: UInt64, residentBytes: UInt64, events: UInt64) {
        self.at = at
        self.cpu = cpu
        self.residentBytes = residentBytes
        self.events = events
    }
}

/// One vector on one CPU over the captured interval.
public struct SoftirqTotal: Sendable, Equatable, Codable {
    public var cpu: UInt16
    public var vector: UInt32
    public var count: UInt64
    /// ns.
    public var total: UInt64
    /// ns; 0: no longer one than before, since the probes were attached.
    public var max: UInt64
    /// ns that one had been due before it ran, at most; 0: as of `max`.
    public var deferredMax: UInt64

    public init(cpu: UInt16, vector: UInt32, count: UInt64, total: UInt64, max: UInt64, deferredMax: UInt64) {
        self.cpu = cpu
        self.vector = vector
        self.count = count
        self.total = total
        self.max = max
        self.deferredMax = deferredMax
    }
}

/// The container's and port's own figures before the incident.
public struct Baseline: Sendable, Equatable, Codable {
    public var container: ContainerKey
    public var role: UInt8
    /// The server's port.
    public var port: UInt16
    public var turns: UInt64
    /// ns.
    public var p50: UInt64
    public var p99: UInt64
    /// Of its connections, in the two minutes before the first slow turn began.
    public var retransmitsPerSecond: Double

    public init(
        container: ContainerKey, role: UInt8, port: UInt16, turns: UInt64, p50: UInt64, p99: UInt64,
        retransmitsPerSecond: Double
    ) {
        self.container = container
        self.role = role
        self.port = port
        self.turns = turns
        self.p50 = p50
        self.p99 = p99
        self.retransmitsPerSecond = retransmitsPerSecond
    }
}

/// An interval in which events are known to be missing.
public struct Gap: Sendable, Equatable, Codable {
    public var from: Instant
    public var to: Instant
    /// Events lost in it, when counted.
    public var lost: UInt64
    public var why: String
    /// Only events of this container are missing; `nil`: of any.
    public var container: ContainerKey?

    public init(from: Instant, to: Instant, lost: UInt64, why: String, container: ContainerKey? = nil) {
        self.from = from
        self.to = to
        self.lost = lost
        self.why = why
        self.container = container
    }

    /// Whether events of one of these containers may be missing.
    public func concerns(_ containers: some Collection<ContainerKey>) -> Bool {
        container.map { containers.contains($0) } ?? true
    }
}

/// Everything one capture holds: the only input of the analysis.
public struct Evidence: Sendable {
    /// `20261123T165204Z-a1b2c3`: sortable by time, unique.
    public var id: String
    public var triggers: [TriggerFact] = []
    /// What fired since the recorder started and has no capture.
    public var suppressed: [SuppressedFact] = []
    public var clock: ClockPair
    /// The wall clock's settings over the capture, in order of time: each holds from its moment to the next. Empty: `clock`
    /// holds throughout.
    public var clocks: [ClockPair] = []
    /// What recording took, in order of time.
    public var costs: [CostReading] = []
    /// What was asked for: the first trigger minus `--before`, the last plus `--after`.
    public var askedFrom: Instant
    public var askedTo: Instant
    /// What the window could give.
    public var from: Instant
    public var to: Instant
    public var gaps: [Gap] = []
    public var containers: [ContainerKey: ContainerName] = [:]
    public var sockets: [SocketID: SocketInfo] = [:]
    /// Completed turns and those still open at `to` (flag `.open`); in order of `end`.
    public var turns: [Turn] = []
    public var retransmits: [Retransmit] = []
    public var states: [StateChange] = []
    public var resets: [Reset] = []
    public var drops: [Drop] = []
    public var slowSoftirqs: [SlowSoftirq] = []
    /// What threads that handle turns did off the CPU, short ones summed up; in order of `end`. Complete for
    /// the slow turns: `threadsFollowed` says whether they were looked at.
    public var slices: [Slice] = []
    /// Where they were blocked in the kernel, of blocks long enough to be seen at a walk.
    public var stacks: [KernelStack] = []
    /// Names of the frames of `stacks`, by address in the recording kernel.
    public var symbols: [UInt64: String] = [:]
    /// Packets that waited in a device's queue for a millisecond or more.
    public var queued: [Queued] = []
    public var softirqTotals: [SoftirqTotal] = []
    public var softirqTicks: [SoftirqTick] = []
    public var samples: [ContainerSample] = []
    /// Network counters of those containers and the host; in order of `at` for each.
    public var counters: [CounterReading] = []
    public var softnet: [SoftnetReading] = []
    public var baselines: [Baseline] = []
    /// Those that ran at some time of the capture.
    public var relays: [Relay] = []
    /// IP addresses of the host's own network namespace, 4 or 16 bytes in network order.
    public var hostAddresses: Set<[UInt8]> = []
    /// Settings of the host's physical interfaces that have them.
    public var coalescing: [Coalescing] = []
    /// What those interfaces received; in order of `at` for each.
    public var interfaces: [InterfaceReading] = []
    /// Names of the recording kernel's `enum skb_drop_reason`, those that occur.
    public var dropReasons: [UInt32: String] = [:]
    /// Free facts: kernel, flightrec version, boot id, configuration in effect.
    public var facts: [String: String] = [:]

    public init(id: String, clock: ClockPair, askedFrom: Instant, askedTo: Instant, from: Instant, to: Instant) {
        self.id = id
        self.clock = clock
        self.askedFrom = askedFrom
        self.askedTo = askedTo
        self.from = from
        self.to = to
    }

    /// What the wall clock said at an instant: ns since 1970-01-01 UTC. Durations are never taken from it, for it may have
    /// been set meanwhile.
    public func wall(_ instant: Instant) -> Int64 {
        // Few: more than one only when it was set.
        let pair = clocks.last { $0.monotonic <= instant } ?? clocks.first ?? clock
        return pair.wall &+ Int64(bitPattern: instant &- pair.monotonic)
    }

    /// Sockets some event is about.
    public var heardSockets: Set<SocketID> {
        var heard = Set(turns.map(\.socket))
        for event in retransmits { heard.insert(event.socket) }
        for event in states { heard.insert(event.socket) }
        for event in resets { heard.insert(event.socket) }
        return heard
    }

    /// A thread without a slice ran; without this, nobody knows.
    public var threadsFollowed: Bool { facts["threads"] == "followed" }

    /// Events in it, sockets' names not counted.
    public var eventCount: Int {
        turns.count + retransmits.count + states.count + resets.count + drops.count + slowSoftirqs.count
            + slices.count + stacks.count + queued.count
    }
}
