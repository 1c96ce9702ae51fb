import Analysis
import Events

/// One incident being collected.
public struct PendingIncident: Sendable {
    public var triggers: [TriggerFact]
    /// Triggers that fired in it, kept or not.
    public var fired: Int
    public var from: Instant
    public var to: Instant
    /// The incident kept firing and was cut at the cap.
    public var capped: Bool
    /// Figures of every container that fired, as they were before it did.
    public var baselines: [Baseline]

    public init(
        triggers: [TriggerFact], fired: Int, from: Instant, to: Instant, capped: Bool, baselines: [Baseline]
    ) {
        self.triggers = triggers
        self.fired = fired
        self.from = from
        self.to = to
        self.capped = capped
        self.baselines = baselines
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
public struct IncidentTracker: Sendable {
    private let before: UInt64
    private let after: UInt64
    private let cap: UInt64
    /// Incidents a container may have in `period`.
    private let burst: Int
    private let period: UInt64
    /// Trigger rows kept for one incident; a flood of slow turns is in its events anyway.
    private static let kept = 256

    private var pending: PendingIncident?
    private var opened: [ContainerKey: [Instant]] = [:]
    public private(set) var suppressed: [ContainerKey: Suppressed] = [:]

    /// All in ns. Default rate limit: 6 incidents a container in 10 minutes.
    public init(
        before: UInt64, after: UInt64, cap: UInt64 = 60_000_000_000, burst: Int = 6, period: UInt64 = 600_000_000_000
    ) {
        self.before = before
        self.after = after
        self.cap = cap
        self.burst = burst
        self.period = period
    }

    public var isCollecting: Bool { pending != nil }

    /// `began`: when the slow turn began. `baselines` is asked once, when the incident opens.
    public mutating func note(_ trigger: TriggerFact, began: Instant, baselines: () -> [Baseline]) {
        let from = began > before ? began - before : 0
        let to = trigger.at &+ after
        if var incident = pending {
            incident.fired += 1
            incident.from = min(incident.from, from)
            let limit = incident.from &+ before &+ cap
            incident.capped = incident.capped || to > limit
            incident.to = max(incident.to, min(to, limit))
            if incident.triggers.count < Self.kept { incident.triggers.append(trigger) }
            pending = incident
            return
        }
        guard allowed(trigger) else { return }
        pending = PendingIncident(
            triggers: [trigger], fired: 1, from: from, to: to, capped: false, baselines: baselines())
    }

    private mutating func allowed(_ trigger: TriggerFact) -> Bool {
        guard trigger.kind != .manual else { return true }
        var times = (opened[trigger.container] ?? []).filter { $0 &+ period > trigger.at }
        defer { opened[trigger.container] = times }
        guard times.count < burst else {
            var held = suppressed[trigger.container] ?? Suppressed()
            held.count += 1
            held.worst = max(held.worst, trigger.observed)
            held.last = trigger.at
            suppressed[trigger.container] = held
            return false
        }
        times.append(trigger.at)
        return true
    }

    /// The incident whose time after the last trigger has passed, once. `force`: whatever is pending, now.
    public mutating func due(at now: Instant, force: Bool = false) -> PendingIncident? {
        guard var incident = pending, force || now >= incident.to else { return nil }
        incident.to = min(incident.to, max(now, incident.from))
        pending = nil
        return incident
    }
}
