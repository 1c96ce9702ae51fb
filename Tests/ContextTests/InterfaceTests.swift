import Analysis
import Foundation
import Testing

@testable import Context

@Suite struct InterfaceTests {
    /// What Linux 6.18 answered for a virtio interface (family 21), as `recv` gave it; and the end of its dump.
    private let virtio = bytes(
        """
        540000001500020002000000e46b00001401000018000180080001000400000009000200657468300000000008000200
        0000000008000300010000000800060000000000080007000100000005000b0000000000140000000300020002000000
        e46b000000000000
        """)

    private static func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.filter(\.isHexDigit).compactMap(\.hexDigitValue).map { UInt8($0) }
        return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    private static func bytes<T: FixedWidthInteger>(_ number: T) -> [UInt8] {
        withUnsafeBytes(of: number) { Array($0) }
    }

    /// A reply of family 21 with these attributes.
    private func reply(_ attributes: [UInt8]) -> [UInt8] {
        let body: [UInt8] = [0x14, 1, 0, 0] + attributes
        return Self.bytes(UInt32(16 + body.count)) + Self.bytes(UInt16(21)) + [UInt8](repeating: 0, count: 10) + body
    }

    @Test func aRecordedAnswer() throws {
        let found = InterfaceSettings.parse(virtio, family: 21)
        var expected = Coalescing(interface: "eth0")
        (expected.rxMicroseconds, expected.rxFrames, expected.adaptiveRX) = (0, 1, false)
        (expected.txMicroseconds, expected.txFrames) = (0, 1)
        #expect(found == [expected])
        #expect(expected.longestWait == nil, "each packet interrupts")
        #expect(InterfaceSettings.parse(virtio, family: 22).isEmpty)
    }

    @Test func severalInterfacesInOneDatagram() {
        func named(_ name: String, _ microseconds: UInt32) -> [UInt8] {
            let header = GenericNetlink.attribute(2, Array(name.utf8) + [0])
            return reply(
                GenericNetlink.attribute(1 | 1 << 15, header)
                    + GenericNetlink.attribute(2, Self.bytes(microseconds))
                    + GenericNetlink.attribute(11, [1]) + GenericNetlink.attribute(19, Self.bytes(UInt32(900)))
                    + GenericNetlink.attribute(3, [1, 2]) + GenericNetlink.attribute(999, []))
        }
        let found = InterfaceSettings.parse(named("eth0", 100) + named("enp1s0f0np0", 0), family: 21)
        #expect(found.map(\.interface) == ["eth0", "enp1s0f0np0"])
        #expect(found.map(\.rxMicroseconds) == [100, 0])
        #expect(found.map(\.adaptiveRX) == [true, true])
        #expect(found.map(\.rxFrames) == [nil, nil], "of another size")
        #expect(found.map(\.longestWait) == [900_000, 900_000])
    }

    @Test func cutAnywhereItOnlyKnowsLess() {
        for length in 0..<virtio.count {
            let found = InterfaceSettings.parse(Array(virtio[..<length]), family: 21)
            #expect(found.count <= 1)
        }
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            var bytes = virtio
            bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0...255, using: &generator)
            #expect(InterfaceSettings.parse(bytes, family: 21).count <= 2)
        }
    }

    @Test func bothWaysOfAskingAgreeOnThisHost() throws {
        let settings = InterfaceSettings()
        settings.refresh()
        let ioctl = try #require(InterfaceSettings.throughIoctl())
        #expect(settings.coalescing.map(\.interface).sorted() == ioctl.map(\.interface).sorted())
        for one in settings.coalescing {
            let other = try #require(ioctl.first { $0.interface == one.interface })
            #expect(one.rxMicroseconds ?? 0 == other.rxMicroseconds && one.rxFrames ?? 0 == other.rxFrames)
        }
    }

    @Test func interruptsOfEachKindOfDevice() throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "flightrec-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: root) }
        func write(_ path: String, _ text: String) throws {
            let file = URL(filePath: "\(root)/\(path)")
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
        func interrupt(_ number: Int, _ actions: String, _ count: String) throws {
            try write("kernel/irq/\(number)/actions", actions + "\n")
            try write("kernel/irq/\(number)/per_cpu_count", count + "\n")
        }
        func link(_ name: String, _ device: String, _ packets: Int) throws {
            try write("class/net/\(name)/statistics/rx_packets", "\(packets)\n")
            try FileManager.default.createDirectory(
                atPath: "\(root)/devices/\(device)", withIntermediateDirectories: true)
            try FileManager.default.createSymbolicLink(
                atPath: "\(root)/class/net/\(name)/device", withDestinationPath: "\(root)/devices/\(device)")
        }
        try link("eth0", "pci0/virtio2", 70)
        for number in 37...39 { try write("devices/pci0/msi_irqs/\(number)", "msix\n") }
        try interrupt(37, "virtio2-config", "5,5")
        try interrupt(38, "virtio2-input.0", "3,4")
        try interrupt(39, "virtio2-output.0", "9,9")
        try link("eth1", "pci1", 8)
        try write("devices/pci1/irq", "11\n")
        try interrupt(11, "eth1", "0,2,100")
        try link("eth2", "pci2", 1)
        try write("devices/pci2/irq", "0\n")
        try write("class/net/lo/statistics/rx_packets", "1\n")
        #expect(PhysicalInterface.names(root: root) == ["eth0", "eth1", "eth2"])
        let scratch = ScratchBuffer()
        let virtio = try #require(PhysicalInterface("eth0", root: root, scratch)).read(at: 6, scratch)
        #expect(virtio == InterfaceReading(at: 6, interface: "eth0", interrupts: 7, packets: 70))
        let line = try #require(PhysicalInterface("eth1", root: root, scratch)).read(at: 6, scratch)
        #expect(line?.interrupts == 102)
        #expect(PhysicalInterface("eth2", root: root, scratch) == nil)
        #expect(PhysicalInterface("lo", root: root, scratch) == nil)
    }
}
