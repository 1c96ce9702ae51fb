import Analysis
import Events
import Testing

@testable import Context

private let second: UInt64 = 1_000_000_000

@Suite struct HistoryTests {
    private func evidence(_ history: ContextHistory, _ from: UInt64, _ to: UInt64, _ containers: Set<ContainerKey>)
        -> Evidence
    {
        var evidence = Evidence(
            id: "t", clock: ClockPair(monotonic: 0, wall: 0), askedFrom: from, askedTo: to, from: from, to: to)
        history.collect(into: &evidence, containers: containers)
        return evidence
    }

    private func look(_ container: ContainerKey, _ at: UInt64) -> ContainerSample {
        var sample = ContainerSample(at: at, container: container)
        sample.network = true
        return sample
    }

    @Test func onlyChangesAreKept() {
        var history = ContextHistory()
        for (at, value) in [(1, 0), (2, 0), (3, 5), (4, 5), (5, 6)] as [(UInt64, UInt64)] {
            history.note(look(7, at))
            history.note(7, "ListenOverflows", value, at: at)
        }
        let all = evidence(history, 1, 9, [7])
        #expect(all.counters.map(\.at) == [3, 5])
        #expect(all.counters.map(\.value) == [5, 6])
        #expect(all.samples.count == 5)
    }

    @Test func theCaptureBeginsWithWhatStood() {
        var history = ContextHistory()
        history.note(look(7, 1))
        history.note(7, "TCPTimeouts", 3, at: 1)
        history.note(look(8, 1))
        history.note(8, "TCPTimeouts", 9, at: 1)
        history.note(look(0, 2))
        for at in [50, 90] as [UInt64] { history.note(look(7, at)) }
        history.note([SoftnetReading(at: 1, cpu: 0, processed: 1, dropped: 0, squeezed: 0)])
        history.note([SoftnetReading(at: 2, cpu: 0, processed: 2, dropped: 0, squeezed: 0)])
        history.note([SoftnetReading(at: 80, cpu: 0, processed: 3, dropped: 0, squeezed: 0)])
        let all = evidence(history, 60, 100, [7])
        #expect(all.counters == [CounterReading(at: 1, container: 7, name: "TCPTimeouts", value: 3)])
        #expect(all.samples.map(\.at) == [2, 50, 90])
        #expect(all.softnet.map(\.processed) == [2, 3])
        // Even when the row itself is long out of the window.
        history.note(look(7, 200))
        history.expire(before: 85)
        #expect(evidence(history, 150, 300, [7]).counters.map(\.value) == [3])
        // But a container nobody looked at for that long is forgotten, and begins anew.
        #expect(evidence(history, 0, 300, [8]).counters.isEmpty)
        history.note(look(8, 210))
        history.note(8, "TCPTimeouts", 9, at: 210)
        #expect(evidence(history, 150, 300, [8]).counters.map(\.at) == [210])
    }

    @Test func bounded() {
        var history = ContextHistory()
        for at in 0..<UInt64(ContextHistory.mostCounters + 5) {
            history.note(look(7, at))
            history.note(7, "TCPTimeouts", at + 1, at: at)
        }
        history.expire(before: 0)
        let all = evidence(history, 0, .max, [7])
        #expect(all.samples.count == ContextHistory.mostSamples)
        // And the last of those dropped, which says where the rest begins.
        #expect(all.counters.count == ContextHistory.mostCounters + 1)
    }
}

@Suite struct ScheduleTests {
    @Test func quietContainersAreLookedAtNowAndThen() {
        var schedule = LookSchedule()
        schedule.setActive(1...10)
        var looks: [ContainerKey: Int] = [:]
        for tick in 0..<UInt64(100) {
            let due = schedule.due(at: second + tick * 100_000_000)
            #expect(due.count <= LookSchedule.quietLooks)
            #expect(!due.contains { !$0.network })
            for look in due { looks[look.container, default: 0] += 1 }
        }
        // 10 s, a look each 4.
        #expect(looks.count == 10 && looks.values.allSatisfy { $0 == 3 }, "\(looks)")
    }

    @Test func aThousandTakeTurns() {
        var schedule = LookSchedule()
        schedule.setActive(1...1000)
        for container in ContainerKey(1)...1000 { schedule.watch(container, until: .max) }
        var looks: [ContainerKey: Int] = [:]
        for tick in 0..<UInt64(1000) {
            let due = schedule.due(at: second + tick * 100_000_000)
            #expect(due.count <= LookSchedule.watchedLooks + LookSchedule.quietLooks)
            for look in due { looks[look.container, default: 0] += 1 }
        }
        #expect(looks[1] ?? 0 >= 1000, "those watched first are looked at every time")
        #expect(looks[200] ?? 0 > 20)
        #expect(looks[999] ?? 0 >= 1)
    }

    @Test func watchedOnesAreLookedAtEveryTick() {
        var schedule = LookSchedule()
        schedule.watch(7, until: second + 1_000_000_000)
        var networks = 0
        for tick in 0..<UInt64(20) {
            let due = schedule.due(at: second + tick * 100_000_000)
            #expect(due.map(\.container) == (tick <= 10 ? [7] : []))
            networks += due.count { $0.network }
        }
        #expect(networks == 3)
    }
}
