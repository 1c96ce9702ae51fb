import Containers
import Foundation
import Testing

@testable import Context

/// Directories that look like the cgroups of each layout.
@Suite struct FilesTests {
    private final class Tree {
        let path = FileManager.default.temporaryDirectory.appending(path: "flightrec-\(UUID().uuidString)").path
        func write(_ file: String, _ text: String) throws {
            let target = URL(filePath: "\(path)/\(file)")
            try FileManager.default.createDirectory(
                at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: target)
        }
        deinit { try? FileManager.default.removeItem(atPath: path) }
    }
    private let tree = Tree()
    private let scratch = ScratchBuffer()

    @Test func unified() throws {
        try tree.write("u/cgroup.events", "populated 1\nfrozen 1\n")
        try tree.write("u/cpu.stat", "usage_usec 5\nnr_periods 9\nnr_throttled 4\nthrottled_usec 250\n")
        try tree.write("u/memory.events", "low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\n")
        try tree.write("u/memory.current", "1000\n")
        try tree.write("u/memory.max", "max\n")
        try tree.write("u/io.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=6\n")
        let files = CgroupFiles(CgroupPlace(unified: tree.path + "/u", controllers: [:]), scratch)
        let sample = files.sample(7, at: 8, scratch)
        #expect(sample.container == 7 && sample.at == 8 && !sample.network)
        #expect(sample.frozen == true)
        #expect(sample.throttled == 250_000 && sample.throttledPeriods == 4)
        #expect(sample.memoryHigh == 1 && sample.memoryMax == 2 && sample.memoryKills == 4)
        #expect(sample.memory == 1000 && sample.memoryLimit == nil)
        #expect(sample.ioPressure == 6000 && sample.cpuPressure == nil && sample.memoryPressure == nil)
        try tree.write("u/memory.current", "2000\n")
        #expect(files.sample(7, at: 9, scratch).memory == 2000)
    }

    /// Freezer, cpu and memory are v1's; pressure is told by the v2 tree beside them.
    @Test func hybrid() throws {
        try tree.write("u/cgroup.events", "populated 1\nfrozen 0\n")
        try tree.write("u/cpu.stat", "usage_usec 5\n")
        try tree.write("u/cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=3\n")
        try tree.write("cpu/cpu.stat", "nr_periods 9\nnr_throttled 4\nthrottled_time 250\n")
        try tree.write("freezer/freezer.state", "FREEZING\n")
        try tree.write("memory/memory.failcnt", "11\n")
        try tree.write("memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
        try tree.write("memory/memory.usage_in_bytes", "4096\n")
        try tree.write("memory/memory.limit_in_bytes", "9223372036854771712\n")
        let place = CgroupPlace(
            unified: tree.path + "/u",
            controllers: [
                "cpu": tree.path + "/cpu", "freezer": tree.path + "/freezer", "memory": tree.path + "/memory",
            ])
        let sample = CgroupFiles(place, scratch).sample(7, at: 8, scratch)
        #expect(sample.frozen == true)
        #expect(sample.throttled == 250 && sample.throttledPeriods == 4)
        #expect(sample.memoryHigh == nil && sample.memoryMax == 11 && sample.memoryKills == 1)
        #expect(sample.memory == 4096 && sample.memoryLimit == nil)
        #expect(sample.cpuPressure == 3000)
        try tree.write("memory/memory.limit_in_bytes", "67108864\n")
        #expect(CgroupFiles(place, scratch).sample(7, at: 8, scratch).memoryLimit == 64 << 20)
    }

    @Test func aCgroupThatIsGoneSaysNothing() {
        let files = CgroupFiles(CgroupPlace(unified: tree.path + "/none", controllers: [:]), scratch)
        #expect(files.sample(7, at: 8, scratch) == .init(at: 8, container: 7))
    }

    @Test func aProcessIsFoundBelowTheContainer() throws {
        try tree.write("c/cgroup.procs", "")
        try tree.write("c/init.scope/cgroup.procs", "4711\n4712\n")
        #expect(NetworkFiles.firstProcess(tree.path + "/c", scratch, depth: 2) == 4711)
        #expect(NetworkFiles.firstProcess(tree.path + "/c", scratch, depth: 0) == nil)
    }

    @Test func ownNamespaceIsRead() throws {
        let files = try #require(NetworkFiles(process: "/proc/self"))
        var counters = NetworkCounters()
        var names: Set<String> = []
        #expect(files.read(scratch, &counters) { name, value in if value > 0 { names.insert(name) } })
        #expect(NetworkFiles(process: "/proc/0") == nil)
    }
}
