/// What the records of the ring go to. A class, called through its table and never retained on the way: a closure would be, twice for
/// every record, which took a twentieth of the recorder's time.
open class RecordSink {
    public init() {}

    /// One record. The buffer is valid only inside the call, on the thread that drains.
    open func take(_ record: UnsafeRawBufferPointer) { preconditionFailure("for subclasses") }
}

/// Lets the ring's C callback reach the sink of the drain under way, which is held by its caller.
final class RingLink {
    var sink: Unmanaged<RecordSink>?

    @inline(__always)
    func pass(_ record: UnsafeRawBufferPointer) { sink?._withUnsafeGuaranteedRef { $0.take(record) } }
}
