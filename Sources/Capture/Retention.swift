import Glibc

/// How much the store may keep. `nil`: no such bound.
public struct RetentionPolicy: Sendable, Equatable {
    /// Bytes of all captures together (`--keep`).
    public var maximumBytes: UInt64?
    /// Bytes to leave free on the file system (`--keep-free`).
    public var freeBytes: UInt64?
    /// ns since a capture's incident began (`--keep-age`).
    public var maximumAge: Int64?
    /// Captures (`--keep-count`).
    public var maximumCount: Int?

    public init(
        maximumBytes: UInt64? = nil, freeBytes: UInt64? = nil, maximumAge: Int64? = nil, maximumCount: Int? = nil
    ) {
        self.maximumBytes = maximumBytes
        self.freeBytes = freeBytes
        self.maximumAge = maximumAge
        self.maximumCount = maximumCount
    }
}

/// One capture that retention removes, and the bound that asks for it.
public struct Eviction: Sendable, Equatable {
    public enum Reason: String, Sendable { case age, count, size, free }

    public var capture: StoredCapture
    public var reason: Reason
}

/// What retention is about to do.
public struct RetentionPlan: Sendable, Equatable {
    /// In the order of removal.
    public var evictions: [Eviction] = []
    /// Bounds that stay exceeded because what is left is pinned, manual or not ours to remove, or because others fill
    /// the disk.
    public var unmet: [Eviction.Reason] = []
    /// Captures that should have gone and could not be removed, and why; others went instead.
    public var refused: [Refusal] = []

    public struct Refusal: Sendable, Equatable {
        public var path: String
        public var error: CaptureError
    }
}

extension RetentionPolicy {
    /// What to remove of `captures` so that one more of `incoming` bytes fits (0: nothing is coming).
    ///
    /// Those over the age first, oldest first. Then, one at a time until every bound holds, the oldest capture of
    /// the noisiest container: the one whose removable captures take the most bytes. Pinned captures, manual
    /// ones, files of other programs and of a newer flightrec are counted but never removed, nor is any for `freeBytes` where all
    /// of them together would not make that room: then others fill the disk, and what was caught is not to pay for it.
    /// `now` is wall clock, ns since 1970-01-01 UTC; `free` is what the file system has left, bytes; `fixed` are paths that can't
    /// be removed.
    public func plan(
        for captures: [StoredCapture], now: Int64, free: UInt64, incoming: UInt64 = 0, fixed: Set<String> = []
    ) -> RetentionPlan {
        var plan = RetentionPlan()
        var left = captures.filter { Self.isRemovable($0) && !fixed.contains($0.path) }.sorted {
            ($0.startedAt, $0.id) < ($1.startedAt, $1.id)
        }
        var bytes = captures.reduce(incoming) { $0.addingClamped($1.bytes) }
        var count = captures.count + (incoming > 0 ? 1 : 0)
        var room = free > incoming ? free - incoming : 0
        func remove(at index: Int, _ reason: Eviction.Reason) {
            let capture = left.remove(at: index)
            plan.evictions.append(Eviction(capture: capture, reason: reason))
            bytes -= min(bytes, capture.bytes)
            room = room.addingClamped(capture.bytes)
            count -= 1
        }
        func exceeded() -> [Eviction.Reason] {
            var reasons: [Eviction.Reason] = []
            if let maximumCount, count > max(maximumCount, 0) { reasons.append(.count) }
            if let maximumBytes, bytes > maximumBytes { reasons.append(.size) }
            if let freeBytes, room < freeBytes { reasons.append(.free) }
            return reasons
        }
        if let maximumAge {
            while let index = left.firstIndex(where: { now &- $0.startedAt > maximumAge }) { remove(at: index, .age) }
        }
        let within = left.reduce(room) { $0.addingClamped($1.bytes) }
        let attainable = freeBytes.map { within >= $0 } ?? true
        while let reason = exceeded().first(where: { $0 != .free || attainable }), let index = Self.next(left) {
            remove(at: index, reason)
        }
        plan.unmet = exceeded()
        return plan
    }

    private static func isRemovable(_ capture: StoredCapture) -> Bool {
        guard !capture.pinned else { return false }
        switch capture.state {
        case .ok: return capture.summary?.trigger != .manual
        case .truncated, .corrupt: return true
        case .foreign, .newer, .unreadable: return false
        }
    }

    /// The oldest of the noisiest container; `captures` are oldest first. Equal noise: the one with the oldest.
    private static func next(_ captures: [StoredCapture]) -> Int? {
        var noise: [String: UInt64] = [:]
        for capture in captures { noise[capture.source, default: 0].addClamped(capture.bytes) }
        var best: Int?
        var most: UInt64 = 0
        for (index, capture) in captures.enumerated() {
            let bytes = noise[capture.source] ?? 0
            guard best == nil || bytes > most else { continue }
            best = index
            most = bytes
        }
        return best
    }
}

extension CaptureStore {
    /// What `enforce` would do now: `vacuum --dry-run`. `fixed`: see `RetentionPolicy.plan`. Throws `CaptureError.read`.
    public func plan(
        _ policy: RetentionPolicy, incoming: UInt64 = 0, fixed: Set<String> = []
    ) throws(CaptureError) -> RetentionPlan {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return policy.plan(
            for: try list(), now: Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec),
            free: try directory.freeBytes(), incoming: incoming, fixed: fixed)
    }

    /// Removes what `policy` does not keep, one file at a time, and returns what was done. `incoming`: bytes of a
    /// capture about to be written. One that can't be removed (immutable, somebody else's in a sticky directory) stays, and what
    /// would go next goes for it. Throws `CaptureError.read`.
    @discardableResult
    public func enforce(_ policy: RetentionPolicy, incoming: UInt64 = 0) throws(CaptureError) -> RetentionPlan {
        var done = RetentionPlan()
        while true {
            let plan = try plan(policy, incoming: incoming, fixed: Set(done.refused.map(\.path)))
            let before = done.refused.count
            for eviction in plan.evictions {
                do throws(CaptureError) {
                    try delete(path: eviction.capture.path)
                    done.evictions.append(eviction)
                } catch .notFound {
                    // Somebody else removed it: that is what was wanted.
                    done.evictions.append(eviction)
                } catch {
                    done.refused.append(RetentionPlan.Refusal(path: eviction.capture.path, error: error))
                    break
                }
            }
            done.unmet = plan.unmet
            guard done.refused.count > before else { return done }
        }
    }
}

extension CaptureDirectory {
    /// Bytes an unprivileged writer has left on its file system. Throws `CaptureError.read`.
    public func freeBytes() throws(CaptureError) -> UInt64 {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { throw .read(path: path, why: CaptureError.words(errno)) }
        let (bytes, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        return overflow ? .max : bytes
    }

    /// Bytes to leave free where nobody says how many: 1 GiB, or a tenth of a smaller file system. Throws `CaptureError.read`.
    public func usualFreeBytes() throws(CaptureError) -> UInt64 {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { throw .read(path: path, why: CaptureError.words(errno)) }
        return min(1 << 30, UInt64(status.f_blocks).multipliedFullWidth(by: UInt64(status.f_frsize)).low / 10)
    }
}

extension StoredCapture {
    /// When its incident began; of an unreadable one, when it was written. Wall clock, ns.
    fileprivate var startedAt: Int64 { summary?.startedAt ?? modifiedAt }

    /// Whose noise it is; unreadable files are one source together.
    fileprivate var source: String {
        summary.map { "\($0.container.runtime)/\($0.container.name)/\($0.container.id)" } ?? ""
    }
}

extension UInt64 {
    fileprivate func addingClamped(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }

    fileprivate mutating func addClamped(_ other: UInt64) { self = addingClamped(other) }
}
