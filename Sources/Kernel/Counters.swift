import CFlightrec
import CLibBPF
import Events
import Glibc

/// Records by kind over all CPUs since the probes were attached.
public struct RecordCounters: Sendable, Equatable {
    /// Every attempt to report, indexed by `EventKind.rawValue`.
    public var emitted: [UInt64]
    /// Those the full ring refused. emitted = delivered + lost.
    public var lost: [UInt64]
    /// Times a socket's state could not be made for want of memory: what happened to it then was not told.
    public var untracked: UInt64 = 0
    /// Times the kernel did not run a program because the CPU was already in it (bpf_prog_info.recursion_misses), those
    /// of the softirq hooks apart: there a missed call only leaves a total short.
    public var skipped: UInt64 = 0

    /// Everything known not to have been told.
    public var totalMissed: UInt64 { totalLost + untracked + skipped }
    public var totalLost: UInt64 { lost.reduce(0, +) }
    public var totalEmitted: UInt64 { emitted.reduce(0, +) }
}

extension Probes {
    private static let cpus = Int(libbpf_num_possible_cpus())

    private func perCPU<Value: BitwiseCopyable>(
        _ map: String, key: UInt32, as type: Value.Type
    ) throws(KernelError) -> [Value] {
        var key = key
        // The kernel copies each CPU's value at a stride of 8 bytes' multiple; our structs are.
        let buffer = UnsafeMutableBufferPointer<Value>.allocate(capacity: max(Self.cpus, 1))
        defer { buffer.deallocate() }
        guard bpf_map_lookup_elem(try object.map(map), &key, buffer.baseAddress) == 0 else {
            throw .failed(operation: "reading map \(map)", errno: errno, log: "")
        }
        return Array(buffer)
    }

    /// Sums of all CPUs.
    public func counters() throws(KernelError) -> RecordCounters {
        var sum = RecordCounters(
            emitted: Array(repeating: 0, count: Int(FR_KINDS.rawValue)),
            lost: Array(repeating: 0, count: Int(FR_KINDS.rawValue)))
        for cpu in try perCPU("counters", key: 0, as: fr_counters.self) {
            withUnsafeBytes(of: cpu) { bytes in
                let words = bytes.bindMemory(to: UInt64.self)
                for kind in sum.emitted.indices {
                    sum.emitted[kind] &+= words[kind]
                    sum.lost[kind] &+= words[sum.emitted.count + kind]
                }
            }
            sum.untracked &+= cpu.untracked
        }
        sum.skipped = try skipped()
        return sum
    }

    /// Of the programs that count their own runs, on all CPUs.
    public func hotRuns() throws(KernelError) -> ProbeRuns {
        try perCPU("counters", key: 0, as: fr_counters.self).reduce(into: ProbeRuns()) { sum, cpu in
            sum.hot &+= cpu.runs
            sum.timed &+= cpu.timed
            sum.timedNanoseconds &+= cpu.timed_ns
        }
    }

    /// Sum over the programs of all hooks but the softirqs'.
    private func skipped() throws(KernelError) -> UInt64 {
        var sum: UInt64 = 0
        for program in attachedPrograms where !program.hasPrefix("softirq") {
            var info = bpf_prog_info()
            var size = UInt32(MemoryLayout<bpf_prog_info>.size)
            let descriptor = bpf_program__fd(try object.program(program))
            guard bpf_obj_get_info_by_fd(descriptor, &info, &size) == 0 else {
                throw .failed(operation: "asking for the state of \(program)", errno: errno, log: "")
            }
            sum &+= info.recursion_misses
        }
        return sum
    }

    /// Totals of every CPU and vector since attach: `[vector][cpu]`.
    public func softirqs() throws(KernelError) -> [[fr_softirq_total]] {
        var all: [[fr_softirq_total]] = []
        for vector in 0..<UInt32(FR_SOFTIRQ_VECTORS) {
            all.append(try perCPU("softirqs", key: vector, as: fr_softirq_total.self))
        }
        return all
    }
}
