import Analysis
import Events

/// Turns the slow turn's thread called while it served it, in order of their start.
///
/// A thread that serves several turns at once could have called for any of them: then none is claimed.
func calls(of turn: Turn, in evidence: Evidence) -> [Turn] {
    guard turn.role == .served, turn.tid != 0 else { return [] }
    var inside: [Turn] = []
    for other in evidence.turns where other.tid == turn.tid && other.container == turn.container {
        if other.role == .called, other.start >= turn.start, other.end <= turn.end { inside.append(other) }
        let isOther = other.socket != turn.socket || other.start != turn.start
        if other.role == .served, isOther, other.start < turn.end, other.end > turn.start { return [] }
    }
    return inside.sorted { $0.start < $1.start }
}

/// The container at the other end of `socket`, when that end was recorded too: its handshake's sequence numbers are
/// this end's, mirrored (RFC 9293 §3.4), which holds through address translation.
func peerContainer(of socket: SocketInfo, in evidence: Evidence) -> ContainerKey? {
    guard let mine = socket.sequence else { return nil }
    let peers = evidence.sockets.values.filter {
        guard $0.id != socket.id, let other = $0.sequence else { return false }
        return other.sent == mine.received && other.received == mine.sent
    }
    return peers.count == 1 ? peers.first?.container : nil
}
