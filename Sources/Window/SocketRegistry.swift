import CFlightrec
import Events

/// Names of sockets by id. They live beside the window, because a connection's name is sent once and its turns go
/// on for days. Keeps the records as they came and decodes one only when asked for.
///
/// Belongs to the window's thread, and shares its memory: `footprint` is what it takes of it.
public struct SocketRegistry {
    /// Bytes a name takes: of an open socket in a hash table that is between three eighths and three quarters full; of a closed
    /// one in its place in `ClosedSockets`, its number in a table and in a queue.
    static let openBytes = 2 * (MemoryLayout<fr_socket>.stride + 4) + 8
    static let closedBytes = MemoryLayout<ClosedNames.Entry>.stride + 2 * 12 + 8

    private var limit: Int
    private var open: [SocketID: fr_socket] = [:]
    /// How many of `open` are whose.
    private var openOf: [ContainerKey: Int] = [:]
    private var closed = ClosedSockets()
    /// Ports of those last asked for, by the lowest bits of their number: every turn asks. Like the places before
    /// the dictionaries of services and of the window.
    private var ports = [Ports](repeating: Ports(id: 0, local: 0, remote: 0), count: 512)
    private struct Ports {
        var id: SocketID
        var local: UInt16
        var remote: UInt16
    }
    /// Ids in order of arrival; some may be gone or closed already.
    private var arrived = Queue()

    /// Sockets forgotten for want of room, closed ones.
    public private(set) var droppedClosed: UInt64 = 0
    /// The same, sockets still open: later events of theirs have no name.
    public private(set) var droppedOpen: UInt64 = 0
    /// When the last of `droppedClosed` of a container had closed: its events up to then may have no name. Only of times that
    /// `expire` has not passed.
    public private(set) var droppedUntil: [ContainerKey: Instant] = [:]

    /// As many closed as open ones of this container: then it is for them that its names have to go, and not for open ones alone.
    public func mostAreClosed(_ container: ContainerKey) -> Bool {
        closed.count(container) >= openOf[container] ?? 0
    }

    /// - Parameter bytes: what it may take; closed ones go first, of the container that has most of them, in the order they closed;
    ///   then those that came first. One is always kept.
    public init(bytes: Int = .max) {
        limit = bytes
    }

    /// Another limit from now on: what is over it goes at the next `observe`.
    public mutating func bound(bytes: Int) { limit = bytes }

    public var count: Int { open.count + closed.count }

    /// Bytes of memory it takes, reckoned by the sockets in it.
    public var footprint: Int { open.count * Self.openBytes + closed.count * Self.closedBytes }

    /// Takes an `fr_socket` record. A repeated one adds to what is known: its owner wins when it has one, the first
    /// time seen stays, and so do ESTABLISHED and the sequence numbers when it lacks them.
    public mutating func observe(_ new: fr_socket) {
        let id = new.h.socket
        // One that was connecting has its port now.
        if ports[Self.slot(id)].id == id { ports[Self.slot(id)].id = 0 }
        if let index = open.index(forKey: id) {
            let before = open.values[index].h.cgroup
            Self.merge(new, into: &open.values[index])
            let now = open.values[index].h.cgroup
            if now != before {
                countOpen(before, -1)
                countOpen(now, 1)
            }
            return
        }
        guard !closed.update(id, { Self.merge(new, into: &$0) }) else { return }
        while count > 0, footprint > limit - Self.openBytes { dropOne() }
        open[id] = new
        countOpen(new.h.cgroup, 1)
        arrived.append(id)
        if arrived.count > 2 * open.count + 1024 { arrived.keep { open[$0] != nil } }
    }

    private mutating func countOpen(_ container: ContainerKey, _ more: Int) {
        let now = (openOf[container] ?? 0) + more
        openOf[container] = now > 0 ? now : nil
    }

    private static func merge(_ new: fr_socket, into known: inout fr_socket) {
        let old = known
        known = new
        known.flags |= old.flags
        known.h.ts = min(old.h.ts, new.h.ts)
        if new.flags & UInt8(FR_SOCKET_OWNED.rawValue) == 0 {
            known.pid = old.pid
            known.comm = old.comm
        }
        if new.established == 0 {
            known.established = old.established
            known.write_seq = old.write_seq
            known.rcv_nxt = old.rcv_nxt
        }
        if new.role == 0 { known.role = old.role }
        if new.h.cgroup == 0 { known.h.cgroup = old.h.cgroup }
        if new.leaf_cgroup == 0 { known.leaf_cgroup = old.leaf_cgroup }
        if new.netns == 0 { known.netns = old.netns }
    }

    /// Remembers that a socket closed; its name stays until `expire`. Unknown ids and repeats change nothing.
    public mutating func closed(_ id: SocketID, at instant: Instant) {
        guard let raw = open.removeValue(forKey: id) else { return }
        countOpen(raw.h.cgroup, -1)
        closed.append(raw, at: max(instant, 1))
    }

    /// Of open ones first told of before `limit`, those that are not in `live` have closed, which nobody told: as of `now`. Returns how
    /// many.
    @discardableResult
    public mutating func sweep(keeping live: Set<SocketID>, toldBefore limit: Instant, at now: Instant) -> Int {
        let gone = open.filter { $0.value.h.ts < limit && !live.contains($0.key) }.keys
        for id in gone { closed(id, at: now) }
        return gone.count
    }

    /// Forgets the sockets that closed before `limit`, the oldest instant the window holds of any container: they may be the other
    /// ends of what it holds. Returns how many.
    @discardableResult
    public mutating func expire(before limit: Instant) -> Int {
        droppedUntil = droppedUntil.filter { $0.value >= limit }
        return closed.expire(before: limit)
    }

    /// A closed one, or, when all are open, the one that came first.
    private mutating func dropOne() {
        if let (container, at) = closed.dropOne() {
            droppedClosed += 1
            droppedUntil[container] = max(droppedUntil[container] ?? 0, at)
            return
        }
        while let id = arrived.first {
            arrived.removeFirst()
            if let raw = open.removeValue(forKey: id) {
                countOpen(raw.h.cgroup, -1)
                droppedOpen += 1
                return
            }
        }
    }

    /// What is known of a socket, without decoding: for paths that run per event.
    public func record(_ id: SocketID) -> fr_socket? { open[id] ?? closed[id]?.raw }

    private static func slot(_ id: SocketID) -> Int { Int(id & 511) }

    /// Its ports; `nil` when it is unknown. That it became unknown since it was last asked for may not show.
    @inline(__always)
    public mutating func ports(of id: SocketID) -> (local: UInt16, remote: UInt16)? {
        let hit = ports[Self.slot(id)]
        if hit.id == id, id != 0 { return (hit.local, hit.remote) }
        guard let raw = record(id) else { return nil }
        ports[Self.slot(id)] = Ports(id: id, local: raw.local_port, remote: raw.remote_port)
        return (raw.local_port, raw.remote_port)
    }

    /// What is known of a socket, decoded anew at each call.
    public subscript(id: SocketID) -> SocketInfo? { record(id).map(SocketInfo.init) }

    /// When a socket closed; `nil` when it has not or is unknown.
    public func closedAt(_ id: SocketID) -> Instant? { closed[id]?.closed }

    /// The records of all sockets, to be decoded off this thread with `SocketInfo.init`: a copy without strings.
    public func records() -> [fr_socket] { open.values + closed.records() }

    /// All sockets, decoded.
    public func all() -> [SocketID: SocketInfo] {
        Dictionary(uniqueKeysWithValues: records().map { ($0.h.socket, SocketInfo($0)) })
    }
}

/// First in, first out, in one array.
private struct Queue {
    private var storage: [SocketID] = []
    private var head = 0

    var count: Int { storage.count - head }
    var first: SocketID? { head < storage.count ? storage[head] : nil }

    mutating func append(_ id: SocketID) { storage.append(id) }

    mutating func removeFirst() {
        head += 1
        if head > 1024 && head * 2 > storage.count {
            storage.removeFirst(head)
            head = 0
        }
    }

    mutating func keep(_ condition: (SocketID) -> Bool) {
        storage = storage[head...].filter(condition)
        head = 0
    }
}
