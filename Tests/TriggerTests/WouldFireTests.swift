import Analysis
import Events
import Testing

@testable import Trigger

private let ms: UInt64 = 1_000_000
private let second: UInt64 = 1_000_000_000

/// One turn on a service of a container's port 80, ended at `at`.
private func turn(
    _ latency: UInt64, at: Instant, role: Role = .served, flags: Turn.Flags = [], container: UInt64 = 1,
    transfer: UInt64 = 0
) -> TurnObservation {
    TurnObservation(
        service: ServiceKey(container: container, role: role, port: 80), socket: UInt32(truncatingIfNeeded: at),
        sequence: 1, flags: flags,
        start: at - latency, end: at, transfer: transfer)
}

@Suite struct WouldFireTests {
    private func level(_ engine: TriggerEngine, _ threshold: UInt64) -> WouldFire.Level {
        engine.wouldFire.levels.first { $0.threshold == threshold }!
    }

    @Test func countsTurnsByRoleAndMergesThoseCloseTogether() {
        let engine = TriggerEngine(rule: .absolute(10 * second), after: 5 * second, cap: 60 * second)
        // Twelve quick ones for each slow one, so that being slow is no habit.
        for minute in 1...10 as ClosedRange<UInt64> {
            let at = minute * 60 * second
            for quick in 0..<12 as Range<UInt64> { _ = engine.completed(turn(2 * ms, at: at + quick * ms)) }
            _ = engine.completed(turn(350 * ms, at: at + second))
            // 3 s later, and so the same incident.
            _ = engine.completed(turn(900 * ms, at: at + 4 * second, role: .called))
        }
        #expect(engine.wouldFire.judged == 140)
        #expect(level(engine, 300 * ms).served == 10 && level(engine, 300 * ms).called == 10)
        #expect(level(engine, 300 * ms).incidents == 10)
        #expect(level(engine, 800 * ms).served == 0 && level(engine, 800 * ms).called == 10)
        #expect(level(engine, 800 * ms).incidents == 10)
        #expect(level(engine, 1000 * ms).called == 0 && level(engine, 1000 * ms).incidents == 0)
    }

    @Test func oneThatGoesOnIsCutAtTheCap() {
        let engine = TriggerEngine(rule: .absolute(10 * second), after: 5 * second, cap: 60 * second)
        for step in 0..<50 as Range<UInt64> {
            let at = 1000 * second + step * 4 * second
            // On a container each: no service makes a habit of it.
            _ = engine.completed(turn(500 * ms, at: at, container: step + 1))
        }
        // 196 s of turns 4 s apart: one incident a cap and the step after it.
        #expect(level(engine, 500 * ms).incidents == 4)
    }

    @Test func whatTheTriggerWouldNotJudgeIsLeftOut() {
        let engine = TriggerEngine(rule: .absolute(10 * second))
        _ = engine.completed(turn(900 * ms, at: 10 * second, flags: .aborted))
        _ = engine.completed(turn(900 * ms, at: 20 * second, role: .unknown))
        _ = engine.completed(turn(900 * ms, at: 30 * second, flags: .stream, transfer: 880 * ms))
        #expect(engine.wouldFire.judged == 1)
        #expect(level(engine, 20 * ms).served == 1 && level(engine, 30 * ms).served == 0)
    }

    @Test func aServiceThatIsSlowByHabitIsNoIncidentUpToWhatIsUsualThere() {
        let engine = TriggerEngine(rule: .absolute(10 * second))
        var at = 10 * second
        for _ in 0..<60 {
            at += second / 2
            _ = engine.completed(turn(250 * ms, at: at))
        }
        let learned = level(engine, 200 * ms).served
        #expect(learned == 50)
        for _ in 0..<60 {
            at += second / 2
            _ = engine.completed(turn(250 * ms, at: at))
        }
        _ = engine.completed(turn(900 * ms, at: at + 20 * second))
        #expect(level(engine, 200 * ms).served == learned)
        #expect(level(engine, 800 * ms).served == 1)
        #expect(level(engine, 800 * ms).incidents == 1)
    }
}
