import Analysis
import CaptureFixtures
import Foundation
import GRDB
import Glibc
import Testing

@testable import Capture

/// Captures that claim more than can be: more bytes than anybody wrote, more time than there was.
@Suite struct ClaimTests {
    private let scratch: Scratch
    private let path: String

    init() throws {
        scratch = try Scratch()
        let fixture = try Fixture()
        path = try CaptureWriter.publish(
            incident: fixture.incident, blocks: fixture.blocks, into: scratch.directory()
        ).path
    }

    /// Says in the header that the file has 2^28 pages, and makes it that long: 1 TiB, of which a few hundred KiB exist.
    private func inflate() throws {
        let file = open(path, O_RDWR | O_CLOEXEC)
        try #require(file >= 0)
        defer { close(file) }
        var header = [UInt8](repeating: 0, count: 100)
        try #require(pread(file, &header, header.count, 0) == header.count)
        let pageSize = UInt64(header[16]) << 8 | UInt64(header[17])
        let length = pageSize << 28
        var status = stat()
        try #require(fstat(file, &status) == 0)
        // The old seal would be in the middle of it.
        try #require(ftruncate(file, status.st_size - off_t(CaptureSeal.size)) == 0)
        let pages: [UInt8] = [0x10, 0, 0, 0]
        try #require(pwrite(file, pages, 4, 28) == 4)
        try #require(ftruncate(file, off_t(length + CaptureSeal.size)) == 0)
    }

    @Test(.timeLimit(.minutes(1))) func aTebibyteOfHolesIsRefusedAtOnce() throws {
        try inflate()
        let error = #expect(throws: CaptureError.self) { try CaptureReader.open(path) }
        #expect(error?.description.contains("its seal is not that of its contents") == true)
    }

    @Test(.timeLimit(.minutes(1))) func aTebibyteOfHolesWithItsSealIsReadAtOnce() throws {
        let before = try CaptureReader.open(path).summary()
        try inflate()
        try reseal(path)
        let reader = try CaptureReader.open(path)
        #expect(try reader.summary() == before)
        #expect(try reader.evidence().turns.count > 100)
    }

    private func threads(_ times: String, _ blocked: String) throws -> [ThreadStage]? {
        let queue = try DatabaseQueue(path: path)
        try queue.write { db in
            try db.execute(
                sql: "INSERT INTO finding VALUES ('thread', 1, ?)",
                arguments: [
                    """
                    {"blocked":\(blocked),"frozen":0,"queued":0,"reclaim":0,\(times),"stack":[],"stage":"application",
                    "stopped":0,"throttled":0,"tid":7}
                    """
                ])
        }
        try queue.close()
        try reseal(path)
        return try CaptureReader.open(path).incident()?.threads
    }

    @Test func aThreadsTimesAreReadAsTheyAre() throws {
        let found = try threads("\"running\":1000", "[{\"syscall\":\"futex\",\"time\":800000000}]")
        #expect(found?.map(\.running) == [1000])
        #expect(found?.first?.blocked.map(\.time) == [800_000_000])
    }

    /// The fixture's capture ends 60 s after its host began.
    @Test(arguments: [
        ("\"running\":60000000001", "[]"),
        ("\"running\":30000000000", "[{\"syscall\":\"futex\",\"time\":30000000001}]"),
        ("\"running\":18446744073709551615", "[{\"syscall\":\"futex\",\"time\":2}]"),
    ])
    func timesThatCannotBeAreRefused(_ times: String, _ blocked: String) throws {
        let error = #expect(throws: CaptureError.self) { try threads(times, blocked) }
        #expect(error?.description.contains("longer than the host was up") == true)
    }
}
