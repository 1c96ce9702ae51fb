import CLibBPF
import Glibc

/// The running kernel's BTF: what it has, without trying.
struct KernelBTF: ~Copyable {
    private let btf: OpaquePointer
    /// What hooks may stand on, and where variables of a CPU's own are.
    private let index: BTFIndex
    private static let variables = BTFIndex.Name(kind: FLIGHTREC_BTF_KIND_DATASEC, text: ".data..percpu")

    private static func function(_ name: String) -> BTFIndex.Name {
        BTFIndex.Name(kind: FLIGHTREC_BTF_KIND_FUNC, text: name)
    }
    /// A tracepoint's BTF is a typedef of a pointer to a function (include/trace/bpf_probe.h).
    private static func tracepoint(_ name: String) -> BTFIndex.Name {
        BTFIndex.Name(kind: UInt32(BTF_KIND_TYPEDEF), text: "btf_trace_\(name)")
    }

    /// Throws `.unsupported` when the kernel carries no BTF (CONFIG_DEBUG_INFO_BTF), `.refused` when it may not be read.
    init() throws(KernelError) {
        guard let btf = btf__load_vmlinux_btf() else {
            // access(2) would not tell: AppArmor asks its profile when a file is opened.
            let file = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC)
            if file < 0, errno == EACCES || errno == EPERM {
                let who = SecurityPolicy(process: "/proc/self").map { "\($0.module.rawValue)'s \($0.name)" }
                throw .refused(
                    "\(who ?? "something") keeps this process from reading /sys/kernel/btf/vmlinux, which flightrec needs:"
                        + " allow that, or start the container with --security-opt apparmor=unconfined (SELinux: label=disable)"
                )
            }
            if file >= 0 { close(file) }
            throw .unsupported(
                "no BTF at /sys/kernel/btf/vmlinux: a kernel built with CONFIG_DEBUG_INFO_BTF is needed, as distributions'"
                    + " have been since 2021")
        }
        self.btf = btf
        let programs = Hook.all.flatMap(\.rungs).flatMap(\.programs)
        index = BTFIndex(
            of: btf,
            Set(programs.map { $0.type == "tp_btf" ? Self.tracepoint($0.target) : Self.function($0.target) })
                .union(Hook.all.compactMap(\.onlyWith).map(Self.function)).union([Self.variables]))
    }

    deinit { btf__free(btf) }

    /// Of a function that a hook names; `nil`: this kernel has none of that name.
    func id(function name: String) -> UInt32? { index.id(Self.function(name)) }

    func has(function name: String) -> Bool { id(function: name) != nil }

    /// Whether a program's target exists here.
    func has(_ program: Hook.Program) -> Bool {
        program.type == "tp_btf"
            ? arguments(tracepoint: program.target).map { $0 >= program.arguments } ?? false
            : has(function: program.target)
    }

    /// Whether it does, though it may have fewer arguments.
    func hasTarget(of program: Hook.Program) -> Bool {
        program.type == "tp_btf" ? arguments(tracepoint: program.target) != nil : has(function: program.target)
    }

    /// Arguments of a tracepoint; `nil`: there is none of this name. Its BTF is a typedef of a pointer to a function that
    /// takes one more, the context (include/trace/bpf_probe.h).
    private func arguments(tracepoint name: String) -> Int? {
        guard let id = index.id(Self.tracepoint(name)), let typedef = btf__type_by_id(btf, id),
            let pointer = btf__type_by_id(btf, typedef.pointee.type),
            let function = btf__type_by_id(btf, pointer.pointee.type)
        else { return nil }
        return max(0, Int(btf_vlen(function)) - 1)
    }

    /// Where a per-CPU variable lies in the kernel's own per-CPU section, bytes; `nil`: BTF does not say.
    func perCPUOffset(of name: String) -> Int64? {
        guard let id = index.id(Self.variables), let section = btf__type_by_id(btf, id),
            let variables = btf_var_secinfos(section)
        else {
            return nil
        }
        for index in 0..<Int(btf_vlen(section)) {
            guard let variable = btf__type_by_id(btf, variables[index].type),
                let text = btf__name_by_offset(btf, variable.pointee.name_off), String(cString: text) == name
            else { continue }
            return Int64(variables[index].offset)
        }
        return nil
    }

    /// Where `local_softirq_pending()` lies in the per-CPU section, bytes; `nil`: BTF does not say. A variable by itself on x86 since
    /// 6.15, in `pcpu_hot` from 6.2 on; before, and on other architectures, in `irq_stat`.
    var pendingSoftirqs: Int64? {
        if let alone = perCPUOffset(of: "__softirq_pending") { return alone }
        for (variable, type, member) in [
            ("pcpu_hot", "pcpu_hot", "softirq_pending"), ("irq_stat", "irq_cpustat_t", "__softirq_pending"),
        ] {
            if let base = perCPUOffset(of: variable), let offset = offset(of: member, in: type) { return base + offset }
        }
        return nil
    }

    /// Whether a structure has a member, one of the unnamed ones in it included.
    func has(member: String, of type: String) -> Bool { offset(of: member, in: type) != nil }

    /// Bytes from the beginning of a structure, or of what a typedef names; `nil`: there is no such member.
    private func offset(of member: String, in type: String) -> Int64? {
        for kind in [BTF_KIND_STRUCT, BTF_KIND_TYPEDEF] {
            let id = btf__find_by_name_kind(btf, type, UInt32(kind))
            if id > 0 { return offset(of: member, inType: UInt32(id), depth: 0) }
        }
        return nil
    }

    private func offset(of member: String, inType id: UInt32, depth: Int) -> Int64? {
        // Typedefs and unnamed structures lie in one another a few deep.
        guard depth < 8, let type = btf__type_by_id(btf, id) else { return nil }
        let kind = (type.pointee.info >> 24) & 0x1f
        if kind == BTF_KIND_TYPEDEF { return offset(of: member, inType: type.pointee.type, depth: depth + 1) }
        guard kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION, let members = btf_members(type) else { return nil }
        for index in 0..<Int(btf_vlen(type)) {
            let one = members[index]
            let at = Int64(btf_member_bit_offset(type, UInt32(index)) / 8)
            let name = btf__name_by_offset(btf, one.name_off).map { String(cString: $0) } ?? ""
            if name == member { return at }
            if name.isEmpty, let within = offset(of: member, inType: one.type, depth: depth + 1) { return at + within }
        }
        return nil
    }

    /// Value → name of an enum, `SKB_DROP_REASON_NO_SOCKET` and so on; empty when the kernel lacks it.
    func enumNames(_ name: String, dropping prefix: String) -> [UInt32: String] {
        let id = btf__find_by_name_kind(btf, name, UInt32(BTF_KIND_ENUM))
        guard id > 0, let type = btf__type_by_id(btf, UInt32(id)), let members = btf_enum(type) else { return [:] }
        var names: [UInt32: String] = [:]
        for index in 0..<Int(btf_vlen(type)) {
            let member = members[index]
            guard let text = btf__name_by_offset(btf, member.name_off) else { continue }
            let full = String(cString: text)
            names[UInt32(bitPattern: member.val)] = full.hasPrefix(prefix) ? String(full.dropFirst(prefix.count)) : full
        }
        return names
    }
}
