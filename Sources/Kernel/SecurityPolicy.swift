import Foundation

/// What AppArmor or SELinux holds a process to, when one of them does.
public struct SecurityPolicy: Equatable, Sendable {
    public enum Module: String, Sendable {
        case appArmor = "AppArmor"
        case seLinux = "SELinux"
    }
    public var module: Module
    /// The profile (apparmor(7)) or the context (selinux(8)), as the kernel writes it, without the mode.
    public var name: String

    /// Of the process whose directory this is, e.g. `/proc/self`; `nil` when none of the two confines it, or /proc does not tell.
    public init?(process directory: String) {
        func read(_ file: String) -> String? {
            try? String(contentsOfFile: "\(directory)/attr/\(file)", encoding: .utf8)
        }
        // The first is AppArmor's own, since 5.8. The other belongs to whichever module comes first (proc_pid_attr(5)).
        guard let text = read("apparmor/current") ?? read("current") else { return nil }
        self.init(label: text)
    }

    /// From the text of such a file: `docker-default (enforce)`, `system_u:system_r:container_t:s0:c1,c2`.
    init?(label text: String) {
        let label = text.trimmingCharacters(in: .whitespacesAndNewlines.union(["\0"]))
        if let mode = label.range(of: " (", options: .backwards) {
            // In the mode "complain" it logs and refuses nothing; "unconfined" is a profile's mode, too.
            guard ["enforce", "kill", "mixed"].contains(label[mode.upperBound...].dropLast()) else { return nil }
            self.init(module: .appArmor, name: String(label[..<mode.lowerBound]))
        } else if label.split(separator: ":").count >= 3 {
            self.init(module: .seLinux, name: label)
        } else {
            return nil
        }
    }

    private init(module: Module, name: String) {
        self.module = module
        self.name = name
    }

    /// That it refuses what flightrec needs, with the next step.
    var refusal: String {
        switch module {
        case .appArmor:
            "the AppArmor profile \(name) refuses CAP_BPF or CAP_PERFMON to this process, which has them: add `capability bpf,"
                + " capability perfmon, capability syslog,` to it, or start the container with --security-opt apparmor=unconfined"
                + " (`journalctl -k` tells what it refused)"
        case .seLinux:
            "bpf(2) is refused though the capabilities are there, to all likelihood by SELinux, of a process with the context"
                + " \(name): start the container with --security-opt label=disable (`ausearch -m avc` tells what it refused)"
        }
    }
}
