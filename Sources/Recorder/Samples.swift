import Analysis
import Containers
import Events

/// What cgroup files said of the containers that have a slow turn, for as long as the window reaches back.
struct Samples {
    private var samples: [ContainerSample] = []
    /// Containers worth reading, and until when.
    private var watched: [ContainerKey: Instant] = [:]

    /// Reads this container's files from now until `until`.
    mutating func watch(_ container: ContainerKey, until: Instant) {
        guard container != 0 else { return }
        watched[container] = max(watched[container] ?? 0, until)
    }

    mutating func read(_ resolver: ContainerResolver, at now: Instant) {
        for (container, until) in watched {
            guard now <= until else {
                watched[container] = nil
                continue
            }
            let state = resolver.sample(container)
            guard state.frozen != nil || state.throttled != nil else { continue }
            samples.append(
                ContainerSample(at: now, container: container, frozen: state.frozen, throttled: state.throttled))
        }
    }

    mutating func expire(before limit: Instant) {
        if let first = samples.first, first.at < limit { samples.removeAll { $0.at < limit } }
    }

    func over(_ from: Instant, _ to: Instant) -> [ContainerSample] {
        samples.filter { $0.at >= from && $0.at <= to }
    }
}
