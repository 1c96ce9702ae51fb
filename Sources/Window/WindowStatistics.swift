import Events

/// What the window holds, and what passed through it.
public struct WindowStatistics: Sendable, Equatable {
    /// Of one kind.
    public struct Kind: Sendable, Equatable {
        /// Records held: in blocks and not yet in one.
        public var records: UInt64 = 0
        public var blocks = 0
        /// Bytes of the records in blocks, before encoding.
        public var rawBytes = 0
        /// Bytes of the same, encoded.
        public var encodedBytes = 0
        /// Since the start.
        public var appended: UInt64 = 0

        public init() {}
    }

    /// Memory taken: blocks, their overhead, and buffers of records not yet in one.
    public var bytes = 0
    public var stagingBytes = 0
    public var budget = 0
    public var blocks = 0
    public var containers = 0
    /// Only kinds that ever occurred.
    public var kinds: [EventKind: Kind] = [:]
    /// Least time of any record held; `nil` when empty.
    public var oldest: Instant?
    /// Records evicted since the start because they were older than the window's duration.
    public var evictedByAge: UInt64 = 0
    /// Records evicted since the start for want of room: history cut short.
    public var evictedByBytes: UInt64 = 0

    public init() {}

    /// Records held.
    public var records: UInt64 { kinds.values.reduce(0) { $0 + $1.records } }
}
