import ArgumentParser
import Foundation
import Glibc
import Kernel

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "What this host supports, and what is lost without it.",
        discussion: """
            Attaches every probe for a moment and lets go again. Exit code 0: ready; 4: a privilege is missing; \
            5: the kernel lacks what is needed.

            EXAMPLES:
              sudo flightrec doctor
              sudo flightrec doctor --json | jq '.hooks[] | select(.rung == null)'
            """)

    @Flag(help: "Print JSON.") var json = false

    struct Report: Encodable {
        var kernel: String
        var machine: String
        var btf: Bool
        var lockdown: String?
        var unprivilegedBPFDisabled: String
        var capabilities: [String: Bool]
        var usefulCapabilities: [UsefulCapability]
        /// `AppArmor docker-default`; nil when neither AppArmor nor SELinux confines this process.
        var confinedBy: String?
        var hooks: [HookStatus]
        var ready: Bool
        var problem: String?
    }

    func run() throws {
        var name = utsname()
        uname(&name)
        let capabilities = Capabilities()
        var report = Report(
            kernel: Self.text(name.release), machine: Self.text(name.machine),
            btf: access("/sys/kernel/btf/vmlinux", R_OK) == 0,
            lockdown: Self.file("/sys/kernel/security/lockdown"),
            unprivilegedBPFDisabled: Self.file("/proc/sys/kernel/unprivileged_bpf_disabled") ?? "not available",
            capabilities: ["CAP_BPF": capabilities.bpf, "CAP_PERFMON": capabilities.perfmon],
            usefulCapabilities: UsefulCapability.ofThisProcess() ?? [],
            confinedBy: SecurityPolicy(process: "/proc/self").map { "\($0.module.rawValue) \($0.name)" },
            hooks: [], ready: false,
            problem: nil)
        var code: Int32 = 0
        do throws(KernelError) {
            let probes = try Probes(
                filter: ProbeFilter(), survey: true,
                debug: ProbeDebug(environment: ProcessInfo.processInfo.environment))
            try probes.findSoftirqThreads()
            report.hooks = probes.status
            report.ready = true
        } catch {
            // Not its own name as the next step.
            report.problem = error.description
                .replacing(", or see `flightrec doctor`", with: "").replacing("; see `flightrec doctor`", with: "")
            switch error {
            case .privilege, .refused: code = Exit.privilege
            case .unsupported, .lacking: code = Exit.unsupported
            case .failed: code = Exit.failed
            }
        }
        if json {
            let encoder = JSONEncoder()
            encoder.keyEncodingStrategy = .convertToSnakeCase
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            Terminal.print(String(decoding: try encoder.encode(report), as: UTF8.self))
        } else {
            Self.render(report)
        }
        if code != 0 { throw ExitCode(code) }
    }

    private static func render(_ report: Report) {
        let width = (report.hooks.map(\.hook.count) + [19]).max() ?? 0
        func line(_ name: String, _ value: String) {
            Terminal.print(name.padding(toLength: width + 2, withPad: " ", startingAt: 0) + value)
        }
        line("kernel", "\(report.kernel) \(report.machine)")
        line("BTF", report.btf ? "yes" : "no: /sys/kernel/btf/vmlinux is missing (CONFIG_DEBUG_INFO_BTF)")
        line("lockdown", report.lockdown ?? "not known: no such file, or it is closed: /sys/kernel/security/lockdown")
        for (name, has) in report.capabilities.sorted(by: { $0.key < $1.key }) { line(name, has ? "yes" : "no") }
        for one in report.usefulCapabilities { line(one.name, one.has ? "yes" : "no: \(one.loss)") }
        line("confined by", report.confinedBy ?? "neither AppArmor nor SELinux")
        Terminal.print("")
        for hook in report.hooks {
            if let rung = hook.rung {
                line(hook.hook, rung + (hook.option.map { " (only with \($0))" } ?? ""))
            } else {
                line(hook.hook, "missing: \(hook.loss ?? "") (\(hook.reason ?? "no reason given"))")
            }
        }
        if !report.hooks.isEmpty { Terminal.print("") }
        line("ready", report.ready ? "yes" : "no: \(report.problem ?? "")")
    }

    private static func file(_ path: String) -> String? {
        (try? String(contentsOfFile: path, encoding: .utf8))?.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private static func text<T>(_ tuple: T) -> String {
        withUnsafeBytes(of: tuple) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
