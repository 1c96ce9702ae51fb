import Analysis
import Events
import Foundation
import GRDB

/// What the analysis found besides the verdict, to and from rows.
enum FindingRows {
    /// Of one part; far above what there can be.
    private static let mostRows = 10_000

    static func insert(_ incident: Incident, into db: Database) throws {
        let sums = try Insert(db, "socket_turns", "socket turns maximum_ns buffer_wait_ns")
        for row in incident.sockets where row.turns > 0 {
            try sums.row(Int64(row.info.id), row.turns, row.maximum.signed, row.bufferWait.signed)
        }
        let rows = try Insert(db, "finding", "part position json")
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        func write<Finding: Encodable>(_ part: String, _ findings: [Finding]) throws {
            for (index, finding) in findings.enumerated() {
                try rows.row(part, index + 1, String(decoding: try encoder.encode(finding), as: UTF8.self))
            }
        }
        try write("chain", incident.summary.verdict.chain)
        try write("call", incident.calls.map(Call.init))
        try write("thread", incident.threads)
        try write("holding", incident.holding.map(Held.init))
        if let comparison = Comparison(incident) {
            try write("quiet", [Quiet(from: comparison.quiet.lowerBound, to: comparison.quiet.upperBound)])
            // JSON has no words for what is no number.
            try write("difference", comparison.differences.filter { $0.during.isFinite && $0.weight.isFinite })
        }
        try write("also_slow", alsoSlow(incident))
    }

    /// Of each socket that has turns.
    static func figures(from db: Database) throws -> [SocketID: SocketFigures] {
        var figures: [SocketID: SocketFigures] = [:]
        try EvidenceTables.each(db, "socket, turns, maximum_ns, buffer_wait_ns", "socket_turns") { row in
            var sum = SocketFigures()
            sum.turns = try row.count(1)
            sum.maximum = try row.bits(2)
            sum.bufferWait = try row.bits(3)
            figures[try row.number(0)] = sum
        }
        return figures
    }

    /// Into an incident that has its turn and evidence.
    static func read(into incident: inout Incident, from db: Database) throws {
        incident.summary.verdict.chain = try findings("chain", from: db)
        incident.calls = try findings("call", from: db, as: Call.self).map(\.fact)
        incident.threads = try findings("thread", from: db)
        let interfaces = Dictionary(incident.evidence.coalescing.map { ($0.interface, $0) }) { first, _ in first }
        incident.holding = try findings("holding", from: db, as: Held.self).compactMap { held in
            interfaces[held.interface].map {
                Holding(coalescing: $0, longest: held.longest, share: held.share, rate: held.rate)
            }
        }
        let quiet = try findings("quiet", from: db, as: Quiet.self)
        let comparison = try quiet.first.flatMap { quiet in
            guard quiet.from <= quiet.to else { throw Damage(why: "its quiet time ends before it begins") }
            return Comparison(
                incident, quiet: quiet.from..<quiet.to, differences: try findings("difference", from: db))
        }
        try checkShares(incident)
        try checkTimes(incident.threads, upTo: incident.evidence.to)
        let alsoSlow: [AlsoSlow] = try findings("also_slow", from: db)
        guard alsoSlow.allSatisfy({ $0.turns >= 0 }) else { throw Damage(why: "a number of turns is negative") }
        incident.surroundings = Surroundings(comparison: comparison, alsoSlow: alsoSlow)
    }

    /// A thread's times in a stage are shown added up. They need not be exactly the stage's duration (bursts are spread evenly),
    /// but no thread did anything for longer than the host was up.
    private static func checkTimes(_ threads: [ThreadStage], upTo limit: Instant) throws {
        for one in threads {
            let times = [
                one.running, one.queued, one.throttled, one.stolen ?? 0, one.forgotten ?? 0, one.reclaim, one.frozen,
                one.stopped,
            ]
            var sum: UInt64 = 0
            for time in times + one.blocked.map(\.time) {
                let (next, overflow) = sum.addingReportingOverflow(time)
                guard !overflow, next <= limit else {
                    throw Damage(why: "a thread's times are longer than the host was up")
                }
                sum = next
            }
        }
    }

    /// What is printed as a part of a whole must be one: a file may hold any number.
    private static func checkShares(_ incident: Incident) throws {
        let chains = [incident.summary.verdict.chain] + incident.calls.map(\.verdict.chain)
        let shares =
            chains.joined().map(\.share) + incident.calls.map(\.verdict.share) + incident.holding.map(\.share)
        guard shares.allSatisfy({ $0 >= 0 && $0 <= 1 }) else { throw Damage(why: "a share of the time is none") }
    }

    private static func findings<Finding: Decodable>(
        _ part: String, from db: Database, as type: Finding.Type = Finding.self
    ) throws -> [Finding] {
        let decoder = JSONDecoder()
        var found: [Finding] = []
        try EvidenceTables.each(db, "json", "finding WHERE part = '\(part)' ORDER BY position") { row in
            guard found.count < mostRows else { throw Damage(why: "it has more than \(mostRows) findings of a kind") }
            do {
                found.append(try decoder.decode(type, from: Data(try row.text(0).utf8)))
            } catch is DecodingError {
                throw Damage(why: "a finding (\(part)) is not what it should be")
            }
        }
        return found
    }

    private struct Quiet: Codable {
        var from: Instant
        var to: Instant

        enum CodingKeys: String, CodingKey {
            case from = "from_ns"
            case to = "to_ns"
        }
    }

    private struct Held: Codable {
        var interface: String
        var longest: UInt64
        var share: Double
        var rate: InterruptRate?

        enum CodingKeys: String, CodingKey {
            case interface, share, rate
            case longest = "longest_ns"
        }

        init(_ holding: Holding) {
            interface = holding.coalescing.interface
            longest = holding.longest
            share = holding.share
            rate = holding.rate
        }
    }

    private struct Call: Codable {
        var container: ContainerKey
        var socket: SocketID
        var sequence: UInt32
        var role: UInt8
        var flags: UInt8
        var start: Instant
        var end: Instant
        var server: ContainerKey?
        var verdict: Verdict

        enum CodingKeys: String, CodingKey {
            case container, socket, sequence, role, flags, server, verdict
            case start = "start_ns"
            case end = "end_ns"
        }

        init(_ call: CallFact) {
            container = call.turn.container
            socket = call.turn.socket
            sequence = call.turn.sequence
            role = call.turn.role.rawValue
            flags = call.turn.flags.rawValue
            start = call.turn.start
            end = call.turn.end
            server = call.container
            verdict = call.verdict
        }

        var fact: CallFact {
            CallFact(
                turn: Turn(
                    container: container, socket: socket, role: Role(rawValue: role) ?? .unknown,
                    flags: Turn.Flags(rawValue: flags), start: start, end: end, sequence: sequence),
                container: server, verdict: verdict)
        }
    }
}
