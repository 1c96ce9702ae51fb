import CFlightrec
import Events

/// Names of sockets by id. They live beside the window, because a connection's name is sent once and its turns go
/// on for days. Keeps the records as they came and decodes one only when asked for.
///
/// Belongs to the window's thread. About 150 bytes a socket.
public struct SocketRegistry {
    private struct Entry {
        var raw: fr_socket
        /// 0: not yet.
        var closed: Instant
    }

    private let capacity: Int
    private var entries: [SocketID: Entry] = [:]
    /// Ids in order of arrival and of closing; each may hold ids that are gone already.
    private var arrived = Queue()
    private var closing = Queue()

    /// Sockets forgotten for want of room, closed ones.
    public private(set) var droppedClosed: UInt64 = 0
    /// The same, sockets still open: later events of theirs have no name.
    public private(set) var droppedOpen: UInt64 = 0

    /// - Parameter capacity: sockets to remember, at least 1.
    public init(capacity: Int = 200_000) {
        self.capacity = max(1, capacity)
    }

    public var count: Int { entries.count }

    /// Takes an `fr_socket` record. A repeated one adds to what is known: its owner wins when it has one, the first
    /// time seen stays, and so do ESTABLISHED and the sequence numbers when it lacks them.
    public mutating func observe(_ new: fr_socket) {
        let id = new.h.socket
        if let index = entries.index(forKey: id) {
            Self.merge(new, into: &entries.values[index].raw)
            return
        }
        if entries.count >= capacity { dropOne() }
        entries[id] = Entry(raw: new, closed: 0)
        arrived.append(id)
        if arrived.count > 2 * entries.count + 1024 { arrived.keep { entries[$0] != nil } }
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
        guard let index = entries.index(forKey: id), entries.values[index].closed == 0 else { return }
        entries.values[index].closed = max(instant, 1)
        closing.append(id)
    }

    /// Forgets the sockets that closed before `limit`, the oldest instant the window holds. Returns how many.
    @discardableResult
    public mutating func expire(before limit: Instant) -> Int {
        var count = 0
        while let id = closing.first {
            guard let entry = entries[id] else {
                closing.removeFirst()
                continue
            }
            guard entry.closed < limit else { break }
            closing.removeFirst()
            entries[id] = nil
            count += 1
        }
        return count
    }

    /// The one that closed first, or, when all are open, the one that came first.
    private mutating func dropOne() {
        while let id = closing.first {
            closing.removeFirst()
            if entries.removeValue(forKey: id) != nil {
                droppedClosed += 1
                return
            }
        }
        while let id = arrived.first {
            arrived.removeFirst()
            if entries.removeValue(forKey: id) != nil {
                droppedOpen += 1
                return
            }
        }
    }

    /// What is known of a socket, without decoding: for paths that run per event.
    public func record(_ id: SocketID) -> fr_socket? { entries[id]?.raw }

    /// What is known of a socket, decoded anew at each call.
    public subscript(id: SocketID) -> SocketInfo? { entries[id].map { SocketInfo($0.raw) } }

    /// When a socket closed; `nil` when it has not or is unknown.
    public func closedAt(_ id: SocketID) -> Instant? {
        entries[id].flatMap { $0.closed == 0 ? nil : $0.closed }
    }

    /// The records of all sockets, to be decoded off this thread with `SocketInfo.init`: a copy without strings.
    public func records() -> [fr_socket] { entries.values.map(\.raw) }

    /// All sockets, decoded.
    public func all() -> [SocketID: SocketInfo] { entries.mapValues { SocketInfo($0.raw) } }
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
