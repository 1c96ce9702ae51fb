import Glibc
import Testing

@testable import Kernel

/// Who stands in the way is told by what /proc, securityfs, the verifier and BTF say.
@Suite struct ObstacleTests {
    private static let everyID = "         0          0 4294967295\n"
    private static let free = "Name:\tflightrec\nSeccomp:\t0\nSeccomp_filters:\t0\n"
    private static let filtered = "Name:\tflightrec\nSeccomp:\t2\nSeccomp_filters:\t1\n"

    private func says(_ error: KernelError, _ words: String) -> Bool {
        guard case .refused(let text) = error else { return false }
        return text.contains(words) && error.description == text
    }

    @Test func seccompFilter() {
        #expect(says(Obstacle.refused(EPERM, status: Self.filtered, users: Self.everyID), "seccomp"))
        #expect(says(Obstacle.refused(ENOSYS, status: Self.filtered, users: Self.everyID), "seccomp"))
    }

    @Test func userNamespaceComesFirst() {
        #expect(says(Obstacle.refused(EPERM, status: Self.filtered, users: "0 1000 1\n"), "user namespace"))
        #expect(says(Obstacle.refused(EPERM, status: Self.free, users: "0 100000 65536\n"), "user namespace"))
    }

    @Test func securityModuleIsWhatIsLeft() {
        #expect(says(Obstacle.refused(EACCES, status: Self.free, users: Self.everyID), "SELinux"))
        // Without /proc nothing is known of filters and namespaces.
        #expect(says(Obstacle.refused(EPERM, status: "", users: ""), "Operation not permitted"))
    }

    @Test func withoutTheSystemCall() {
        let error = Obstacle.refused(ENOSYS, status: Self.free, users: Self.everyID)
        guard case .unsupported(let text) = error else {
            Issue.record("\(error)")
            return
        }
        #expect(text.contains("CONFIG_BPF_SYSCALL"))
    }

    @Test func lockdown() {
        #expect(Obstacle.isConfidential(lockdown: "none integrity [confidentiality]\n", log: ""))
        #expect(!Obstacle.isConfidential(lockdown: "none [integrity] confidentiality\n", log: ""))
        let log = "12: (85) call bpf_probe_read#4\nunknown func bpf_probe_read#4"
        #expect(Obstacle.isConfidential(lockdown: "", log: log))
        #expect(!Obstacle.isConfidential(lockdown: "", log: "unknown func bpf_loop#181"))
    }

    @Test func paranoid() {
        let log = "hook data can't attach (attaching kprobe/tcp_rcv_established: Permission denied): no turns"
        #expect(Obstacle.isParanoid("3\n", log: log))
        #expect(!Obstacle.isParanoid("2\n", log: log))
        #expect(!Obstacle.isParanoid("", log: log))
        #expect(!Obstacle.isParanoid("3\n", log: "attaching kprobe/tcp_rcv_established: No such file or directory"))
        #expect(!Obstacle.isParanoid("3\n", log: "attaching fentry/tcp_rcv_established: Permission denied"))
    }

    @Test func newestMissingHelperIsNamed() {
        let old = ["sk_storage_get", "ringbuf_reserve"]
        #expect(Obstacle.missing(of: old)?.since == "5.15")
        #expect(Obstacle.missing(of: old + ["task_pt_regs"])?.helper == "task_storage_get")
        #expect(Obstacle.missing(of: old + ["task_storage_get", "task_pt_regs"]) == nil)
    }
}
