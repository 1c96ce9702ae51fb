import BPFObject
import CLibBPF
import Glibc

/// An opened BPF object with some of its programs selected, and what of it is attached.
struct ProbeObject: ~Copyable {
    let object: OpaquePointer
    /// Hook name → the links of its rung.
    private var links: [String: [OpaquePointer]] = [:]

    /// Sockets whose state can be held by address: 16 times fewer than 2^20, at 360 bytes each 24 MB of kernel memory.
    private static let addresses: UInt32 = 65536

    /// Opens the embedded object that suits a kernel with `features`, with only `programs` selected.
    ///
    /// `byAddress`: sockets' state lives in a map by address, for kprobes, instead of in socket storage.
    init(programs: Set<String>, byAddress: Bool, features: KernelFeatures) throws(KernelError) {
        LibBPFLog.install()
        let object =
            features.callbacks
            ? bpf_object__open_mem(flightrec_bpf_object_data, Int(flightrec_bpf_object_size), nil)
            : bpf_object__open_mem(
                flightrec_bpf_object_before_5_13_data, Int(flightrec_bpf_object_before_5_13_size), nil)
        guard let object else {
            throw .failed(operation: "opening the BPF object", errno: errno, log: LibBPFLog.take())
        }
        self.object = object
        if !features.threadStorage, let map = bpf_object__find_map_by_name(object, "threads") {
            bpf_map__set_autocreate(map, false)
        }
        var program: OpaquePointer? = bpf_object__next_program(object, nil)
        while let current = program {
            let name = String(cString: bpf_program__name(current))
            bpf_program__set_autoload(current, programs.contains(name))
            program = bpf_object__next_program(object, current)
        }
        if byAddress {
            Globals(object: object).set("fr_by_address", true)
            if let map = bpf_object__find_map_by_name(object, "sockets_by_address") {
                bpf_map__set_max_entries(map, Self.addresses)
            }
        }
    }

    deinit {
        for link in links.values.joined() { bpf_link__destroy(link) }
        bpf_object__close(object)
    }

    /// Its first link.
    func attached(_ hook: String) -> OpaquePointer? { links[hook]?.first }

    func isAttached(_ hook: String) -> Bool { links[hook] != nil }

    /// Attaches all programs of a rung, or none: then the errno is thrown.
    mutating func attach(_ rung: Hook.Rung, of hook: String) throws(KernelError) {
        guard links[hook] == nil else { return }
        var made: [OpaquePointer] = []
        for program in rung.programs {
            guard let link = bpf_program__attach(try self.program(program.name)) else {
                let code = errno
                for link in made { bpf_link__destroy(link) }
                throw .failed(operation: "attaching \(program.type)/\(program.target)", errno: code, log: "")
            }
            made.append(link)
        }
        links[hook] = made
    }

    /// Lets go of one hook.
    mutating func detach(_ hook: String) {
        for link in links.removeValue(forKey: hook) ?? [] { bpf_link__destroy(link) }
    }

    /// Lets go of every hook.
    mutating func detach() {
        for link in links.values.joined() { bpf_link__destroy(link) }
        links.removeAll()
    }

    /// The iterator's link, attached at its first use. `overMap`: the map it walks, if it is one that walks maps.
    mutating func iterator(_ program: String, of hook: String, overMap map: String?) throws(KernelError)
        -> OpaquePointer
    {
        var info = bpf_iter_link_info()
        var options = bpf_iter_attach_opts()
        // Up to the last field: libbpf refuses non-zero bytes behind it, and Swift leaves padding as it is.
        options.sz = (MemoryLayout<bpf_iter_attach_opts>.offset(of: \.link_info_len) ?? 16) + 4
        if let map { info.map.map_fd = UInt32(try self.map(map)) }
        let handle = try self.program(program)
        let link = withUnsafeMutablePointer(to: &info) { pointer -> OpaquePointer? in
            if map != nil {
                options.link_info = pointer
                options.link_info_len = UInt32(MemoryLayout<bpf_iter_link_info>.size)
            }
            return bpf_program__attach_iter(handle, &options)
        }
        guard let link else {
            throw .failed(operation: "attaching iterator \(program)", errno: errno, log: LibBPFLog.take())
        }
        links[hook] = [link]
        return link
    }

    /// Loads maps and programs. `.privilege` when the kernel says EPERM or EACCES before the verifier ran.
    borrowing func load() throws(KernelError) {
        let result = bpf_object__load(object)
        guard result != 0 else { return try shareGlobals() }
        if result == -EPERM { throw .privilege("loading BPF programs") }
        throw .failed(operation: "loading BPF programs", errno: -result, log: LibBPFLog.take())
    }

    /// libbpf (before 1.5) maps a loaded object's variables only for the skeletons it generates. Without this a write stays
    /// in this process's own memory, and a read never sees the kernel's.
    private borrowing func shareGlobals() throws(KernelError) {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        for section in [".data", ".bss"] {
            var size = 0
            guard let map = bpf_object__find_map_by_name(object, section),
                let base = bpf_map__initial_value(map, &size)
            else { continue }
            let place = UnsafeMutableRawPointer(mutating: base)
            let length = (size + page - 1) / page * page
            guard
                mmap(place, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, bpf_map__fd(map), 0) != MAP_FAILED
            else { throw .failed(operation: "mapping the BPF object's \(section)", errno: errno, log: "") }
        }
    }

    borrowing func map(_ name: String) throws(KernelError) -> Int32 {
        guard let map = bpf_object__find_map_by_name(object, name) else {
            throw .failed(operation: "finding map \(name)", errno: ENOENT, log: "")
        }
        return bpf_map__fd(map)
    }

    borrowing func program(_ name: String) throws(KernelError) -> OpaquePointer {
        guard let program = bpf_object__find_program_by_name(object, name) else {
            throw .failed(operation: "finding program \(name)", errno: ENOENT, log: "")
        }
        return program
    }
}
