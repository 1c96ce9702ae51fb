import Analysis
import Events

/// Physical interfaces that gather packets before they interrupt, where the slow turn waited for another host.
func interfaceSection(_ incident: Incident, _ style: Style) -> Section {
    guard !incident.holding.isEmpty else { return ("INTERFACES", "", []) }
    var table = Table(columns: [
        .init(title: "NAME", minimum: 8), .init(title: "UP TO", alignment: .right),
        .init(title: "OF WAIT", alignment: .right), .init(title: "SETTINGS", minimum: 12),
        .init(title: "EVERY", alignment: .right), .init(title: "PACKETS", alignment: .right),
    ])
    for one in incident.holding.prefix(12) {
        table.rows.append([
            .init(style.name(one.coalescing.interface)), .init(style.duration(one.longest)),
            .init(Format.share(one.share)), .init(one.coalescing.settings),
            .init(one.rate.map { style.duration($0.gap) } ?? "-"),
            .init(one.rate.map { Format.factor($0.packets) } ?? "-"),
        ])
    }
    let note = "they gather packets before they interrupt; EVERY, PACKETS: on average meanwhile"
    return ("INTERFACES", note, table.lines(style))
}

/// All of them, as they were set.
func interfacesJSON(_ evidence: Evidence, _ turn: Turn?) -> JSONValue {
    func number(_ value: UInt32?) -> JSONValue { value.map { .integer($0) } ?? .null }
    func flag(_ value: Bool?) -> JSONValue { value.map { .bool($0) } ?? .null }
    return .array(
        evidence.coalescing.sorted { $0.interface < $1.interface }.map { one in
            let rate = turn.flatMap {
                InterruptRate(evidence.interfaces, of: one.interface, in: $0.start..<max($0.start, $0.end))
            }
            return [
                "name": .name(one.interface), "rx_usecs": number(one.rxMicroseconds),
                "rx_frames": number(one.rxFrames), "rx_usecs_high": number(one.rxMicrosecondsHigh),
                "adaptive_rx": flag(one.adaptiveRX), "tx_usecs": number(one.txMicroseconds),
                "tx_frames": number(one.txFrames), "adaptive_tx": flag(one.adaptiveTX),
                "rx_wait_ns": one.longestWait.map { .integer($0) } ?? .null,
                "interrupt_gap_ns": rate.map { .integer($0.gap) } ?? .null,
                "packets_per_interrupt": rate.map { .finite($0.packets) } ?? .null,
            ]
        })
}
