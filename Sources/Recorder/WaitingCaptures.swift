import Synchronization

/// The captures handed over and not written yet, bounded: a disk that hangs must not make the recorder keep the history of every incident
/// from then on. For several threads.
final class WaitingCaptures: Sendable {
    private struct Held {
        var count = 0
        /// Of the blocks they pin, and about that of the rest. Two captures' common blocks count twice.
        var bytes: UInt64 = 0
    }

    /// One is being written while the next one ends: these always have a place.
    static let always = 2

    private let held = Mutex(Held())

    /// Takes one of `bytes` in, if it has a place beside the others within `limit` bytes.
    func admit(_ bytes: UInt64, limit: UInt64) -> Bool {
        held.withLock { held in
            let (sum, over) = held.bytes.addingReportingOverflow(bytes)
            guard held.count < Self.always || (!over && sum <= limit) else { return false }
            held = Held(count: held.count + 1, bytes: over ? .max : sum)
            return true
        }
    }

    /// One is written, or could not be.
    func leave(_ bytes: UInt64) {
        held.withLock { held in
            held.count -= 1
            held.bytes -= min(bytes, held.bytes)
        }
    }

    /// How many there are.
    var count: Int { held.withLock(\.count) }
}
