import Events
import Testing

@testable import Analysis

private let ms: UInt64 = 1_000_000
private let at: UInt64 = 10_000 * ms

/// The slow turn is socket 1's, from 10.0 to 10.8 s; the capture begins at 0.
@Suite struct DifferenceTests {
    private func compared(_ evidence: Evidence) throws -> [String: Difference] {
        let comparison = try #require(Comparison(analyze(evidence)))
        #expect(comparison.incident == at..<at + 800 * ms)
        return Dictionary(uniqueKeysWithValues: comparison.differences.map { ($0.what, $0) })
    }

    /// A look each 4 s before, and ten a second from 200 ms into the turn on.
    private static let looks = [1000, 5000, 9000].map { $0 * ms } + (2...20).map { at + $0 * 100 * ms }

    private func sample(_ at: UInt64, _ container: ContainerKey = 1, _ set: (inout ContainerSample) -> Void = { _ in })
        -> ContainerSample
    {
        var sample = ContainerSample(at: at, container: container)
        sample.network = true
        set(&sample)
        return sample
    }

    @Test func nothingDiffers() throws {
        var evidence = capture([queued])
        evidence.samples = Self.looks.map { time in
            sample(time) {
                $0.throttled = time / 100
                $0.memoryMax = 9
                $0.ioPressure = time / 20
            }
        }
        evidence.counters = [CounterReading(at: 0, container: 1, name: "ListenOverflows", value: 100)]
        #expect(try compared(evidence) == [:])
    }

    @Test func retransmits() throws {
        var evidence = capture([queued])
        evidence.retransmits = [2, 100, 300].map {
            Retransmit(at: at + $0 * ms, container: 1, socket: 1, kind: .rto)
        }
        evidence.retransmits.append(Retransmit(at: 5000 * ms, container: 1, socket: 1, kind: .rto))
        evidence.retransmits.append(Retransmit(at: at + ms, container: 2, socket: 2, kind: .rto))
        let found = try #require(try compared(evidence)["retransmits"])
        #expect(found.before == 0.1 && found.during == 3.75 && found.unit == .perSecond && found.container == 1)
        // Nothing recorded before: nothing to compare with.
        evidence.from = at - 100 * ms
        #expect(try compared(evidence)["retransmits"]?.before == .some(nil))
    }

    @Test func turnsThatStopAndTurnsThatTakeLonger() throws {
        // 100 a second until the turn, on a socket of the same port; none while it lasts but those that wait with it.
        var turns = (UInt64(0)..<1000).map { index in
            var turn = served(3, 0, 0)
            (turn.start, turn.end) = (index * 10 * ms, index * 10 * ms + 3 * ms)
            turn.sequence = UInt32(index)
            return turn
        }
        turns += (UInt64(0)..<20).map { index in
            var turn = served(3, 100, 900)
            turn.sequence = 5000 + UInt32(index)
            return turn
        }
        var evidence = capture([queued] + turns)
        let found = try compared(evidence)
        evidence.facts["detail"] = "turns under 1 ms are counted only"
        let partial = try compared(evidence)
        #expect(partial["turns"] == nil && partial["p50 of its other turns"] == nil)
        #expect(found["turns"]?.before == 100 && found["turns"]?.during == 0)
        #expect(found["p50 of its other turns"]?.during == Double(800 * ms))
        #expect(found["p50 of its other turns"]?.before == Double(3 * ms))
        #expect(found["p99 of its other turns"] == nil, "of 20 turns there is none")
    }

    @Test func turnsThatWaitTogetherAreNotQuiet() throws {
        var early = served(3, 0, 0)
        (early.start, early.end) = (at - 2000 * ms, at + 700 * ms)
        let comparison = try #require(Comparison(analyze(capture([queued, early]))))
        #expect(comparison.incident.lowerBound == at)
        #expect(comparison.quiet == 0..<at - 2000 * ms)
    }

    @Test func softirqs() throws {
        var evidence = capture([queued])
        for start in stride(from: UInt64(0), to: 20_000, by: 100) {
            let busy = (10_000..<10_800).contains(start)
            for (cpu, load) in [(UInt16(0), UInt64(1)), (1, busy ? 17 : 1)] {
                evidence.softirqTicks.append(
                    SoftirqTick(
                        cpu: cpu, from: start * ms, to: (start + 100) * ms, total: load * 2 * ms, netRX: load * ms,
                        stolen: cpu == 0 && busy ? 60 * ms : 0))
            }
        }
        let found = try compared(evidence)
        let all = try #require(found["softirq NET_RX"])
        #expect(abs((all.before ?? 0) - 0.02) < 1e-9 && abs(all.during - 0.18) < 1e-9 && all.unit == .cpu)
        let busiest = try #require(found["softirq NET_RX on CPU 1"])
        #expect(abs((busiest.before ?? 0) - 0.01) < 1e-9 && abs(busiest.during - 0.17) < 1e-9)
        #expect(busiest.container == nil)
        let stolen = try #require(found["stolen by the hypervisor"])
        #expect(stolen.before == 0 && abs(stolen.during - 0.6) < 1e-9 && stolen.unit == .cpu)
    }

    /// Ticks of a busy CPU, 100 ms each, where `isTimed`.
    private func load(_ isTimed: (UInt64) -> Bool) throws -> Difference? {
        var evidence = capture([queued])
        for start in stride(from: UInt64(0), to: 20_000, by: 100) where isTimed(start) {
            let busy = (10_000..<10_800).contains(start)
            evidence.softirqTicks.append(
                SoftirqTick(
                    cpu: 0, from: start * ms, to: (start + 100) * ms, total: 90 * ms, netRX: (busy ? 80 : 2) * ms))
        }
        return try compared(evidence)["softirq NET_RX"]
    }

    @Test func softirqsOfATimeThatWasHardlyTimedAreNotCompared() throws {
        let all = try #require(try load { _ in true })
        // For some of it the hooks were off: what is left is enough.
        let most = try #require(try load { !(2_000..<9_400).contains($0) && !(10_400..<10_700).contains($0) })
        #expect(abs(most.during - all.during) < 1e-9 && abs((most.before ?? 0) - (all.before ?? 0)) < 1e-9)
        // They came back just before the turn, or were on for a moment long before.
        #expect(try load { $0 >= 9_700 } == nil)
        #expect(try load { $0 < 400 || $0 >= 10_000 } == nil)
        // Off for most of the turn.
        #expect(try load { $0 < 10_300 || $0 >= 10_800 } == nil)
    }

    @Test func softnet() throws {
        var evidence = capture([queued])
        for time in Self.looks {
            for cpu in UInt16(0)...1 {
                evidence.softnet.append(
                    SoftnetReading(at: time, cpu: cpu, processed: time, dropped: 3, squeezed: time > at ? 9 : 5))
            }
        }
        let found = try compared(evidence)
        #expect(Set(found.keys) == ["softnet time_squeeze"])
        #expect(found["softnet time_squeeze"]?.during == 8 && found["softnet time_squeeze"]?.before == 0)
    }

    @Test func cgroup() throws {
        var evidence = capture([queued])
        evidence.samples = Self.looks.map { time in
            sample(time) {
                $0.throttled = time > at ? (time - at) / 2 : 0
                $0.memoryMax = time > at ? 30 : 4
                $0.memoryKills = 1
                $0.memory = time > at ? 99 : 40
                $0.memoryLimit = 100
                $0.memoryPressure = time > at ? time - at : 0
            }
        }
        evidence.samples += Self.looks.map { time in sample(time, 0) { $0.ioPressure = time > at ? time - at : 0 } }
        evidence.samples += Self.looks.map { time in sample(time, 2) { $0.throttled = time > at ? time - at : 0 } }
        let found = try compared(evidence)
        #expect(
            Set(found.keys) == [
                "throttled by CPU quota", "memory limit reached", "memory in use", "memory pressure",
                "host I/O pressure",
            ])
        #expect(abs((found["throttled by CPU quota"]?.during ?? 0) - 0.5) < 0.01)
        #expect(found["throttled by CPU quota"]?.before == 0)
        #expect(found["memory limit reached"]?.during == 26)
        #expect(found["memory in use"]?.before == 0.4 && found["memory in use"]?.during == 0.99)
        #expect(found["host I/O pressure"]?.container == nil)
    }

    @Test func countersThatMoved() throws {
        var evidence = capture([queued])
        evidence.samples = Self.looks.map { sample($0) } + Self.looks.map { sample($0, 0) }
        func reading(_ at: UInt64, _ name: String, _ value: UInt64, _ container: ContainerKey = 1) {
            evidence.counters.append(CounterReading(at: at, container: container, name: name, value: value))
        }
        reading(0, "ListenOverflows", 100)
        reading(at + 500 * ms, "ListenOverflows", 105)
        reading(at + 600 * ms, "ListenOverflows", 112)
        reading(at + 1500 * ms, "ListenOverflows", 900)
        reading(at + 300 * ms, "RetransSegs", 5)
        reading(at + 300 * ms, "eth0 rx_dropped", 2)
        reading(at + 300 * ms, "TCPTimeouts", 5, 0)
        reading(at + 300 * ms, "docker0 tx_dropped", 7, 0)
        // 2 a second as ever.
        for time in Self.looks { reading(time, "TCPLossProbes", time / (500 * ms)) }
        let found = try compared(evidence)
        #expect(Set(found.keys) == ["ListenOverflows", "eth0 rx_dropped", "host docker0 tx_dropped"])
        #expect(found["ListenOverflows"]?.during == 12 && found["ListenOverflows"]?.before == 0)
        #expect(found["ListenOverflows"]?.unit == .count)
        #expect(found["host docker0 tx_dropped"]?.container == nil)
    }

    @Test func mostFirst() throws {
        var evidence = capture([queued])
        evidence.samples = Self.looks.map { sample($0) }
        evidence.counters = [
            CounterReading(at: at + 300 * ms, container: 1, name: "PruneCalled", value: 2),
            CounterReading(at: at + 300 * ms, container: 1, name: "ListenDrops", value: 200),
        ]
        let comparison = try #require(Comparison(analyze(evidence)))
        #expect(comparison.differences.map(\.what) == ["ListenDrops", "PruneCalled"])
    }

    @Test func hostileFiguresDoNotTrap() throws {
        var evidence = capture([queued])
        for time in [0, 1, at, at + 1, .max - 1, .max] {
            evidence.samples.append(
                sample(time) {
                    $0.throttled = time
                    $0.memoryMax = .max - time
                    $0.ioPressure = .max
                    $0.memory = .max
                    $0.memoryLimit = 1
                })
            evidence.softnet.append(SoftnetReading(at: time, cpu: 0, processed: 0, dropped: .max, squeezed: time))
            evidence.softirqTicks.append(SoftirqTick(cpu: 0, from: time, to: .max, total: .max, netRX: .max))
            evidence.counters.append(CounterReading(at: time, container: 1, name: "TCPTimeouts", value: .max - time))
        }
        let comparison = try #require(Comparison(analyze(evidence)))
        #expect(comparison.differences.allSatisfy { $0.during.isFinite && $0.weight.isFinite })
    }
}

@Suite struct AlsoSlowTests {
    /// Ten quick turns of a container before, and one that is slow now.
    private func neighbour(_ container: ContainerKey, _ socket: SocketID, slow: UInt64) -> [Turn] {
        var turns = (UInt64(0)..<10).map { index in
            var turn = served(socket, 0, 0, container: container)
            (turn.start, turn.end) = (index * 100 * ms, index * 100 * ms + 5 * ms)
            turn.sequence = UInt32(index + 10)
            return turn
        }
        turns.append(served(socket, 100, 100 + slow, container: container))
        return turns
    }

    private func socket(_ id: SocketID, _ container: ContainerKey) -> SocketInfo {
        SocketInfo(
            id: id, container: container, role: .served, local: Endpoint(address: [10, 0, 1, UInt8(id)], port: 80),
            remote: Endpoint(address: [10, 0, 2, UInt8(id)], port: 4000))
    }

    @Test func aStrangerPointsAtTheHost() {
        var evidence = capture([queued] + neighbour(7, 70, slow: 400))
        evidence.sockets[70] = socket(70, 7)
        #expect(
            alsoSlow(analyze(evidence)) == [
                AlsoSlow(container: 7, turns: 1, maximum: 400 * ms, connected: false)
            ])
    }

    @Test func thoseThatWaitForItAreToldApart() {
        // db's end of socket 1, and a third container behind db.
        var evidence = capture([queued] + neighbour(2, 2, slow: 500) + neighbour(8, 80, slow: 300))
        evidence.watchPeer(role: .called)
        evidence.sockets[80] = socket(80, 8)
        evidence.sockets[81] = SocketInfo(
            id: 81, container: 2, role: .called, local: Endpoint(address: [10, 0, 2, 80], port: 4000),
            remote: Endpoint(address: [10, 0, 1, 80], port: 80))
        let found = alsoSlow(analyze(evidence))
        #expect(found.map(\.container) == [2, 8])
        #expect(!found.contains { !$0.connected })
    }

    @Test func slowByNatureOrNotAtThatTimeIsNot() {
        var evidence = capture([queued] + neighbour(7, 70, slow: 12) + neighbour(8, 80, slow: 400))
        // 8 is slow every time.
        for index in evidence.turns.indices where evidence.turns[index].container == 8 {
            evidence.turns[index].start = evidence.turns[index].end - min(evidence.turns[index].end, 300 * ms)
        }
        // 9 was slow, but after.
        evidence.turns += neighbour(9, 90, slow: 0)
        var late = served(90, 900, 1900, container: 9)
        late.sequence = 99
        evidence.turns.append(late)
        for (id, container) in [(70, 7), (80, 8), (90, 9)] as [(SocketID, ContainerKey)] {
            evidence.sockets[id] = socket(id, container)
        }
        #expect(alsoSlow(analyze(evidence)) == [])
    }
}
