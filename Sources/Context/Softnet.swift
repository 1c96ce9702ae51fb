import Analysis
import Events

/// /proc/net/softnet_stat: a line a CPU, hexadecimal: processed, dropped, time_squeeze, then nine columns of no use here,
/// and since Linux 5.10 the CPU's number (net/core/net-procfs.c, softnet_seq_show).
enum Softnet {
    static func parse(_ text: UnsafeRawBufferPointer, at now: Instant) -> [SoftnetReading] {
        var readings: [SoftnetReading] = []
        text.lines { line in
            var values: [UInt64] = []
            line.words { word in
                guard let value = word.hexadecimal else { return false }
                values.append(value)
                return true
            }
            guard values.count >= 3 else { return true }
            // Before the number was there, offline CPUs were left out and nobody knew which: the line is the best guess.
            let cpu = values.count >= 13 ? values[12] : UInt64(readings.count)
            guard let number = UInt16(exactly: cpu) else { return true }
            readings.append(
                SoftnetReading(
                    at: now, cpu: number, processed: values[0], dropped: values[1], squeezed: values[2]))
            return true
        }
        return readings
    }
}
