import Foundation
import Glibc

/// Names captures so that they sort by time.
enum CaptureID {
    /// `20261123T165204Z-a1b2c3`.
    static func make(wall: Int64) -> String {
        var seconds = time_t(wall / 1_000_000_000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        let stamp = String(
            format: "%04d%02d%02dT%02d%02d%02dZ", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
            parts.tm_min, parts.tm_sec)
        return "\(stamp)-\(String(format: "%06x", UInt32.random(in: 0..<(1 << 24))))"
    }
}
