/// What the programs use where a kernel has it, and do without where it has not.
struct KernelFeatures: Sendable, Equatable {
    /// Storage of sockets for programs that trace: 5.11, told by a helper that came with it (bpf_task_storage_get, then for security
    /// modules alone). Without it sockets' state lives by address.
    var socketStorage = true
    /// Storage of threads for programs that trace: 5.13. Without it nothing is known of what threads do.
    var threadStorage = true
    /// Functions of a program that helpers call: 5.13, told by the first such helper (bpf_for_each_map_elem). And atomic instructions
    /// that return what they found, of 5.12, which have no name to ask for. An older verifier refuses a program with either in it, reached
    /// or not.
    var callbacks = true

    /// By the helpers that the kernel's BTF names; all there is where it names none.
    init(helpers: Set<String>) {
        guard !helpers.isEmpty else { return }
        socketStorage = helpers.contains("task_storage_get")
        callbacks = helpers.contains("for_each_map_elem")
        threadStorage = callbacks
    }

    init(btf: borrowing KernelBTF) {
        self.init(helpers: Set(btf.enumNames("bpf_func_id", dropping: "BPF_FUNC_").values))
    }
}
