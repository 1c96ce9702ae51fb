import Analysis
import Foundation
import Glibc
import Testing

@testable import Capture

@Suite struct StoreTests {
    private let scratch: Scratch
    private let store: CaptureStore

    init() throws {
        scratch = try Scratch()
        store = CaptureStore(try scratch.directory())
    }

    @discardableResult
    private func publish(
        _ id: String, container: String = "redis", trigger: TriggerFact.Kind = .latency, startedAt: Int64 = 0
    ) throws -> String {
        let fixture = try Fixture(id: id, container: container, trigger: trigger, startedAt: startedAt)
        return try CaptureWriter.publish(
            incident: fixture.incident, blocks: fixture.blocks, into: store.directory
        ).path
    }

    @Test func listsNewestFirstWithStates() throws {
        let first = try publish("20260101T000000Z-aa")
        let second = try publish("20260102T000000Z-bb")
        try Data("no".utf8).write(to: URL(fileURLWithPath: scratch.path + "/0.flightrec"))
        try store.pin(path: first)
        let list = try store.list()
        #expect(list.map(\.id) == ["20260102T000000Z-bb", "20260101T000000Z-aa", "0"])
        #expect(list.map(\.state) == [.ok, .ok, .foreign])
        #expect(list.map(\.pinned) == [false, true, false])
        #expect(list[0].summary?.container.name == "redis")
        #expect(list[2].summary == nil)
        #expect(list[2].problem.contains("not a SQLite file"))
        let size = try FileManager.default.attributesOfItem(atPath: second)[.size] as? UInt64
        #expect(list[0].bytes == size)
    }

    /// As a user who may read what all may; as one already, or by this thread's own id for files (setfsuid(2)).
    private func asNobody<Value>(_ body: () throws -> Value) rethrows -> Value {
        guard geteuid() == 0, let symbol = dlsym(nil, "setfsuid") else { return try body() }
        let become = unsafeBitCast(symbol, to: (@convention(c) (UInt32) -> Int32).self)
        _ = become(65534)
        defer { _ = become(0) }
        return try body()
    }

    @Test func whatMayNotBeReadIsNotCalledDamaged() throws {
        let secret = try publish("20260101T000000Z-aa")
        try publish("20260102T000000Z-bb")
        chmod(secret, 0)
        let list = try asNobody { try store.list() }
        #expect(list.map(\.state) == [.ok, .unreadable])
        #expect(list[1].problem == "not permitted: run with sudo" && list[1].summary == nil)
        #expect(throws: CaptureError.denied(path: secret)) { try asNobody { try CaptureReader.open(secret) } }
        #expect(CaptureError.denied(path: secret).description.contains("run with sudo"))
        // Nobody knows what it is: it is not the one to make room.
        let policy = RetentionPolicy(maximumCount: 0)
        #expect(policy.plan(for: list, now: 0, free: .max).evictions.map(\.capture.id) == [list[0].id])
        // A directory whose names can be read, and nothing else, is not an empty one.
        chmod(scratch.path, 0o744)
        defer { chmod(scratch.path, 0o755) }
        #expect(throws: CaptureError.denied(path: scratch.path)) { try asNobody { try store.list() } }
        chmod(scratch.path, 0o700)
        #expect(throws: CaptureError.denied(path: scratch.path)) { try asNobody { try store.list() } }
    }

    @Test func resolvesNames() throws {
        let first = try publish("20260101T000000Z-aa")
        let second = try publish("20260102T000000Z-bb")
        #expect(try store.resolve("20260101T000000Z-aa") == first)
        #expect(try store.resolve("20260101") == first)
        #expect(try store.resolve("latest") == second)
        #expect(try store.resolve(first) == first)
        #expect(try store.resolve("20260101T000000Z-aa.flightrec") == first)
        #expect(
            throws: CaptureError.ambiguous("2026", matches: ["20260102T000000Z-bb", "20260101T000000Z-aa"])
        ) { try store.resolve("2026") }
        for name in ["3", "", "/nowhere/x.flightrec", "x.flightrec"] {
            #expect(throws: CaptureError.notFound(name)) { try store.resolve(name) }
        }
        let empty = CaptureStore(try CaptureDirectory(preparing: scratch.path + "/empty"))
        #expect(throws: CaptureError.notFound("latest")) { try empty.resolve("latest") }
    }

    @Test func pinsWithoutTouchingTheCapture() throws {
        let path = try publish("a")
        let before = try Data(contentsOf: URL(fileURLWithPath: path))
        try store.pin(path: path)
        try store.pin(path: path)
        #expect(CaptureStore.inspect(path)?.pinned == true)
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
        try store.unpin(path: path)
        try store.unpin(path: path)
        #expect(CaptureStore.inspect(path)?.pinned == false)
        try store.pin(path: path)
        try store.delete(path: path)
        #expect(try scratch.names().isEmpty)
        #expect(throws: CaptureError.notFound(path)) { try store.delete(path: path) }
        #expect(throws: CaptureError.notFound(path)) { try store.pin(path: path) }
    }

    /// Three of `noisy`, two of `quiet`, each a second apart.
    private func fill() throws -> UInt64 {
        try publish("1", container: "quiet", startedAt: 1_000_000_000)
        try publish("2", container: "noisy", startedAt: 2_000_000_000)
        try publish("3", container: "noisy", startedAt: 3_000_000_000)
        try publish("4", container: "quiet", startedAt: 4_000_000_000)
        try publish("5", container: "noisy", startedAt: 5_000_000_000)
        return try store.list()[0].bytes
    }

    private func ids(_ policy: RetentionPolicy, now: Int64 = 6_000_000_000, free: UInt64 = .max) throws -> [String] {
        policy.plan(for: try store.list(), now: now, free: free).evictions.map(\.capture.id)
    }

    @Test func removesTheOldestOfTheNoisiest() throws {
        let size = try fill()
        #expect(try ids(RetentionPolicy()).isEmpty)
        #expect(try ids(RetentionPolicy(maximumCount: 4)) == ["2"])
        // After one, both containers hold two: the one with the oldest gives next, then the noisy one again.
        #expect(try ids(RetentionPolicy(maximumCount: 1)) == ["2", "1", "3", "4"])
        #expect(try ids(RetentionPolicy(maximumBytes: size * 4 + size / 2)) == ["2"])
        #expect(try ids(RetentionPolicy(freeBytes: size * 2), free: size) == ["2"])
        #expect(try ids(RetentionPolicy(freeBytes: size * 6), free: size).count == 5)
        #expect(try ids(RetentionPolicy(maximumAge: 3_500_000_000)) == ["1", "2"])
    }

    @Test func pinnedAndManualStay() throws {
        _ = try fill()
        try publish("0", container: "noisy", trigger: .manual)
        try store.pin(path: store.resolve("2"))
        let plan = try store.plan(RetentionPolicy(maximumAge: 0, maximumCount: 0))
        #expect(plan.evictions.map(\.capture.id) == ["1", "3", "4", "5"])
        #expect(plan.unmet == [.count])
        // A plan removes nothing; enforcing it does, and a second time finds nothing more.
        #expect(try store.list().count == 6)
        #expect(try store.enforce(RetentionPolicy(maximumCount: 0)).evictions.count == 4)
        #expect(try store.list().map(\.id) == ["2", "0"])
        #expect(try store.enforce(RetentionPolicy(maximumCount: 0)).evictions.isEmpty)
    }

    @Test func foreignAndNewerFilesAreNotOursToRemove() throws {
        try Data("no".utf8).write(to: URL(fileURLWithPath: scratch.path + "/x.flightrec"))
        try Data().write(to: URL(fileURLWithPath: scratch.path + "/empty.flightrec"))
        let plan = try store.plan(RetentionPolicy(maximumCount: 0))
        #expect(plan.evictions.map(\.capture.id) == ["empty"])
        #expect(plan.unmet == [.count])
    }

    /// Else whoever fills the disk takes all that was caught, and there is no more room than before.
    @Test func noneGoesForRoomThatAllOfThemWouldNotMake() throws {
        let size = try fill()
        let policy = RetentionPolicy(freeBytes: size * 6 + 1, maximumCount: 4)
        let plan = policy.plan(for: try store.list(), now: 0, free: size)
        #expect(plan.evictions.map(\.capture.id) == ["2"] && plan.evictions.map(\.reason) == [.count])
        #expect(plan.unmet == [.free])
        // Neither for what is coming.
        #expect(
            RetentionPolicy(freeBytes: size * 6).plan(for: try store.list(), now: 0, free: size, incoming: 1).evictions
                .isEmpty)
    }

    @Test func whatCannotBeRemovedIsPassedOver() throws {
        _ = try fill()
        let first = try store.resolve("2")
        let policy = RetentionPolicy(maximumCount: 4)
        #expect(
            policy.plan(for: try store.list(), now: 0, free: .max, fixed: [first]).evictions.map(\.capture.id) == ["1"])
    }

    @Test func roomIsMadeForWhatIsComing() throws {
        let size = try fill()
        let policy = RetentionPolicy(maximumBytes: size * 5 + size / 2, maximumCount: 5)
        let captures = try store.list()
        #expect(policy.plan(for: captures, now: 0, free: .max).evictions.isEmpty)
        #expect(policy.plan(for: captures, now: 0, free: .max, incoming: size).evictions.count == 1)
    }
}
