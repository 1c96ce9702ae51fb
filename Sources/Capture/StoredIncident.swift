import Analysis
import Events
import GRDB
import Window

/// What was found when the capture was made, without decoding a million turns again.
extension CaptureReader {
    /// The version from which on captures hold all of it.
    private static let findingsSince = 2

    /// The incident as it was explained when it was captured. Of its evidence the turns are missing: `inView` is for
    /// `briefs`. `nil`: the capture is older than such findings, and has to be analyzed.
    /// Throws `CaptureError.unreadable`, `.tooLarge` or `.read`.
    public func incident(limits: CaptureLimits = CaptureLimits()) throws(CaptureError) -> Incident? {
        guard version >= Self.findingsSince else { return nil }
        return try Self.guarded(path) {
            try queue.read { db in
                try Self.refuseComputedColumns(db)
                try BlockRows.measure(db, limits)
                var evidence = try IncidentRows.frame(from: db)
                try EvidenceTables.read(into: &evidence, from: db, version: version)
                var events = EventCollector(from: evidence.from, to: evidence.to)
                let turns = "\(EventKind.turn.rawValue), \(EventKind.open.rawValue)"
                try BlockRows.read("block WHERE kind NOT IN (\(turns)) ORDER BY id", into: &events, from: db)
                events.finish(into: &evidence)
                let slow = try IncidentRows.slowTurns(from: db, version: version)
                let turn = slow.first(where: \.ofVerdict)?.turn
                let (stages, unexplained) = try IncidentRows.stages(of: turn, from: db)
                var incident = Incident(
                    summary: try IncidentRows.summary(from: db), turn: turn, stages: stages, unexplained: unexplained,
                    slow: slow.filter(\.overThreshold).map(\.turn),
                    baseline: turn.flatMap { baseline(of: $0, evidence) },
                    sockets: socketRows(evidence, try FindingRows.figures(from: db)), evidence: evidence)
                try FindingRows.read(into: &incident, from: db)
                incident.inView = []
                return incident
            }
        }
    }

    /// Turns that overlap `span`, of those `frame`'s interval holds; one seen open that was recorded completed too is the
    /// completed one. Throws `CaptureError.unreadable` or `.read`.
    public func briefs(
        overlapping span: ClosedRange<Instant>, of frame: Evidence
    ) throws(CaptureError) -> [TurnBrief] {
        try Self.guarded(path) {
            try queue.read { db in
                var found: [TurnBrief] = []
                var open = OpenTurns()
                func collect(_ kind: EventKind, _ body: (Block) throws -> Void) throws {
                    let from = Int64(clamping: span.lowerBound)
                    let to = Int64(clamping: span.upperBound)
                    try EvidenceTables.each(
                        db, BlockRows.columns,
                        "block WHERE kind = \(kind.rawValue) AND to_ns >= \(from) AND began_ns <= \(to) ORDER BY id"
                    ) { try body(try BlockRows.block(kind, $0)) }
                }
                try collect(.open) { block in
                    for turn in try BlockTurns.turns(block)
                    where turn.end >= span.lowerBound && turn.start <= span.upperBound && turn.end <= frame.to {
                        open.add(turn)
                    }
                }
                try collect(.turn) { block in
                    try BlockTurns.each(block, from: frame.from, to: frame.to) { turn in
                        guard turn.end >= span.lowerBound, turn.start <= span.upperBound else { return }
                        open.end(turn.socket, turn.start)
                        found.append(turn)
                    }
                }
                return found + open.left.map(TurnBrief.init)
            }
        }
    }
}
