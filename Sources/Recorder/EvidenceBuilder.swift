import Analysis
import CFlightrec
import Events
import Window

/// Turns pinned blocks back into events.
enum EvidenceBuilder {
    /// Adds the events of `from...to`, and the turns that reach into it, in order of time.
    static func add(_ blocks: [Block], to evidence: inout Evidence) throws {
        for block in blocks {
            let records = try block.records()
            try records.withUnsafeBytes { bytes in
                for offset in stride(from: 0, to: bytes.count, by: block.kind.size) {
                    add(try Event(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + block.kind.size])), &evidence)
                }
            }
        }
        evidence.turns.sort { $0.end < $1.end }
        evidence.retransmits.sort { $0.at < $1.at }
        evidence.states.sort { $0.at < $1.at }
        evidence.resets.sort { $0.at < $1.at }
        evidence.drops.sort { $0.at < $1.at }
        evidence.slowSoftirqs.sort { $0.at < $1.at }
    }

    private static func add(_ event: Event, _ evidence: inout Evidence) {
        switch event {
        case .turn(let turn): evidence.turns.append(turn)
        case .retransmit(let retransmit): evidence.retransmits.append(retransmit)
        case .state(let state): evidence.states.append(state)
        case .reset(let reset): evidence.resets.append(reset)
        case .drop(let drop): evidence.drops.append(drop)
        case .softirq(let softirq): evidence.slowSoftirqs.append(softirq)
        case .socket: break
        }
    }
}
