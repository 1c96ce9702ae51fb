import CLinux
import Foundation
import Synchronization
import Testing

@testable import Capture

private final class Writer: Sendable {
    let finished = Atomic(false)
}

@Suite struct DirectoryTests {
    @Test func createsParentsAndLeavesNothing() throws {
        let scratch = try Scratch()
        let directory = try CaptureDirectory(preparing: scratch.path + "/a/b/c/")
        #expect(directory.path == scratch.path + "/a/b/c")
        #expect(try directory.names().filter { $0 != "." && $0 != ".." }.isEmpty)
    }

    @Test func aFileIsRefused() throws {
        let scratch = try Scratch()
        let path = scratch.path + "/file"
        try Data().write(to: URL(fileURLWithPath: path))
        for place in [path, path + "/below"] {
            let error = #expect(throws: CaptureError.self) { try CaptureDirectory(preparing: place) }
            #expect(error?.description.contains("not a directory") == true)
        }
        #expect(throws: CaptureError.self) { try CaptureDirectory(existing: scratch.path + "/none") }
    }

    @Test(.enabled(if: getuid() == 0)) func aReadOnlyFileSystemIsRefused() throws {
        let scratch = try Scratch()
        try #require(mount("tmpfs", scratch.path, "tmpfs", UInt(MS_RDONLY), "size=64k") == 0)
        defer { umount(scratch.path) }
        for place in [scratch.path, scratch.path + "/new"] {
            let error = #expect(throws: CaptureError.self) { try CaptureDirectory(preparing: place) }
            #expect(error?.description.contains("read-only") == true)
        }
    }

    @Test(.enabled(if: getuid() != 0)) func aDirectoryWithoutPermissionIsRefused() throws {
        let scratch = try Scratch()
        try #require(chmod(scratch.path, 0o500) == 0)
        defer { chmod(scratch.path, 0o700) }
        let error = #expect(throws: CaptureError.self) { try CaptureDirectory(preparing: scratch.path) }
        #expect(error?.description.contains("not permitted") == true)
    }

    @Test(.enabled(if: getuid() == 0)) func aFullDiskIsNamedAndNothingIsLeft() throws {
        let scratch = try Scratch()
        try #require(mount("tmpfs", scratch.path, "tmpfs", 0, "size=1m") == 0)
        defer { umount(scratch.path) }
        let directory = try scratch.directory()
        var fixture = try Fixture()
        fixture.incident.evidence.facts["big"] = String(repeating: "x", count: 2 << 20)
        let error = #expect(throws: CaptureError.self) {
            try CaptureWriter.publish(incident: fixture.incident, blocks: fixture.blocks, into: directory)
        }
        guard case .noSpace = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(try scratch.names().isEmpty)
    }

    @Test func sweepTakesWhatDiedAndSparesWhatLives() throws {
        let scratch = try Scratch()
        let directory = try scratch.directory()
        let fixture = try Fixture()
        let url = try CaptureWriter.publish(incident: fixture.incident, blocks: fixture.blocks, into: directory)
        let half = try Data(contentsOf: url).prefix(5000)
        for name in [".dead.flightrec.tmp", ".live.flightrec.tmp", "other.tmp"] {
            try half.write(to: URL(fileURLWithPath: scratch.path + "/" + name))
        }
        let live = open(scratch.path + "/.live.flightrec.tmp", O_RDONLY)
        defer { close(live) }
        try #require(flock(live, LOCK_EX) == 0)
        // A half-written file is never a capture.
        #expect(try CaptureStore(directory).list().map(\.path) == [url.path])
        #expect(try directory.sweep() == [".dead.flightrec.tmp"])
        #expect(try scratch.names() == [".live.flightrec.tmp", url.lastPathComponent, "other.tmp"].sorted())
    }

    /// Looks at the directory all the time while captures appear: every name seen must be a whole capture.
    @Test func nothingIsVisibleBeforeItIsWhole() async throws {
        let scratch = try Scratch()
        let directory = try scratch.directory()
        let writer = Writer()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { writer.finished.store(true, ordering: .releasing) }
                for number in 0..<40 {
                    let fixture = try Fixture(id: "c\(number)")
                    _ = try CaptureWriter.publish(incident: fixture.incident, blocks: fixture.blocks, into: directory)
                }
            }
            group.addTask {
                while !writer.finished.load(ordering: .acquiring) {
                    let captures = try CaptureStore(directory).list()
                    #expect(captures.allSatisfy { $0.state == .ok })
                }
            }
            try await group.waitForAll()
        }
        #expect(try CaptureStore(directory).list().count == 40)
    }
}
