import Analysis
import Events

/// Triggers held back by the rate limit, since the recorder started.
public struct Suppressed: Sendable, Equatable {
    public var count: UInt64 = 0
    /// ns, the slowest.
    public var worst: UInt64 = 0
    public var last: Instant = 0
}

/// How many incidents a container may open: `burst` in any `period`, so that one that is slow all day cannot fill the disk
/// or push out other containers' captures. A spike clearly worse than the mildest of them may take its place.
struct IncidentBudget: Sendable {
    enum Decision: Equatable {
        case open
        /// Open it, and throw away the one the same container opened then.
        case replace(Instant)
        case suppress
    }

    private struct Opened {
        var at: Instant
        /// ns, the slowest turn that fired in it.
        var worst: UInt64
    }

    private let burst: Int
    private let period: UInt64
    /// What each container opened in its last `period`.
    private var opened: [ContainerKey: [Opened]] = [:]
    private(set) var suppressed: [ContainerKey: Suppressed] = [:]
    /// Of all containers, forgotten ones too.
    private(set) var suppressedTotal: UInt64 = 0
    /// Containers whose suppressed triggers are remembered; the longest quiet is forgotten first.
    static let remembered = 1024

    init(burst: Int, period: UInt64) {
        self.burst = burst
        self.period = period
    }

    /// Decides about a trigger that would open an incident. `again`: this turn was suppressed before, and is not counted
    /// twice.
    mutating func decide(_ trigger: TriggerFact, again: Bool) -> Decision {
        guard trigger.kind != .manual else { return .open }
        let period = period
        var mine = (opened[trigger.container] ?? []).filter { $0.at &+ period > trigger.at }
        let new = Opened(at: trigger.at, worst: trigger.observed)
        guard mine.count >= burst else {
            // Rare enough here to look at all: containers come and go, and so must their times.
            opened = opened.filter { $0.value.contains { $0.at &+ period > trigger.at } }
            opened[trigger.container] = mine + [new]
            return .open
        }
        // A quarter worse: a row of spikes that grow by little must not have each its predecessor's capture thrown away.
        if let mildest = mine.indices.min(by: { mine[$0].worst < mine[$1].worst }),
            trigger.observed / 5 > mine[mildest].worst / 4
        {
            let gone = mine.remove(at: mildest)
            opened[trigger.container] = mine + [new]
            return .replace(gone.at)
        }
        suppress(trigger, again: again)
        return .suppress
    }

    /// What the end of a turn is to the incident that saw it open.
    enum Growth: Equatable {
        /// That one is not remembered.
        case isUnknown
        case isNone
        /// Nothing in it was as slow: it makes room for the one that has the whole turn. ns, the slowest in it.
        case outgrown(worst: UInt64)
    }

    /// Whether the incident that its container opened then saw nothing as slow as this. Then it does not count any more.
    mutating func growth(_ trigger: TriggerFact, opened at: Instant) -> Growth {
        guard let mine = opened[trigger.container], let index = mine.firstIndex(where: { $0.at == at }) else {
            return .isUnknown
        }
        // A quarter worse, as above: hung turns that end one by one must not have a capture each.
        guard trigger.observed / 5 > mine[index].worst / 4 else { return .isNone }
        opened[trigger.container]?.remove(at: index)
        return .outgrown(worst: mine[index].worst)
    }

    /// An incident opened in the place of one that made room.
    mutating func opens(_ trigger: TriggerFact) {
        opened[trigger.container, default: []].append(Opened(at: trigger.at, worst: trigger.observed))
    }

    /// It was to make room, but holds what no other does.
    mutating func stays(_ incident: IncidentOpening, worst: UInt64) {
        opened[incident.container, default: []].append(Opened(at: incident.at, worst: worst))
    }

    /// The incident opened at `at` saw a turn as slow as this.
    mutating func saw(_ observed: UInt64, _ container: ContainerKey, opened at: Instant) {
        guard var mine = opened[container], let index = mine.firstIndex(where: { $0.at == at }) else { return }
        mine[index].worst = max(mine[index].worst, observed)
        opened[container] = mine
    }

    private mutating func suppress(_ trigger: TriggerFact, again: Bool) {
        var held = suppressed[trigger.container] ?? Suppressed()
        if !again {
            held.count += 1
            suppressedTotal += 1
        }
        held.worst = max(held.worst, trigger.observed)
        held.last = trigger.at
        suppressed[trigger.container] = held
        if suppressed.count > Self.remembered, let quietest = suppressed.min(by: { $0.value.last < $1.value.last }) {
            suppressed[quietest.key] = nil
        }
    }
}
