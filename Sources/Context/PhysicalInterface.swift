import Analysis
import Events
import Glibc

/// Counts what a physical interface receives, and its interrupts, from files of /sys kept open.
///
/// Not by a probe on every interrupt of the host: the question is asked only while something is slow, and a mean over the
/// 100 ms between two looks tells whether the interface interrupts packet by packet. Not from /proc/interrupts either, which
/// has a column a CPU and a line a device, of which few matter.
final class PhysicalInterface {
    /// Interrupts of one interface that are read: it has one a queue.
    private static let mostInterrupts = 32
    private let name: String
    private let packets: KernelFile
    private let interrupts: [KernelFile]

    /// `nil`: it is gone, or its interrupts are not told (SR-IOV parents, USB).
    init?(_ name: String, root: String = "/sys", _ scratch: ScratchBuffer) {
        let device = "\(root)/class/net/\(name)/device"
        let numbers = Self.numbers(device, scratch)
        interrupts = numbers.prefix(Self.mostInterrupts).compactMap { number in
            Self.isForSending("\(root)/kernel/irq/\(number)/actions", scratch)
                ? nil : KernelFile("\(root)/kernel/irq/\(number)/per_cpu_count")
        }
        guard !interrupts.isEmpty, let packets = KernelFile("\(root)/class/net/\(name)/statistics/rx_packets") else {
            return nil
        }
        self.name = name
        self.packets = packets
    }

    func read(at now: Instant, _ scratch: ScratchBuffer) -> InterfaceReading? {
        guard let packets = packets.read(scratch)?.decimal else { return nil }
        var count: UInt64 = 0
        for file in interrupts { count &+= file.read(scratch)?.sum ?? 0 }
        return InterfaceReading(at: now, interface: name, interrupts: count, packets: packets)
    }

    /// Interfaces with a device behind them, in order of name.
    static func names(root: String = "/sys") -> [String] {
        entries("\(root)/class/net").filter { access("\(root)/class/net/\($0)/device", F_OK) == 0 }.sorted()
    }

    /// Message-signalled interrupts of the device, or of the bus's below it (virtio); else its one line.
    private static func numbers(_ device: String, _ scratch: ScratchBuffer) -> [Int] {
        for directory in [device, "\(device)/.."] {
            let found = entries("\(directory)/msi_irqs").compactMap { Int($0) }.sorted()
            if !found.isEmpty { return found }
        }
        return scratch.read("\(device)/irq")?.decimal.flatMap { $0 > 0 ? [Int($0)] : nil } ?? []
    }

    /// By the name its driver gave it: `virtio2-output.0`, `eth0-tx-1`.
    private static func isForSending(_ actions: String, _ scratch: ScratchBuffer) -> Bool {
        guard let text = scratch.read(actions) else { return false }
        let name = String(decoding: text, as: UTF8.self).lowercased()
        return name.contains("output") || name.contains("config") || (name.contains("tx") && !name.contains("rx"))
    }

    private static func entries(_ directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names
    }
}

extension UnsafeRawBufferPointer {
    /// Of numbers apart by commas: `12,0,7`.
    var sum: UInt64 {
        var total: UInt64 = 0
        var start = 0
        while start < count {
            let end = self[start...].firstIndex(of: UInt8(ascii: ",")) ?? count
            total &+= UnsafeRawBufferPointer(rebasing: self[start..<end]).decimal ?? 0
            start = end + 1
        }
        return total
    }
}
