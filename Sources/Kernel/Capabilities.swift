import Glibc

/// What this process may do, from its effective set (`CapEff` in /proc/self/status, capabilities(7)).
public struct Capabilities: Sendable {
    private let bits: UInt64

    /// This process's; none when /proc is not mounted.
    public init() {
        bits = Self.effective(status: Self.read("/proc/self/status"))
    }

    /// Bits of the `CapEff` line; 0 without one.
    static func effective(status: String) -> UInt64 {
        let line = status.split(separator: "\n").first { $0.hasPrefix("CapEff:") }
        let digits = line?.dropFirst("CapEff:".count).drop { $0 == " " || $0 == "\t" }
        return digits.flatMap { UInt64($0, radix: 16) } ?? 0
    }

    // linux/capability.h
    private func has(_ number: UInt64) -> Bool { bits & (1 << number) != 0 }
    private var admin: Bool { has(21) }
    /// CAP_BPF, or CAP_SYS_ADMIN which includes it.
    public var bpf: Bool { has(39) || admin }
    /// CAP_PERFMON, or CAP_SYS_ADMIN which includes it.
    public var perfmon: Bool { has(38) || admin }

    private static func read(_ path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        return withUnsafeTemporaryAllocation(byteCount: 16384, alignment: 1) { buffer in
            String(decoding: buffer.prefix(fread(buffer.baseAddress, 1, buffer.count, file)), as: UTF8.self)
        }
    }
}
