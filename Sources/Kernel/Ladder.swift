import CLibBPF
import Glibc

/// Chooses a rung for every hook: what BTF offers, then what the kernel accepts in a trial load and attach.
struct Ladder {
    /// Hooks this kernel may have a need of.
    private let known: [Hook]
    /// Hook name → rungs left to try, best first.
    private var left: [String: [Hook.Rung]] = [:]
    /// Hook name → why its last rung was refused.
    private var refused: [String: String] = [:]
    private let forcedByAddress: Bool
    let features: KernelFeatures

    /// Rungs BTF knows; nothing is loaded yet. `options`: those given of the ones that ask for hooks; `nil`: all.
    init(btf: borrowing KernelBTF, options: Set<String>?, debug: ProbeDebug) {
        features = KernelFeatures(btf: btf)
        forcedByAddress = debug.stateByAddress || !features.socketStorage
        var needed: [Hook] = []
        for hook in Hook.all {
            if let function = hook.onlyWith, !btf.has(function: function) { continue }
            if let option = hook.option, options?.contains(option) == false { continue }
            needed.append(hook)
            if debug.without.contains(hook.name) {
                left[hook.name] = []
                refused[hook.name] = "left out by FLIGHTREC_WITHOUT"
                continue
            }
            if hook.ofThreads, !features.threadStorage {
                left[hook.name] = []
                refused[hook.name] = "this kernel has no storage for threads: Linux 5.13 or newer is needed"
                continue
            }
            var rungs = hook.rungs
            if let only = debug.rung, rungs.contains(where: { $0.type == only }) { rungs.removeAll { $0.type != only } }
            left[hook.name] = rungs.filter { $0.programs.allSatisfy { btf.has($0) } }
            if left[hook.name]?.isEmpty ?? true {
                if rungs.contains(where: { $0.programs.allSatisfy { btf.hasTarget(of: $0) } }) {
                    let titles = Set(rungs.map(\.title)).sorted().joined(separator: ", ")
                    refused[hook.name] = "\(titles) tells less in this kernel"
                } else {
                    let missing = rungs.flatMap(\.programs).filter { !btf.hasTarget(of: $0) }.map {
                        "\($0.type)/\($0.target)"
                    }
                    refused[hook.name] = "not in this kernel: \(Set(missing).sorted().joined(separator: ", "))"
                }
            }
        }
        known = needed
    }

    /// Kprobes may not touch socket storage, and all hooks share one state.
    var byAddress: Bool {
        forcedByAddress || hooks.contains { !$0.refines && left[$0.name]?.first?.type == .kprobe }
    }

    /// Hooks there is need of, by the rungs the others stand on.
    var hooks: [Hook] {
        known.filter { hook in hook.needlessWith.flatMap { rung($0)?.type } != .tracepoint }
    }

    /// The rung a hook stands on; `nil` when none is left.
    func rung(_ hook: String) -> Hook.Rung? {
        guard let rung = left[hook]?.first, !isTooDear(rung, hook) else { return nil }
        return hook == "walk-open" && byAddress ? Hook.walkByAddress : rung
    }

    /// A kprobe for a little more exactness, where no other hook is one.
    private func isTooDear(_ rung: Hook.Rung, _ hook: String) -> Bool {
        rung.type == .kprobe && known.contains { $0.name == hook && $0.refines } && !byAddress
    }

    var programs: Set<String> { Set(hooks.flatMap { rung($0.name)?.programs.map(\.name) ?? [] }) }

    /// Steps down from the rung a hook stands on.
    mutating func refuse(_ hook: String, because reason: String) {
        guard let rungs = left[hook], !rungs.isEmpty else { return }
        left[hook] = Array(rungs.dropFirst())
        refused[hook] = reason
    }

    private var refinements: [Hook] { known.filter { $0.refines || $0.option != nil } }

    /// Steps down where the kernel takes no program of the type on its target at all. Of what no recording needs alone: the rest
    /// is taken nearly always, and where it is not, the load of all says so.
    mutating func askForRefinements(_ btf: borrowing KernelBTF) {
        for hook in refinements {
            while let rung = rung(hook.name) {
                do throws(KernelError) {
                    for program in rung.programs { try TrialProgram(program).load(btf) }
                    break
                } catch {
                    refuse(hook.name, rung, error)
                }
            }
        }
    }

    /// After a failed load of them all: tries those alone that nothing works without, and steps down where one is refused. The
    /// others are of no use where one of these has no rung left.
    mutating func tryEssential() {
        for hook in known where hook.essential {
            tryAlone(hook)
            if rung(hook.name) == nil { return }
        }
    }

    /// The same of all others.
    mutating func tryEach() {
        for hook in known where !hook.essential { tryAlone(hook) }
    }

    /// The same of what no recording needs: it must not make all others be tried one by one, which takes a second. False: that
    /// was not it.
    mutating func tryRefinements() -> Bool {
        let rungs = refinements.compactMap { rung($0.name) }
        guard !rungs.isEmpty, (try? load(rungs)) == nil else { return false }
        for hook in refinements { tryAlone(hook) }
        return true
    }

    /// A trial.
    private func load(_ rungs: [Hook.Rung]) throws(KernelError) {
        try ProbeObject(
            programs: Set(rungs.flatMap { $0.programs.map(\.name) }),
            byAddress: byAddress || rungs.contains { $0.type == .kprobe }, features: features
        ).load()
    }

    private mutating func tryAlone(_ hook: Hook) {
        while let rung = rung(hook.name) {
            do throws(KernelError) {
                try load([rung])
                return
            } catch {
                refuse(hook.name, rung, error)
            }
        }
    }

    private mutating func refuse(_ hook: String, _ rung: Hook.Rung, _ error: KernelError) {
        if case .privilege = error {
            refuse(hook, because: "\(rung.title): the kernel refuses programs of this type (EPERM)")
        } else {
            refuse(hook, because: error.description)
        }
    }

    private func reason(_ hook: String) -> String? {
        let refused = refused[hook]
        guard left[hook]?.isEmpty == false else { return refused }
        return (refused.map { "\($0); " } ?? "") + "a kprobe alone would make all hooks slower"
    }

    var status: [HookStatus] {
        hooks.map { hook in
            let rung = rung(hook.name)
            return HookStatus(
                hook: hook.name, rung: rung?.title, essential: hook.essential,
                refines: hook.refines || hook.option != nil, option: hook.option, loss: rung == nil ? hook.loss : nil,
                reason: rung == nil ? reason(hook.name) : nil)
        }
    }

    /// Throws when nothing is left of what an option asks for.
    func checkAsked(_ option: String) throws(KernelError) {
        let hooks = known.filter { $0.option == option }
        guard let first = hooks.first, hooks.allSatisfy({ rung($0.name) == nil }) else { return }
        let target = first.rungs.first?.programs.first?.target ?? first.name
        throw .lacking(
            "\(option) needs fentry (CONFIG_FUNCTION_TRACER) or kprobes (CONFIG_KPROBES) on \(target), and this kernel lets"
                + " neither be used: leave \(option) out, or boot a kernel that has one of them; see `flightrec doctor`"
        )
    }

    /// Throws when what is left can't make turns.
    func checkUseful() throws(KernelError) {
        for hook in hooks where hook.essential && rung(hook.name) == nil {
            throw .unsupported("hook \(hook.name) can't attach (\(refused[hook.name] ?? "no rung")): \(hook.loss)")
        }
    }
}

/// Ways to make a kernel take another path than it would, to test that path.
public struct ProbeDebug: Sendable, Equatable {
    /// Where a hook has a rung of this type, no other.
    public var rung: RungType?
    /// Keep sockets' state in a map by address although no hook is a kprobe.
    public var stateByAddress: Bool
    /// Hooks to go without, as if this kernel had no rung for them.
    public var without: Set<String>

    public init(rung: RungType? = nil, stateByAddress: Bool = false, without: Set<String> = []) {
        self.rung = rung
        self.stateByAddress = stateByAddress
        self.without = without
    }

    /// From `FLIGHTREC_RUNG` (`tp_btf`, `fentry`, `kprobe`), `FLIGHTREC_STATE` (`address`) and `FLIGHTREC_WITHOUT` (hooks as
    /// `flightrec doctor` names them, with commas between); throws on other values.
    public init(environment: [String: String]) throws(KernelError) {
        self.init()
        if let name = environment["FLIGHTREC_RUNG"] {
            guard let rung = RungType(rawValue: name) else {
                throw .failed(operation: "FLIGHTREC_RUNG=\(name) (tp_btf, fentry or kprobe)", errno: EINVAL, log: "")
            }
            self.rung = rung
        }
        if let state = environment["FLIGHTREC_STATE"] {
            guard state == "address" else {
                throw .failed(operation: "FLIGHTREC_STATE=\(state) (only `address`)", errno: EINVAL, log: "")
            }
            stateByAddress = true
        }
        for name in (environment["FLIGHTREC_WITHOUT"] ?? "").split(separator: ",") {
            guard Hook.all.contains(where: { $0.name == name }) else {
                throw .failed(
                    operation: "FLIGHTREC_WITHOUT=\(name) (a hook of `flightrec doctor`)", errno: EINVAL, log: "")
            }
            without.insert(String(name))
        }
    }
}
