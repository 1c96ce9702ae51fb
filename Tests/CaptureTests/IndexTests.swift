import Analysis
import Foundation
import Testing

@testable import Capture

@Suite struct IndexTests {
    private let scratch: Scratch
    private let store: CaptureStore
    private var index: String { scratch.path + "/.index" }

    init() throws {
        scratch = try Scratch()
        store = CaptureStore(try scratch.directory())
        let fixture = try Fixture(id: "20260101T000000Z-000", container: "redis", trigger: .latency, startedAt: 7)
        let first = try CaptureWriter.publish(
            incident: fixture.incident, blocks: fixture.blocks, into: store.directory)
        for number in 1..<CaptureIndex.worthwhile + 8 {
            let id = "20260101T000000Z-" + String(format: "%03d", number)
            try FileManager.default.copyItem(atPath: first.path, toPath: store.directory.file(id))
        }
    }

    /// The evidence's lines are the one thing a listing does without.
    private func withoutLines(_ captures: [StoredCapture]) -> [StoredCapture] {
        captures.map {
            var capture = $0
            capture.summary?.verdict.evidence = []
            return capture
        }
    }

    @Test func answersAsTheFilesDo() throws {
        let slow = try store.list()
        #expect(slow.count == CaptureIndex.worthwhile + 8)
        #expect(CaptureIndex(store.directory).read().count == slow.count)
        #expect(withoutLines(try store.list()) == withoutLines(slow))
        // And the second answer is the cache's.
        #expect(try store.list().allSatisfy { $0.summary?.verdict.evidence.isEmpty == true })
        #expect(slow.allSatisfy { $0.summary?.verdict.evidence.isEmpty == false })
    }

    @Test func aChangedFileIsReadAgain() throws {
        _ = try store.list()
        let path = store.directory.file("20260101T000000Z-003")
        let before = try Data(contentsOf: URL(fileURLWithPath: path))
        try Data("not a capture any more".utf8).write(to: URL(fileURLWithPath: path))
        #expect(try store.list().first { $0.path == path }?.state == .foreign)
        // The same size and time of modification, and yet another file.
        try before.write(to: URL(fileURLWithPath: path))
        let size = before.count
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try handle.write(contentsOf: Data(repeating: 0, count: size))
        try handle.close()
        #expect(try store.list().first { $0.path == path }?.state == .foreign)
        try FileManager.default.removeItem(atPath: path)
        #expect(try store.list().contains { $0.path == path } == false)
    }

    @Test func aBrokenOneIsNoHindrance() throws {
        let slow = try store.list()
        let good = try Data(contentsOf: URL(fileURLWithPath: index))
        for broken in [Data(), Data("nonsense".utf8), good.prefix(good.count / 2), Data(good.reversed())] {
            try broken.write(to: URL(fileURLWithPath: index))
            #expect(withoutLines(try store.list()) == withoutLines(slow))
            #expect(CaptureIndex(store.directory).read().count == slow.count, "made anew")
        }
    }

    @Test func isNoCaptureAndNoLeftover() throws {
        _ = try store.list()
        #expect(FileManager.default.fileExists(atPath: index))
        #expect(try store.directory.sweep().isEmpty)
        #expect(try store.directory.names().filter { $0.hasSuffix(CaptureDirectory.temporarySuffix) }.isEmpty)
    }
}
