import Testing

@testable import Recorder

@Suite struct WaitingCapturesTests {
    @Test func twoAlwaysHaveAPlaceAndFurtherOnesWithinTheLimit() {
        let waiting = WaitingCaptures()
        #expect(waiting.admit(100, limit: 50))
        #expect(waiting.admit(100, limit: 50))
        #expect(!waiting.admit(1, limit: 200))
        #expect(waiting.admit(1, limit: 201))
        #expect(waiting.count == 3)
        waiting.leave(100)
        #expect(waiting.admit(50, limit: 201))
        #expect(!waiting.admit(51, limit: 201))
        for bytes: UInt64 in [100, 1, 50] { waiting.leave(bytes) }
        #expect(waiting.count == 0)
        #expect(waiting.admit(.max, limit: 0))
        #expect(waiting.admit(.max, limit: 0))
        #expect(!waiting.admit(1, limit: .max))
    }
}
