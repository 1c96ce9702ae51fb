import Events

/// Where the time went, in one line and in parts.
public struct Verdict: Sendable, Equatable, Codable {
    public enum Confidence: String, Sendable, Codable { case high, medium, low }

    /// application, downstream, host CPU, memory, storage, host network stack, bridge, network, peer or unknown.
    public var layer: String
    /// From the closed list: `app.frozen`, `cpu.throttled`, `net.retransmit`, …, `unknown`.
    public var cause: String
    /// Fit for one line of `list`.
    public var summary: String
    /// Part of the turn's total the cause explains, 0…1.
    public var share: Double
    public var confidence: Confidence
    public var evidence: [String]
    /// Whom it points at: the container at the chain's end, or the address at the connection's other end; empty where the
    /// cause is the container's own.
    public var peer: String
    /// From this turn to the one that says why: who waited for whom. Empty in a listing.
    public var chain: [ChainLink]

    public init(
        layer: String, cause: String, summary: String, share: Double, confidence: Confidence, evidence: [String],
        peer: String = "", chain: [ChainLink] = []
    ) {
        self.layer = layer
        self.cause = cause
        self.summary = summary
        self.share = share
        self.confidence = confidence
        self.evidence = evidence
        self.peer = peer
        self.chain = chain
    }
}

/// One turn on the way from the slow turn to its cause.
public struct ChainLink: Sendable, Equatable, Codable {
    public var container: ContainerKey
    /// From the closed list.
    public var cause: String
    public var summary: String
    /// ns, the turn's.
    public var total: UInt64
    /// Part of the turn's total the cause explains, 0…1.
    public var share: Double

    public init(container: ContainerKey, cause: String, summary: String, total: UInt64, share: Double) {
        self.container = container
        self.cause = cause
        self.summary = summary
        self.total = total
        self.share = share
    }
}

/// A call the slow turn made.
public struct CallFact: Sendable, Equatable {
    public var turn: Turn
    /// Who was called, when that end was recorded too.
    public var container: ContainerKey?
    public var verdict: Verdict

    public init(turn: Turn, container: ContainerKey?, verdict: Verdict) {
        self.turn = turn
        self.container = container
        self.verdict = verdict
    }
}

/// An additive part of a turn.
public struct Stage: Sendable, Equatable, Codable {
    public var name: String
    /// ns.
    public var duration: UInt64
    /// Where it starts, ns after the turn's start.
    public var offset: UInt64

    public init(name: String, duration: UInt64, offset: UInt64) {
        self.name = name
        self.duration = duration
        self.offset = offset
    }
}

/// What `list` shows of one capture; stored in it whole.
public struct IncidentSummary: Sendable, Equatable {
    public var id: String
    /// Wall clock, ns since 1970-01-01 UTC.
    public var startedAt: Int64
    public var endedAt: Int64
    public var container: ContainerName
    /// ns, the slow turn's total.
    public var peak: UInt64
    public var threshold: UInt64
    public var slowTurns: Int
    public var trigger: TriggerFact.Kind
    public var verdict: Verdict
    public var events: Int
    public var lost: UInt64

    public init(
        id: String, startedAt: Int64, endedAt: Int64, container: ContainerName, peak: UInt64, threshold: UInt64,
        slowTurns: Int, trigger: TriggerFact.Kind, verdict: Verdict, events: Int, lost: UInt64
    ) {
        self.id = id
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.container = container
        self.peak = peak
        self.threshold = threshold
        self.slowTurns = slowTurns
        self.trigger = trigger
        self.verdict = verdict
        self.events = events
        self.lost = lost
    }
}

/// Figures of one socket over the capture.
public struct SocketRow: Sendable, Equatable {
    public var info: SocketInfo
    public var turns: Int
    public var maximum: UInt64
    /// ns in ESTABLISHED until the capture's end, or until it closed; `nil` when older than the recorder.
    public var established: UInt64?
    /// ns waiting for a buffer: own send buffer and the peer's window.
    public var bufferWait: UInt64
    public var retransmits: Int

    public init(
        info: SocketInfo, turns: Int, maximum: UInt64, established: UInt64?, bufferWait: UInt64, retransmits: Int
    ) {
        self.info = info
        self.turns = turns
        self.maximum = maximum
        self.established = established
        self.bufferWait = bufferWait
        self.retransmits = retransmits
    }
}

/// What `show` explains: built from `Evidence` alone.
public struct Incident: Sendable {
    public var summary: IncidentSummary
    /// The slow turn the verdict is about; `nil` for a manual snapshot without turns.
    public var turn: Turn?
    /// They and `unexplained` sum to the turn's total.
    public var stages: [Stage]
    public var unexplained: UInt64
    /// What the turn waited for on other sockets, in order of start; the longest 20.
    public var calls: [CallFact]
    /// What its thread did, stage by stage.
    public var threads: [ThreadStage]
    /// Interfaces that may have held back packets it waited for.
    public var holding: [Holding]
    /// Turns over the threshold, slowest first.
    public var slow: [Turn]
    public var baseline: Baseline?
    /// Sorted by maximum, descending.
    public var sockets: [SocketRow]
    public var evidence: Evidence
    /// `nil`: not looked at yet, and `evidence` holds all turns to do so.
    public var surroundings: Surroundings?
    /// Turns at the time of the timeline; `nil`: `evidence` holds all turns.
    public var inView: [TurnBrief]?

    public init(
        summary: IncidentSummary, turn: Turn?, stages: [Stage], unexplained: UInt64, calls: [CallFact] = [],
        threads: [ThreadStage] = [], holding: [Holding] = [], slow: [Turn],
        baseline: Baseline?, sockets: [SocketRow], evidence: Evidence
    ) {
        self.summary = summary
        self.turn = turn
        self.stages = stages
        self.unexplained = unexplained
        self.calls = calls
        self.threads = threads
        self.holding = holding
        self.slow = slow
        self.baseline = baseline
        self.sockets = sockets
        self.evidence = evidence
    }
}
