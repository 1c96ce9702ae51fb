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
