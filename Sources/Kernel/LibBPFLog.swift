import CLibBPF
import CLinux
import Glibc
import Synchronization

/// libbpf's own messages, kept for the error that follows them instead of going to stderr.
enum LibBPFLog {
    private static let lines = Mutex<[String]>([])
    /// Verifier logs run to megabytes; their end holds the reason.
    private static let limit = 40

    static func install() {
        _ = libbpf_set_print { level, format, arguments in
            guard level != LIBBPF_DEBUG, let format, let arguments else { return 0 }
            // One message, the verifier's whole log in it.
            guard let message = flightrec_format(format, arguments) else { return 0 }
            defer { free(message) }
            LibBPFLog.append(String(cString: message))
            return 0
        }
    }

    private static func append(_ text: String) {
        lines.withLock { lines in
            lines.append(contentsOf: text.split(separator: "\n").suffix(limit).map(String.init))
            if lines.count > limit { lines.removeFirst(lines.count - limit) }
        }
    }

    /// Takes what was logged since the last call.
    static func take() -> String {
        lines.withLock { lines in
            defer { lines.removeAll() }
            return lines.suffix(6).joined(separator: "\n")
        }
    }
}
