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
    /// When its first trigger fired.
    public let opened: Instant
    /// Incidents that make room for this: a milder one of its container, and those that saw a turn of this one without its end.
    public var replaces: [IncidentOpening] = []
    /// Those that saw a turn of this one without its end, until it is known whether all they hold is still at hand.
    var absorbed: [Absorbed] = []
    /// From when on all events of all that fired are here.
    var whole: Instant = 0

    struct Absorbed: Sendable {
        var opening: IncidentOpening
        /// ns, the slowest turn that fired in it.
        var worst: UInt64
        /// What was handed out; `nil`: that is too long ago to be remembered.
        var incident: PendingIncident?
    }

    /// `nil` of a snapshot asked for by hand, in whose place nothing comes.
    public var opening: IncidentOpening? {
        triggers.first.flatMap { $0.kind == .manual ? nil : IncidentOpening(container: $0.container, at: opened) }
    }

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

    mutating func extend(
        _ trigger: TriggerFact, from: Instant, to: Instant, baselines: () -> [Baseline]
    ) {
        fired += 1
        self.from = min(self.from, from)
        self.to = max(self.to, min(to, limit))
        if to > limit { capped = true }
        if containers.insert(trigger.container).inserted { self.baselines.append(contentsOf: baselines()) }
        keep(trigger)
    }

    /// Takes in what fired in an incident whose place this takes, which was before what is in this.
    mutating func inherit(_ other: PendingIncident) {
        fired += other.fired
        from = min(from, other.from)
        baselines = other.baselines + baselines.filter { !other.containers.contains($0.container) }
        containers.formUnion(other.containers)
        for trigger in other.triggers { keep(trigger) }
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
