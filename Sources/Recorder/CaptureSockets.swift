import CFlightrec
import Events

/// Which of the known sockets a capture names: those that some event of it is about, and the other ends of their connections on this
/// host. Of such an end there may be no event: short turns can be counted only, or the window holds none of them any more.
enum CaptureSockets {
    private struct Sequences: Hashable {
        var sent: UInt32
        var received: UInt32
    }

    private struct Ends: Hashable {
        var local: SIMD2<UInt64>
        var remote: SIMD2<UInt64>
        var localPort: UInt16
        var remotePort: UInt16
        var family: UInt16

        init(_ raw: fr_socket) {
            func words<Bytes>(_ bytes: Bytes) -> SIMD2<UInt64> {
                withUnsafeBytes(of: bytes) {
                    raw.family == 10
                        ? $0.loadUnaligned(as: SIMD2<UInt64>.self) : [UInt64($0.loadUnaligned(as: UInt32.self)), 0]
                }
            }
            (local, remote, family) = (words(raw.local), words(raw.remote), raw.family)
            (localPort, remotePort) = (raw.local_port, raw.remote_port)
        }

        var mirrored: Ends {
            var ends = self
            (ends.local, ends.remote) = (remote, local)
            (ends.localPort, ends.remotePort) = (remotePort, localPort)
            return ends
        }
    }

    /// `all`: each socket once. `heard`: ids of those with events. As the analysis joins ends: by their sequence numbers, and by
    /// their addresses where either has none; of several that match all are named, so that none is taken for the only one.
    static func named(_ all: [fr_socket], heard: Set<SocketID>) -> [fr_socket] {
        var bySequence: Set<Sequences> = []
        var byEnds: Set<Ends> = []
        var byEndsAlone: Set<Ends> = []
        for raw in all where heard.contains(raw.h.socket) {
            let mirrored = Ends(raw).mirrored
            byEnds.insert(mirrored)
            if raw.established == 0 {
                byEndsAlone.insert(mirrored)
            } else {
                bySequence.insert(Sequences(sent: raw.rcv_nxt, received: raw.write_seq))
            }
        }
        return all.filter { raw in
            if heard.contains(raw.h.socket) { return true }
            guard raw.established != 0 else { return byEnds.contains(Ends(raw)) }
            return bySequence.contains(Sequences(sent: raw.write_seq, received: raw.rcv_nxt))
                || !byEndsAlone.isEmpty && byEndsAlone.contains(Ends(raw))
        }
    }
}
