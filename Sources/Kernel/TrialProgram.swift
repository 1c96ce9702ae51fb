import CLibBPF
import Glibc

/// The smallest program of a type, on a target: whether this kernel takes such programs there at all, which costs a tenth of a
/// millisecond to ask. Whether it takes ours too, its verifier says when they are loaded.
struct TrialProgram {
    private let program: Hook.Program

    init(_ program: Hook.Program) { self.program = program }

    /// Throws why not. What needs no asking, tracepoints and iterators, which every kernel with their BTF takes, is not asked.
    func load(_ btf: borrowing KernelBTF) throws(KernelError) {
        switch program.type {
        case "fentry": try load(BPF_TRACE_FENTRY, btf)
        case "fexit": try load(BPF_TRACE_FEXIT, btf)
        // The kernel loads programs of kprobes where it has no kprobes, and has nothing to attach them to.
        case "kprobe", "kretprobe": try Self.findKprobes()
        default: break
        }
    }

    private func load(_ type: bpf_attach_type, _ btf: borrowing KernelBTF) throws(KernelError) {
        guard let target = btf.id(function: program.target) else { return }
        // r0 = 0; exit
        let instructions = [
            bpf_insn(code: 0xb7, dst_reg: 0, src_reg: 0, off: 0, imm: 0),
            bpf_insn(code: 0x95, dst_reg: 0, src_reg: 0, off: 0, imm: 0),
        ]
        var options = bpf_prog_load_opts()
        // Up to the last field that is set: libbpf refuses non-zero bytes behind those it knows, and Swift leaves padding as it is.
        options.sz =
            MemoryLayout<bpf_prog_load_opts>.offset(of: \.attach_prog_fd) ?? MemoryLayout<bpf_prog_load_opts>.size
        options.expected_attach_type = type
        options.attach_btf_id = target
        let descriptor = bpf_prog_load(
            BPF_PROG_TYPE_TRACING, "trial", "GPL", instructions, instructions.count, &options)
        guard descriptor < 0 else {
            close(descriptor)
            return
        }
        if descriptor == -EPERM { throw .privilege("loading BPF programs") }
        throw .failed(operation: "loading \(program.type)/\(program.target)", errno: -descriptor, log: "")
    }

    /// The ways to them that libbpf knows (libbpf.c, determine_kprobe_perf_type and add_kprobe_event_legacy).
    private static func findKprobes() throws(KernelError) {
        let ways = [
            "/sys/bus/event_source/devices/kprobe/type", "/sys/kernel/tracing/kprobe_events",
            "/sys/kernel/debug/tracing/kprobe_events",
        ]
        guard !ways.contains(where: { access($0, F_OK) == 0 }) else { return }
        throw .lacking("neither /sys nor tracefs tells of kprobes, CONFIG_KPROBE_EVENTS")
    }
}
