import Events

/// Open turns that fired, so that each does once however often the walker reports it.
struct FiredTurns {
    private struct Entry {
        var sequence: UInt32
        var seen: Instant
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
        let known = entries.updateValue(Entry(sequence: sequence, seen: now), forKey: socket)
        if entries.count >= sweepAt {
            entries = entries.filter { $0.value.seen &+ Self.stale > now }
            sweepAt = max(Self.small, entries.count * 2)
        }
        return known?.sequence != sequence
    }

    /// Empty nearly always, and then no hash is worked out.
    @inline(__always)
    mutating func completed(_ socket: SocketID, _ sequence: UInt32) {
        guard !entries.isEmpty, let entry = entries[socket], entry.sequence <= sequence else { return }
        entries[socket] = nil
    }

    /// Whether this turn was here before.
    func contains(_ socket: SocketID, _ sequence: UInt32) -> Bool { entries[socket]?.sequence == sequence }

    mutating func closed(_ socket: SocketID) {
        if !entries.isEmpty { entries[socket] = nil }
    }
}
