/// Figures as people read them. A figure and its unit are one word: wrapping keeps them together.
public enum Format {
    /// `812 ns`, `5.2 µs`, `812 ms`, `1.50 s`, `12.3 s`, `2 m 05 s`, `3 h 04 m`, `2 d 03 h`.
    /// - Parameters:
    ///   - ns: nanoseconds, the whole range of `UInt64`.
    ///   - utf8: false writes `us` for `µs`.
    public static func duration(_ ns: UInt64, utf8: Bool = true) -> String {
        if ns < 1000 { return "\(ns) ns" }
        for (unit, name) in [(UInt64(1000), utf8 ? "µs" : "us"), (1_000_000, "ms")] {
            // Rounding may carry into the next unit: 999.6 µs is 1.0 ms.
            if ns < unit * 100 - unit / 20 { return "\(decimal(ns, unit, 1)) \(name)" }
            if ns < unit * 1000 - unit / 2 { return "\(decimal(ns, unit, 0)) \(name)" }
        }
        let second: UInt64 = 1_000_000_000
        if ns < 9_995_000_000 { return "\(decimal(ns, second, 2)) s" }
        if ns < 59_950_000_000 { return "\(decimal(ns, second, 1)) s" }
        let seconds = ns / second + (ns % second >= second / 2 ? 1 : 0)
        if seconds < 3600 { return "\(seconds / 60) m \(padded(seconds % 60, 2)) s" }
        if seconds < 86400 { return "\(seconds / 3600) h \(padded(seconds / 60 % 60, 2)) m" }
        return "\(seconds / 86400) d \(padded(seconds / 3600 % 24, 2)) h"
    }

    /// `812 B`, `1.5 KiB`, `64.0 MiB`: powers of 1024, as `--keep` and `--memory` read them.
    public static func size(_ bytes: UInt64) -> String {
        if bytes < 1024 { return "\(bytes) B" }
        var unit: UInt64 = 1024
        for name in ["KiB", "MiB", "GiB"] {
            if bytes < unit * 1024 - unit / 20 { return "\(decimal(bytes, unit, 1)) \(name)" }
            unit *= 1024
        }
        return "\(decimal(bytes, unit, 1)) TiB"
    }

    /// `1,234,567`.
    public static func count(_ value: some BinaryInteger) -> String {
        var digits = String(value.magnitude)
        var groups: [String] = []
        while digits.count > 3 {
            groups.insert(String(digits.suffix(3)), at: 0)
            digits.removeLast(3)
        }
        return (value < 0 ? "-" : "") + ([digits] + groups).joined(separator: ",")
    }

    /// `98.4 %`; `<0.1 %` for what would round to nothing, `100 %` only for all of it. `share` is 0…1; others are clamped.
    public static func share(_ share: Double) -> String {
        guard share.isFinite, share > 0 else { return "0.0 %" }
        if share >= 1 { return "100 %" }
        let permille = UInt64((share * 1000).rounded())
        if permille == 0 { return "<0.1 %" }
        if permille >= 1000 { return ">99.9 %" }
        return "\(permille / 10).\(permille % 10) %"
    }

    /// `3.0` in at most `places` decimals, for factors and rates; `0` when not finite.
    public static func factor(_ value: Double, places: Int = 1) -> String {
        guard value.isFinite, value >= 0, value < 1e12 else { return "0" }
        var scale: UInt64 = 1
        for _ in 0..<places { scale *= 10 }
        return decimal(UInt64((value * Double(scale)).rounded()), scale, places)
    }

    /// `value / unit` rounded half up to `places` decimals.
    private static func decimal(_ value: UInt64, _ unit: UInt64, _ places: Int) -> String {
        var scale: UInt64 = 1
        for _ in 0..<places { scale *= 10 }
        // Whole part and rest apart, so that no product overflows.
        var whole = value / unit
        var part = (Double(value % unit) * Double(scale) / Double(unit)).rounded()
        if part >= Double(scale) {
            whole += 1
            part = 0
        }
        return places == 0 ? "\(whole)" : "\(whole).\(padded(UInt64(part), places))"
    }

    static func padded(_ value: UInt64, _ digits: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}
