import CFlightrec
import Events

/// Names of closed sockets in the order they closed. In chunks: memory goes back as they go, and growing copies nothing, which for
/// some hundred thousand names would hold up the thread that drains the ring.
struct ClosedNames: Sequence {
    struct Entry {
        var raw: fr_socket
        var closed: Instant
    }

    private static let chunk = 512

    private var chunks: [ContiguousArray<Entry>] = []
    /// Of the first chunk, those that are gone.
    private var gone = 0
    /// Number of the first place of the first chunk.
    private var base: UInt64 = 0

    var first: Entry? { chunks.first.map { $0[gone] } }

    /// Returns its number, by which it is found until it is removed.
    mutating func append(_ entry: Entry) -> UInt64 {
        if chunks.last?.count ?? Self.chunk == Self.chunk {
            var fresh = ContiguousArray<Entry>()
            fresh.reserveCapacity(Self.chunk)
            chunks.append(fresh)
        }
        chunks[chunks.count - 1].append(entry)
        return base + UInt64((chunks.count - 1) * Self.chunk + chunks[chunks.count - 1].count - 1)
    }

    /// Traps when there is none.
    mutating func removeFirst() {
        gone += 1
        guard gone == chunks[0].count else { return }
        // A last chunk that is not full yet is begun anew: numbers go on where its own would have.
        base += UInt64(Self.chunk)
        chunks.removeFirst()
        gone = 0
    }

    /// Traps when it was removed.
    subscript(number: UInt64) -> Entry {
        let place = Int(number - base)
        return chunks[place / Self.chunk][place % Self.chunk]
    }

    mutating func update(_ number: UInt64, _ body: (inout fr_socket) -> Void) {
        let place = Int(number - base)
        body(&chunks[place / Self.chunk][place % Self.chunk].raw)
    }

    func makeIterator() -> AnyIterator<Entry> {
        var place = gone
        let chunks = chunks
        return AnyIterator {
            let (chunk, index) = place.quotientAndRemainder(dividingBy: Self.chunk)
            guard chunk < chunks.count, index < chunks[chunk].count else { return nil }
            place += 1
            return chunks[chunk][index]
        }
    }
}
