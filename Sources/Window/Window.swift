import Events

/// The bounded in-memory history. Belongs to one thread, the one that drains the ring; only the blocks of a
/// snapshot leave it.
///
/// Two bounds, whichever is reached first: a duration, and bytes (`Block.footprint` and staging buffers). When over
/// bytes, the container that holds most gives up its oldest block: it is the one furthest above an equal share, so
/// one noisy container shortens only its own history.
public final class Window {
    /// Smallest budget that is honoured, bytes: room for the staging buffers of a few containers.
    public static let minimumBytes = 64 << 10

    private struct Key: Hashable {
        var container: ContainerKey
        var kind: EventKind
    }

    private var budget: Int
    private var duration: UInt64
    private var histories: [ContainerKey: History] = [:]
    private var stagings: [Key: Staging] = [:]
    /// The last staging used of each hash: served and called records of two containers alternate, and a dictionary
    /// costs more than the copy.
    /// They are held by `stagings`: looked up for every record, they are not retained for it.
    private let recent = RecentStagings()
    private var blockBytes = 0
    private var stagingBytes = 0
    private var kinds = [WindowStatistics.Kind](
        repeating: WindowStatistics.Kind(), count: EventKind.allCases.count + 1)
    private var evictedByAge: UInt64 = 0
    private var evictedByBytes: UInt64 = 0
    private var cut: Instant?

    /// - Parameters:
    ///   - bytes: memory to use at most; at least `minimumBytes` is taken.
    ///   - duration: ns of history to keep.
    public init(bytes: Int, duration: UInt64) {
        budget = max(bytes, Self.minimumBytes)
        self.duration = duration
    }

    /// Other bounds from now on: what is over them goes at the next `evict`.
    public func bound(bytes: Int, duration: UInt64) {
        budget = max(bytes, Self.minimumBytes)
        self.duration = duration
    }

    // MARK: Recording

    /// Takes one record. `record` must have passed `validate` as `kind` (it traps when shorter), and must not be a
    /// socket's name: that goes to `SocketRegistry`. Allocates only while a buffer grows or a block is made.
    public func append(_ record: UnsafeRawBufferPointer, kind: EventKind, container: ContainerKey) {
        guard record.count >= kind.size, let base = record.baseAddress, kind != .socket else {
            preconditionFailure("not a whole record, or a socket's name")
        }
        let staging = recent.find(kind, container) ?? recent.set(self.staging(kind, container))
        staging._withUnsafeGuaranteedRef {
            if $0.needsRoom { makeRoom(in: $0) }
            $0.append(base)
            if $0.isComplete { seal($0) }
        }
    }

    private func staging(_ kind: EventKind, _ container: ContainerKey) -> Staging {
        let key = Key(container: container, kind: kind)
        if let known = stagings[key] { return known }
        if stagingBytes > stagingLimit { releaseAll() }
        let history = histories[container] ?? History(container)
        histories[container] = history
        history.stagings += 1
        let staging = Staging(kind, history)
        stagings[key] = staging
        stagingBytes += staging.capacity
        return staging
    }

    /// Bytes of staging buffers beyond which none grows: more containers get smaller blocks, not more memory.
    private var stagingLimit: Int { budget / 4 }

    private func makeRoom(in staging: Staging) {
        let growth = staging.nextCapacity - staging.capacity
        if stagingBytes + growth > stagingLimit {
            seal(staging)
        } else {
            staging.grow()
            stagingBytes += growth
        }
    }

    private func seal(_ staging: Staging) {
        guard staging.count > 0 else { return }
        let block = staging.encoded()
        let kind = Int(staging.kind.rawValue)
        kinds[kind].appended += UInt64(block.count)
        kinds[kind].records += UInt64(block.count)
        kinds[kind].blocks += 1
        kinds[kind].rawBytes += staging.used
        kinds[kind].encodedBytes += block.bytes.count
        staging.clear()
        staging.history.append(block)
        blockBytes += block.footprint
        evictOverBudget()
    }

    private func release(_ key: Key, _ staging: Staging) {
        seal(staging)
        stagings[key] = nil
        staging.history.stagings -= 1
        stagingBytes -= staging.capacity
    }

    private func releaseAll() {
        recent.clear()
        for (key, staging) in stagings { release(key, staging) }
    }

    /// Makes blocks of the records that have waited since before `limit`, and gives back the buffers of those that
    /// had none since the last call. For the tick.
    public func seal(olderThan limit: Instant) {
        var idle: [(Key, Staging)] = []
        for (key, staging) in stagings {
            if staging.count == 0 {
                if staging.idle { idle.append((key, staging)) }
                staging.idle = true
            } else if staging.from < limit {
                let used = staging.used
                seal(staging)
                stagingBytes -= staging.capacity
                staging.shrink(toFit: used)
                stagingBytes += staging.capacity
            }
        }
        guard !idle.isEmpty else { return }
        recent.clear()
        for (key, staging) in idle { release(key, staging) }
    }

    // MARK: Forgetting

    /// Drops what is older than the duration, container by container; forgets containers that have nothing left.
    public func evict(now: Instant) {
        let limit = now > duration ? now - duration : 0
        for history in histories.values {
            while let oldest = history.oldest, oldest.to < limit { evictOldest(of: history, byAge: true) }
            if history.isEmpty && history.stagings == 0 && (history.cut ?? 0) < limit {
                histories[history.container] = nil
            }
        }
        evictOverBudget()
    }

    private func evictOverBudget() {
        while blockBytes + stagingBytes > budget {
            var largest: History?
            for history in histories.values where history.bytes > largest?.bytes ?? 0 { largest = history }
            // Only staging buffers are left, which have their own limit.
            guard let largest else { return }
            evictOldest(of: largest, byAge: false)
        }
    }

    private func evictOldest(of history: History, byAge: Bool) {
        guard let block = history.removeOldest() else { return }
        blockBytes -= block.footprint
        let kind = Int(block.kind.rawValue)
        let records = UInt64(block.count)
        kinds[kind].records -= records
        kinds[kind].blocks -= 1
        kinds[kind].rawBytes -= block.count * block.kind.size
        kinds[kind].encodedBytes -= block.bytes.count
        history.cut = max(history.cut ?? 0, block.to)
        if byAge {
            evictedByAge += records
            history.evictedByAge += records
        } else {
            evictedByBytes += records
            history.evictedByBytes += records
            history.cutByBytes = max(history.cutByBytes ?? 0, block.to)
            cut = max(cut ?? 0, block.to)
        }
    }

    /// Forgets the blocks of a container that end before `limit`, as for want of room: what else is known of its records up to then is
    /// gone. In a block that begins before it and ends after it there may be more of these: they count as gone, too.
    public func evict(_ container: ContainerKey, before limit: Instant) {
        // One without a history has no records that are younger than the duration.
        guard let history = histories[container] else { return }
        while let oldest = history.oldest, oldest.to < limit { evictOldest(of: history, byAge: false) }
        history.cut = max(history.cut ?? 0, limit)
        history.cutByBytes = max(history.cutByBytes ?? 0, limit)
        cut = max(cut ?? 0, limit)
    }

    // MARK: Reading

    /// All blocks with a record in `from...to`, or near it: a block is taken whole. Records not yet in a block are
    /// encoded into one of their own, and stay where they are. In order of their `from`.
    public func snapshot(from: Instant, to: Instant) -> [Block] {
        var result: [Block] = []
        for history in histories.values {
            result.append(contentsOf: history.blocks.filter { $0.from <= to && $0.to >= from })
        }
        for staging in stagings.values where staging.count > 0 && staging.from <= to && staging.to >= from {
            result.append(staging.encoded())
        }
        result.sort { ($0.from, $0.container, $0.kind.rawValue) < ($1.from, $1.container, $1.kind.rawValue) }
        return result
    }

    /// From when on everything that was recorded of a container is still held; 0 when nothing was ever evicted
    /// that is remembered.
    public func oldestComplete(_ container: ContainerKey) -> Instant {
        (histories[container]?.cut).map { $0 &+ 1 } ?? 0
    }

    /// The same, counting only what was evicted for want of room: `nil` when age alone bounds the history.
    public func cutByBytes(_ container: ContainerKey) -> Instant? {
        histories[container]?.cutByBytes.map { $0 &+ 1 }
    }

    /// From when on nothing of any container was evicted for want of room; `nil`: nothing ever was.
    public var cutByBytes: Instant? { cut.map { $0 &+ 1 } }

    /// The containers of which something after `limit` was evicted for want of room, and from when on nothing was.
    public func cutByBytes(after limit: Instant) -> [ContainerKey: Instant] {
        histories.compactMapValues { $0.cutByBytes.map { $0 &+ 1 } }.filter { $0.value > limit }
    }

    /// No record is older, ns; `nil`: there is none. Not the time of the oldest itself, which may be 2 s later: records wait for a
    /// second before they are in a block, and one of another kind may be sealed before them.
    public var oldest: Instant? {
        let blocks = histories.values.compactMap(\.oldest?.from).min()
        let staged = stagings.values.lazy.filter { $0.count > 0 }.map(\.from).min()
        let least = [blocks, staged].compactMap(\.self).min()
        return least.map { $0 > 2_000_000_000 ? $0 - 2_000_000_000 : 0 }
    }

    /// Records of a container evicted so far, by age and for want of room.
    public func evicted(_ container: ContainerKey) -> (byAge: UInt64, byBytes: UInt64) {
        histories[container].map { ($0.evictedByAge, $0.evictedByBytes) } ?? (0, 0)
    }

    public var statistics: WindowStatistics {
        var result = WindowStatistics()
        result.bytes = blockBytes + stagingBytes
        result.stagingBytes = stagingBytes
        result.budget = budget
        result.containers = histories.count
        result.evictedByAge = evictedByAge
        result.evictedByBytes = evictedByBytes
        var kinds = kinds
        for staging in stagings.values where staging.count > 0 {
            let kind = Int(staging.kind.rawValue)
            kinds[kind].records += UInt64(staging.count)
            kinds[kind].appended += UInt64(staging.count)
            result.oldest = min(result.oldest ?? .max, staging.from)
        }
        for kind in EventKind.allCases where kinds[Int(kind.rawValue)].appended > 0 {
            result.kinds[kind] = kinds[Int(kind.rawValue)]
            result.blocks += kinds[Int(kind.rawValue)].blocks
        }
        for history in histories.values {
            for block in history.blocks { result.oldest = min(result.oldest ?? .max, block.from) }
        }
        return result
    }
}
