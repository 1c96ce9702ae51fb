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

    public init(host: Bool = false, ports: [UInt16] = [], pids: [UInt32] = []) {
        self.host = host
        self.ports = ports
        self.pids = pids
    }
}

/// The attached probes. Owned by one thread: the pump.
public final class Probes {
    let object: ProbeObject
    let globals: Globals
    private var ladder: Ladder
    private var links: [String: OpaquePointer] = [:]
    private var ring: OpaquePointer?
    private let sink = RingSink()
    var firstJiffies: (jiffies: UInt64, ktime: UInt64)?
    /// Names of this kernel's `enum skb_drop_reason`.
    public let dropReasons: [UInt32: String]

    /// Loads and attaches everything this kernel can carry. Errors: see `KernelError`.
    public init(filter: ProbeFilter) throws(KernelError) {
        LibBPFLog.install()
        let btf = try KernelBTF()
        dropReasons = btf.enumNames("skb_drop_reason", dropping: "SKB_DROP_REASON_")
        var ladder = Ladder(btf: btf)
        do throws(KernelError) {
            object = try Self.load(ladder.programs, filter)
        } catch .privilege(let what) {
            throw .privilege(what)
        } catch {
            ladder.tryEach(btf: btf)
            try ladder.checkUseful()
            object = try Self.load(ladder.programs, filter)
        }
        self.ladder = ladder
        globals = Globals(object: object.object)
        try apply(filter)
        try openRing()
        try attach()
    }

    deinit {
        for link in links.values { bpf_link__destroy(link) }
        if let ring { ring_buffer__free(ring) }
    }

    /// Lets go of every hook; what is in the ring can still be drained.
    public func detach() {
        for link in links.values { bpf_link__destroy(link) }
        links.removeAll()
    }

    public var status: [HookStatus] { ladder.status }

    private static func load(_ programs: Set<String>, _ filter: ProbeFilter) throws(KernelError) -> ProbeObject {
        let object = try ProbeObject(programs: programs)
        let globals = Globals(object: object.object)
        globals.set("fr_watch_host", filter.host)
        globals.set("fr_filter_ports", !filter.ports.isEmpty)
        globals.set("fr_filter_pids", !filter.pids.isEmpty)
        globals.set("fr_host_netns", hostNetns())
        try object.load()
        return object
    }

    /// Inode of init's network namespace, or our own where /proc/1 is not ours to read.
    private static func hostNetns() -> UInt32 {
        var info = stat()
        if stat("/proc/1/ns/net", &info) == 0 || stat("/proc/self/ns/net", &info) == 0 { return UInt32(info.st_ino) }
        return 0
    }

    private func apply(_ filter: ProbeFilter) throws(KernelError) {
        for port in filter.ports { try put("port_rule", key: port, value: UInt8(1)) }
        for pid in filter.pids { try put("pid_rule", key: pid, value: UInt8(1)) }
    }

    private func put<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        _ map: String, key: Key, value: Value
    ) throws(KernelError) {
        var key = key
        var value = value
        guard bpf_map_update_elem(try object.map(map), &key, &value, 0) == 0 else {
            throw .failed(operation: "writing map \(map)", errno: errno, log: "")
        }
    }

    /// Watches or ignores one container from now on; sockets that exist follow at their next packet.
    public func setRule(container: ContainerKey, watch: Bool) throws(KernelError) {
        try put("container_rule", key: container, value: UInt8(watch ? 1 : 0))
        globals.set("fr_generation", globals.get("fr_generation", as: UInt32.self) &+ 1)
    }

    /// The walker reports open turns older than this, ns.
    public func setOpenFloor(_ floor: UInt64) { globals.set("fr_open_floor_ns", floor) }

    private func openRing() throws(KernelError) {
        let context = Unmanaged.passUnretained(sink).toOpaque()
        let callback: ring_buffer_sample_fn = { context, data, size in
            guard let context, let data else { return 0 }
            Unmanaged<RingSink>.fromOpaque(context).takeUnretainedValue()
                .receive(UnsafeRawBufferPointer(start: data, count: size))
            return 0
        }
        guard let ring = ring_buffer__new(try object.map("ring"), callback, context, nil) else {
            throw .failed(operation: "mapping the ring buffer", errno: errno, log: LibBPFLog.take())
        }
        self.ring = ring
    }

    private func attach() throws(KernelError) {
        for hook in Hook.all {
            guard let rung = ladder.taken[hook.name], rung.type != "iter" else { continue }
            if let link = bpf_program__attach(try object.program(rung.program)) {
                links[hook.name] = link
            } else {
                let reason = String(cString: strerror(errno))
                ladder.drop(hook.name, because: "attach refused: \(reason)")
            }
        }
        try ladder.checkUseful()
    }

    /// Fd that becomes readable when the ring asks for attention early (it is otherwise read by a tick).
    public var ringDescriptor: Int32 { ring.map { ring_buffer__epoll_fd($0) } ?? -1 }

    /// Hands every waiting record to `body`, in ring order. The buffer is valid only inside the call.
    public func drain(_ body: @escaping (UnsafeRawBufferPointer) -> Void) {
        sink.body = body
        // Let go of it afterwards: it holds its owner, which holds us.
        defer { sink.body = nil }
        if let ring { _ = ring_buffer__consume(ring) }
    }

    /// Reads one iterator to its end.
    func run(iterator hook: String, _ body: (UnsafeRawBufferPointer) -> Void) throws(KernelError) {
        guard let rung = ladder.taken[hook] else { return }
        let program = try object.program(rung.program)
        if links[hook] == nil {
            var info = bpf_iter_link_info()
            var options = bpf_iter_attach_opts()
            // Up to the last field: libbpf refuses non-zero bytes behind it, and Swift leaves padding as it is.
            options.sz = (MemoryLayout<bpf_iter_attach_opts>.offset(of: \.link_info_len) ?? 16) + 4
            if rung.program == "walk_sockets" { info.map.map_fd = UInt32(try object.map("sockets")) }
            let link = withUnsafeMutablePointer(to: &info) { pointer -> OpaquePointer? in
                if rung.program == "walk_sockets" {
                    options.link_info = pointer
                    options.link_info_len = UInt32(MemoryLayout<bpf_iter_link_info>.size)
                }
                return bpf_program__attach_iter(program, &options)
            }
            guard let link else {
                let code = errno
                ladder.drop(hook, because: "attach refused: \(String(cString: strerror(code)))")
                throw .failed(operation: "attaching iterator \(rung.program)", errno: code, log: LibBPFLog.take())
            }
            links[hook] = link
        }
        let reader = bpf_iter_create(bpf_link__fd(links[hook]!))
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

/// Lets the ring's C callback reach the closure of the drain under way.
private final class RingSink {
    var body: ((UnsafeRawBufferPointer) -> Void)?

    @inline(__always)
    func receive(_ record: UnsafeRawBufferPointer) { body?(record) }
}
