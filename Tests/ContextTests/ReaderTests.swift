import Containers
import Testing

@testable import Context

@Suite struct ReaderTests {
    private let second: UInt64 = 1_000_000_000

    @Test func filesOfWhatIsNotLookedAtAnyMoreAreClosed() {
        let reader = ContextReader(ContainerResolver())
        // The host is what every machine has.
        reader.schedule.setActive([0])
        reader.tick(at: 100 * second, slow: false)
        #expect(reader.opened == 1)
        reader.expire(before: 99 * second)
        #expect(reader.opened == 1)
        reader.schedule.setActive([])
        reader.tick(at: 130 * second, slow: false)
        reader.expire(before: 101 * second)
        #expect(reader.opened == 0)
        // It comes back.
        reader.schedule.setActive([0])
        reader.tick(at: 131 * second, slow: false)
        #expect(reader.opened == 1)
    }
}
