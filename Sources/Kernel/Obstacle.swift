import CLibBPF
import Foundation
import Glibc

/// Why a kernel refuses everything, in words with the next step. Asked for only when it has: what each thing is told by differs.
enum Obstacle {
    /// What `error` really is, when something stands in the way of every BPF program; `error` itself otherwise.
    static func explain(_ error: KernelError, btf: borrowing KernelBTF) -> KernelError {
        let may = Capabilities()
        guard may.bpf, may.perfmon else { return error }
        let policy = SecurityPolicy(process: "/proc/self")
        if let code = mapRefusal() ?? (policy == nil ? nil : tracingRefusal()) {
            return refused(
                code, status: text("/proc/self/status"), users: text("/proc/self/uid_map"), policy: policy,
                reached: reachesKernel())
        }
        if isConfidential(lockdown: text("/sys/kernel/security/lockdown"), log: "\(error)") {
            return .unsupported(
                "kernel lockdown is in confidentiality mode, in which no BPF program may read the kernel's memory:"
                    + " boot with lockdown=integrity, or without lockdown= and Secure Boot")
        }
        if isParanoid(text("/proc/sys/kernel/perf_event_paranoid"), log: "\(error)") {
            return .refused(
                "only kprobes are left here, and they need CAP_SYS_ADMIN while kernel.perf_event_paranoid is over 2: run with"
                    + " sudo, or after `sysctl kernel.perf_event_paranoid=2`")
        }
        if let missing = missing(of: btf.enumNames("bpf_func_id", dropping: "BPF_FUNC_").values) {
            return .unsupported("it has no BPF helper \(missing.helper): Linux \(missing.since) or newer is needed")
        }
        return error
    }

    /// Whether a security module confines this process and refuses what all programs need: then no other will do better.
    static func isPolicy() -> Bool {
        SecurityPolicy(process: "/proc/self") != nil && (mapRefusal() ?? tracingRefusal()) != nil
    }

    /// The errno with which bpf(2) refuses the least there is; `nil`: it does not.
    private static func mapRefusal() -> Int32? {
        let map = bpf_map_create(BPF_MAP_TYPE_ARRAY, nil, 4, 4, 1, nil)
        guard map >= 0 else { return errno }
        close(map)
        return nil
    }

    /// The errno with which it refuses the least program that traces, as without CAP_PERFMON; `nil`: it does not for want of a
    /// permission. Kernels have been seen that refuse such a type to everyone: only of a confined process does it tell anything.
    private static func tracingRefusal() -> Int32? {
        // r0 = 0; exit (linux/bpf.h, bpf_common.h)
        let nothing = [
            bpf_insn(code: 0xb7, dst_reg: 0, src_reg: 0, off: 0, imm: 0),
            bpf_insn(code: 0x95, dst_reg: 0, src_reg: 0, off: 0, imm: 0),
        ]
        let program = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, nil, "GPL", nothing, nothing.count, nil)
        guard program >= 0 else { return errno == EPERM || errno == EACCES ? errno : nil }
        close(program)
        return nil
    }

    /// Whether bpf(2) gets as far as to look at a descriptor that is none. A seccomp filter refuses any call of it; since 6.0 a
    /// kernel asks for capabilities where something is created alone (__sys_bpf).
    private static func reachesKernel() -> Bool {
        var key: UInt32 = 0
        var value: UInt32 = 0
        return bpf_map_lookup_elem(-1, &key, &value) != 0 && errno == EBADF
    }

    /// Who refused bpf(2) to a process that has the capabilities, from /proc/self/status and /proc/self/uid_map.
    ///
    /// `policy`: what a security module holds the process to. `reached`: other calls of bpf(2) are let through.
    static func refused(_ code: Int32, status: String, users: String, policy: SecurityPolicy?, reached: Bool)
        -> KernelError
    {
        let words = users.split(whereSeparator: \.isWhitespace)
        // user_namespaces(7): the first one maps every id to itself.
        if words.count >= 3, words[0...2] != ["0", "0", "4294967295"] {
            return .refused(
                "this process has its capabilities only in a user namespace, where they don't count for bpf(2):"
                    + " start flightrec outside of it, as the host's root")
        }
        // proc(5): 2 is a filter.
        let lines = status.split(separator: "\n")
        if !reached, lines.contains(where: { $0.hasPrefix("Seccomp:") && $0.hasSuffix("2") }) {
            return .refused(
                "bpf(2) is refused by a seccomp filter: start the container with --security-opt seccomp=unconfined, or"
                    + " with a profile that allows bpf and perf_event_open (systemd: SystemCallFilter=bpf perf_event_open)"
            )
        }
        if code == ENOSYS { return .unsupported("it was built without bpf(2) (CONFIG_BPF_SYSCALL)") }
        return .refused(
            policy?.refusal
                ?? "bpf(2) is refused though the capabilities are there (\(String(cString: strerror(code)))): a security"
                + " module's policy may say no; its log, `journalctl -k` or `ausearch -m avc`, tells")
    }

    /// From the file of securityfs, or where that is not mounted from what the verifier said: the helpers exist, but not for
    /// programs of a kernel in this mode (security/lockdown, bpf_tracing_func_proto); libbpf then tries the older one.
    static func isConfidential(lockdown: String, log: String) -> Bool {
        lockdown.contains("[confidentiality]") || log.contains("unknown func bpf_probe_read")
    }

    /// Debian's kernels have 3 in /proc/sys/kernel/perf_event_paranoid unless told otherwise. At that, which Linux itself does not
    /// know, perf_event_open(2), by which kprobes attach, wants CAP_SYS_ADMIN: CAP_PERFMON is not enough (seen on 6.1).
    static func isParanoid(_ paranoid: String, log: String) -> Bool {
        guard let level = Int(paranoid.trimmingCharacters(in: .whitespacesAndNewlines)), level > 2 else { return false }
        return ["attaching kprobe/", "attaching kretprobe/"].contains { kind in
            log.range(of: kind).map { log[$0.upperBound...].contains(String(cString: strerror(EACCES))) } ?? false
        }
    }

    /// The first helper nothing here can do without that a kernel with these lacks.
    static func missing(of helpers: some Collection<String>) -> (helper: String, since: String)? {
        let needed = [
            (helper: "sk_storage_get", since: "5.2"), (helper: "ringbuf_reserve", since: "5.8"),
        ]
        return needed.filter { !helpers.contains($0.helper) }.last
    }

    private static func text(_ path: String) -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }
}
