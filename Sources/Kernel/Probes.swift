import CFlightrec
import CLibBPF
import Events
import Glibc

/// What the kernel side should watch; applied before any work is done for a socket.
public struct ProbeFilter: Sendable, Equatable {
    /// Sockets outside containers too.
    public var host = false
    /// Local or remote ports; empty: all.
    public var ports: [UInt16] = []
    /// Thread groups; empty: all.
    public var pids: [UInt32] = []
    /// Time TCP's receive path (tcp_v4_do_rcv, tcp_v6_do_rcv), which costs a run more for each segment, or two.
    public var tcpReceive = false

    public init(host: Bool = false, ports: [UInt16] = [], pids: [UInt32] = [], tcpReceive: Bool = false) {
        self.host = host
        self.ports = ports
        self.pids = pids
        self.tcpReceive = tcpReceive
    }
}

/// The attached probes. Owned by one thread: the pump.
public final class Probes {
    var object: ProbeObject
    let globals: Globals
    private(set) var ladder: Ladder
    private var ring: OpaquePointer?
    private let link = RingLink()
    /// Iterators that have run.
    private var worked: Set<String> = []
    /// Hooks that are let go of for now.
    private var shed: Set<String> = []
    /// All of them are.
    private var isDetached = false
    var firstJiffies: (jiffies: UInt64, ktime: UInt64)?
    /// Names of this kernel's `enum skb_drop_reason`.
    public let dropReasons: [UInt32: String]

    /// Loads and attaches everything this kernel can carry. `survey`: also what only an option asks for, with or without
    /// which there is no error. Errors: see `KernelError`.
    public init(
        filter: ProbeFilter, survey: Bool = false, debug: ProbeDebug = ProbeDebug()
    ) throws(KernelError) {
        LibBPFLog.install()
        let btf = try KernelBTF()
        dropReasons = btf.enumNames("skb_drop_reason", dropping: "SKB_DROP_REASON_").merging(
            [UInt32(FR_REASON_LISTEN_OVERFLOW): "TCP_LISTEN_OVERFLOW"]) { kernels, _ in kernels }
        ladder = Ladder(btf: btf, options: survey ? nil : filter.tcpReceive ? [Hook.tcpReceive] : [], debug: debug)
        do throws(KernelError) {
            object = try Self.settle(&ladder, filter, btf)
        } catch {
            throw Obstacle.explain(error, btf: btf)
        }
        if !survey { try ladder.checkAsked(Hook.tcpReceive) }
        globals = Globals(object: object.object)
        try openRing()
    }

    deinit {
        object.detach()
        if let ring { ring_buffer__free(ring) }
    }

    /// The hook that finds every CPU's ksoftirqd.
    static let softirqThreads = "walk-ksoftirqd"

    /// Loads and attaches, stepping down the ladder until the kernel takes it all.
    private static func settle(
        _ ladder: inout Ladder, _ filter: ProbeFilter, _ btf: borrowing KernelBTF
    ) throws(KernelError) -> ProbeObject {
        ladder.askForRefinements(btf)
        while true {
            try ladder.checkUseful()
            var object = try loadWhatIsTaken(&ladder, filter, btf)
            guard attach(&object, &ladder, without: []) else { continue }
            if btf.pendingSoftirqs == nil || !btf.has(member: "rq", of: "cfs_rq") {
                ladder.refuse(
                    Self.softirqThreads, because: "this kernel's BTF does not tell where its pending softirqs are")
            }
            return object
        }
    }

    /// Loads, stepping down the ladder until the kernel's verifier takes it all.
    private static func loadWhatIsTaken(
        _ ladder: inout Ladder, _ filter: ProbeFilter, _ btf: borrowing KernelBTF
    ) throws(KernelError) -> ProbeObject {
        do throws(KernelError) {
            return try load(ladder, filter, btf)
        } catch {
            let may = Capabilities()
            // EPERM is also how a kernel refuses a type of program to everyone: only without the capabilities is it ours.
            if case .privilege = error, !may.bpf || !may.perfmon || Obstacle.isPolicy() { throw error }
        }
        ladder.tryEssential()
        try ladder.checkUseful()
        if ladder.tryRefinements(), let object = try? load(ladder, filter, btf) { return object }
        ladder.tryEach()
        return try load(ladder, filter, btf)
    }

    private static func load(
        _ ladder: Ladder, _ filter: ProbeFilter, _ btf: borrowing KernelBTF
    ) throws(KernelError) -> ProbeObject {
        let object = try ProbeObject(
            programs: ladder.programs, byAddress: ladder.byAddress, features: ladder.features)
        let globals = Globals(object: object.object)
        globals.set("fr_watch_host", filter.host)
        globals.set("fr_follow_threads", ladder.rung("switch") != nil && ladder.rung("walk-threads") != nil)
        globals.set("fr_time_send_waits", ladder.rung("send-wait") != nil)
        globals.set("fr_time_receive", ladder.rung("receive") != nil || ladder.rung("receive6") != nil)
        globals.set("fr_filter_ports", !filter.ports.isEmpty)
        globals.set("fr_filter_pids", !filter.pids.isEmpty)
        globals.set("fr_host_netns", hostNetns())
        if let softnet = btf.perCPUOffset(of: "softnet_data"), let queue = btf.perCPUOffset(of: "runqueues") {
            globals.set("fr_softnet_from_rq", softnet - queue)
        }
        if let pending = btf.pendingSoftirqs, let queue = btf.perCPUOffset(of: "runqueues") {
            globals.set("fr_pending_from_rq", pending - queue)
        }
        try object.load()
        for port in filter.ports { try put(object, "port_rule", key: port, value: UInt8(1)) }
        for pid in filter.pids { try put(object, "pid_rule", key: pid, value: UInt8(1)) }
        return object
    }

    /// False when a rung was refused: then the ladder has stepped down, and the object must be chosen anew, since where
    /// the state lives may have changed.
    private static func attach(
        _ object: inout ProbeObject, _ ladder: inout Ladder, without shed: Set<String>
    ) -> Bool {
        var all = true
        for hook in ladder.hooks where !shed.contains(hook.name) {
            guard let rung = ladder.rung(hook.name), rung.type != .iterator else { continue }
            do throws(KernelError) {
                try object.attach(rung, of: hook.name)
            } catch {
                ladder.refuse(hook.name, because: error.description)
                all = false
            }
        }
        return all
    }

    /// Lets go of every hook; what is in the ring can still be drained.
    public func detach() {
        object.detach()
        isDetached = true
    }

    /// Attaches again what `detach` let go of. Turns that were open then are forgotten: their end may have been missed.
    public func reattach() throws(KernelError) {
        globals.set("fr_walk_reset", UInt32(1))
        defer { globals.set("fr_walk_reset", UInt32(0)) }
        try run(iterator: "walk-open") { _ in }
        globals.set("fr_softirqs_since", monotonic())
        guard Self.attach(&object, &ladder, without: shed) else {
            throw .failed(operation: "attaching the probes again", errno: EBUSY, log: "")
        }
        isDetached = false
    }

    /// Lets go of these hooks and takes the others that it was let go of before; after `detach`, from `reattach` on.
    func attach(without hooks: Set<String>) throws(KernelError) {
        guard hooks != shed else { return }
        guard !isDetached else {
            shed = hooks
            return
        }
        for hook in hooks { object.detach(hook) }
        // A softirq that was under way has no end, or no beginning.
        globals.set("fr_softirqs_since", monotonic())
        shed = hooks
        guard Self.attach(&object, &ladder, without: shed) else {
            throw .failed(operation: "attaching a probe again", errno: EBUSY, log: "")
        }
    }

    /// What a hook would tell can't be known here after all.
    func lose(_ hook: String, because reason: String) { ladder.refuse(hook, because: reason) }

    func isAttached(_ hook: String) -> Bool { object.isAttached(hook) }

    /// ns, the clock of bpf_ktime_get_ns.
    private func monotonic() -> UInt64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
    }

    public var status: [HookStatus] { ladder.status }

    /// Programs on the rungs taken, iterators apart.
    var attachedPrograms: [String] {
        ladder.hooks.compactMap { ladder.rung($0.name) }.filter { $0.type != .iterator }
            .flatMap { $0.programs.map(\.name) }
    }

    /// Inode of init's network namespace, or our own where /proc/1 is not ours to read.
    private static func hostNetns() -> UInt32 {
        var info = stat()
        if stat("/proc/1/ns/net", &info) == 0 || stat("/proc/self/ns/net", &info) == 0 { return UInt32(info.st_ino) }
        return 0
    }

    private static func put<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        _ object: borrowing ProbeObject, _ map: String, key: Key, value: Value
    ) throws(KernelError) {
        var key = key
        var value = value
        guard bpf_map_update_elem(try object.map(map), &key, &value, 0) == 0 else {
            throw .failed(operation: "writing map \(map)", errno: errno, log: "")
        }
    }

    /// Watches or ignores one container from now on; sockets that exist follow at their next packet.
    public func setRule(container: ContainerKey, watch: Bool) throws(KernelError) {
        try Self.put(object, "container_rule", key: container, value: UInt8(watch ? 1 : 0))
        globals.set("fr_generation", globals.get("fr_generation", as: UInt32.self) &+ 1)
    }

    /// The walker reports open turns older than this, ns.
    public func setOpenFloor(_ floor: UInt64) { globals.set("fr_open_floor_ns", floor) }

    private func openRing() throws(KernelError) {
        let context = Unmanaged.passUnretained(link).toOpaque()
        let callback: ring_buffer_sample_fn = { context, data, size in
            guard let context, let data else { return 0 }
            Unmanaged<RingLink>.fromOpaque(context)._withUnsafeGuaranteedRef {
                $0.pass(UnsafeRawBufferPointer(start: data, count: size))
            }
            return 0
        }
        guard let ring = ring_buffer__new(try object.map("ring"), callback, context, nil) else {
            throw .failed(operation: "mapping the ring buffer", errno: errno, log: LibBPFLog.take())
        }
        self.ring = ring
    }

    /// Fd that becomes readable when the ring asks for attention early (it is otherwise read by a tick).
    public var ringDescriptor: Int32 { ring.map { ring_buffer__epoll_fd($0) } ?? -1 }

    /// Hands every waiting record to `sink`, in ring order, and returns how many.
    public func drain(into sink: RecordSink) -> Int {
        link.sink = Unmanaged.passUnretained(sink)
        defer {
            link.sink = nil
            withExtendedLifetime(sink) {}
        }
        // What our own callback returns aside, it does not fail (ring_buffer__consume of libbpf).
        return ring.map { max(0, Int(ring_buffer__consume($0))) } ?? 0
    }

    /// `nil`: this kernel has no such iterator.
    private func attach(iterator hook: String) throws(KernelError) -> OpaquePointer? {
        guard let program = ladder.rung(hook)?.programs.first else { return nil }
        let maps = ["walk_sockets": "sockets", "walk_addresses": "sockets_by_address"]
        do throws(KernelError) {
            let link = try object.iterator(program.name, of: hook, overMap: maps[program.name])
            worked.insert(hook)
            return link
        } catch {
            // What worked before is short of something now.
            if !worked.contains(hook) { ladder.refuse(hook, because: error.description) }
            throw error
        }
    }

    /// Reads one iterator to its end.
    func run(iterator hook: String, _ body: (UnsafeRawBufferPointer) -> Void) throws(KernelError) {
        let known = object.attached(hook)
        guard let link = known == nil ? try attach(iterator: hook) : known else { return }
        let reader = bpf_iter_create(bpf_link__fd(link))
        guard reader >= 0 else { throw .failed(operation: "opening iterator \(hook)", errno: errno, log: "") }
        defer { close(reader) }
        try withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 8) { buffer throws(KernelError) in
            while true {
                let count = read(reader, buffer.baseAddress, buffer.count)
                if count > 0 {
                    body(UnsafeRawBufferPointer(start: buffer.baseAddress, count: count))
                } else if count == 0 {
                    return
                } else if errno != EINTR && errno != EAGAIN {
                    throw .failed(operation: "reading iterator \(hook)", errno: errno, log: "")
                }
            }
        }
    }
}
