import Glibc

/// Capabilities that are not needed, and what is lost without them (tried: Tests/live/service.test).
struct UsefulCapability: Encodable {
    var name: String
    var has: Bool
    /// Without it.
    var loss: String

    /// linux/capability.h
    private static let all: [(name: String, number: UInt64, loss: String)] = [
        ("CAP_SYSLOG", 34, "kernel stacks have no names"),
        ("CAP_DAC_READ_SEARCH", 2, "containers whose runtime's files are closed to this user have ids for names"),
    ]

    /// Of this process; `nil` when /proc does not tell.
    static func ofThisProcess() -> [UsefulCapability]? {
        guard let file = fopen("/proc/self/status", "re") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 512)
        while fgets(&line, Int32(line.count), file) != nil {
            let text = line.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
            guard text.hasPrefix("CapEff:") else { continue }
            let digits = text.dropFirst(7).filter(\.isHexDigit)
            guard let bits = UInt64(digits, radix: 16) else { return nil }
            return all.map { UsefulCapability(name: $0.name, has: bits & (1 << $0.number) != 0, loss: $0.loss) }
        }
        return nil
    }
}
