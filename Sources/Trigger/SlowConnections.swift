import Events

/// Connections none of whose turns was ever fast: by socket, how many there were. Bounded.
struct SlowConnections {
    private var turns: [SocketID: UInt32] = [:]
    static let remembered = 4096

    /// A turn ended.
    mutating func note(_ socket: SocketID, _ sequence: UInt32, slow: Bool) {
        guard slow else {
            // Nearly every turn: the dictionary is empty then, or this socket is not in it.
            if !turns.isEmpty { turns[socket] = nil }
            return
        }
        guard sequence == 1 || turns[socket] == sequence - 1 else { return }
        if turns.count >= Self.remembered { turns.removeAll() }
        turns[socket] = sequence
    }

    /// Whether all turns before this one were slow, and there were some.
    func contains(_ socket: SocketID, before sequence: UInt32) -> Bool {
        sequence > 1 && turns[socket] == sequence - 1
    }

    mutating func closed(_ socket: SocketID) {
        if !turns.isEmpty { turns[socket] = nil }
    }
}
