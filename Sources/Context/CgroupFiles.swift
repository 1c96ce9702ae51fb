import Analysis
import Containers
import Events

/// The cgroup files of one container, kept open. Which of the two hierarchies has a file is asked once: what a file does
/// not say at first it never will.
final class CgroupFiles {
    private let events: KernelFile?
    private let freezer: KernelFile?
    private let cpu: KernelFile?
    private let memoryEvents: KernelFile?
    private let failures: KernelFile?
    private let kills: KernelFile?
    private let memory: KernelFile?
    private let limit: KernelFile?
    private let cpuPressure: KernelFile?
    private let memoryPressure: KernelFile?
    private let ioPressure: KernelFile?
    /// Descriptors one container may take.
    static let most = 11

    init(_ place: CgroupPlace, _ scratch: ScratchBuffer) {
        func v2(_ name: String) -> KernelFile? { place.unified.flatMap { KernelFile("\($0)/\(name)") } }
        func v1(_ controller: String, _ name: String) -> KernelFile? {
            place.controllers[controller].flatMap { KernelFile("\($0)/\(name)") }
        }
        events = v2("cgroup.events")
        freezer = v1("freezer", "freezer.state")
        // v2 has a cpu.stat without the controller too, but no throttling in it.
        cpu = [v2("cpu.stat"), v1("cpu", "cpu.stat")].compactMap(\.self)
            .first { $0.read(scratch)?.value(of: "nr_throttled") != nil }
        memoryEvents = v2("memory.events")
        failures = v1("memory", "memory.failcnt")
        kills = v1("memory", "memory.oom_control")
        memory = v2("memory.current") ?? v1("memory", "memory.usage_in_bytes")
        limit = v2("memory.max") ?? v1("memory", "memory.limit_in_bytes")
        cpuPressure = v2("cpu.pressure")
        memoryPressure = v2("memory.pressure")
        ioPressure = v2("io.pressure")
    }

    /// The host's own: pressures alone (/proc/pressure, kernels with CONFIG_PSI).
    init(host: Void) {
        (events, freezer, cpu, memoryEvents, failures, kills, memory, limit) = (nil, nil, nil, nil, nil, nil, nil, nil)
        cpuPressure = KernelFile("/proc/pressure/cpu")
        memoryPressure = KernelFile("/proc/pressure/memory")
        ioPressure = KernelFile("/proc/pressure/io")
    }

    /// What they say now. A file that is gone meanwhile is as one that never was.
    func sample(_ container: ContainerKey, at now: Instant, _ scratch: ScratchBuffer) -> ContainerSample {
        var sample = ContainerSample(at: now, container: container)
        sample.frozen = (events?.read(scratch)?.value(of: "frozen")).map { $0 != 0 }
        // A hybrid host has both freezers; either one stops the container.
        if let state = freezer?.read(scratch) {
            sample.frozen = sample.frozen == true || state.starts(with: "FROZEN") || state.starts(with: "FREEZING")
        }
        if let text = cpu?.read(scratch) {
            sample.throttled = text.value(of: "throttled_usec").map { $0 &* 1000 } ?? text.value(of: "throttled_time")
            sample.throttledPeriods = text.value(of: "nr_throttled")
        }
        if let text = memoryEvents?.read(scratch) {
            sample.memoryHigh = text.value(of: "high")
            sample.memoryMax = text.value(of: "max")
            sample.memoryKills = text.value(of: "oom_kill")
        }
        if let text = failures?.read(scratch) { sample.memoryMax = text.decimal }
        if let text = kills?.read(scratch) { sample.memoryKills = text.value(of: "oom_kill") }
        sample.memory = memory?.read(scratch)?.decimal
        sample.memoryLimit = (limit?.read(scratch)?.decimal).flatMap { $0 >= Self.unlimited ? nil : $0 }
        sample.cpuPressure = cpuPressure?.read(scratch)?.pressure
        sample.memoryPressure = memoryPressure?.read(scratch)?.pressure
        sample.ioPressure = ioPressure?.read(scratch)?.pressure
        return sample
    }

    /// v1 writes "no limit" as the largest multiple of a page in a signed 64-bit number (PAGE_COUNTER_MAX).
    private static let unlimited: UInt64 = 1 << 62
}
