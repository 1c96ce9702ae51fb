import Analysis
import Events

/// The part of a turn the trigger looks at.
public struct TurnObservation: Sendable {
    public var service: ServiceKey
    public var socket: SocketID
    public var sequence: UInt32
    public var flags: Turn.Flags
    public var start: Instant
    public var end: Instant
    /// ns of it that a stream's request took to arrive or be sent; not latency when the flags say `.stream`.
    public var transfer: UInt64

    public init(
        service: ServiceKey, socket: SocketID, sequence: UInt32, flags: Turn.Flags, start: Instant, end: Instant,
        transfer: UInt64 = 0
    ) {
        self.service = service
        self.socket = socket
        self.sequence = sequence
        self.flags = flags
        self.start = start
        self.end = end
        self.transfer = transfer
    }

    /// ns. What someone waited for: the whole turn, less an upload's own transfer.
    public var latency: UInt64 {
        let total = end > start ? end - start : 0
        guard flags.contains(.stream) else { return total }
        return total > transfer ? total - transfer : 0
    }
}

/// Decides which turns are spikes. Belongs to the pump thread.
///
/// What never fires: turns of unknown role; aborted turns; an open turn that is a one-way stream; a service that is slow
/// by habit (counted as `habitual` instead). Long polls are learned: under `auto` they are the p99, and under an absolute
/// threshold they become a habit after 50 turns.
public final class TriggerEngine {
    private let rule: ThresholdRule
    private var overrides: [ContainerKey: ThresholdRule] = [:]
    private var services: [ServiceKey: ServiceHistory] = [:]
    private var last: (key: ServiceKey, history: ServiceHistory)?
    /// Open turns that fired: each does once.
    private var fired: [SocketID: UInt32] = [:]
    private let capacity: Int
    /// Turns over the threshold that did not fire because their service is slow by habit.
    public private(set) var habitual: UInt64 = 0

    /// `capacity`: services whose history is kept; the least recently used go first.
    public init(rule: ThresholdRule, capacity: Int = 4096) {
        self.rule = rule
        self.capacity = capacity
    }

    /// A container's own rule, from now on.
    public func setRule(_ rule: ThresholdRule, for container: ContainerKey) { overrides[container] = rule }

    /// No turn shorter than this fires anywhere, ns: the walker need not report it.
    public var floor: UInt64 { overrides.values.map(\.floor).reduce(rule.floor, min) }

    private func history(_ key: ServiceKey, at now: Instant) -> ServiceHistory {
        if let last, last.key == key { return last.history }
        if let known = services[key] {
            last = (key, known)
            return known
        }
        if services.count >= capacity, let oldest = services.min(by: { $0.value.lastUse < $1.value.lastUse }) {
            services[oldest.key] = nil
        }
        let new = ServiceHistory(at: now)
        services[key] = new
        last = (key, new)
        return new
    }

    /// The threshold in force for a service, ns, and how it came about.
    private func threshold(_ key: ServiceKey, _ history: ServiceHistory, at now: Instant) -> (UInt64, () -> String) {
        switch overrides.isEmpty ? rule : overrides[key.container] ?? rule {
        case .absolute(let threshold): return (threshold, { "absolute \(threshold / 1_000_000)ms" })
        case .auto(let minimum, let factor, let coldStart):
            guard let p99 = history.p99(at: now) else {
                return (coldStart, { "auto: no history yet, \(coldStart / 1_000_000)ms" })
            }
            let product = p99.multipliedReportingOverflow(by: factor)
            let threshold = max(minimum, product.overflow ? .max : product.partialValue)
            return (threshold, { "auto: at least \(minimum / 1_000_000)ms and \(factor) × p99 of \(p99 / 1000)µs" })
        }
    }

    /// Judges a completed turn, and learns from it.
    public func completed(_ turn: TurnObservation) -> TriggerFact? {
        guard turn.service.role != .unknown, !turn.flags.contains(.aborted) else { return nil }
        let history = history(turn.service, at: turn.end)
        let latency = turn.latency
        let (limit, rule) = threshold(turn.service, history, at: turn.end)
        let slow = latency >= limit
        // Judge by the history before this turn: a spike must not raise its own bar.
        let habit = history.habituallySlow
        history.record(latency, slow: slow, at: turn.end)
        if let sequence = fired[turn.socket], sequence <= turn.sequence { fired[turn.socket] = nil }
        guard slow else { return nil }
        if habit {
            habitual += 1
            return nil
        }
        return TriggerFact(
            kind: .latency, at: turn.end, container: turn.service.container, socket: turn.socket, observed: latency,
            threshold: limit, rule: rule())
    }

    /// Judges a turn still open at `turn.end`. Fires once for each.
    public func open(_ turn: TurnObservation) -> TriggerFact? {
        guard turn.service.role != .unknown, !turn.flags.contains(.stream), fired[turn.socket] != turn.sequence else {
            return nil
        }
        let history = history(turn.service, at: turn.end)
        let (limit, rule) = threshold(turn.service, history, at: turn.end)
        guard turn.latency >= limit else { return nil }
        fired[turn.socket] = turn.sequence
        if history.habituallySlow {
            habitual += 1
            return nil
        }
        return TriggerFact(
            kind: .inFlight, at: turn.end, container: turn.service.container, socket: turn.socket,
            observed: turn.latency, threshold: limit, rule: rule())
    }

    /// A socket that is gone needs no memory of its open turn.
    public func closed(_ socket: SocketID) { fired[socket] = nil }

    /// Figures of every service of these containers; of all without any.
    public func baselines(of containers: Set<ContainerKey>? = nil) -> [Baseline] {
        services.filter { containers?.contains($0.key.container) ?? true }
            .map { $0.value.baseline($0.key, retransmitsPerSecond: 0) }
            .sorted { ($0.container, $0.role, $0.port) < ($1.container, $1.role, $1.port) }
    }
}
