import Analysis
import Capture
import Events
import Synchronization
import Window

/// How much of a capture is written. On a full disk less is better than nothing: the verdict is of all events each time.
enum CaptureCut: Int, Comparable, CaseIterable {
    case whole
    /// Events of the containers that fired, alone.
    case involved
    /// No events: what was found, who it was and what the counters said.
    case findings

    static func < (a: CaptureCut, b: CaptureCut) -> Bool { a.rawValue < b.rawValue }

    /// Bytes of a capture's plain tables, about.
    static let overhead: UInt64 = 192 << 10

    /// The blocks it leaves of `blocks`, by their positions.
    func kept(of blocks: [Block], triggers: [TriggerFact]) -> [Int] {
        switch self {
        case .whole: return Array(blocks.indices)
        case .involved:
            // A manual snapshot is about no container.
            let fired = Set(triggers.filter { $0.kind != .manual }.map(\.container))
            return fired.isEmpty ? [] : blocks.indices.filter { fired.contains(blocks[$0].container) }
        case .findings: return []
        }
    }

    /// Bytes the file will have, about.
    static func size(of blocks: some Sequence<Block>) -> UInt64 {
        blocks.reduce(overhead) { $0 + UInt64($1.bytes.count) + UInt64(Self.row) }
    }

    /// Of a block's row, beside its data.
    private static let row = 96
}

/// What the file system's room allowed so far. For several threads.
final class DiskSpace: Sendable {
    struct Ledger {
        /// Captures that were written with less than all events.
        var cut: UInt64 = 0
        /// Those of which nothing could be written, and the slowest turn among them, ns.
        var unsaved: UInt64 = 0
        var unsavedWorst: UInt64 = 0
        /// Bytes the last capture wanted.
        var wanted: UInt64 = CaptureCut.overhead
        /// How the last one ended up; `nil`: not at all.
        var last: CaptureCut? = .whole
        /// Bytes to leave free.
        var keepFree: UInt64
    }

    private let ledger: Mutex<Ledger>
    private let directory: CaptureDirectory

    init(_ directory: CaptureDirectory, keepFree: UInt64) {
        self.directory = directory
        ledger = Mutex(Ledger(keepFree: keepFree))
    }

    /// From now on.
    func set(keepFree: UInt64) { ledger.withLock { $0.keepFree = keepFree } }

    /// Bytes that may be written. Throws `CaptureError.read`.
    func room() throws(CaptureError) -> UInt64 {
        let free = try directory.freeBytes()
        let keepFree = ledger.withLock(\.keepFree)
        return free > keepFree ? free - keepFree : 0
    }

    func want(_ bytes: UInt64) { ledger.withLock { $0.wanted = bytes } }

    /// Takes down how a capture ended up; true when that is another way than the last one.
    func note(_ cut: CaptureCut?, peak: UInt64) -> Bool {
        ledger.withLock { ledger in
            switch cut {
            case .whole: break
            case .some: ledger.cut += 1
            case nil:
                ledger.unsaved += 1
                ledger.unsavedWorst = max(ledger.unsavedWorst, peak)
            }
            defer { ledger.last = cut }
            return ledger.last != cut
        }
    }

    /// For `status`, as it would be for the next capture. Throws `CaptureError.read`.
    func status() throws(CaptureError) -> RecorderStatus.Disk {
        let free = try directory.freeBytes()
        let ledger = ledger.withLock { $0 }
        let room = free > ledger.keepFree ? free - ledger.keepFree : 0
        let state = room >= ledger.wanted ? "ok" : room >= CaptureCut.overhead ? "smaller" : "none"
        return RecorderStatus.Disk(
            state: state, freeBytes: free, keepFreeBytes: ledger.keepFree, cut: ledger.cut, unsaved: ledger.unsaved,
            unsavedWorstNs: ledger.unsavedWorst)
    }
}
