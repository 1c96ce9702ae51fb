import CLibBPF
import Glibc

/// Chooses a rung for every hook: what BTF offers, then what the kernel accepts in a trial load.
struct Ladder {
    /// Hook name → rung taken.
    private(set) var taken: [String: Hook.Rung] = [:]
    private(set) var refused: [String: String] = [:]

    var programs: Set<String> { Set(taken.values.map(\.program)) }

    /// Rungs BTF knows; nothing is loaded yet.
    init(btf: borrowing KernelBTF) {
        for hook in Hook.all {
            if let rung = hook.rungs.first(where: { btf.has($0) }) {
                taken[hook.name] = rung
            } else {
                refused[hook.name] = "not in this kernel: " + hook.rungs.compactMap(\.target).joined(separator: ", ")
            }
        }
    }

    /// After a failed load of them all: tries each alone, and steps down where one is refused.
    mutating func tryEach(btf: borrowing KernelBTF) {
        for hook in Hook.all {
            taken[hook.name] = nil
            for rung in hook.rungs where btf.has(rung) {
                do throws(KernelError) {
                    let trial = try ProbeObject(programs: [rung.program])
                    try trial.load()
                    taken[hook.name] = rung
                    refused[hook.name] = nil
                    break
                } catch {
                    refused[hook.name] = error.description
                }
            }
        }
    }

    /// A rung that loaded but would not attach.
    mutating func drop(_ hook: String, because reason: String) {
        taken[hook] = nil
        refused[hook] = reason
    }

    var status: [HookStatus] {
        Hook.all.map { hook in
            let rung = taken[hook.name]
            return HookStatus(
                hook: hook.name, rung: rung.map { "\($0.type)/\($0.target ?? $0.program)" }, essential: hook.essential,
                loss: rung == nil ? hook.loss : nil, reason: rung == nil ? refused[hook.name] : nil)
        }
    }

    /// Throws when what is left can't make turns.
    func checkUseful() throws(KernelError) {
        for hook in Hook.all where hook.essential && taken[hook.name] == nil {
            throw .unsupported("hook \(hook.name) can't attach (\(refused[hook.name] ?? "no rung")): \(hook.loss)")
        }
    }
}
