import Analysis
import CFlightrec
import Events
import Window

/// Under `--pid`, which dropped packets are of the processes asked for. The kernel names no process with a packet that has no
/// socket; its ends tell: one is the local end of a socket of theirs, or, before an address was translated (DNAT), the other
/// end of one they serve.
struct DropSelection {
    private var ends: Set<Endpoint> = []

    /// `sockets`: those with a name, which under `--pid` are the processes' own.
    init(_ sockets: [fr_socket]) {
        for socket in sockets.map(SocketInfo.init) {
            ends.insert(socket.local)
            if socket.role == .served { ends.insert(socket.remote) }
        }
    }

    func has(_ drop: Drop) -> Bool {
        [drop.source, drop.destination].contains { $0.map(ends.contains) ?? false }
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
            // With a socket it was the kernel's to choose.
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
