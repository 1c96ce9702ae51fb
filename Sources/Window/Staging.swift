import Events

/// Records of one kind from one container on their way into a block. Its memory grows and shrinks in powers of two.
final class Staging {
    static let maximumRecords = 4096
    static let maximumBytes = 256 << 10
    private static let minimumBytes = 1 << 10

    let kind: EventKind
    let container: ContainerKey
    let history: History
    let step: Int
    private var buffer: UnsafeMutableRawPointer
    private(set) var capacity: Int
    private(set) var count = 0
    private(set) var from = Instant.max
    private(set) var to: Instant = 0
    /// Nothing came since the last tick that looked.
    var idle = false

    init(_ kind: EventKind, _ history: History) {
        self.kind = kind
        self.history = history
        container = history.container
        step = kind.size
        capacity = Self.minimumBytes
        buffer = .allocate(byteCount: capacity, alignment: 8)
    }

    deinit { buffer.deallocate() }

    var used: Int { count &* step }
    var records: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: buffer, count: used) }
    /// Holds as many records as a block should.
    var isComplete: Bool { count >= Self.maximumRecords || used &+ step > Self.maximumBytes }
    var needsRoom: Bool { used &+ step > capacity }

    /// The capacity `grow` would give.
    var nextCapacity: Int { min(capacity * 2, Self.maximumBytes) }

    func grow() { resize(to: nextCapacity) }

    /// Gives back memory that a burst took and the last second did not need. Only when empty.
    func shrink(toFit bytes: Int) {
        var size = Self.minimumBytes
        while size < bytes { size *= 2 }
        if size < capacity / 2 { resize(to: size) }
    }

    private func resize(to size: Int) {
        let larger = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 8)
        larger.copyMemory(from: buffer, byteCount: min(used, size))
        buffer.deallocate()
        buffer = larger
        capacity = size
    }

    /// Takes `step` bytes. There must be room.
    @inline(__always)
    func append(_ record: UnsafeRawPointer) {
        (buffer + used).copyMemory(from: record, byteCount: step)
        let at = record.loadUnaligned(as: Instant.self)
        if at < from { from = at }
        if at > to { to = at }
        count &+= 1
        idle = false
    }

    func clear() {
        count = 0
        from = .max
        to = 0
    }

    /// What it holds, as a block; it stays as it is.
    func encoded() -> Block {
        BlockCodec.encode(kind, container: history.container, packedRecords: records, count: count)
    }
}

/// The blocks of one container, oldest first.
final class History {
    let container: ContainerKey
    /// Those before `head` are gone.
    private var storage: [Block?] = []
    private var head = 0
    private(set) var bytes = 0
    /// Staging buffers that refer to it.
    var stagings = 0
    var evictedByAge: UInt64 = 0
    var evictedByBytes: UInt64 = 0
    /// Latest time of any record evicted for want of room.
    var cutByBytes: Instant?
    /// Latest time of any record evicted at all.
    var cut: Instant?

    init(_ container: ContainerKey) { self.container = container }

    var oldest: Block? { head < storage.count ? storage[head] : nil }
    var isEmpty: Bool { head == storage.count }
    var blocks: some Sequence<Block> { storage[head...].lazy.compactMap { $0 } }

    func append(_ block: Block) {
        storage.append(block)
        bytes += block.footprint
    }

    func removeOldest() -> Block? {
        guard let block = oldest else { return nil }
        storage[head] = nil
        head += 1
        bytes -= block.footprint
        if head > 32 && head * 2 > storage.count {
            storage.removeFirst(head)
            head = 0
        }
        return block
    }
}
