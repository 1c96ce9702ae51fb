import Glibc

/// Names of kernel functions, from /proc/kallsyms (kernel/kallsyms.c). Its addresses read as 0 without CAP_SYSLOG, or
/// under kernel.kptr_restrict: then nothing has a name.
public enum KernelSymbols {
    /// The function each address lies in. Read as a stream: the file has some hundred thousand lines, and nothing of it is
    /// kept between two incidents.
    public static func names(of addresses: Set<UInt64>, file: String = "/proc/kallsyms") -> [UInt64: String] {
        guard !addresses.isEmpty, let stream = fopen(file, "re") else { return [:] }
        defer { fclose(stream) }
        let wanted = addresses.sorted()
        var best = [(start: UInt64, name: String)](repeating: (0, ""), count: wanted.count)
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        while true {
            let length = getline(&line, &capacity, stream)
            guard length > 0, let line else { break }
            guard let (start, name) = parse(UnsafeBufferPointer(start: line, count: length)) else { continue }
            let index = firstIndex(in: wanted, notBelow: start)
            if index < wanted.count, start >= best[index].start {
                best[index] = (start, String(decoding: name, as: UTF8.self))
            }
        }
        var found: [UInt64: String] = [:]
        var last = (start: UInt64(0), name: "")
        for (index, address) in wanted.enumerated() {
            // A symbol is noted for the next address above it alone; those further up may have none nearer.
            if best[index].start >= last.start { last = best[index] }
            if last.start > 0 { found[address] = last.name }
        }
        return found
    }

    /// `ffffffff81000000 T _text [module]`: functions only.
    private static func parse(_ line: UnsafeBufferPointer<CChar>) -> (start: UInt64, name: [UInt8])? {
        var start: UInt64 = 0
        var at = 0
        while at < line.count, let digit = hexDigit(line[at]) {
            start = start << 4 | digit
            at += 1
        }
        guard start > 0, at + 3 < line.count, [0x54, 0x74, 0x57, 0x77].contains(line[at + 1]) else { return nil }
        let name = line[(at + 3)...].prefix { $0 > 0x20 }.map { UInt8(bitPattern: $0) }
        return (start, name)
    }

    private static func hexDigit(_ character: CChar) -> UInt64? {
        switch character {
        case 0x30...0x39: UInt64(character - 0x30)
        case 0x61...0x66: UInt64(character - 0x61 + 10)
        default: nil
        }
    }

    private static func firstIndex(in sorted: [UInt64], notBelow value: UInt64) -> Int {
        var low = 0
        var high = sorted.count
        while low < high {
            let middle = (low + high) / 2
            if sorted[middle] < value { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
