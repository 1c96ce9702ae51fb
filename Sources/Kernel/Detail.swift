import CFlightrec
import CLibBPF
import Events
import Glibc

/// How much the probes tell. What costs most for what it tells goes first; slow turns are always told whole.
public enum Detail: Int, Sendable, Codable, CaseIterable, Comparable {
    /// Everything.
    case full
    /// Uneventful turns shorter than `Probes.briefTurn` are counted by container, role and port instead of recorded.
    case brief
    /// And softirqs are not timed, nor TCP's receive path.
    case withoutSoftirqs

    public static func < (one: Self, other: Self) -> Bool { one.rawValue < other.rawValue }

    /// What is left out at this detail, in words; `nil`: nothing.
    public var loss: String? {
        switch self {
        case .full: nil
        case .brief: "turns under 1 ms are counted only"
        case .withoutSoftirqs: "turns under 1 ms are counted only, softirqs are not timed, nor is TCP's receive path"
        }
    }

    /// Hooks that are detached at this detail.
    var detached: Set<String> {
        switch self {
        case .full, .brief: []
        case .withoutSoftirqs: Self.receiving.union(Self.softirqs)
        }
    }

    /// Those of `--tcp-receive`.
    private static let receiving: Set<String> = ["receive", "receive6"]
    static let softirqs: Set<String> = ["softirq-entry", "softirq-exit"]
}

/// Turns that were counted instead of recorded, of one service.
public struct BriefTurns: Sendable, Equatable {
    public var container: ContainerKey
    public var port: UInt16
    public var role: Role
    /// ns they took together.
    public var total: UInt64
    /// By octave: `[i]` took 2^i µs up to twice that; the first ones less too, the last ones more too.
    public var counts: [UInt64]

    public init(container: ContainerKey, port: UInt16, role: Role, total: UInt64, counts: [UInt64]) {
        self.container = container
        self.port = port
        self.role = role
        self.total = total
        self.counts = counts
    }

    /// In the middle of the octave by its logarithm, ns.
    public static func typical(_ octave: Int) -> UInt64 { UInt64(1414) << UInt64(octave) }
}

extension Probes {
    /// A turn that is counted only is shorter than this, ns; shorter still where turns of it would fire.
    public static let briefTurn: UInt64 = 1_000_000

    /// Tells as much as this from now on. `floor`: turns this long may fire, ns; those of a quarter of it stay whole.
    public func set(detail: Detail, floor: UInt64) throws(KernelError) {
        globals.set("fr_brief_ns", detail >= .brief ? min(Self.briefTurn, floor / 4) : 0)
        try attach(without: detail.detached)
    }

    /// All that was counted so far, by service; one that was not used for long begins anew.
    public func briefTurns() throws(KernelError) -> [BriefTurns] {
        let map = try object.map("briefs")
        var found: [BriefTurns] = []
        var key = fr_service()
        var next = fr_service()
        var result = bpf_map_get_next_key(map, nil, &next)
        // Entries may come and go meanwhile: an end is certain all the same.
        while result == 0, found.count < 2 * 4096 {
            key = next
            var value = fr_brief()
            if bpf_map_lookup_elem(map, &key, &value) == 0, let role = Role(rawValue: key.role) {
                found.append(
                    BriefTurns(
                        container: key.container, port: key.port, role: role, total: value.total,
                        counts: withUnsafeBytes(of: value.count) { Array($0.bindMemory(to: UInt64.self)) }))
            }
            result = bpf_map_get_next_key(map, &key, &next)
        }
        return found
    }

    /// Softirq hooks that are attached: so many programs run for each softirq, and none of them counts its runs.
    public var softirqHooks: Int { Detail.softirqs.filter(isAttached).count }

    /// From when on how long softirqs run is timed without a break, by CLOCK_MONOTONIC, ns; `nil`: it is not now.
    public var softirqsTimedSince: Instant? {
        guard isAttached("softirq-entry"), isAttached("softirq-exit") else { return nil }
        return globals.get("fr_softirqs_since", as: UInt64.self)
    }
}

/// How often programs of the hot paths ran on all CPUs, since they were loaded.
public struct ProbeRuns: Sendable, Equatable {
    /// Those of every segment, read, send, context switch, wakeup and change of a connection's state.
    public var hot: UInt64
    /// Of these, those that were timed: one in 251.
    public var timed: UInt64
    /// What those took, ns; not what leads to them.
    public var timedNanoseconds: UInt64

    public init(hot: UInt64 = 0, timed: UInt64 = 0, timedNanoseconds: UInt64 = 0) {
        self.hot = hot
        self.timed = timed
        self.timedNanoseconds = timedNanoseconds
    }
}
