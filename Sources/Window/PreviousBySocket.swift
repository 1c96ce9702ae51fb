/// The last earlier row of each row's socket: a hash table of fixed size, probed a fixed number of times, so that
/// chosen ids cannot make it slow. Both directions use it alike; a miss only costs some compression.
struct PreviousBySocket {
    private var slots: [(socket: UInt32, row: Int32)]
    private let mask: Int

    init(count: Int) {
        var size = 64
        while size < count * 2 { size *= 2 }
        slots = Array(repeating: (0, -1), count: size)
        mask = size - 1
    }

    /// The earlier row to compare this one to, row after row: of the same socket, or the row before; -1 for the first.
    @inline(__always)
    mutating func previous(_ row: Int, _ socket: UInt32) -> Int32 {
        var slot = Int(truncatingIfNeeded: socket &* 0x9E37_79B1 &>> 8) & mask
        for _ in 0..<8 {
            let known = slots[slot]
            if known.row < 0 || known.socket == socket {
                slots[slot] = (socket, Int32(truncatingIfNeeded: row))
                if known.row >= 0 { return known.row }
                break
            }
            slot = (slot &+ 1) & mask
        }
        return Int32(truncatingIfNeeded: row &- 1)
    }
}
