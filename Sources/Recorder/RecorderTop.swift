import Analysis
import CFlightrec
import Containers
import Events
import Report

/// What `top` needs of one moment, pinned by the pump; names, stages and words are made elsewhere.
struct TopSnapshot: Sendable {
    struct Open: Sendable {
        var count = 0
        /// ns.
        var oldest: UInt64 = 0
        var turn = fr_turn()
    }

    var view: TopView
    var tallies: [TallyRow]
    /// Turns open at the last walk.
    var open: [Tally.Key: Open]

    /// Rows in a reply: about 400 bytes each, in a datagram.
    static let page = 150

    /// The rows from `offset` on, and how many there are in all.
    func reply(from offset: Int, _ resolver: ContainerResolver) -> ControlReply {
        let keys = Set(tallies.map(\.key)).union(open.keys).sorted {
            ($0.container, $0.role.rawValue) < ($1.container, $1.role.rawValue)
        }
        var figures: [Tally.Key: TallyRow] = [:]
        for row in tallies { figures[row.key] = row }
        var page = view
        page.rows = keys.dropFirst(max(0, offset)).prefix(Self.page).map { row($0, figures[$0], open[$0], resolver) }
        return ControlReply(top: page, total: keys.count)
    }

    private func row(_ key: Tally.Key, _ figures: TallyRow?, _ open: Open?, _ resolver: ContainerResolver) -> TopRow {
        let seconds = Double(figures?.over ?? 1) / 1e9
        let longest = figures?.max ?? 0
        let slowest = open.flatMap { $0.oldest > longest ? $0.turn : nil } ?? figures?.slowest
        let turn = slowest.map { Turn($0) }
        let stage = turn.flatMap { Waterfall($0).longest }
        let name = resolver.cached(key.container)
        return TopRow(
            container: TopRow.Container(
                id: String((name?.id ?? String(key.container, radix: 16)).prefix(128)),
                name: String((name?.name ?? "cgroup \(key.container)").prefix(128)),
                runtime: name?.runtime ?? "unknown"),
            role: key.role == .served ? "served" : "called", turns: figures?.turns ?? 0,
            turnsPerSecond: Double(figures?.turns ?? 0) / seconds, p50Ns: figures?.p50 ?? 0, p99Ns: figures?.p99 ?? 0,
            maxNs: longest, retransmits: figures?.retransmits ?? 0,
            retransmitsPerSecond: Double(figures?.retransmits ?? 0) / seconds, open: open?.count ?? 0,
            oldestOpenNs: open?.oldest ?? 0, worstStage: stage?.name, worstStageNs: stage?.duration ?? 0,
            worstStageShare: turn.map { $0.total > 0 ? Double(stage?.duration ?? 0) / Double($0.total) : 0 } ?? 0)
    }
}

extension Recorder {
    /// A container is shown for this long after its last turn, ns.
    private static let shown: UInt64 = 60_000_000_000

    func topSnapshot() throws -> TopSnapshot {
        let status = try status()
        let now = Clock.monotonic()
        var open: [Tally.Key: TopSnapshot.Open] = [:]
        for raw in openTurns where Turn.Flags(rawValue: raw.flags).contains(.open) && selection.has(raw.h.cgroup) {
            guard let role = Role(rawValue: raw.role), role != .unknown else { continue }
            let key = Tally.Key(container: raw.h.cgroup, role: role)
            var known = open[key] ?? TopSnapshot.Open()
            known.count += 1
            let turn = observe(raw)
            // As it will be judged: an upload's transfer is not latency.
            if turn.latency >= known.oldest {
                known.oldest = turn.latency
                known.turn = raw
            }
            open[key] = known
        }
        return TopSnapshot(
            view: TopView(
                armedNs: status.armedNs, coverage: status.coverage, eventsPerSecond: status.eventsPerSecond,
                lost: status.lost, captures: status.captures, cpuShare: status.cpuShare, rssBytes: status.rssBytes,
                rows: []),
            tallies: tally.rows(at: now, since: now > Self.shown ? now - Self.shown : 0, selection.has), open: open)
    }
}
