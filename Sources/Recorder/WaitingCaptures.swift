import Events
import Synchronization

/// The captures handed over and not written yet, bounded: a disk that hangs must not make the recorder keep the history of every incident
/// from then on. For several threads.
final class WaitingCaptures: Sendable {
    private struct Held {
        var count = 0
        /// Of what they pin. Two captures' common blocks count twice, and those that the window has too.
        var bytes: UInt64 = 0
        /// When the last one was done, or the first one came.
        var moved: Instant = 0
    }

    /// One is being written while the next one ends: these always have a place.
    static let always = 2
    /// ns after which a disk that finished none is taken to hang. One that is only slow has them all, up to `several` times the limit.
    static let patience: UInt64 = 10_000_000_000
    static let several: UInt64 = 4

    private let held = Mutex(Held())

    /// Takes one of `bytes` in, if it has a place beside the others: within `limit` bytes, or where captures still come to be written.
    /// `isLast`: none comes after it, and the others are waited for anyway.
    func admit(_ bytes: UInt64, limit: UInt64, at now: Instant, isLast: Bool = false) -> Bool {
        held.withLock { held in
            let (sum, over) = held.bytes.addingReportingOverflow(bytes)
            let (most, none) = limit.multipliedReportingOverflow(by: Self.several)
            let moves = now < held.moved &+ Self.patience
            let fits = !over && (sum <= limit || (moves && (none || sum <= most)))
            guard isLast || held.count < Self.always || fits else { return false }
            if held.count == 0 { held.moved = now }
            held.count += 1
            held.bytes = over ? .max : sum
            return true
        }
    }

    /// One is written, or could not be.
    func leave(_ bytes: UInt64, at now: Instant) {
        held.withLock { held in
            held.count -= 1
            held.bytes -= min(bytes, held.bytes)
            held.moved = now
        }
    }

    /// How many there are.
    var count: Int { held.withLock(\.count) }
}
