import Analysis
import Containers
import Dispatch
import Events
import Glibc
import Synchronization
import Trigger

/// What was decided about one container.
struct ContainerDecision: Sendable {
    var container: ContainerKey
    /// `nil`: the kernel's default holds.
    var watch: Bool?
    var rule: ThresholdRule?
}

/// Resolves containers as they appear, off the pump thread: names for the captures to come, and whether `--container`
/// wants them.
final class ContainerRules: Sendable {
    private let resolver: ContainerResolver
    private let wake: Int32
    private let queue = DispatchQueue(label: "flightrec.containers")
    private struct State {
        var seen: Set<ContainerKey> = []
        var decided: [ContainerDecision] = []
        var choices: [RecorderOptions.Choice]
        /// There were others: what they decided must be decided anew, even where all are wanted now.
        var areNew = false
    }
    private let state: Mutex<State>

    /// `wake`: an eventfd the pump listens to.
    init(_ choices: [RecorderOptions.Choice], _ resolver: ContainerResolver, wake: Int32) {
        state = Mutex(State(choices: choices))
        self.resolver = resolver
        self.wake = wake
        queue.async { [self] in
            for (key, _) in resolver.containers() { noteContainer(key) }
            resolver.relays.scan()
        }
        // By the time its first packet is looked at, a container may be gone.
        resolver.follow { [weak self] in
            guard let self else { return }
            queue.async { for (key, _) in self.resolver.containers() { self.noteContainer(key) } }
        }
    }

    /// Containers remembered as decided; the kernel's map of rules has as many.
    static let remembered = 16384

    /// Called for every socket named: cheap when the container is known.
    func noteContainer(_ key: ContainerKey) {
        let new = state.withLock { state in
            // They come and go for months; those that still live are decided once more.
            if state.seen.count >= Self.remembered { state.seen.removeAll() }
            return state.seen.insert(key).inserted
        }
        guard new else { return }
        queue.async { [self] in decide(key) }
    }

    /// Other choices from now on: every container seen is decided anew, and counts as before until then.
    func change(_ choices: [RecorderOptions.Choice]) {
        let seen = state.withLock { state in
            state.choices = choices
            state.areNew = true
            return state.seen
        }
        queue.async { [self] in
            for key in seen { decide(key) }
        }
    }

    private func decide(_ key: ContainerKey, attempt: Int = 0) {
        let name = resolver.name(for: key)
        let (choices, areNew) = state.withLock { ($0.choices, $0.areNew) }
        guard !choices.isEmpty || areNew else { return }
        let choice = choices.first { ContainerResolver.matches($0.pattern, name) }
        if choice == nil, !choices.isEmpty, !name.isNamed, attempt < Self.retries.count {
            // Its runtime may not have written the name yet: to call it unwanted now would be for good.
            queue.asyncAfter(deadline: .now() + Self.retries[attempt]) { [self] in decide(key, attempt: attempt + 1) }
            return
        }
        // The host's own sockets are watched by --host, not by name.
        let watch: Bool? = key == 0 ? nil : choices.isEmpty || choice != nil
        state.withLock { $0.decided.append(ContainerDecision(container: key, watch: watch, rule: choice?.rule)) }
        var one: UInt64 = 1
        _ = write(wake, &one, 8)
    }

    /// Seconds between two looks at a container that has no name yet.
    private static let retries = [0.1, 0.4, 1.5, 3]

    func take() -> [ContainerDecision] {
        state.withLock { state in
            defer { state.decided.removeAll() }
            return state.decided
        }
    }
}

/// Which containers may fire and be captured, as decided so far. The kernel watches a new container until its name is
/// known, so that one that is wanted loses nothing; what is not wanted goes no further.
struct Selection {
    enum Verdict { case wanted, unwanted, undecided }

    private var all: Bool
    private var decided: [ContainerKey: Bool] = [:]
    /// Triggers of containers still undecided, with the beginning of the turn.
    private var held: [(fact: TriggerFact, began: Instant)] = []
    private static let maximumHeld = 1024

    init(_ choices: [RecorderOptions.Choice]) { all = choices.isEmpty }

    /// What was decided counts until it is decided anew.
    mutating func change(_ choices: [RecorderOptions.Choice]) { all = choices.isEmpty }

    /// Takes a decision in; returns the held triggers it sets free.
    mutating func note(_ decision: ContainerDecision) -> [(fact: TriggerFact, began: Instant)] {
        guard let watch = decision.watch else { return [] }
        // Those that still matter are decided again, as `ContainerRules` forgets them too.
        if decided.count >= ContainerRules.remembered { decided.removeAll() }
        decided[decision.container] = watch
        let its = held.filter { $0.fact.container == decision.container }
        held.removeAll { $0.fact.container == decision.container }
        return watch ? its : []
    }

    /// The host's own (key 0) are `--host`'s to choose.
    func verdict(_ container: ContainerKey) -> Verdict {
        if all || container == 0 { return .wanted }
        return decided[container].map { $0 ? .wanted : .unwanted } ?? .undecided
    }

    func has(_ container: ContainerKey) -> Bool { verdict(container) == .wanted }

    /// Keeps a trigger until its container is decided; the oldest goes when there are too many.
    mutating func hold(_ fact: TriggerFact, began: Instant) {
        if held.count >= Self.maximumHeld { held.removeFirst() }
        held.append((fact, began))
    }
}
