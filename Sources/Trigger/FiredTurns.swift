import Events

/// Open turns that passed their threshold, so that each is judged once however often the walker reports it.
struct FiredTurns {
    private struct Entry {
        var sequence: UInt32
        var seen: Instant
        var fired = false
    }
    private var entries: [SocketID: Entry] = [:]
    /// When to look for entries whose end was never seen; doubles with what must be kept.
    private var sweepAt = FiredTurns.small
    private static let small = 4096
    /// ns. The walker reports an open turn several times a second: one not reported for this long is over.
    private static let stale: UInt64 = 30_000_000_000

    var count: Int { entries.count }

    /// Whether this turn is here for the first time.
    mutating func note(_ socket: SocketID, _ sequence: UInt32, at now: Instant) -> Bool {
        if entries[socket]?.sequence == sequence {
            entries[socket]?.seen = now
            return false
        }
        entries[socket] = Entry(sequence: sequence, seen: now)
        if entries.count >= sweepAt {
            entries = entries.filter { $0.value.seen &+ Self.stale > now }
            sweepAt = max(Self.small, entries.count * 2)
        }
        return true
    }

    /// The turn just noted fired.
    mutating func markFired(_ socket: SocketID) { entries[socket]?.fired = true }

    /// Whether this turn fired while it was open. Empty nearly always, and then no hash is worked out.
    @inline(__always)
    mutating func completed(_ socket: SocketID, _ sequence: UInt32) -> Bool {
        guard !entries.isEmpty, let entry = entries[socket], entry.sequence <= sequence else { return false }
        entries[socket] = nil
        return entry.sequence == sequence && entry.fired
    }

    mutating func closed(_ socket: SocketID) {
        if !entries.isEmpty { entries[socket] = nil }
    }
}
