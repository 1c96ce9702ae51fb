import CLibBPF
import Glibc

/// What the kernel refused, in words with the next step.
public enum KernelError: Error, Sendable, Equatable, CustomStringConvertible {
    /// CAP_BPF or CAP_PERFMON is missing. Exit code 4.
    case privilege(String)
    /// bpf(2) is refused although the capabilities are there; in words with the next step. Exit code 4.
    case refused(String)
    /// The kernel lacks BTF or a hook nothing can replace. Exit code 5.
    case unsupported(String)
    /// The kernel has nothing for what an option asks for; in words with the next step. Exit code 5.
    case lacking(String)
    /// libbpf or the kernel failed otherwise.
    case failed(operation: String, errno: Int32, log: String)

    public var description: String {
        switch self {
        case .privilege(let what):
            "\(what): needs CAP_BPF and CAP_PERFMON: run with sudo, or see `flightrec doctor`"
        case .refused(let what), .lacking(let what): what
        case .unsupported(let what): "this kernel can't run flightrec: \(what); see `flightrec doctor`"
        case .failed(let operation, let errno, let log):
            "\(operation): \(String(cString: strerror(errno)))" + (log.isEmpty ? "" : "\n\(log)")
        }
    }
}
