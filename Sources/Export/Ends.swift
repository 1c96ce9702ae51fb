import Analysis
import Events

/// Which turn at the other end of a connection answered a call, for all calls of a capture at once.
struct Ends {
    private struct Pair: Hashable {
        var sent: UInt32
        var received: UInt32
    }

    private struct Addresses: Hashable {
        var local: Endpoint
        var remote: Endpoint
    }

    /// Index into `evidence.turns` of the served turn, by that of the call.
    private(set) var answers: [Int: Int] = [:]

    /// Ends are matched as the analysis does for the turn it explains: by their sequence numbers at ESTABLISHED, which are
    /// the mirror image of each other (RFC 9293 §3.4) through any NAT; without, by addresses. Two that match are not told
    /// apart, and neither is claimed.
    init(_ evidence: Evidence) {
        let mirrors = Self.mirrors(evidence)
        var served: [SocketID: [Int]] = [:]
        for (index, turn) in evidence.turns.enumerated() where turn.role == .served {
            served[turn.socket, default: []].append(index)
        }
        for socket in served.keys { served[socket]?.sort { evidence.turns[$0].start < evidence.turns[$1].start } }
        for (index, call) in evidence.turns.enumerated() {
            guard call.role == .called, !call.flags.contains(.connecting), let mirror = mirrors[call.socket],
                let turns = served[mirror]
            else { continue }
            var low = turns.partitioningIndex { evidence.turns[$0].start >= call.start }
            var best: Int?
            // More than a few within one call is no exchange.
            let limit = min(turns.count, low + 16)
            while low < limit, evidence.turns[turns[low]].start < call.end {
                if best.map({ evidence.turns[$0].total < evidence.turns[turns[low]].total }) ?? true {
                    best = turns[low]
                }
                low += 1
            }
            if let best { answers[index] = best }
        }
    }

    private static func mirrors(_ evidence: Evidence) -> [SocketID: SocketID] {
        var bySequence: [Pair: [SocketID]] = [:]
        var byAddress: [Addresses: [SocketID]] = [:]
        for socket in evidence.sockets.values {
            byAddress[Addresses(local: socket.local, remote: socket.remote), default: []].append(socket.id)
            guard let pair = socket.sequence else { continue }
            bySequence[Pair(sent: pair.sent, received: pair.received), default: []].append(socket.id)
        }
        var mirrors: [SocketID: SocketID] = [:]
        for mine in evidence.sockets.values {
            if let pair = mine.sequence {
                let exact = (bySequence[Pair(sent: pair.received, received: pair.sent)] ?? []).filter { $0 != mine.id }
                if !exact.isEmpty {
                    if exact.count == 1 { mirrors[mine.id] = exact[0] }
                    continue
                }
            }
            let others = (byAddress[Addresses(local: mine.remote, remote: mine.local)] ?? []).filter { id in
                id != mine.id && (mine.sequence == nil || evidence.sockets[id]?.sequence == nil)
            }
            if others.count == 1 { mirrors[mine.id] = others[0] }
        }
        return mirrors
    }
}

extension Array {
    /// The first index whose element passes; those that don't come first.
    func partitioningIndex(_ passes: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if passes(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
