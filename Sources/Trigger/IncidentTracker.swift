import Analysis
import Events

/// One incident being collected.
public struct PendingIncident: Sendable {
    /// The one that opened it first; of the others the slowest, when there were too many to keep.
    public var triggers: [TriggerFact]
    /// Triggers that fired in it, kept or not.
    public var fired: Int
    public var from: Instant
    public var to: Instant
    /// The incident kept firing and was cut at the cap.
    public var capped: Bool
    /// Figures of every container that fired, as they were when it first did.
    public var baselines: [Baseline]
    /// Containers whose baselines are in.
    var containers: Set<ContainerKey>
    /// No later than this, however long it goes on.
    var limit: Instant

    /// An incident with one trigger so far; `limit` is the end it may reach by more of them.
    public init(
        first: TriggerFact, from: Instant, to: Instant, limit: Instant, baselines: [Baseline],
        containers: Set<ContainerKey>
    ) {
        triggers = [first]
        fired = 1
        self.from = from
        self.to = to
        capped = false
        self.baselines = baselines
        self.containers = containers
        self.limit = limit
    }

    /// Trigger rows kept for one incident; a flood of slow turns is in its events anyway.
    static let kept = 256

    mutating func extend(_ trigger: TriggerFact, from: Instant, to: Instant, baselines: () -> [Baseline]) {
        fired += 1
        self.from = min(self.from, from)
        self.to = max(self.to, min(to, limit))
        if to > limit { capped = true }
        if containers.insert(trigger.container).inserted { self.baselines.append(contentsOf: baselines()) }
        keep(trigger)
    }

    /// The first stays: it says what opened the incident. Of the rest the mildest makes room for a worse one.
    private mutating func keep(_ trigger: TriggerFact) {
        if triggers.count >= Self.kept {
            guard
                let mildest = triggers.indices.dropFirst().min(by: { triggers[$0].observed < triggers[$1].observed }),
                triggers[mildest].observed < trigger.observed
            else { return }
            triggers.remove(at: mildest)
        }
        triggers.append(trigger)
    }
}

/// Triggers held back by the rate limit.
public struct Suppressed: Sendable, Equatable {
    public var count: UInt64 = 0
    /// ns, the slowest.
    public var worst: UInt64 = 0
    public var last: Instant = 0
}

/// Merges overlapping triggers into incidents: each extends the end, up to a cap.
///
/// A container may open 6 incidents in any 10 minutes, so that one that is slow all day cannot fill the disk or push out
/// other containers' captures; its triggers over that are counted in `suppressed`. Joining an incident another container
/// opened is free, and so is a manual snapshot.
public struct IncidentTracker: Sendable {
    private let before: UInt64
    private let after: UInt64
    private let cap: UInt64
    private let burst: Int
    private let period: UInt64
    /// Containers whose suppressed triggers are remembered; the longest quiet is forgotten first.
    static let remembered = 1024

    private var pending: PendingIncident?
    /// When the turns began that fired while open, by socket: their end is no news.
    private var inFlight: [SocketID: Instant] = [:]
    private static let inFlightRemembered = 4096
    var rememberedInFlight: Int { inFlight.count }
    /// When each container opened its incidents of the last `period`.
    private var opened: [ContainerKey: [Instant]] = [:]
    public private(set) var suppressed: [ContainerKey: Suppressed] = [:]

    /// Times in ns. `before`, `after`: kept around a trigger. `cap`: from the first trigger to the incident's end at most;
    /// never less than `after`. `burst`: incidents a container may open in `period`.
    public init(
        before: UInt64, after: UInt64, cap: UInt64 = 60_000_000_000, burst: Int = 6, period: UInt64 = 600_000_000_000
    ) {
        self.before = before
        self.after = after
        self.cap = max(cap, after)
        self.burst = burst
        self.period = period
    }

    public var isCollecting: Bool { pending != nil }

    /// Takes a trigger into the incident being collected, or opens one. The end of a turn that fired while it was open
    /// joins an incident, but opens none: the turn has had its own.
    ///
    /// `began`: when the slow turn began, which may be long before it fired. `baselines`: figures of the trigger's
    /// container, asked once for each container of an incident.
    public mutating func note(_ trigger: TriggerFact, began: Instant, baselines: () -> [Baseline]) {
        let began = min(began, trigger.at)
        let from = began > before ? began - before : 0
        let to = trigger.at &+ after
        let known = isKnown(trigger, began)
        guard pending == nil else {
            pending?.extend(trigger, from: from, to: to, baselines: baselines)
            return
        }
        guard !known, allowed(trigger) else { return }
        pending = PendingIncident(
            first: trigger, from: from, to: to, limit: trigger.at &+ cap, baselines: baselines(),
            containers: [trigger.container])
    }

    private mutating func isKnown(_ trigger: TriggerFact, _ began: Instant) -> Bool {
        switch trigger.kind {
        case .inFlight:
            if inFlight.count >= Self.inFlightRemembered {
                // Half at once: ends that were never seen must not make each further one expensive.
                let median = inFlight.values.sorted()[inFlight.count / 2]
                inFlight = inFlight.filter { $0.value > median }
            }
            inFlight[trigger.socket] = began
            return false
        case .latency:
            guard !inFlight.isEmpty, inFlight[trigger.socket] == began else { return false }
            inFlight[trigger.socket] = nil
            return true
        default: return false
        }
    }

    private mutating func allowed(_ trigger: TriggerFact) -> Bool {
        guard trigger.kind != .manual else { return true }
        let times = (opened[trigger.container] ?? []).filter { $0 &+ period > trigger.at }
        guard times.count >= burst else {
            // Rare enough here to look at all: containers come and go, and so must their times.
            opened = opened.filter { $0.value.contains { $0 &+ period > trigger.at } }
            opened[trigger.container] = times + [trigger.at]
            return true
        }
        suppress(trigger)
        return false
    }

    private mutating func suppress(_ trigger: TriggerFact) {
        var held = suppressed[trigger.container] ?? Suppressed()
        held.count += 1
        held.worst = max(held.worst, trigger.observed)
        held.last = trigger.at
        suppressed[trigger.container] = held
        if suppressed.count > Self.remembered, let quietest = suppressed.min(by: { $0.value.last < $1.value.last }) {
            suppressed[quietest.key] = nil
        }
    }

    /// The incident whose time after the last trigger has passed, once. `force`: whatever is pending, now.
    public mutating func due(at now: Instant, force: Bool = false) -> PendingIncident? {
        guard var incident = pending, force || now >= incident.to else { return nil }
        incident.to = min(incident.to, max(now, incident.from))
        pending = nil
        return incident
    }
}
