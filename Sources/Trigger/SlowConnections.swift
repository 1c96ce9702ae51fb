import Events

/// Connections none of whose turns was ever fast: by socket, the last of them and how many there were. Bounded.
struct SlowConnections {
    private var turns: [SocketID: (last: UInt32, slow: UInt32)] = [:]
    static let remembered = 4096

    /// A turn ended.
    mutating func note(_ socket: SocketID, _ sequence: UInt32, slow: Bool) {
        guard slow else {
            // Nearly every turn: the dictionary is empty then, or this socket is not in it.
            if !turns.isEmpty { turns[socket] = nil }
            return
        }
        follow(socket, sequence, slow: 1)
    }

    /// A slow handshake ended, which takes a number too: of how fast the connection answers it says nothing.
    mutating func connected(_ socket: SocketID, _ sequence: UInt32) { follow(socket, sequence, slow: 0) }

    private mutating func follow(_ socket: SocketID, _ sequence: UInt32, slow: UInt32) {
        let before = turns[socket]
        guard sequence == 1 || before?.last == sequence &- 1 else { return }
        if before == nil, turns.count >= Self.remembered {
            // Connections that only took long to be made are many where the peer is far away: they make room for the others.
            guard slow > 0 else { return }
            turns = turns.filter { $0.value.slow > 0 }
            if turns.count >= Self.remembered { turns.removeAll() }
        }
        turns[socket] = (sequence, (sequence == 1 ? 0 : before?.slow ?? 0) + slow)
    }

    /// Whether this is the connection's first exchange.
    func isFirst(_ socket: SocketID, _ sequence: UInt32) -> Bool {
        guard sequence > 1 else { return true }
        guard let before = turns[socket] else { return false }
        return before.last == sequence - 1 && before.slow == 0
    }

    /// Whether all exchanges before this one were slow, and there were some.
    func contains(_ socket: SocketID, before sequence: UInt32) -> Bool {
        guard sequence > 1, let before = turns[socket] else { return false }
        return before.last == sequence - 1 && before.slow > 0
    }

    mutating func closed(_ socket: SocketID) {
        if !turns.isEmpty { turns[socket] = nil }
    }
}
