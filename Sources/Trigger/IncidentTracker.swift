import Analysis
import Events

/// Who opened an incident, and when.
public struct IncidentOpening: Sendable, Hashable {
    public var container: ContainerKey
    public var at: Instant

    public init(container: ContainerKey, at: Instant) {
        self.container = container
        self.at = at
    }
}

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
    /// When its first trigger fired.
    public let opened: Instant
    /// Incidents that make room for this: a milder one of its container, and those that saw a turn of this one without its end.
    public var replaces: [IncidentOpening] = []

    /// An incident with one trigger so far; `limit` is the end it may reach by more of them.
    public init(
        first: TriggerFact, from: Instant, to: Instant, limit: Instant, baselines: [Baseline],
        containers: Set<ContainerKey>
    ) {
        triggers = [first]
        opened = first.at
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

/// Merges overlapping triggers into incidents: each extends the end, up to a cap.
///
/// A container may open 6 incidents in any 10 minutes (`IncidentBudget`); its triggers over that are counted in
/// `suppressed`. Joining an incident another container opened is free, and so is a manual snapshot.
public struct IncidentTracker: Sendable {
    private var before: UInt64
    private var after: UInt64
    /// ns from an incident's first trigger to its end at most.
    public let cap: UInt64
    private var budget: IncidentBudget
    public var suppressed: [ContainerKey: Suppressed] { budget.suppressed }
    /// Triggers suppressed since the start.
    public var suppressedTotal: UInt64 { budget.suppressedTotal }

    private var pending: PendingIncident?
    /// A turn that fired while it was open.
    private struct InFlight {
        var began: Instant
        /// Its incident; `nil`: it was suppressed, and at its end may be worse than it was.
        var incident: IncidentOpening?
    }
    private var inFlight: [SocketID: InFlight] = [:]
    private static let inFlightRemembered = 4096
    var rememberedInFlight: Int { inFlight.count }

    /// Times in ns. `before`, `after`: kept around a trigger. `cap`: from the first trigger to the incident's end at most;
    /// never less than `after`. `burst`: incidents a container may open in `period`.
    public init(
        before: UInt64, after: UInt64, cap: UInt64 = 60_000_000_000, burst: Int = 6, period: UInt64 = 600_000_000_000
    ) {
        self.before = before
        self.after = after
        self.cap = max(cap, after)
        budget = IncidentBudget(burst: burst, period: period)
    }

    /// Other times around the triggers to come, ns.
    public mutating func keep(before: UInt64, after: UInt64) {
        self.before = before
        self.after = after
    }

    public var isCollecting: Bool { pending != nil }

    /// The time after the last trigger has passed: `due` hands the incident out.
    public func isDue(at now: Instant) -> Bool { pending.map { now >= $0.to } ?? false }

    /// Takes a trigger into the incident being collected, or opens one. A turn that fired while it was open and ends after its
    /// incident does opens another, which makes the first superfluous: it has the whole turn.
    ///
    /// `began`: when the slow turn began, which may be long before it fired. `baselines`: figures of the trigger's
    /// container, asked once for each container of an incident.
    public mutating func note(_ trigger: TriggerFact, began: Instant, baselines: () -> [Baseline]) {
        let began = min(began, trigger.at)
        let from = began > before ? began - before : 0
        let to = trigger.at &+ after
        let earlier = takeEarlier(trigger, began)
        guard pending == nil else {
            pending?.extend(trigger, from: from, to: to, baselines: baselines)
            // Whoever it was that was slow: what is in the capture goes with it, should that be replaced.
            if let pending, let opener = pending.triggers.first?.container {
                budget.saw(trigger.observed, opener, opened: pending.opened)
            }
            let opening = pending.flatMap { pending in
                pending.triggers.first.map { IncidentOpening(container: $0.container, at: pending.opened) }
            }
            if let opening, let incident = earlier?.incident, incident != opening, outgrows(trigger, incident) == true {
                makeRoom(incident, for: opening)
            }
            remember(trigger, began, opening)
            return
        }
        let opening = IncidentOpening(container: trigger.container, at: trigger.at)
        let isLonger = earlier?.incident.flatMap { outgrows(trigger, $0) }
        guard isLonger != false else { return }
        let decision: IncidentBudget.Decision
        if isLonger == true {
            budget.opens(trigger)
            decision = .open
        } else {
            decision = budget.decide(trigger, again: earlier != nil && earlier?.incident == nil)
        }
        remember(trigger, began, decision == .suppress ? nil : opening)
        guard decision != .suppress else { return }
        pending = PendingIncident(
            first: trigger, from: from, to: to, limit: trigger.at &+ cap, baselines: baselines(),
            containers: [trigger.container])
        if case .replace(let opened) = decision {
            pending?.replaces = [IncidentOpening(container: trigger.container, at: opened)]
        }
        if isLonger == true, let incident = earlier?.incident { makeRoom(incident, for: opening) }
    }

    private mutating func outgrows(_ trigger: TriggerFact, _ incident: IncidentOpening) -> Bool? {
        incident.container == trigger.container ? budget.outgrows(trigger, opened: incident.at) : nil
    }

    /// What is being collected has the whole of a turn that this incident saw in part. Others that hang since then have
    /// theirs in it now.
    private mutating func makeRoom(_ incident: IncidentOpening, for opening: IncidentOpening) {
        pending?.replaces.append(incident)
        for (socket, other) in inFlight where other.incident == incident { inFlight[socket]?.incident = opening }
    }

    /// What became of this turn while it was open; forgotten with its end.
    private mutating func takeEarlier(_ trigger: TriggerFact, _ began: Instant) -> InFlight? {
        guard trigger.kind == .latency, !inFlight.isEmpty, let known = inFlight[trigger.socket], known.began == began
        else { return nil }
        inFlight[trigger.socket] = nil
        return known
    }

    private mutating func remember(_ trigger: TriggerFact, _ began: Instant, _ incident: IncidentOpening?) {
        guard trigger.kind == .inFlight else { return }
        if inFlight.count >= Self.inFlightRemembered {
            // Half at once: ends that were never seen must not make each further one expensive.
            let median = inFlight.values.map(\.began).sorted()[inFlight.count / 2]
            inFlight = inFlight.filter { $0.value.began > median }
        }
        inFlight[trigger.socket] = InFlight(began: began, incident: incident)
    }

    /// The incident whose time after the last trigger has passed, once. `force`: whatever is pending, now.
    public mutating func due(at now: Instant, force: Bool = false) -> PendingIncident? {
        guard var incident = pending, force || isDue(at: now) else { return nil }
        incident.to = min(incident.to, max(now, incident.from))
        pending = nil
        return incident
    }
}
