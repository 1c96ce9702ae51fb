import CFlightrec
import Events

/// Names of a container's closed sockets in the order they closed. In chunks: memory goes back as they go, and growing copies next to
/// nothing, which for some hundred thousand names would hold up the thread that drains the ring.
struct ClosedNames: Sequence {
    struct Entry {
        var raw: fr_socket
        var closed: Instant
    }

    private static let chunk = 64

    private var chunks: [ContiguousArray<Entry>] = []
    /// Of the first chunk, those that are gone.
    private var gone = 0
    /// Number of the first place of the first chunk.
    private var base: UInt32 = 0

    var first: Entry? { chunks.first.map { $0[gone] } }

    var count: Int { ((chunks.count - 1) * Self.chunk + (chunks.last?.count ?? Self.chunk)) - gone }

    /// Returns its number, by which it is found until it is removed. Numbers begin anew after 2³².
    mutating func append(_ entry: Entry) -> UInt32 {
        if chunks.last?.count ?? Self.chunk == Self.chunk {
            var fresh = ContiguousArray<Entry>()
            // Most containers have a few; who has more than a chunk will have another.
            if !chunks.isEmpty { fresh.reserveCapacity(Self.chunk) }
            chunks.append(fresh)
        }
        chunks[chunks.count - 1].append(entry)
        return base &+ UInt32(truncatingIfNeeded: (chunks.count - 1) * Self.chunk + chunks[chunks.count - 1].count - 1)
    }

    /// Traps when there is none.
    mutating func removeFirst() {
        gone += 1
        guard gone == chunks[0].count else { return }
        // A last chunk that is not full yet is begun anew: numbers go on where its own would have.
        base &+= UInt32(Self.chunk)
        chunks.removeFirst()
        gone = 0
    }

    /// Traps when it was removed.
    subscript(number: UInt32) -> Entry {
        let place = Int(number &- base)
        return chunks[place / Self.chunk][place % Self.chunk]
    }

    mutating func update(_ number: UInt32, _ body: (inout fr_socket) -> Void) {
        let place = Int(number &- base)
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
