import Glibc
import Testing

@testable import Kernel

/// What hooks stand on, and what only makes exact what is known anyway. Needs this kernel's BTF, and no permission.
@Suite(.enabled(if: access("/sys/kernel/btf/vmlinux", R_OK) == 0)) struct LadderTests {
    /// Whether its kprobe is worth it depends on the others, which must have been tried by then.
    @Test func whatOnlyMakesExactIsTriedLast() throws {
        let decides = try #require(
            Hook.all.lastIndex { hook in
                !hook.refines && hook.option == nil && hook.rungs.contains { $0.type == .kprobe }
            })
        let refines = try #require(Hook.all.firstIndex { $0.refines })
        #expect(decides < refines)
    }

    @Test func itsKprobeIsTakenBesideOthersAlone() throws {
        let btf = try KernelBTF()
        var alone = Ladder(btf: btf, options: [], debug: ProbeDebug())
        while alone.rung("send-wait")?.type == .function { alone.refuse("send-wait", because: "the test says no") }
        #expect(!alone.byAddress && alone.rung("send-wait") == nil)
        let status = try #require(alone.status.first { $0.hook == "send-wait" })
        #expect(status.refines && status.reason == "the test says no; a kprobe alone would make all hooks slower")
        let beside = Ladder(btf: btf, options: [], debug: ProbeDebug(rung: .kprobe))
        #expect(beside.byAddress && beside.rung("send-wait")?.type == .kprobe)
    }

    @Test func anOptionAsksForItsHooksAndIsRefusedWithoutThem() throws {
        let btf = try KernelBTF()
        let usual = Ladder(btf: btf, options: [], debug: ProbeDebug())
        #expect(!usual.status.contains { $0.option != nil })
        try usual.checkAsked(Hook.tcpReceive)
        var asked = Ladder(btf: btf, options: [Hook.tcpReceive], debug: ProbeDebug())
        #expect(asked.status.filter { $0.option == Hook.tcpReceive }.map(\.hook) == ["receive", "receive6"])
        for _ in 0..<2 { asked.refuse("receive6", because: "the test says no") }
        try asked.checkAsked(Hook.tcpReceive)
        for _ in 0..<2 { asked.refuse("receive", because: "the test says no") }
        #expect {
            try asked.checkAsked(Hook.tcpReceive)
        } throws: { error in
            "\(error)".hasPrefix("--tcp-receive needs fentry") && "\(error)".contains("leave --tcp-receive out")
        }
    }
}
