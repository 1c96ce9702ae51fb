import Analysis
import CFlightrec
import CaptureFixtures
import Events
import Testing

@testable import Capture

@Suite struct CollectorTests {
    private let ms: UInt64 = 1_000_000

    private func collected(_ slices: [fr_slice]) throws -> [Slice] {
        let origin = CaptureFixture.origin
        var collector = EventCollector(from: origin, to: origin + CaptureFixture.second)
        for slice in slices {
            try collector.add(.slice, records: withUnsafeBytes(of: slice) { Array($0) }, count: 1)
        }
        var evidence = Evidence(
            id: "t", clock: ClockPair(monotonic: origin, wall: 1), askedFrom: 0, askedTo: 0, from: origin,
            to: origin + CaptureFixture.second)
        collector.finish(into: &evidence)
        return evidence.slices
    }

    @Test func whatIsNotKnownOfAThreadStandsBesideASliceOfTheSameBeginning() throws {
        let sleep = CaptureFixture.slice(10 * ms, 40 * ms, container: 1)
        var gap = CaptureFixture.slice(10 * ms, 90 * ms, container: 1)
        gap.why = UInt8(FR_OFF_FORGOTTEN.rawValue)
        for order in [[sleep, gap], [gap, sleep]] {
            #expect(try collected(order).map(\.why) == [.sleep, .forgotten])
        }
    }

    @Test func ofWhatIsToldAgainTheLongestIsKept() throws {
        let open = CaptureFixture.slice(10 * ms, 40 * ms, container: 1, isOpen: true)
        let whole = CaptureFixture.slice(10 * ms, 90 * ms, container: 1)
        for order in [[open, whole], [whole, open]] {
            let kept = try collected(order)
            #expect(kept.count == 1 && kept[0].end == CaptureFixture.origin + 90 * ms && !kept[0].isOpen)
        }
    }
}
