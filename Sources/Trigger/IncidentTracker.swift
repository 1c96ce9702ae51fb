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
    /// Incidents handed out of which a turn still hangs.
    private var handedOut: [IncidentOpening: PendingIncident] = [:]
    /// At most 256 triggers each, some 20 KB.
    static let handedOutRemembered = 64
    var rememberedHandedOut: Int { handedOut.count }

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
    /// incident does opens another, which makes the first superfluous: it has the whole turn, and all that fired in the first.
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
            if let opening, let incident = earlier?.incident, incident != opening,
                case .outgrown(let worst) = growth(trigger, incident)
            {
                makeRoom(incident, worst, for: opening)
            }
            remember(trigger, began, opening)
            return
        }
        let opening = IncidentOpening(container: trigger.container, at: trigger.at)
        let decision: IncidentBudget.Decision
        var outgrown: (incident: IncidentOpening, worst: UInt64)?
        switch earlier?.incident.map({ ($0, growth(trigger, $0)) }) {
        case (_, .isNone)?: return
        case (let incident, .outgrown(let worst))?:
            outgrown = (incident, worst)
            budget.opens(trigger)
            decision = .open
        case (_, .isUnknown)?, nil:
            decision = budget.decide(trigger, again: earlier != nil && earlier?.incident == nil)
        }
        remember(trigger, began, decision == .suppress ? nil : opening)
        guard decision != .suppress else { return }
        pending = PendingIncident(
            first: trigger, from: from, to: to, limit: trigger.at &+ cap,
            baselines: baselines(), containers: [trigger.container])
        if case .replace(let opened) = decision {
            pending?.replaces = [IncidentOpening(container: trigger.container, at: opened)]
        }
        if let outgrown { makeRoom(outgrown.incident, outgrown.worst, for: opening) }
    }

    private mutating func growth(_ trigger: TriggerFact, _ incident: IncidentOpening) -> IncidentBudget.Growth {
        incident.container == trigger.container ? budget.growth(trigger, opened: incident.at) : .isUnknown
    }

    /// What is being collected has the whole of a turn that this incident saw in part. Others that hang since then have
    /// theirs in it now.
    private mutating func makeRoom(_ incident: IncidentOpening, _ worst: UInt64, for opening: IncidentOpening) {
        pending?.absorbed.append(
            PendingIncident.Absorbed(
                opening: incident, worst: worst, incident: handedOut.removeValue(forKey: incident)))
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

    /// The incident whose time after the last trigger has passed, once. `force`: whatever is pending, now. `reach`: from when on
    /// all events of these containers are at hand.
    public mutating func due(
        at now: Instant, force: Bool = false, reach: (Set<ContainerKey>) -> Instant = { _ in 0 }
    ) -> PendingIncident? {
        guard var incident = pending, force || isDue(at: now) else { return nil }
        incident.to = min(incident.to, max(now, incident.from))
        pending = nil
        for other in incident.absorbed { absorb(other, into: &incident, reach) }
        incident.absorbed = []
        incident.whole = max(incident.from, reach(incident.containers))
        handOut(incident)
        return incident
    }

    /// An incident that has events which are gone by now stays beside the one that has the whole turn, and counts as before.
    private mutating func absorb(
        _ other: PendingIncident.Absorbed, into incident: inout PendingIncident, _ reach: (Set<ContainerKey>) -> Instant
    ) {
        guard let earlier = other.incident, reach(earlier.containers) <= earlier.whole else {
            return budget.stays(other.opening, worst: other.worst)
        }
        incident.replaces.append(other.opening)
        incident.inherit(earlier)
    }

    private mutating func handOut(_ incident: PendingIncident) {
        let hanging = Set(inFlight.values.lazy.compactMap(\.incident))
        handedOut = handedOut.filter { hanging.contains($0.key) }
        guard let opening = incident.opening, hanging.contains(opening) else { return }
        if handedOut.count >= Self.handedOutRemembered, let oldest = handedOut.keys.min(by: { $0.at < $1.at }) {
            handedOut[oldest] = nil
        }
        handedOut[opening] = incident
    }
}
