import Foundation

/// Wall-clock times from nanoseconds since 1970-01-01 UTC, without a formatter's cost and locale.
public enum WallTime {
    /// `2026-11-23T16:52:04.188123456Z` (RFC 3339). Years 1677…2262, the range of `Int64` nanoseconds.
    public static func rfc3339(_ ns: Int64) -> String {
        let moment = Moment(ns)
        // Digit by digit: a capture's export writes millions of them.
        return String(unsafeUninitializedCapacity: 30) { bytes in
            var position = 0
            func put(_ value: UInt64, _ digits: Int, _ after: Unicode.Scalar) {
                var rest = value
                for index in (position..<position + digits).reversed() {
                    bytes[index] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
                    rest /= 10
                }
                bytes[position + digits] = UInt8(ascii: after)
                position += digits + 1
            }
            put(moment.year, 4, "-")
            put(moment.month, 2, "-")
            put(moment.day, 2, "T")
            put(moment.hour, 2, ":")
            put(moment.minute, 2, ":")
            put(moment.second, 2, ".")
            put(moment.fraction, 9, "Z")
            return position
        }
    }

    /// `2026-11-23 16:52:04.188`; `offset` seconds east of UTC.
    static func long(_ ns: Int64, offset: Int64 = 0) -> String {
        let parts = Parts(ns &+ offset &* 1_000_000_000)
        return "\(parts.date) \(parts.time).\(Format.padded(parts.fraction / 1_000_000, 3))"
    }

    /// `16:52:04.188123`, `digits` of the fraction of a second.
    static func clock(_ ns: Int64, digits: Int, offset: Int64 = 0) -> String {
        let parts = Parts(ns &+ offset &* 1_000_000_000)
        guard digits > 0 else { return parts.time }
        return "\(parts.time).\(Format.padded(parts.fraction, 9).prefix(digits))"
    }

    /// `11-23 16:52:04` or, without seconds, `11-23 16:52`.
    static func short(_ ns: Int64, seconds: Bool, offset: Int64 = 0) -> String {
        let parts = Parts(ns &+ offset &* 1_000_000_000)
        return "\(parts.date.dropFirst(5)) \(seconds ? parts.time : String(parts.time.prefix(5)))"
    }

    /// Seconds east of UTC at `ns` in the process's time zone; 0 in a style of UTC times.
    static func offset(_ ns: Int64, _ style: Style) -> Int64 {
        guard style.localTime else { return 0 }
        let date = Date(timeIntervalSince1970: Double(ns) / 1e9)
        return Int64(TimeZone.current.secondsFromGMT(for: date))
    }

    private struct Parts {
        var date: String
        var time: String
        /// ns within the second.
        var fraction: UInt64

        init(_ ns: Int64) {
            let moment = Moment(ns)
            func two(_ value: UInt64) -> String { Format.padded(value, 2) }
            date = "\(Format.padded(moment.year, 4))-\(two(moment.month))-\(two(moment.day))"
            time = "\(two(moment.hour)):\(two(moment.minute)):\(two(moment.second))"
            fraction = moment.fraction
        }
    }

    private struct Moment {
        var year: UInt64
        var month: UInt64
        var day: UInt64
        var hour: UInt64
        var minute: UInt64
        var second: UInt64
        /// ns within the second.
        var fraction: UInt64

        init(_ ns: Int64) {
            let second: Int64 = 1_000_000_000
            var seconds = ns / second
            var rest = ns % second
            if rest < 0 {
                rest += second
                seconds -= 1
            }
            var days = seconds / 86400
            var daytime = seconds % 86400
            if daytime < 0 {
                daytime += 86400
                days -= 1
            }
            fraction = UInt64(rest)
            hour = UInt64(daytime / 3600)
            minute = UInt64(daytime / 60 % 60)
            self.second = UInt64(daytime % 60)
            // Days to a proleptic Gregorian date, in eras of 400 years that begin on 1 March.
            let shifted = days + 719_468
            let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
            let dayOfEra = shifted - era * 146_097
            let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
            let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
            let shiftedMonth = (5 * dayOfYear + 2) / 153
            day = UInt64(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
            let civil = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
            month = UInt64(civil)
            year = UInt64(max(yearOfEra + era * 400 + (civil <= 2 ? 1 : 0), 0))
        }
    }
}
