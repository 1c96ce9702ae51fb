import BPFObject
import CLibBPF
import Glibc

/// An opened BPF object: knows which program of each hook to load, and loads.
struct ProbeObject: ~Copyable {
    let object: OpaquePointer

    /// Opens the embedded object with only `programs` selected.
    init(programs: Set<String>) throws(KernelError) {
        LibBPFLog.install()
        guard let object = bpf_object__open_mem(flightrec_bpf_object_data, Int(flightrec_bpf_object_size), nil) else {
            throw .failed(operation: "opening the BPF object", errno: errno, log: LibBPFLog.take())
        }
        self.object = object
        var program: OpaquePointer? = bpf_object__next_program(object, nil)
        while let current = program {
            let name = String(cString: bpf_program__name(current))
            bpf_program__set_autoload(current, programs.contains(name))
            program = bpf_object__next_program(object, current)
        }
    }

    deinit { bpf_object__close(object) }

    /// Loads maps and programs. `.privilege` when the kernel says EPERM or EACCES before the verifier ran.
    borrowing func load() throws(KernelError) {
        let result = bpf_object__load(object)
        guard result != 0 else { return }
        if result == -EPERM { throw .privilege("loading BPF programs") }
        throw .failed(operation: "loading BPF programs", errno: -result, log: LibBPFLog.take())
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
