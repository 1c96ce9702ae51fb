import Testing

@testable import Kernel
@testable import Recorder

@Suite struct LackingHooksTests {
    private func hook(
        _ name: String, loss: String, reason: String?, rung: String? = nil, refines: Bool = false
    ) -> HookStatus {
        HookStatus(
            hook: name, rung: rung, essential: false, refines: refines, option: nil, loss: rung == nil ? loss : nil,
            reason: reason)
    }

    @Test func whatIsMissingForOneReasonIsOneLine() {
        let said = Recorder.lacking([
            hook("data", loss: "turns", reason: nil, rung: "tp_btf/tcp_probe"),
            hook("switch", loss: "threads", reason: "too old"),
            hook("drop", loss: "drops", reason: "no such tracepoint"),
            hook("exit", loss: "threads that ended", reason: "too old"),
            hook("walk-threads", loss: "threads", reason: "too old"),
            hook("send-wait", loss: "exactness", reason: "too dear", refines: true),
        ])
        #expect(
            said == [
                "without switch, exit, walk-threads: threads; threads that ended (too old)",
                "without drop: drops (no such tracepoint)",
            ])
    }
}
