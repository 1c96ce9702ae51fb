import Analysis
import CFlightrec
import Events
import Window

/// Under `--pid`, which dropped packets are of the processes asked for. The kernel names no process with a packet; its ends tell:
/// one is the local end of a socket of theirs, or, before an address was translated (DNAT), the other end of one they serve.
struct DropSelection {
    private struct End: Hashable {
        var endpoint: Endpoint
        /// Every network namespace has a loopback of its own. 0: not on it, or not known where.
        var netns: UInt32
    }

    private var ends: Set<End> = []
    /// Connects that failed before their port was known.
    private var portless: [SocketInfo] = []

    /// `sockets`: those with a name, which under `--pid` are the processes' own.
    init(_ sockets: [fr_socket]) {
        for socket in sockets.map(SocketInfo.init) {
            if socket.local.port == 0, socket.remote.port != 0 { portless.append(socket) }
            for endpoint in socket.role == .served ? [socket.local, socket.remote] : [socket.local] {
                ends.insert(End(endpoint: endpoint.unmapped, netns: 0))
                ends.insert(End(endpoint: endpoint.unmapped, netns: socket.netns))
            }
        }
    }

    func has(_ drop: Drop) -> Bool {
        guard let source = drop.source, let destination = drop.destination else { return false }
        return [source, destination].contains { end in
            ends.contains(End(endpoint: end.unmapped, netns: end.isLoopback ? drop.netns : 0))
        } || portless.contains { $0.carries(source, destination) }
    }

    /// `blocks` without the drops of others; the other kinds of blocks as they are.
    func only(_ blocks: [Block]) -> [Block] {
        blocks.compactMap { $0.kind == .drop ? only($0) : $0 }
    }

    private func only(_ block: Block) -> Block? {
        // Its own memory can't be damaged: were it, what reads the capture tells.
        guard let bytes = try? block.records() else { return block }
        var kept: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: EventKind.drop.size) {
            let record = bytes[start..<start + EventKind.drop.size]
            let raw = record.withUnsafeBytes { $0.loadUnaligned(as: fr_drop.self) }
            // Those of a full accept queue are told with the listener's id, which the kernel chose.
            if raw.h.socket != 0 || has(Drop(raw)) { kept += record }
        }
        guard kept.count < bytes.count else { return block }
        guard !kept.isEmpty else { return nil }
        return kept.withUnsafeBytes {
            BlockCodec.encode(
                .drop, container: block.container, packedRecords: $0, count: kept.count / EventKind.drop.size)
        }
    }
}
