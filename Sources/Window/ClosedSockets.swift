import CFlightrec
import Events

/// Names of closed sockets, by container: where room is wanted, the container that has most of them gives up its oldest, so that one
/// whose connections come and go all the time shortens only its own history.
struct ClosedSockets {
    /// Where a name is.
    private struct Place {
        var slot: UInt32
        var number: UInt32
    }

    private struct Names {
        var container: ContainerKey
        var queue = ClosedNames()
    }

    /// Of those without any the place is used again.
    private var names: [Names] = []
    private var unused: [UInt32] = []
    private var slots: [ContainerKey: UInt32] = [:]
    private var places: [SocketID: Place] = [:]
    /// The one with most, but for as many as were dropped of it since it was looked for.
    private var largest: Int?
    private var untilLook = 0
    /// Names that go before it is looked again whose are most: a look at thousands of containers for each would cost more than a
    /// perfect order is worth.
    private static let betweenLooks = 64

    var count: Int { places.count }

    func count(_ container: ContainerKey) -> Int { slots[container].map { names[Int($0)].queue.count } ?? 0 }

    subscript(id: SocketID) -> ClosedNames.Entry? {
        places[id].map { names[Int($0.slot)].queue[$0.number] }
    }

    /// Returns whether there was one.
    mutating func update(_ id: SocketID, _ body: (inout fr_socket) -> Void) -> Bool {
        guard let place = places[id] else { return false }
        names[Int(place.slot)].queue.update(place.number, body)
        return true
    }

    /// It must not be known yet.
    mutating func append(_ raw: fr_socket, at instant: Instant) {
        let slot = slot(of: raw.h.cgroup)
        let number = names[slot].queue.append(.init(raw: raw, closed: instant))
        places[raw.h.socket] = Place(slot: UInt32(slot), number: number)
        if let known = largest, names[slot].queue.count > names[known].queue.count { largest = slot }
    }

    private mutating func slot(of container: ContainerKey) -> Int {
        if let known = slots[container] { return Int(known) }
        let slot = unused.popLast().map(Int.init) ?? names.count
        if slot == names.count {
            names.append(Names(container: container))
        } else {
            names[slot] = Names(container: container)
        }
        slots[container] = UInt32(slot)
        return slot
    }

    /// Forgets the oldest of the container with most; returns whose it was, and when it had closed.
    mutating func dropOne() -> (container: ContainerKey, closed: Instant)? {
        guard count > 0 else { return nil }
        if untilLook == 0 || largest == nil {
            largest = names.indices.max { names[$0].queue.count < names[$1].queue.count }
            untilLook = Self.betweenLooks
        }
        guard let slot = largest else { return nil }
        untilLook -= 1
        let container = names[slot].container
        return removeFirst(of: slot).map { (container, $0.closed) }
    }

    private mutating func removeFirst(of slot: Int) -> ClosedNames.Entry? {
        guard let entry = names[slot].queue.first else { return nil }
        names[slot].queue.removeFirst()
        places[entry.raw.h.socket] = nil
        if names[slot].queue.count == 0 {
            slots[names[slot].container] = nil
            names[slot].queue = ClosedNames()
            unused.append(UInt32(slot))
            if largest == slot { largest = nil }
        }
        return entry
    }

    /// Forgets those that closed before `limit`. Returns how many.
    mutating func expire(before limit: Instant) -> Int {
        let before = count
        for slot in slots.values {
            while let entry = names[Int(slot)].queue.first, entry.closed < limit {
                _ = removeFirst(of: Int(slot))
            }
        }
        return before - count
    }

    func records() -> [fr_socket] {
        var all: [fr_socket] = []
        all.reserveCapacity(count)
        for names in names { all.append(contentsOf: names.queue.lazy.map(\.raw)) }
        return all
    }
}
