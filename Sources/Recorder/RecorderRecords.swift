import Analysis
import CFlightrec
import Events
import Kernel
import Trigger

/// The recorder, as the ring knows it. It is made for one drain, which its recorder outlives.
private final class RecorderSink: RecordSink {
    private let recorder: Unmanaged<Recorder>

    init(_ recorder: Recorder) {
        self.recorder = .passUnretained(recorder)
        super.init()
    }

    override func take(_ record: UnsafeRawBufferPointer) { recorder._withUnsafeGuaranteedRef { $0.take(record) } }
}

/// What becomes of every record of the ring.
extension Recorder {
    func drain() {
        drained += probes.drain(into: RecorderSink(self))
    }

    @inline(__always)
    fileprivate func take(_ record: UnsafeRawBufferPointer) {
        guard record.count >= MemoryLayout<fr_header>.size else {
            badRecords += 1
            return
        }
        let header = record.loadUnaligned(as: fr_header.self)
        losses.count(header.kind)
        guard let kind = EventKind(rawValue: header.kind), record.count >= kind.size else {
            badRecords += 1
            return
        }
        switch kind {
        case .socket:
            registry.observe(record.loadUnaligned(as: fr_socket.self))
            rules.noteContainer(header.cgroup)
            return
        case .turn:
            var raw = record.loadUnaligned(as: fr_turn.self)
            raw.cutTimes()
            let turn = observe(raw)
            tally.note(turn, raw)
            if let fact = trigger.completed(turn) { fire(fact, began: raw.start) }
            // As mutable, or it is copied once more.
            return withUnsafeMutableBytes(of: &raw) {
                window.append(UnsafeRawBufferPointer($0), kind: kind, container: header.cgroup)
            }
        case .state:
            let raw = record.loadUnaligned(as: fr_state.self)
            if UInt32(raw.state_kind) != FR_ESTABLISHED.rawValue {
                registry.closed(header.socket, at: header.ts)
                trigger.closed(header.socket)
            }
        case .retransmit: noteRetransmit(header)
        case .open:
            var raw = record.loadUnaligned(as: fr_turn.self)
            raw.cutTimes()
            return withUnsafeBytes(of: raw) { window.append($0, kind: kind, container: header.cgroup) }
        case .reset, .drop, .softirq, .slice, .queued, .stack: break
        }
        window.append(record, kind: kind, container: header.cgroup)
    }

    @inline(__always)
    func observe(_ raw: fr_turn) -> TurnObservation {
        let role = Role(rawValue: raw.role) ?? .unknown
        let ports = registry.ports(of: raw.h.socket)
        let port = role == .served ? ports?.local : ports?.remote
        let transferred = role == .served ? raw.rx_last : raw.tx_last
        return TurnObservation(
            service: ServiceKey(container: raw.h.cgroup, role: role, port: port ?? 0), socket: raw.h.socket,
            sequence: raw.sequence, flags: Turn.Flags(rawValue: raw.flags), start: raw.start, end: raw.h.ts,
            transfer: transferred > raw.start ? transferred - raw.start : 0,
            read: role == .served ? raw.read_first : 0)
    }

    func noteRetransmit(_ header: fr_header) {
        guard let socket = registry.record(header.socket), let role = Role(rawValue: socket.role) else { return }
        let port = role == .served ? socket.local_port : socket.remote_port
        tally.retransmitted(header.cgroup, role, at: header.ts)
        trigger.retransmitted(ServiceKey(container: header.cgroup, role: role, port: port), at: header.ts)
    }

    func fire(_ fact: TriggerFact, began: Instant) {
        switch selection.verdict(fact.container) {
        case .wanted: break
        case .unwanted: return
        case .undecided: return selection.hold(fact, began: began)
        }
        if fact.kind == .inFlight { fired.inFlight += 1 } else { fired.latency += 1 }
        tracker.note(fact, began: began) { [trigger] in trigger.baselines(of: [fact.container], before: began) }
        watch(fact.container, until: fact.at &+ options.after)
    }

    /// Its connections may wait for the host, so that is looked at with it.
    func watch(_ container: ContainerKey, until: Instant) {
        context.schedule.watch(container, until: until)
        context.schedule.watch(0, until: until)
    }
}
