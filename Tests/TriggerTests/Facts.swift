import Analysis
import Events

@testable import Trigger

func fact(
    _ at: UInt64, kind: TriggerFact.Kind = .latency, container: ContainerKey = 9, observed: UInt64 = 1,
    socket: SocketID = 1
) -> TriggerFact {
    TriggerFact(
        kind: kind, at: at, container: container, socket: socket, observed: observed, threshold: 1, rule: "test")
}

func baseline(_ container: ContainerKey) -> Baseline {
    Baseline(container: container, role: 1, port: 80, turns: 1, p50: 1, p99: 1, retransmitsPerSecond: 0)
}
