import Kernel

extension Recorder {
    /// What is missing here, a line for each reason: a kernel without one thing may lack a dozen hooks for it.
    static func lacking(_ hooks: [HookStatus]) -> [String] {
        var reasons: [(reason: String, names: [String], losses: [String])] = []
        for hook in hooks where hook.rung == nil && (!hook.refines || hook.option != nil) {
            let reason = hook.reason ?? "not available"
            let index = reasons.firstIndex { $0.reason == reason } ?? reasons.endIndex
            if index == reasons.endIndex { reasons.append((reason, [], [])) }
            reasons[index].names.append(hook.hook)
            if let loss = hook.loss, !reasons[index].losses.contains(loss) { reasons[index].losses.append(loss) }
        }
        return reasons.map {
            "without \($0.names.joined(separator: ", ")): \($0.losses.joined(separator: "; ")) (\($0.reason))"
        }
    }
}
