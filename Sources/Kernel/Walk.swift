import CFlightrec
import Events

/// Off-path passes over the kernel's sockets.
extension Probes {
    /// Learns listeners, then the owners and roles of connections older than the recorder.
    /// Call once, after the probes are attached.
    public func adoptExisting() throws(KernelError) {
        try run(iterator: "walk-listeners") { _ in }
        try run(iterator: "walk-connections") { _ in }
    }

    /// Finds every CPU's ksoftirqd, whose waits for the CPU make softirqs late. Anew from time to time: a CPU that comes for the first
    /// time brings its own. Where none is found, `status` says so from then on.
    public func findSoftirqThreads() throws(KernelError) {
        var found = 0
        try run(iterator: Self.softirqThreads) { found += $0.count }
        if found == 0 { lose(Self.softirqThreads, because: "no thread here is named ksoftirqd") }
    }

    /// Ids of the sockets that are watched and live; of those that end meanwhile some.
    public func watchedSockets() throws(KernelError) -> Set<UInt32> {
        globals.set("fr_walk_ids", UInt32(1))
        defer { globals.set("fr_walk_ids", UInt32(0)) }
        var found: Set<UInt32> = []
        try run(iterator: "walk-open") { bytes in
            for offset in stride(from: 0, to: bytes.count - 3, by: 4) {
                found.insert(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            }
        }
        return found
    }

    /// Turns open longer than the floor; also makes the kernel report turns that ended without further traffic.
    public func walkOpen(_ body: (fr_turn) -> Void) throws(KernelError) {
        let size = MemoryLayout<fr_turn>.size
        // bpf_seq_write never splits a record over two reads while it fits the seq buffer.
        try run(iterator: "walk-open") { bytes in
            var offset = 0
            while offset + size <= bytes.count {
                body(bytes.loadUnaligned(fromByteOffset: offset, as: fr_turn.self))
                offset += size
            }
        }
        calibrateJiffies()
    }

    /// What followed threads did off the CPU that ended after `since`, and what they are in now: records of slices and
    /// stacks. Threads that end from then on tell of what ended after `now`.
    public func walkThreads(
        since: Instant, now: Instant, _ body: (UnsafeRawBufferPointer, EventKind) -> Void
    ) throws(KernelError) {
        globals.set("fr_slices_since", since)
        defer { globals.set("fr_slices_since", now) }
        try run(iterator: "walk-threads") { bytes in
            var offset = 0
            while offset + MemoryLayout<fr_header>.size <= bytes.count {
                let header = bytes.loadUnaligned(fromByteOffset: offset, as: fr_header.self)
                guard let kind = EventKind(rawValue: header.kind), offset + kind.size <= bytes.count else { return }
                body(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + kind.size]), kind)
                offset += kind.size
            }
        }
    }

    /// While something is slow, threads that end tell what they did since the last walk.
    public func setSlicesWanted(_ wanted: Bool) { globals.set("fr_slices_wanted", UInt32(wanted ? 1 : 0)) }

    /// Whether threads are followed at all.
    public var followsThreads: Bool { ladder.rung("switch") != nil && ladder.rung("walk-threads") != nil }

    /// Whether a sender's waits for buffer are timed (`sk_stream_wait_memory`): a turn without any had none.
    public var timesSendWaits: Bool { ladder.rung("send-wait") != nil }

    /// jiffies have no fixed length: compares the kernel's two clocks as the walker saw them.
    private func calibrateJiffies() {
        let jiffies = globals.get("fr_walk_jiffies", as: UInt64.self)
        let ktime = globals.get("fr_walk_ktime", as: UInt64.self)
        guard let first = firstJiffies else {
            if jiffies != 0 { firstJiffies = (jiffies, ktime) }
            return
        }
        guard jiffies &- first.jiffies >= 100, ktime > first.ktime else { return }
        let length = (ktime - first.ktime) / (jiffies - first.jiffies)
        // Only these are configurable (kernel/Kconfig.hz).
        let choices: [UInt64] = [1_000_000, 3_333_333, 4_000_000, 10_000_000]
        let nearest = choices.min { length.distance(to: $0).magnitude < length.distance(to: $1).magnitude }
        if let nearest { globals.set("fr_jiffy_ns", nearest) }
    }
}
