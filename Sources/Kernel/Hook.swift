/// One thing the recorder wants to know from the kernel, and the ways to learn it, best first.
///
/// A rung is chosen by asking the kernel (its BTF, then a trial load), never by version number.
public struct Hook: Sendable {
    /// One way to attach.
    struct Rung: Sendable {
        /// The BPF program's name in the object.
        var program: String
        /// `tp_btf`, `fentry`, `fexit` or `iter`.
        var type: String
        /// Kernel tracepoint or function it needs; `nil`: nothing to look up.
        var target: String?
    }

    public var name: String
    /// What is lost without it, in words for `doctor`.
    public var loss: String
    /// The recorder can't do its work without it.
    public var essential: Bool
    var rungs: [Rung]

    private init(_ name: String, essential: Bool = false, without loss: String, _ rungs: [Rung]) {
        self.name = name
        self.loss = loss
        self.essential = essential
        self.rungs = rungs
    }

    private static func tracepoint(_ program: String, _ target: String) -> Rung {
        Rung(program: program, type: "tp_btf", target: target)
    }
    private static func function(_ program: String, _ type: String, _ target: String) -> Rung {
        Rung(program: program, type: type, target: target)
    }

    static let all: [Hook] = [
        Hook(
            "data", essential: true, without: "arrival of data: no turns",
            [
                tracepoint("data_tp", "tcp_probe"),
                function("data_fentry", "fentry", "tcp_rcv_established"),
            ]),
        Hook(
            "woken", without: "when the reader was woken: TCP stack and receive queue are one stage",
            [
                tracepoint("woken_tp", "sk_data_ready"),
                function("woken_fentry", "fentry", "sock_def_readable"),
            ]),
        Hook(
            "read", essential: true, without: "when the application reads: no turns",
            [
                tracepoint("read_tp", "tcp_rcv_space_adjust"),
                function("read_fentry", "fentry", "tcp_rcv_space_adjust"),
            ]),
        Hook(
            "send", essential: true, without: "when the application sends: no turns",
            [
                tracepoint("send_tp", "tcp_sendmsg_locked"),
                function("send_fentry", "fentry", "tcp_sendmsg_locked"),
            ]),
        Hook(
            "sent", without: "when a send returns: the end of a response is its last send's start",
            [
                tracepoint("sent_tp", "sock_send_length"),
                function("sent_fexit", "fexit", "tcp_sendmsg"),
            ]),
        Hook(
            "state", without: "connects, closes and time in ESTABLISHED; roles come from listeners alone",
            [tracepoint("state_tp", "inet_sock_set_state")]),
        Hook("retransmit", without: "retransmits", [tracepoint("retransmit_tp", "tcp_retransmit_skb")]),
        Hook("synack", without: "SYN-ACK retransmits", [tracepoint("synack_tp", "tcp_retransmit_synack")]),
        Hook("reset", without: "resets received", [tracepoint("reset_received_tp", "tcp_receive_reset")]),
        Hook("reset-sent", without: "resets sent", [tracepoint("reset_sent_tp", "tcp_send_reset")]),
        Hook("drop", without: "dropped packets and their reasons", [tracepoint("drop_tp", "kfree_skb")]),
        Hook("softirq-raise", without: "late softirqs", [tracepoint("softirq_raise_tp", "softirq_raise")]),
        Hook("softirq-entry", without: "softirq timing", [tracepoint("softirq_entry_tp", "softirq_entry")]),
        Hook("softirq-exit", without: "softirq timing", [tracepoint("softirq_exit_tp", "softirq_exit")]),
        Hook(
            "walk-open", without: "turns in flight: a hung request fires only when it ends",
            [Rung(program: "walk_sockets", type: "iter", target: "bpf_iter_bpf_sk_storage_map")]),
        Hook(
            "walk-listeners", without: "roles of connections older than the recorder",
            [Rung(program: "walk_listeners", type: "iter", target: "bpf_iter_task_file")]),
        Hook(
            "walk-connections", without: "owners of connections older than the recorder",
            [Rung(program: "walk_connections", type: "iter", target: "bpf_iter_task_file")]),
    ]
}

/// What became of a hook on this host.
public struct HookStatus: Sendable, Codable, Equatable {
    public var hook: String
    /// The rung taken, `tp_btf/tcp_probe`; `nil` when none could be.
    public var rung: String?
    public var essential: Bool
    /// What is lost, and why, when `rung` is `nil`.
    public var loss: String?
    public var reason: String?
}
