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
    private let choices: [RecorderOptions.Choice]
    private let resolver: ContainerResolver
    private let wake: Int32
    private let queue = DispatchQueue(label: "flightrec.containers")
    private struct State {
        var seen: Set<ContainerKey> = []
        var decided: [ContainerDecision] = []
    }
    private let state = Mutex(State())

    /// `wake`: an eventfd the pump listens to.
    init(_ choices: [RecorderOptions.Choice], _ resolver: ContainerResolver, wake: Int32) {
        self.choices = choices
        self.resolver = resolver
        self.wake = wake
        queue.async { [self] in
            for (key, _) in resolver.containers() { noteContainer(key) }
        }
    }

    /// Containers remembered as decided; the kernel's map of rules has as many.
    private static let remembered = 16384

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

    private func decide(_ key: ContainerKey) {
        let name = resolver.name(for: key)
        guard !choices.isEmpty else { return }
        let choice = choices.first { ContainerResolver.matches($0.pattern, name) }
        // The host's own sockets are watched by --host, not by name.
        let watch: Bool? = key == 0 ? nil : choice != nil
        state.withLock { $0.decided.append(ContainerDecision(container: key, watch: watch, rule: choice?.rule)) }
        var one: UInt64 = 1
        _ = write(wake, &one, 8)
    }

    func take() -> [ContainerDecision] {
        state.withLock { state in
            defer { state.decided.removeAll() }
            return state.decided
        }
    }
}

/// Which containers may fire and be captured, as decided so far. The kernel watches a new container until its name is
/// known, so that one that is wanted loses nothing; what is not wanted, or not yet known to be, goes no further.
struct Selection {
    private let all: Bool
    private var wanted: Set<ContainerKey> = []

    init(_ choices: [RecorderOptions.Choice]) { all = choices.isEmpty }

    mutating func note(_ decision: ContainerDecision) {
        guard let watch = decision.watch else { return }
        if watch { wanted.insert(decision.container) } else { wanted.remove(decision.container) }
    }

    /// The host's own (key 0) are `--host`'s to choose.
    func has(_ container: ContainerKey) -> Bool { all || container == 0 || wanted.contains(container) }
}
