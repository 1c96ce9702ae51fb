import CFlightrec
import Events
import Testing

@testable import Window

@Suite struct SocketRegistryTests {
    private func socket(
        _ id: UInt32, at instant: UInt64, established: UInt64 = 0, pid: UInt32? = nil, of container: UInt64 = 42
    ) -> fr_socket {
        var socket = fr_socket()
        socket.h.socket = id
        socket.h.ts = instant
        socket.h.cgroup = container
        socket.established = established
        socket.write_seq = established == 0 ? 0 : 111
        socket.rcv_nxt = established == 0 ? 0 : 222
        socket.family = 2
        socket.local_port = 6379
        socket.local.0 = 10
        socket.local.3 = 2
        if let pid {
            socket.flags = UInt8(FR_SOCKET_OWNED.rawValue)
            socket.pid = pid
            socket.comm.0 = UInt8(ascii: "r")
        }
        return socket
    }

    @Test func laterRecordsAddToEarlierOnes() throws {
        var registry = SocketRegistry()
        registry.observe(socket(1, at: 100, established: 90))
        registry.observe(socket(1, at: 200, pid: 77))
        let info = try #require(registry[1])
        #expect(info.seen == 100)
        #expect(info.established == 90)
        #expect(info.sentSequence == 111)
        #expect(info.receivedSequence == 222)
        #expect(info.pid == 77)
        #expect(info.process == "r")
        #expect(info.local.description == "10.0.0.2:6379")
        // One without an owner takes nothing away.
        registry.observe(socket(1, at: 300))
        #expect(registry[1] == info)
        #expect(registry.count == 1)
        #expect(registry[2] == nil)
    }

    @Test func portsAreThoseLastTold() throws {
        var registry = SocketRegistry()
        func local(_ id: UInt32) -> UInt16? { registry.ports(of: id)?.local }
        #expect(local(1) == nil && local(0) == nil)
        var connecting = socket(1, at: 100)
        connecting.local_port = 0
        registry.observe(connecting)
        #expect(local(1) == 0)
        registry.observe(socket(1, at: 200))
        #expect(local(1) == 6379)
        var other = socket(513, at: 300)
        other.local_port = 80
        registry.observe(other)
        #expect(local(513) == 80 && local(1) == 6379 && local(513) == 80, "they share a place")
        registry.closed(1, at: 400)
        #expect(local(1) == 6379, "turns of it may still come")
    }

    @Test func closedOnesExpireOnceTheWindowHasPassedThem() {
        var registry = SocketRegistry()
        for id in 1...4 as ClosedRange<UInt32> { registry.observe(socket(id, at: 1)) }
        registry.closed(1, at: 10)
        registry.closed(2, at: 20)
        registry.closed(2, at: 99)
        registry.closed(77, at: 5)
        #expect(registry.closedAt(2) == 20)
        #expect(registry.closedAt(3) == nil)
        #expect(registry.expire(before: 10) == 0)
        #expect(registry.expire(before: 20) == 1)
        #expect(registry[1] == nil && registry[2] != nil)
        #expect(registry.expire(before: .max) == 1)
        #expect(Set(registry.all().keys) == [3, 4])
        #expect(registry.droppedClosed == 0 && registry.droppedOpen == 0)
    }

    @Test func thoseWhoseCloseNobodyToldAreSwept() {
        var registry = SocketRegistry()
        for id in UInt32(1)...4 { registry.observe(socket(id, at: 100)) }
        registry.closed(2, at: 150)
        registry.observe(socket(5, at: 300))
        // 5 was told of after the look at what lives; 2 had closed before.
        #expect(registry.sweep(keeping: [1], toldBefore: 200, at: 250) == 2)
        #expect(registry.closedAt(1) == nil && registry.closedAt(5) == nil)
        #expect(registry.closedAt(2) == 150 && registry.closedAt(3) == 250 && registry.closedAt(4) == 250)
        registry.closed(3, at: 400)
        #expect(registry.closedAt(3) == 250, "its close was told after all")
        registry.expire(before: 300)
        #expect(registry.count == 2)
    }

    @Test func fullRegistryDropsClosedOnesFirstAndCounts() {
        var registry = SocketRegistry(bytes: 3 * SocketRegistry.openBytes)
        for id in 1...3 as ClosedRange<UInt32> { registry.observe(socket(id, at: 1)) }
        registry.closed(2, at: 5)
        registry.observe(socket(4, at: 6))
        #expect(Set(registry.all().keys) == [1, 3, 4])
        #expect(registry.droppedClosed == 1 && registry.droppedOpen == 0 && registry.droppedUntil == [42: 5])
        registry.observe(socket(5, at: 7))
        #expect(Set(registry.all().keys) == [3, 4, 5])
        #expect(registry.droppedClosed == 1 && registry.droppedOpen == 1)
    }

    @Test func tellsForWhomNamesGo() {
        var registry = SocketRegistry(bytes: 20 * SocketRegistry.openBytes)
        func churn(_ ids: ClosedRange<UInt32>) {
            for id in ids {
                registry.observe(socket(id, at: UInt64(id)))
                registry.closed(id, at: UInt64(id))
            }
        }
        churn(100...199)
        #expect(registry.droppedUntil[42] != nil && registry.mostAreClosed(42))
        for id in 200...217 as ClosedRange<UInt32> { registry.observe(socket(id, at: 200)) }
        churn(300...399)
        // A name went as soon as its socket had closed; those of the open ones are all there.
        #expect(registry.droppedUntil[42] ?? 0 >= 390 && registry.droppedOpen == 0 && !registry.mostAreClosed(42))
    }

    @Test func whoseConnectionsComeAndGoLosesItsOwnNamesOnly() {
        var registry = SocketRegistry(bytes: 1_000 * SocketRegistry.closedBytes)
        var id: UInt32 = 0
        func close(_ container: UInt64, at instant: UInt64) {
            id += 1
            registry.observe(socket(id, at: instant, of: container))
            registry.closed(id, at: instant)
        }
        // The quiet ones' are the oldest of all.
        for instant in 1...200 as ClosedRange<UInt64> {
            close(1, at: instant)
            close(2, at: instant)
        }
        for instant in 201...5_000 as ClosedRange<UInt64> { close(3, at: instant) }
        #expect(registry.droppedUntil.keys.sorted() == [3] && registry.droppedUntil[3] ?? 0 > 4_000)
        #expect(registry.mostAreClosed(3))
        for quiet in 1...400 as ClosedRange<UInt32> { #expect(registry.closedAt(quiet) == UInt64(quiet + 1) / 2) }
        // Two that are as busy share what room there is; the quiet ones keep theirs.
        for instant in 5_001...9_000 as ClosedRange<UInt64> {
            close(3, at: instant)
            close(4, at: instant)
        }
        #expect(registry.droppedUntil.keys.sorted() == [3, 4])
        let held = Dictionary(grouping: registry.records(), by: \.h.cgroup).mapValues(\.count)
        #expect(held[1] == 200 && held[2] == 200 && abs((held[3] ?? 0) - (held[4] ?? 0)) <= 70)
        #expect(registry.expire(before: 101) == 200)
        #expect(registry.closedAt(199) == nil && registry.closedAt(201) == 101)
        registry.expire(before: 10_000)
        #expect(registry.count == 0 && registry.droppedUntil.isEmpty)
        // Emptied places are used again.
        close(9, at: 10_001)
        #expect(registry.records().map(\.h.cgroup) == [9] && registry.closedAt(id) == 10_001)
    }

    @Test func churnStaysBoundedAndCounted() {
        let limit = 1_000 * SocketRegistry.openBytes
        var registry = SocketRegistry(bytes: limit)
        var expired = 0
        for id in 1...50_000 as ClosedRange<UInt32> {
            registry.observe(socket(id, at: UInt64(id)))
            if id % 2 == 0 { registry.closed(id, at: UInt64(id)) }
            if id % 100 == 0 { expired += registry.expire(before: UInt64(id) - 50) }
            #expect(registry.footprint <= limit && registry.footprint > 0)
        }
        #expect(registry.droppedOpen > 0)
        #expect(UInt64(registry.count + expired) + registry.droppedOpen + registry.droppedClosed == 50_000)
        #expect(registry.records().count == registry.count)
        #expect(Set(registry.records().map(\.h.socket)) == Set(registry.all().keys))
    }

    @Test func closedNamesAreFoundByNumberWhileChunksComeAndGo() {
        var registry = SocketRegistry()
        for id in 1...3_000 as ClosedRange<UInt32> {
            registry.observe(socket(id, at: 1))
            registry.closed(id, at: UInt64(id))
            // All gone, in the middle of a chunk: it begins anew.
            if id == 700 { #expect(registry.expire(before: 701) == 700 && registry.count == 0) }
        }
        #expect(registry.expire(before: 2_001) == 1_300)
        #expect(registry[2_000] == nil && registry.closedAt(2_001) == 2_001 && registry.closedAt(3_000) == 3_000)
        registry.observe(socket(2_500, at: 9, pid: 77))
        #expect(registry[2_500]?.pid == 77 && registry[2_499]?.pid != 77 && registry[2_501]?.pid != 77)
        #expect(registry.records().map(\.h.socket).sorted() == Array(2_001...3_000))
        #expect(registry.footprint == 1_000 * SocketRegistry.closedBytes)
    }

    @Test func aSmallerLimitTakesEffect() {
        var registry = SocketRegistry()
        for id in 1...100 as ClosedRange<UInt32> { registry.observe(socket(id, at: 1)) }
        registry.bound(bytes: 10 * SocketRegistry.openBytes)
        registry.observe(socket(101, at: 2))
        #expect(registry.count == 10 && registry[101] != nil && registry.droppedOpen == 91)
        registry.bound(bytes: 0)
        registry.observe(socket(102, at: 3))
        #expect(registry.all().keys.sorted() == [102], "one is always kept")
    }
}
