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

    private func refused(_ code: Int32, _ status: String, _ users: String, _ label: String = "", reached: Bool = false)
        -> KernelError
    {
        Obstacle.refused(code, status: status, users: users, policy: SecurityPolicy(label: label), reached: reached)
    }

    @Test func seccompFilter() {
        #expect(says(refused(EPERM, Self.filtered, Self.everyID), "seccomp"))
        #expect(says(refused(ENOSYS, Self.filtered, Self.everyID), "seccomp"))
        #expect(says(refused(EPERM, Self.filtered, Self.everyID, "docker-default (enforce)\n"), "seccomp"))
    }

    @Test func appArmorProfile() {
        for status in [Self.free, Self.filtered] {
            let error = refused(EPERM, status, Self.everyID, "narrow (enforce)\n", reached: true)
            #expect(says(error, "the AppArmor profile narrow") && says(error, "--security-opt apparmor=unconfined"))
        }
        #expect(says(refused(EPERM, Self.free, Self.everyID, "a (b) (enforce)\n"), "profile a (b) refuses"))
    }

    @Test func seLinuxContext() {
        let context = "system_u:system_r:container_t:s0:c12,c300"
        let error = refused(EACCES, Self.filtered, Self.everyID, context + "\0", reached: true)
        #expect(says(error, context + ":") && says(error, "label=disable"))
    }

    @Test func labelsThatConfineNothing() {
        for label in ["", "unconfined\n", "narrow (complain)\n", "crun (unconfined)\n", "kernel"] {
            #expect(SecurityPolicy(label: label) == nil)
        }
        #expect(SecurityPolicy(process: "/nonexistent") == nil)
    }

    @Test func userNamespaceComesFirst() {
        #expect(says(refused(EPERM, Self.filtered, "0 1000 1\n"), "user namespace"))
        #expect(says(refused(EPERM, Self.free, "0 100000 65536\n"), "user namespace"))
    }

    @Test func securityModuleIsWhatIsLeft() {
        #expect(says(refused(EACCES, Self.free, Self.everyID), "security module"))
        // Without /proc nothing is known of filters and namespaces.
        #expect(says(refused(EPERM, "", ""), "Operation not permitted"))
    }

    @Test func withoutTheSystemCall() {
        let error = refused(ENOSYS, Self.free, Self.everyID)
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
        #expect(Obstacle.missing(of: [String]())?.since == "5.8")
        #expect(Obstacle.missing(of: ["sk_storage_get"])?.helper == "ringbuf_reserve")
        #expect(Obstacle.missing(of: ["sk_storage_get", "ringbuf_reserve"]) == nil)
    }

    @Test func whatAnOlderKernelLacksIsToldByItsHelpers() {
        let old: Set = ["sk_storage_get", "ringbuf_reserve"]
        let none = KernelFeatures(helpers: old)
        #expect(!none.socketStorage && !none.threadStorage && !none.callbacks)
        let some = KernelFeatures(helpers: old.union(["task_storage_get"]))
        #expect(some.socketStorage && !some.threadStorage && !some.callbacks)
        let all = KernelFeatures(helpers: old.union(["task_storage_get", "for_each_map_elem"]))
        #expect(all.socketStorage && all.threadStorage && all.callbacks)
        #expect(KernelFeatures(helpers: []) == all)
    }
}
