import Analysis
import Events

/// Decides which turns are spikes. Belongs to the pump thread.
///
/// What never fires:
/// - turns of unknown role: without it, neither the start nor the end of a turn means a wait;
/// - aborted turns: nobody got an answer, so there is no latency of one (but see `aborted`);
/// - an open turn that is a one-way stream: it may never be meant to end. On a connection that answered before, a request
///   that came whole within the threshold is an upload that waits for its answer, though;
/// - a service that is slow by habit (`ServiceHistory.isHabituallySlow`, `onlySlow`), counted as `habitual` instead.
///
/// A completed stream counts without its transfer: that is the uploader's pace, not a wait. Long polls are learned: under
/// `auto` they are the p99, and under an absolute threshold they become a habit after 50 turns, while open after 3.
public final class TriggerEngine {
    private var rule: ThresholdRule
    // Unchecked: see `Recorder.registry`; nothing here calls back.
    @exclusivity(unchecked) private var overrides: [ContainerKey: ThresholdRule] = [:]
    @exclusivity(unchecked) private var services: ServiceTable
    @exclusivity(unchecked) private var fired = FiredTurns()
    @exclusivity(unchecked) private var slowOnly = SlowConnections()
    /// Turns over the threshold that did not fire because their service is slow by habit; an open turn and its
    /// completion count once each.
    public private(set) var habitual: UInt64 = 0
    /// What other thresholds would have fired on.
    @exclusivity(unchecked) public private(set) var wouldFire: WouldFire

    /// `capacity`: services whose history is kept (at least 8), about 4 KB each with turns in the last minutes; the least recently used go first.
    /// `after`, `cap`: how long an incident goes on after a turn, and at most, ns (see `IncidentTracker`).
    public init(
        rule: ThresholdRule, capacity: Int = 4096, after: UInt64 = 5_000_000_000, cap: UInt64 = 60_000_000_000
    ) {
        self.rule = rule
        wouldFire = WouldFire(after: after, cap: cap)
        services = ServiceTable(capacity: capacity)
    }

    /// A container's own rule, from now on; `nil`: the rule of all.
    public func setRule(_ rule: ThresholdRule?, for container: ContainerKey) { overrides[container] = rule }

    /// The rule of all, from now on. Histories stay.
    public func setRule(_ rule: ThresholdRule) { self.rule = rule }

    /// No turn shorter than this fires anywhere, ns.
    public var floor: UInt64 { overrides.values.map(\.floor).reduce(rule.floor, min) }

    /// Turns open for longer than this are reported and looked after, ns: what befalls one that will be slow is best seen from
    /// early on. Never below 100 ms unless turns fire there, for that is what busy services take all the time.
    public var openFloor: UInt64 { max(min(floor, 100_000_000), floor / 4) }

    /// Judges a turn that ended, and learns from it if it was answered. Allocates nothing unless the turn fires or its service is
    /// new.
    public func completed(_ turn: TurnObservation) -> TriggerFact? {
        guard turn.service.role != .unknown else { return nil }
        guard !turn.flags.contains(.aborted) else { return aborted(turn) }
        return services.history(turn.service, at: turn.end)._withUnsafeGuaranteedRef { judge(turn, $0) }
    }

    @inline(__always)
    private func judge(_ turn: TurnObservation, _ history: ServiceHistory) -> TriggerFact? {
        let latency = turn.latency
        // Judge by the history before this turn: a spike must not raise its own bar.
        let limit = limit(turn.service, history, at: turn.end)
        let slow = latency >= limit.threshold
        let habit = slow && history.isHabituallySlow(at: turn.end)
        wouldFire.count()
        if latency >= WouldFire.least {
            wouldFire.note(latency, turn.service.role, usual: history.usual(at: turn.end), at: turn.end)
        }
        history.record(latency, slow: slow, spike: slow && !habit && limit.basis != .coldStart, at: turn.end)
        fired.completed(turn.socket, turn.sequence)
        let expected = slow && limit.basis == .history && isExpected(turn, history, limit)
        if turn.flags.contains(.connecting) {
            slowOnly.connected(turn.socket, turn.sequence)
        } else {
            slowOnly.note(turn.socket, turn.sequence, slow: slow)
        }
        guard slow else { return nil }
        guard !habit, !expected else {
            habitual += 1
            return nil
        }
        return fact(.latency, turn, limit)
    }

    /// The connection ended before an answer: nothing to learn from. Of one that was not judged while it hung, for it might have been
    /// a poll, that is known now.
    @inline(never)
    private func aborted(_ turn: TurnObservation) -> TriggerFact? {
        guard case .auto(_, _, let coldStart) = overrides[turn.service.container] ?? rule, turn.latency >= coldStart,
            !turn.flags.contains(.stream), !fired.contains(turn.socket, turn.sequence)
        else { return nil }
        let history = services.history(turn.service, at: turn.end).takeUnretainedValue()
        let limit = limit(turn.service, history, at: turn.end)
        guard limit.basis == .coldStart, isUndecided(turn, history), !history.onlySlow else { return nil }
        return fact(.latency, turn, limit)
    }

    /// Turns that were counted in the kernel, for they are far too short to fire: how many took about so long, ns.
    public func counted(_ service: ServiceKey, latency: UInt64, count: UInt64, at now: Instant) {
        guard service.role != .unknown else { return }
        services.history(service, at: now).takeUnretainedValue().counted(latency, count, at: now)
        wouldFire.count(count)
    }

    /// Judges a turn still open at `turn.end`. Fires once for each (socket, sequence).
    public func open(_ turn: TurnObservation) -> TriggerFact? {
        guard turn.service.role != .unknown, !turn.flags.contains(.aborted) else { return nil }
        let history = services.history(turn.service, at: turn.end).takeUnretainedValue()
        let limit = limit(turn.service, history, at: turn.end)
        let upload = !turn.flags.contains(.first) && turn.transfer < limit.threshold
        guard !turn.flags.contains(.stream) || upload else { return nil }
        guard turn.latency >= limit.threshold, limit.basis != .coldStart || !isUndecided(turn, history),
            fired.note(turn.socket, turn.sequence, at: turn.end)
        else { return nil }
        guard !history.isHabituallySlow(at: turn.end), !history.onlySlow || turn.isNotTaken,
            limit.basis != .history || !isExpected(turn, history, limit)
        else {
            habitual += 1
            return nil
        }
        return fact(.inFlight, turn, limit)
    }

    /// Under `auto`: a connection that never answered faster is one for long polls, which a service may serve next to short
    /// requests. Of its first turn that can't be said. While the service is still being learned, one of a second or more
    /// is taken for a poll; how long it will be is known only at its end. A handshake is no poll, nor is the time a request waits
    /// to be read.
    private func isExpected(_ turn: TurnObservation, _ history: ServiceHistory, _ limit: Limit) -> Bool {
        let held = turn.latency - turn.unread
        guard !turn.isNotTaken, turn.unread < limit.threshold || held >= max(limit.threshold, Self.poll) else {
            return false
        }
        guard slowOnly.isFirst(turn.socket, turn.sequence) else {
            return slowOnly.contains(turn.socket, before: turn.sequence)
        }
        return history.isBeingLearned(at: turn.end) && (turn.flags.contains(.open) || turn.latency >= Self.poll)
    }

    /// A connection's first turn, of a service without history: a hang, or a poll. It is judged when there is history, when it ends
    /// one way or the other, or when the service's first minute is over.
    private func isUndecided(_ turn: TurnObservation, _ history: ServiceHistory) -> Bool {
        !turn.isNotTaken && history.isBeingLearned(at: turn.end) && slowOnly.isFirst(turn.socket, turn.sequence)
    }

    /// ns.
    private static let poll: UInt64 = 1_000_000_000

    /// A socket that is gone needs no memory of its open turn.
    public func closed(_ socket: SocketID) {
        fired.closed(socket)
        slowOnly.closed(socket)
    }

    /// A segment, SYN or SYN-ACK of this service was sent again. Of an unknown role: nobody knows whose port it is.
    public func retransmitted(_ service: ServiceKey, at now: Instant) {
        guard service.role != .unknown else { return }
        services.history(service, at: now).takeUnretainedValue().retransmits.count(at: now)
    }

    /// Gives back what no longer counts of services that have had no turns. For once in a while.
    public func trim(at now: Instant) {
        for history in services.all.values { history.trim(at: now) }
    }

    /// Containers with a turn that ended, or was open, at `since` or later.
    public func containers(activeSince since: Instant) -> Set<ContainerKey> {
        Set(services.all.lazy.filter { $0.value.lastUse >= since }.map(\.key.container))
    }

    /// Figures of every service of these containers; of all without any. `began`: of what was sent again, only what was
    /// before counts.
    public func baselines(of containers: Set<ContainerKey>? = nil, before began: Instant) -> [Baseline] {
        services.all.filter { containers?.contains($0.key.container) ?? true }
            .map { $0.value.baseline($0.key, before: began) }
            .sorted { ($0.container, $0.role, $0.port) < ($1.container, $1.role, $1.port) }
    }

    @inline(__always)
    private func limit(_ key: ServiceKey, _ history: ServiceHistory, at now: Instant) -> Limit {
        let rule = overrides.isEmpty ? rule : overrides[key.container] ?? rule
        switch rule {
        case .absolute(let threshold): return Limit(threshold: threshold, basis: .absolute, p99: 0)
        case .auto(let minimum, let factor, let coldStart):
            guard let p99 = history.p99(at: now) else { return Limit(threshold: coldStart, basis: .coldStart, p99: 0) }
            let (product, overflow) = p99.multipliedReportingOverflow(by: factor)
            return Limit(threshold: max(minimum, overflow ? .max : product), basis: .history, p99: p99)
        }
    }

    private func fact(_ kind: TriggerFact.Kind, _ turn: TurnObservation, _ limit: Limit) -> TriggerFact {
        TriggerFact(
            kind: kind, at: turn.end, container: turn.service.container, socket: turn.socket, observed: turn.latency,
            threshold: limit.threshold, rule: words(limit, overrides[turn.service.container] ?? rule))
    }

    private func words(_ limit: Limit, _ rule: ThresholdRule) -> String {
        switch rule {
        case .absolute(let threshold): return "absolute \(threshold / 1_000_000)ms"
        case .auto(let minimum, let factor, let coldStart):
            guard limit.basis == .history else { return "auto: no history yet, \(coldStart / 1_000_000)ms" }
            return "auto: at least \(minimum / 1_000_000)ms and \(factor) × p99 of \(limit.p99 / 1000)µs"
        }
    }
}

/// The threshold in force for one turn.
private struct Limit {
    enum Basis { case absolute, coldStart, history }
    /// ns.
    var threshold: UInt64
    var basis: Basis
    /// ns; 0 unless the basis is history.
    var p99: UInt64
}
