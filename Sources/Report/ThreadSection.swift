import Analysis
import Events

/// What the slow turn's thread did in each stage that was its own; and where in the kernel it was blocked longest.
func threadSection(_ incident: Incident, _ style: Style) -> Section {
    guard let tid = incident.threads.first?.tid else { return ("THREAD", "", []) }
    let all: [(title: String, time: (ThreadStage) -> UInt64)] = [
        ("RUNNING", { $0.running }), ("FOR A CPU", { $0.queued }), ("NO QUOTA", { $0.throttled }),
        ("STOLEN", { $0.stolen ?? 0 }), ("RECLAIM", { $0.reclaim }), ("NOT KNOWN", { $0.forgotten ?? 0 }),
        ("STOPPED", { $0.frozen &+ $0.stopped }), ("BLOCKED", { $0.blocked.reduce(0) { $0 &+ $1.time } }),
    ]
    // What never happened needs no column.
    let columns = all.filter { column in incident.threads.contains { column.time($0) > 0 } }
    var table = Table(
        columns: [.init(title: "STAGE")] + columns.map { .init(title: $0.title, alignment: .right) }
            + [.init(title: "IN", minimum: 12)])
    for one in incident.threads {
        let calls = one.blocked.prefix(2).map { "\(style.name($0.syscall)) \(style.duration($0.time))" }
        table.rows.append(
            [.init(style.name(one.stage))]
                + columns.map { .init($0.time(one) > 0 ? style.duration($0.time(one)) : "-") }
                + [.init(calls.isEmpty ? "-" : calls.joined(separator: ", "))])
    }
    var lines = table.lines(style)
    for one in incident.threads where !one.stack.isEmpty {
        let frames = one.stack.map(style.name).joined(separator: " \(style.inward) ")
        lines += DisplayWidth.wrap("\(style.name(one.stage)), in the kernel: \(frames)", style.width - 2).map {
            "  " + style.paint($0, .dim)
        }
    }
    return ("THREAD", "what thread \(tid) did in the stages that were its own", lines)
}

/// `show --json`: `turn.threads`. The times of a stage sum to its duration.
func threadObject(_ one: ThreadStage) -> JSONValue {
    [
        "stage": .name(one.stage), "tid": .integer(one.tid), "running_ns": .integer(one.running),
        "queued_ns": .integer(one.queued), "throttled_ns": .integer(one.throttled),
        "stolen_ns": one.stolen.map { .integer($0) } ?? .null, "reclaim_ns": .integer(one.reclaim),
        "not_known_ns": one.forgotten.map { .integer($0) } ?? .null,
        "frozen_ns": .integer(one.frozen), "stopped_ns": .integer(one.stopped),
        "blocked": .array(one.blocked.map { ["syscall": .name($0.syscall), "ns": .integer($0.time)] }),
        "stack": .array(one.stack.map { .name($0) }),
    ]
}

/// Calls the slow turn waited for, each with its own cause.
func callSection(_ incident: Incident, _ scope: Scope, _ style: Style) -> Section {
    guard let turn = incident.turn, !incident.calls.isEmpty else { return ("CALLS", "", []) }
    var table = Table(columns: [
        .init(title: "AT", alignment: .right), .init(title: "TO", minimum: 10), .init(title: "TOOK", alignment: .right),
        .init(title: "CAUSE"), .init(title: "WHY", minimum: 16),
    ])
    for call in incident.calls {
        let offset = call.turn.start > turn.start ? call.turn.start - turn.start : 0
        let to =
            call.container.map(scope.container) ?? scope.evidence.sockets[call.turn.socket].map { "\($0.remote)" }
            ?? "-"
        // The call waited for its server: the server's own cause says why.
        let last = call.verdict.chain.last
        table.rows.append([
            .init("+\(style.duration(offset))"), .init(to), .init(style.duration(call.turn.total)),
            .init(style.name(last?.cause ?? call.verdict.cause)),
            .init(style.name(last?.summary ?? call.verdict.summary)),
        ])
    }
    return ("CALLS", "made while the request was in hand", table.lines(style))
}
