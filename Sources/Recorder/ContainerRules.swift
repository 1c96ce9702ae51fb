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
        /// Those being decided.
        var pending: Set<ContainerKey> = []
        var decided: [ContainerDecision] = []
        var choices: [RecorderOptions.Choice]
        /// All present are about to be looked at.
        var scanIsDue = false
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
            guard let self, claimScan() else { return }
            queue.async {
                self.state.withLock { $0.scanIsDue = false }
                for (key, _) in self.resolver.containers() { self.noteContainer(key) }
            }
        }
    }

    /// Whether a look at all of them is not about to be made already.
    private func claimScan() -> Bool {
        state.withLock { state in
            defer { state.scanIsDue = true }
            return !state.scanIsDue
        }
    }

    /// Containers remembered as decided; the kernel's map of rules has as many.
    static let remembered = 16384

    /// Called for every socket named: cheap when the container is known.
    func noteContainer(_ key: ContainerKey) {
        let new = state.withLock { state in
            // They come and go for months; those that still live are decided once more.
            if state.seen.count >= Self.remembered { state.seen.removeAll() }
            guard state.seen.insert(key).inserted else { return false }
            state.pending.insert(key)
            return true
        }
        guard new else { return }
        queue.async { [self] in decide(key) }
    }

    /// Decides once more about one that was decided and is forgotten, unless that is being done.
    func noteForgotten(_ key: ContainerKey) {
        let new = state.withLock { state in
            state.seen.insert(key)
            return state.pending.insert(key).inserted
        }
        guard new else { return }
        queue.async { [self] in decide(key) }
    }

    /// Other choices from now on: every container seen, or `known` otherwise, is decided anew, and counts as before until then.
    func change(_ choices: [RecorderOptions.Choice], known: Set<ContainerKey>) {
        let seen = state.withLock { state in
            state.choices = choices
            state.areNew = true
            return state.seen.union(known)
        }
        queue.async { [self] in
            for key in seen { decide(key) }
        }
    }

    private func decide(_ key: ContainerKey, attempt: Int = 0) {
        let name = resolver.name(for: key)
        let (choices, areNew) = state.withLock { ($0.choices, $0.areNew) }
        guard !choices.isEmpty || areNew else {
            state.withLock { _ = $0.pending.remove(key) }
            return
        }
        let choice = choices.first { ContainerResolver.matches($0.pattern, name) }
        if choice == nil, !choices.isEmpty, !name.isNamed, attempt < Self.retries.count {
            // Its runtime may not have written the name yet: to call it unwanted now would be for good.
            queue.asyncAfter(deadline: .now() + Self.retries[attempt]) { [self] in decide(key, attempt: attempt + 1) }
            return
        }
        // The host's own sockets are watched by --host, not by name.
        let watch: Bool? = key == 0 ? nil : choices.isEmpty || choice != nil
        state.withLock {
            $0.pending.remove(key)
            $0.decided.append(ContainerDecision(container: key, watch: watch, rule: choice?.rule))
        }
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
