import Analysis
import Events
import Testing

@testable import Trigger

private let ms: UInt64 = 1_000_000
private let second: UInt64 = 1_000_000_000

@Suite struct EngineRuleTests {
    private func turn(
        _ total: UInt64, at end: UInt64, socket: SocketID = 1, sequence: UInt32 = 1, role: Role = .served,
        container: ContainerKey = 9, port: UInt16 = 80, flags: Turn.Flags = []
    ) -> TurnObservation {
        TurnObservation(
            service: ServiceKey(container: container, role: role, port: port), socket: socket, sequence: sequence,
            flags: flags, start: end - total, end: end)
    }

    @Test func spikesStayOutOfTheBarTheyAreMeasuredAgainst() {
        let engine = TriggerEngine(rule: .auto)
        var at = 10 * second
        var fired = 0
        for _ in 0..<20 {
            at += second
            _ = engine.completed(turn(10 * ms, at: at))
        }
        for index in 0..<200 {
            at += second
            // One in ten: less than a habit, more than a p99.
            if engine.completed(turn(index % 10 == 9 ? 800 * ms : 10 * ms, at: at)) != nil { fired += 1 }
        }
        #expect(fired == 20)
        #expect(engine.baselines(of: [9], before: 0).first?.p99 ?? .max < 12 * ms)
        #expect(engine.habitual == 0)
    }

    @Test func trimmingChangesNoJudgement() {
        let engine = TriggerEngine(rule: .auto)
        let other = TriggerEngine(rule: .auto)
        var at = 10 * second
        var fired = 0
        for index in 0..<400 as Range<UInt64> {
            // Silences of one and of three minutes, and one in 13 is slow.
            at += index % 100 == 50 ? 60 * second : index % 100 == 99 ? 180 * second : second
            engine.trim(at: at - 1)
            let one = turn(index % 13 == 12 ? 700 * ms : (index % 7 + 1) * ms, at: at)
            let verdicts = [engine.completed(one) != nil, other.completed(one) != nil]
            #expect(verdicts[0] == verdicts[1], "turn \(index)")
            fired += verdicts[0] ? 1 : 0
            #expect(engine.baselines(before: at) == other.baselines(before: at))
        }
        #expect(fired > 10)
    }

    @Test func oneSlowStartDoesNotHideWhatFollows() {
        let engine = TriggerEngine(rule: .auto)
        #expect(engine.completed(turn(1500 * ms, at: 10 * second)) != nil)
        for index in 0..<30 { _ = engine.completed(turn(10 * ms, at: (11 + UInt64(index)) * second)) }
        #expect(engine.completed(turn(800 * ms, at: 42 * second)) != nil)
    }

    @Test func aLastingSlowdownBecomesTheNewNormal() {
        let engine = TriggerEngine(rule: .auto)
        var at = 10 * second
        for _ in 0..<100 {
            at += 100 * ms
            _ = engine.completed(turn(10 * ms, at: at))
        }
        var fired = 0
        for _ in 0..<100 {
            at += 400 * ms
            if engine.completed(turn(400 * ms, at: at)) != nil { fired += 1 }
        }
        #expect(fired == 13, "a fifth of 64 remembered turns")
        #expect(engine.habitual > 0)
        #expect(engine.completed(turn(400 * ms, at: at + second)) == nil)
    }

    @Test func habitNeedsAFifthOfFiftyTurns() {
        for (slow, expected) in [(9, true), (10, false)] {
            let engine = TriggerEngine(rule: .absolute(200 * ms))
            for index in 0..<50 {
                let total = index < slow ? 300 * ms : 10 * ms
                _ = engine.completed(turn(total, at: (10 + UInt64(index)) * second))
            }
            #expect((engine.completed(turn(300 * ms, at: 70 * second)) != nil) == expected)
            #expect(engine.habitual == (expected ? 0 : 1))
        }
    }

    @Test func aSpikeEveryFewMinutesOfARarelyUsedServiceIsNoHabit() {
        let engine = TriggerEngine(rule: .absolute(300 * ms))
        var at = 10 * second
        for index in 0..<400 {
            at += 45 * second
            let total = index % 4 == 3 ? 800 * ms : 5 * ms
            #expect((engine.completed(turn(total, at: at)) != nil) == (index % 4 == 3))
        }
        #expect(engine.habitual == 0)
        // The same share of them, but ten in a few minutes.
        for index in 0..<64 {
            at += 5 * second
            _ = engine.completed(turn(index % 4 == 3 ? 800 * ms : 5 * ms, at: at))
        }
        #expect(engine.habitual > 0)
    }

    @Test func aLongPollOnlyPortDoesNotFireWhileOpen() {
        let engine = TriggerEngine(rule: .absolute(200 * ms))
        for index in 0..<2 { _ = engine.completed(turn(25 * second, at: (30 + UInt64(index)) * second)) }
        #expect(engine.open(turn(second, at: 40 * second, socket: 2, flags: .open)) != nil, "two say too little")
        _ = engine.completed(turn(25 * second, at: 45 * second))
        #expect(engine.open(turn(second, at: 50 * second, socket: 3, flags: .open)) == nil)
        #expect(engine.habitual == 1)
        _ = engine.completed(turn(10 * ms, at: 51 * second))
        #expect(engine.open(turn(second, at: 52 * second, socket: 4, flags: .open)) != nil)
    }

    @Test func openTurnsOfUnknownRoleNeverFire() {
        let engine = TriggerEngine(rule: .absolute(ms))
        #expect(engine.open(turn(second, at: 10 * second, role: .unknown, flags: .open)) == nil)
        #expect(engine.open(turn(second, at: 10 * second, flags: [.open, .aborted])) == nil)
    }

    @Test func servicesAreComparedWithThemselvesAlone() {
        let engine = TriggerEngine(rule: .auto)
        for index in 0..<50 {
            let at = (10 + UInt64(index)) * second
            _ = engine.completed(turn(10 * ms, at: at, port: 80))
            _ = engine.completed(turn(900 * ms, at: at, port: 81))
            _ = engine.completed(turn(900 * ms, at: at, role: .called, port: 80))
            _ = engine.completed(turn(900 * ms, at: at, container: 10, port: 80))
        }
        #expect(engine.completed(turn(800 * ms, at: 70 * second, port: 81)) == nil)
        #expect(engine.completed(turn(800 * ms, at: 70 * second, role: .called, port: 80)) == nil)
        #expect(engine.completed(turn(800 * ms, at: 70 * second, container: 10, port: 80)) == nil)
        #expect(engine.completed(turn(800 * ms, at: 70 * second, port: 80)) != nil)
        #expect(engine.baselines(of: [9], before: 0).count == 3)
    }

    @Test func historyRollsAway() {
        let engine = TriggerEngine(rule: .auto)
        for index in 0..<40 { _ = engine.completed(turn(10 * ms, at: 10 * second + UInt64(index) * ms)) }
        #expect(engine.completed(turn(300 * ms, at: 20 * second)) != nil)
        #expect(engine.completed(turn(300 * ms, at: 300 * second)) == nil, "nothing recent to compare with")
        #expect(engine.completed(turn(1100 * ms, at: 301 * second)) != nil)
    }

    @Test func theLeastRecentlyUsedServiceMakesRoom() {
        let engine = TriggerEngine(rule: .auto, capacity: 8)
        for port in UInt16(1)...9 { _ = engine.completed(turn(ms, at: UInt64(port) * second, port: port)) }
        let ports = engine.baselines(of: [9], before: 0).map(\.port)
        #expect(ports == Array(2...9))
        // A forgotten service begins anew instead of writing into a history nobody sees.
        _ = engine.completed(turn(ms, at: 20 * second, port: 1))
        #expect(engine.baselines(of: [9], before: 0).contains { $0.port == 1 && $0.turns == 1 })
    }

    @Test func hugeFactorsAndFiguresDoNotTrap() {
        let engine = TriggerEngine(rule: .auto(minimum: 1, factor: .max, coldStart: .max))
        for index in 0..<30 { #expect(engine.completed(turn(second, at: (2 + UInt64(index)) * second)) == nil) }
        var backwards = turn(ms, at: 60 * second)
        backwards.start = backwards.end + 5
        #expect(backwards.latency == 0)
    }

    @Test func theRuleIsSaidInWords() {
        let engine = TriggerEngine(rule: .auto)
        #expect(engine.completed(turn(2 * second, at: 10 * second))?.rule == "auto: no history yet, 1000ms")
        for index in 0..<30 { _ = engine.completed(turn(40 * ms, at: (11 + UInt64(index)) * second)) }
        let rule = engine.completed(turn(900 * ms, at: 42 * second))?.rule ?? ""
        #expect(rule.hasPrefix("auto: at least 100ms and 5 × p99 of 4"))
    }

    /// One service for short requests and for long polls, each kind on connections of its own.
    @Test func longPollsNextToShortRequestsAreNoSpikes() {
        let engine = TriggerEngine(rule: .auto)
        var fired = 0
        for index in 1...6000 as ClosedRange<UInt32> {
            let at = 10 * second + UInt64(index) * 20 * ms
            if engine.completed(turn(5 * ms, at: at, socket: 1, sequence: index)) != nil { fired += 1 }
            guard index % 250 == 0 else { continue }
            let poll = index / 250
            if engine.open(turn(200 * ms, at: at, socket: 2, sequence: poll, flags: .open)) != nil { fired += 1 }
            if engine.completed(turn(5 * second, at: at, socket: 2, sequence: poll)) != nil { fired += 1 }
        }
        #expect(fired == 0)
        #expect(engine.completed(turn(300 * ms, at: 140 * second, socket: 1, sequence: 6001)) != nil)
        #expect(engine.completed(turn(5 * second, at: 145 * second, socket: 3)) != nil, "learned: this is new")
    }
}

@Suite struct FiredTurnsTests {
    @Test func eachTurnOnceUntilItEnds() {
        var fired = FiredTurns()
        let seen = [fired.note(1, 5, at: 100), fired.note(1, 5, at: 200)]
        #expect(seen == [true, false])
        fired.completed(1, 4)
        let afterAnOlderEnd = fired.note(1, 5, at: 300)
        #expect(!afterAnOlderEnd)
        fired.completed(1, 5)
        #expect(fired.count == 0)
        let next = fired.note(1, 6, at: 400)
        #expect(next)
        fired.closed(1)
        #expect(fired.count == 0)
    }

    @Test func memoryIsBoundedWhenEndsAreLost() {
        var fired = FiredTurns()
        for socket in 0..<UInt32(50_000) { _ = fired.note(socket, 1, at: UInt64(socket) * 1_000 * ms) }
        #expect(fired.count <= 4096)
        let again = fired.note(49_999, 1, at: 50_000 * second)
        #expect(!again)
    }
}
