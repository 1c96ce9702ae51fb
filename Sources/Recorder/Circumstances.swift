import BPFObject
import Foundation
import Glibc
import Window

/// Under what circumstances a capture was made, as its free facts: versions, host, and the configuration in effect.
enum Circumstances {
    static func facts(_ options: RecorderOptions) -> [String: String] {
        var name = utsname()
        uname(&name)
        var facts = [
            "flightrec": options.version,
            // Names the numbers of syscalls: `x86_64`, `aarch64`.
            "machine": text(of: name.machine), "kernel": text(of: name.release), "host": text(of: name.nodename),
            "bpf": bpfChecksum,
            "config.threshold": options.rule.description,
            "config.before": seconds(options.before), "config.after": seconds(options.after),
            "config.window": seconds(options.window), "config.memory": "\(options.memory >> 20)M",
            "config.host": options.filter.host ? "yes" : "no",
        ]
        // Tells captures of two boots apart: CLOCK_MONOTONIC begins anew (random(4)).
        if let boot = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8) {
            facts["boot"] = boot.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        if !options.choices.isEmpty {
            facts["config.container"] =
                options.choices.map { choice in
                    choice.pattern + (choice.rule.map { "=\($0.description)" } ?? "")
                }.joined(separator: " ")
        }
        if let overhead = options.maximumOverhead { facts["config.max-overhead"] = "\(overhead * 100)%" }
        if !options.filter.ports.isEmpty {
            facts["config.port"] = options.filter.ports.map(String.init).joined(separator: " ")
        }
        if !options.filter.pids.isEmpty {
            facts["config.pid"] = options.filter.pids.map(String.init).joined(separator: " ")
        }
        if options.filter.tcpReceive { facts["config.tcp-receive"] = "yes" }
        return facts
    }

    /// Which build of the BPF programs: CRC-32 of the object.
    private static let bpfChecksum: String = {
        let object = UnsafeRawBufferPointer(start: flightrec_bpf_object_data, count: Int(flightrec_bpf_object_size))
        return String(format: "%08x", CRC32.checksum(object))
    }()

    private static func seconds(_ nanoseconds: UInt64) -> String {
        nanoseconds % 1_000_000_000 == 0 ? "\(nanoseconds / 1_000_000_000)s" : "\(Double(nanoseconds) / 1e9)s"
    }

    private static func text<Bytes>(of bytes: Bytes) -> String {
        withUnsafeBytes(of: bytes) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
