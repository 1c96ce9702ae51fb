import Analysis
import Events

/// Which containers may fire and be captured, as decided so far. The kernel watches a new container until its name is
/// known, so that one that is wanted loses nothing; what is not wanted goes no further.
struct Selection {
    enum Verdict { case wanted, unwanted, undecided }

    private struct Decision {
        var watch: Bool
        /// When the kernel was told.
        var told: Instant
    }

    private var all: Bool
    /// In two halves: where the newer one is full the older one is forgotten, and with it who was not active since.
    private var decided: [ContainerKey: Decision] = [:]
    private var older: [ContainerKey: Decision] = [:]
    /// Triggers of containers still undecided, with the beginning of the turn.
    private var held: [(fact: TriggerFact, began: Instant)] = []
    private static let maximumHeld = 1024
    static let half = ContainerRules.remembered / 2
    /// ns after which the kernel does as it was told, unless it forgot: its map of rules has room for the last used.
    private static let obeys: UInt64 = 2_000_000_000
    /// Containers the kernel is told again of at one look at most: each is a call, and the next look is soon.
    static let mostUntold = 256

    init(_ choices: [RecorderOptions.Choice]) { all = choices.isEmpty }

    /// What was decided counts until it is decided anew.
    mutating func change(_ choices: [RecorderOptions.Choice]) { all = choices.isEmpty }

    /// Those that something was decided of.
    var known: Set<ContainerKey> { Set(decided.keys).union(older.keys) }

    /// Takes a decision in; returns the held triggers it sets free.
    mutating func note(_ decision: ContainerDecision, at now: Instant) -> [(fact: TriggerFact, began: Instant)] {
        guard let watch = decision.watch else { return [] }
        let fresh = Decision(watch: watch, told: now)
        // One that is known stays where it is: where all are decided anew, those that wait for it are not forgotten.
        if older[decision.container] != nil {
            older[decision.container] = fresh
        } else {
            set(fresh, decision.container)
        }
        let its = held.filter { $0.fact.container == decision.container }
        held.removeAll { $0.fact.container == decision.container }
        return watch ? its : []
    }

    private mutating func set(_ decision: Decision, _ container: ContainerKey) {
        older[container] = nil
        decided[container] = decision
        guard decided.count >= Self.half else { return }
        older = decided
        decided = [:]
    }

    /// The host's own (key 0) are `--host`'s to choose.
    func verdict(_ container: ContainerKey) -> Verdict {
        if all || container == 0 { return .wanted }
        return (decided[container] ?? older[container]).map { $0.watch ? .wanted : .unwanted } ?? .undecided
    }

    func has(_ container: ContainerKey) -> Bool { verdict(container) == .wanted }

    /// Who had turns lately, `since` then: they are not forgotten. Returns whom nobody knows any more, to be decided anew, and of
    /// whom the kernel forgot that they are not wanted: it must be told again, and counts as told at `now`.
    mutating func recall(
        _ active: Set<ContainerKey>, since: Instant, at now: Instant
    ) -> (undecided: [ContainerKey], untold: [ContainerKey]) {
        guard !all else { return ([], []) }
        var result: (undecided: [ContainerKey], untold: [ContainerKey]) = ([], [])
        for container in active.sorted() where container != 0 {
            guard var decision = decided[container] ?? older[container] else {
                result.undecided.append(container)
                continue
            }
            if !decision.watch, since > decision.told &+ Self.obeys, result.untold.count < Self.mostUntold {
                decision.told = now
                result.untold.append(container)
            }
            set(decision, container)
        }
        return result
    }

    /// Keeps a trigger until its container is decided; the oldest goes when there are too many.
    mutating func hold(_ fact: TriggerFact, began: Instant) {
        if held.count >= Self.maximumHeld { held.removeFirst() }
        held.append((fact, began))
    }
}
