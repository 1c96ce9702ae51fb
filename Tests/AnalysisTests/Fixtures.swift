import Events

@testable import Analysis

private let ms: UInt64 = 1_000_000
private let at: UInt64 = 10_000 * ms

/// A capture around `turns`; the first one fired. Socket 1 is api's, 2 its mirror on db, 3 another client of api.
func capture(_ turns: [Turn]) -> Evidence {
    var evidence = Evidence(
        id: "t", clock: ClockPair(monotonic: 0, wall: 0), askedFrom: 0, askedTo: 20_000 * ms, from: 0, to: 20_000 * ms)
    let api = Endpoint(address: [10, 0, 0, 1], port: 80)
    let db = Endpoint(address: [10, 0, 0, 2], port: 5432)
    let role = turns[0].role
    evidence.sockets[1] = SocketInfo(
        id: 1, container: 1, role: role, local: api, remote: db, sentSequence: 7, receivedSequence: 8)
    evidence.sockets[3] = SocketInfo(
        id: 3, container: 1, role: .served, local: api, remote: Endpoint(address: [10, 0, 0, 3], port: 4000))
    evidence.containers[1] = ContainerName(id: "aa", name: "api", runtime: "docker")
    evidence.containers[2] = ContainerName(id: "bb", name: "db", runtime: "docker")
    evidence.turns = turns
    evidence.triggers = [
        TriggerFact(
            kind: .latency, at: turns[0].end, container: 1, socket: 1, observed: turns[0].total, threshold: 200 * ms,
            rule: "test")
    ]
    return evidence
}

extension Evidence {
    /// db's end of socket 1, known by its mirrored sequence numbers behind another address.
    mutating func watchPeer(role: Role) {
        sockets[2] = SocketInfo(
            id: 2, container: 2, role: role, local: Endpoint(address: [172, 17, 0, 9], port: 5432),
            remote: Endpoint(address: [172, 17, 0, 1], port: 999), sentSequence: 8, receivedSequence: 7)
    }
}

/// Unread for 600 of 800 ms, answered in 190.
let queued = Turn(
    container: 1, socket: 1, role: .served, start: at, end: at + 800 * ms, receivedFirst: at, receivedLast: at,
    woken: at + ms, readFirst: at + 601 * ms, readLast: at + 601 * ms, sentFirst: at + 791 * ms,
    sentLast: at + 800 * ms, tid: 5, smoothedRTT: 100, sequence: 4)

/// Waited 780 of 800 ms for the answer.
let asking = Turn(
    container: 1, socket: 1, role: .called, start: at, end: at + 800 * ms, receivedFirst: at + 790 * ms,
    receivedLast: at + 790 * ms, woken: at + 791 * ms, readFirst: at + 792 * ms, readLast: at + 800 * ms,
    sentFirst: at, sentLast: at + 10 * ms, tid: 5, smoothedRTT: 100, sequence: 4)

func served(
    _ socket: SocketID, _ from: UInt64, _ to: UInt64, tid: UInt32 = 5, container: ContainerKey = 1, sequence: UInt32 = 1
) -> Turn {
    Turn(
        container: container, socket: socket, role: .served, start: at + from * ms, end: at + to * ms,
        receivedFirst: at + from * ms, receivedLast: at + from * ms, woken: at + from * ms, readFirst: at + from * ms,
        readLast: at + from * ms, sentFirst: at + to * ms, sentLast: at + to * ms, tid: tid, sequence: sequence)
}
