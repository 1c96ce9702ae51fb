import Analysis
import CaptureFixtures
import Foundation
import Testing

@testable import Capture

/// A capture of `flightrec demo`, one byte of it changed or its end missing.
@Suite struct FlipTests {
    private static let good: [UInt8] = {
        let url = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Captures/demo.flightrec")
        return (try? Data(contentsOf: url)).map { [UInt8]($0) } ?? []
    }()

    /// SplitMix64: the same flips every time.
    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var value = state
            value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
            value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
            return value ^ value >> 31
        }
    }

    private func refusal(_ path: String) -> CaptureError? {
        do throws(CaptureError) {
            _ = try CaptureReader.open(path)
            return nil
        } catch {
            return error
        }
    }

    /// The release binary is asked of many more: Tests/live/flips.test.
    @Test func everyFlipIsNoticed() throws {
        let scratch = try Scratch()
        let path = scratch.path + "/case.flightrec"
        var bytes = Self.good
        var generator = Generator(state: 1)
        #expect(bytes.count > 100_000)
        try Data(bytes).write(to: URL(filePath: path))
        #expect(refusal(path) == nil)
        let file = try FileHandle(forUpdating: URL(filePath: path))
        for _ in 0..<300 {
            let offset = Int.random(in: 0..<bytes.count, using: &generator)
            let was = bytes[offset]
            bytes[offset] ^= UInt8.random(in: 1...255, using: &generator)
            try file.seek(toOffset: UInt64(offset))
            try file.write(contentsOf: [bytes[offset]])
            guard case .unreadable(_, let state, let why)? = refusal(path) else {
                Issue.record("byte \(offset) from \(was) to \(bytes[offset]) is not noticed")
                return
            }
            #expect(state != .ok && !why.isEmpty)
            bytes[offset] = was
            try file.seek(toOffset: UInt64(offset))
            try file.write(contentsOf: [was])
        }
        #expect(refusal(path) == nil)
    }

    @Test func everyTruncationIsNoticed() throws {
        let scratch = try Scratch()
        let path = scratch.path + "/case.flightrec"
        try Data(Self.good).write(to: URL(filePath: path))
        let file = try FileHandle(forUpdating: URL(filePath: path))
        for length in stride(from: Self.good.count - 1, through: 0, by: -61) {
            try file.truncate(atOffset: UInt64(length))
            guard case .unreadable(_, .truncated, _)? = refusal(path) else {
                Issue.record("\(length) bytes are taken for a capture")
                return
            }
        }
    }

    /// Behind a forged seal: whatever it then says, it comes to an end.
    @Test func flipsBehindTheSealNeverCrash() throws {
        let scratch = try Scratch()
        let path = scratch.path + "/case.flightrec"
        var generator = Generator(state: 99)
        var refused = 0
        for _ in 0..<150 {
            var bytes = Self.good
            bytes[Int.random(in: 0..<bytes.count, using: &generator)] ^= UInt8.random(in: 1...255, using: &generator)
            try Data(bytes).write(to: URL(filePath: path))
            try reseal(path)
            do throws(CaptureError) {
                let reader = try CaptureReader.open(path)
                _ = try reader.incident()
                _ = analyze(try reader.evidence())
            } catch {
                refused += 1
            }
        }
        #expect(refused > 15)
    }
}
