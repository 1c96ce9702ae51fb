import Analysis
import Events
import Testing

@testable import Trigger

private let second: UInt64 = 1_000_000_000
private let ms: UInt64 = 1_000_000

/// Under `auto`: a first request that takes long is a poll, or a hang.
@Suite struct LongPollTests {
    private func turn(
        _ total: UInt64, at end: UInt64, socket: SocketID = 1, sequence: UInt32 = 1, flags: Turn.Flags = [],
        unread: UInt64 = 0
    ) -> TurnObservation {
        TurnObservation(
            service: ServiceKey(container: 9, role: .served, port: 80), socket: socket, sequence: sequence,
            flags: flags, start: end - total, end: end, read: unread > 0 ? end - total + unread : 0)
    }

    /// After 40 short requests by `now`; before any: one.
    private func engine(learned: Bool, at now: UInt64 = 13 * second) -> TriggerEngine {
        let engine = TriggerEngine(rule: .auto)
        for index in 0..<UInt32(learned ? 40 : 1) {
            _ = engine.completed(turn(5 * ms, at: now - second + UInt64(index) * ms, sequence: 1 + index))
        }
        return engine
    }

    @Test func beforeAnyHistoryAHangIsJudgedAtItsEnd() {
        let engine = engine(learned: false)
        #expect(engine.open(turn(2 * second, at: 13 * second, socket: 2, flags: .open)) == nil)
        #expect(engine.completed(turn(5 * second, at: 16 * second, socket: 2)) != nil, "so far it is not usual")
        #expect(engine.open(turn(2 * second, at: 19 * second, socket: 2, sequence: 2, flags: .open)) != nil)
        // A connection that answered faster.
        _ = engine.completed(turn(5 * ms, at: 20 * second, socket: 3))
        #expect(engine.open(turn(2 * second, at: 23 * second, socket: 3, sequence: 2, flags: .open)) != nil)
        #expect(engine.habitual == 0)
    }

    @Test func itIsAPollOnceShortRequestsAreTheRule() {
        let engine = engine(learned: false)
        #expect(engine.open(turn(1100 * ms, at: 13 * second, socket: 2, flags: .open)) == nil)
        for index in 0..<UInt32(40) {
            _ = engine.completed(turn(5 * ms, at: 13 * second + UInt64(index) * ms, sequence: 2 + index))
        }
        #expect(engine.open(turn(2 * second, at: 14 * second, socket: 2, flags: .open)) == nil)
        #expect(engine.completed(turn(5 * second, at: 17 * second, socket: 2)) == nil)
        #expect(engine.habitual == 2)
    }

    @Test func whoGivesUpHadAHang() {
        let engine = engine(learned: false)
        #expect(engine.open(turn(2 * second, at: 13 * second, socket: 2, flags: .open)) == nil)
        let fact = engine.completed(turn(30 * second, at: 41 * second, socket: 2, flags: .aborted))
        #expect(fact?.kind == .latency && fact?.observed == 30 * second)
        #expect(engine.completed(turn(900 * ms, at: 41 * second, socket: 3, flags: .aborted)) == nil)
        // What fired while it hung does not again.
        #expect(engine.open(turn(2 * second, at: 80 * second, socket: 4, flags: .open)) != nil)
        #expect(engine.completed(turn(3 * second, at: 81 * second, socket: 4, flags: .aborted)) == nil)
        // Nor what is known to be a poll, or under an absolute threshold.
        let others = [self.engine(learned: true), TriggerEngine(rule: .absolute(200 * ms))]
        for other in others {
            #expect(other.completed(turn(30 * second, at: 41 * second, socket: 2, flags: .aborted)) == nil)
        }
    }

    @Test func whoWaitsOnFiresAfterTheFirstMinute() {
        let engine = engine(learned: false)
        for elapsed in 1...59 as ClosedRange<UInt64> {
            #expect(engine.open(turn(elapsed * second, at: (12 + elapsed) * second, socket: 2, flags: .open)) == nil)
        }
        #expect(engine.open(turn(60 * second, at: 72 * second + ms, socket: 2, flags: .open))?.kind == .inFlight)
        #expect(engine.open(turn(61 * second, at: 73 * second, socket: 2, flags: .open)) == nil)
    }

    @Test(arguments: [false, true]) func aHandshakeOrAnUnreadRequestIsNoPoll(learned: Bool) {
        let engine = engine(learned: learned)
        let at = 13 * second
        #expect(engine.open(turn(2 * second, at: at, socket: 2, flags: [.open, .connecting])) != nil)
        #expect(engine.open(turn(2 * second, at: at, socket: 3, flags: [.open, .unread])) != nil)
        #expect(engine.completed(turn(3 * second, at: at + second, socket: 3, unread: 2900 * ms)) != nil)
        #expect(engine.completed(turn(2 * second, at: at, socket: 4, flags: .connecting)) != nil)
        // The first exchange after a slow handshake, and the next.
        #expect(engine.open(turn(2 * second, at: at + 3 * second, socket: 4, sequence: 2, flags: .open)) == nil)
        let held = turn(5 * second, at: at + 6 * second, socket: 4, sequence: 2)
        #expect((engine.completed(held) == nil) == learned)
        let next = turn(2 * second, at: at + 9 * second, socket: 4, sequence: 3, flags: .open)
        #expect((engine.open(next) == nil) == learned)
        _ = engine.completed(turn(ms, at: at + 9 * second, socket: 4, sequence: 3))
        #expect(engine.open(turn(2 * second, at: at + 12 * second, socket: 4, sequence: 4, flags: .open)) != nil)
    }

    /// The application was busy for a moment, and then held the request as it always does.
    @Test func aPollThatWasReadLateIsAPollStill() {
        let engine = engine(learned: true)
        #expect(engine.open(turn(150 * ms, at: 13 * second, socket: 2, flags: [.open, .unread])) != nil)
        #expect(engine.completed(turn(30 * second, at: 43 * second, socket: 2, unread: 160 * ms)) == nil)
        // One that nobody met in flight.
        #expect(engine.completed(turn(1050 * ms, at: 43 * second, socket: 3, unread: second)) != nil)
    }

    /// A port for long polls only: what nobody takes is no poll there either.
    @Test func wherePollsAreTheRule() {
        let engine = TriggerEngine(rule: .absolute(200 * ms))
        for index in 0..<3 as Range<UInt64> { _ = engine.completed(turn(25 * second, at: (30 + index) * second)) }
        #expect(engine.open(turn(second, at: 40 * second, socket: 2, flags: .open)) == nil)
        #expect(engine.open(turn(second, at: 40 * second, socket: 3, flags: [.open, .unread])) != nil)
    }

    @Test func connectionsToFarPeersMakeRoomForPolls() {
        var slow = SlowConnections()
        let all = SocketID(SlowConnections.remembered)
        slow.note(1, 1, slow: true)
        for socket in 2...all as ClosedRange<SocketID> { slow.connected(socket, 1) }
        let far = slow.isFirst(all, 2)
        slow.connected(all + 1, 1)
        let refused = !slow.isFirst(all + 1, 2)
        slow.note(all + 2, 1, slow: true)
        #expect(far && refused)
        #expect(slow.contains(1, before: 2) && slow.contains(all + 2, before: 2) && !slow.isFirst(all, 2))
    }
}
