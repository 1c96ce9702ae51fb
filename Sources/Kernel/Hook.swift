/// One thing the recorder wants to know from the kernel, and the ways to learn it, best first.
///
/// A rung is chosen by asking the kernel (its BTF, then a trial load), never by version number.
public struct Hook: Sendable {
    /// One BPF program of the object.
    struct Program: Sendable {
        var name: String
        /// Its section's type: `tp_btf`, `fentry`, `fexit`, `kprobe`, `kretprobe` or `iter`.
        var type: String
        /// Kernel tracepoint, function or iterator it needs.
        var target: String
        /// Of a tracepoint, where kernels differ: it has at least so many.
        var arguments = 0
    }

    /// One way to learn it; all its programs or none.
    struct Rung: Sendable {
        var type: RungType
        var programs: [Program]

        /// `tp_btf/tcp_probe`.
        var title: String { programs.map { "\($0.type)/\($0.target)" }.joined(separator: " + ") }
    }

    public var name: String
    /// What is lost without it, in words for `doctor`.
    public var loss: String
    /// The recorder can't do its work without it.
    public var essential: Bool
    /// The option of `record` that asks for it; `nil`: always wanted.
    public var option: String?
    /// A kernel function; kernels without it have no need of this hook.
    var onlyWith: String?
    /// It only makes exact what is known without it too, so that nobody need be told that it is missing; and its kprobe is not
    /// worth that all sockets' state lives by address.
    public var refines: Bool
    /// Another hook that makes this one needless where it stands on its tracepoint.
    var needlessWith: String?
    /// It keeps what threads did with the threads.
    var ofThreads: Bool
    var rungs: [Rung]

    private init(
        _ name: String, essential: Bool = false, refines: Bool = false, option: String? = nil,
        onlyWith: String? = nil, needlessWith: String? = nil, ofThreads: Bool = false, without loss: String,
        _ rungs: Rung...
    ) {
        self.name = name
        self.loss = loss
        self.essential = essential
        self.refines = refines
        self.option = option
        self.onlyWith = onlyWith
        self.needlessWith = needlessWith
        self.ofThreads = ofThreads
        self.rungs = rungs
    }

    private static func tracepoint(_ program: String, _ target: String, arguments: Int = 0) -> Rung {
        Rung(
            type: .tracepoint,
            programs: [Program(name: program, type: "tp_btf", target: target, arguments: arguments)])
    }
    private static func fentry(_ program: String, _ target: String) -> Rung {
        Rung(type: .function, programs: [Program(name: program, type: "fentry", target: target)])
    }
    private static func fexit(_ program: String, _ target: String) -> Rung {
        Rung(type: .function, programs: [Program(name: program, type: "fexit", target: target)])
    }
    private static func fentryAndExit(_ enter: String, _ leave: String, _ target: String) -> Rung {
        Rung(
            type: .function,
            programs: [
                Program(name: enter, type: "fentry", target: target),
                Program(name: leave, type: "fexit", target: target),
            ])
    }
    private static func kprobe(_ program: String, _ target: String) -> Rung {
        Rung(type: .kprobe, programs: [Program(name: program, type: "kprobe", target: target)])
    }
    /// Asks for the hooks that time TCP's receive path.
    static let tcpReceive = "--tcp-receive"

    /// A kretprobe sees no arguments: a kprobe on the same function leaves it the socket.
    private static func kretprobe(_ enter: String, _ leave: String, _ target: String) -> Rung {
        Rung(
            type: .kprobe,
            programs: [
                Program(name: enter, type: "kprobe", target: target),
                Program(name: leave, type: "kretprobe", target: target),
            ])
    }
    private static func iterator(_ program: String, _ target: String) -> Rung {
        Rung(type: .iterator, programs: [Program(name: program, type: "iter", target: target)])
    }

    static let all: [Hook] = [
        Hook(
            "data", essential: true, without: "arrival of data: no turns",
            tracepoint("data_tp", "tcp_probe"), fentry("data_fentry", "tcp_rcv_established"),
            kprobe("data_kprobe", "tcp_rcv_established")),
        Hook(
            "read", essential: true, without: "when the application reads: no turns",
            tracepoint("read_tp", "tcp_rcv_space_adjust"), fentry("read_fentry", "tcp_rcv_space_adjust"),
            kprobe("read_kprobe", "tcp_rcv_space_adjust")),
        Hook(
            "send", essential: true, without: "when the application sends: no turns",
            tracepoint("send_tp", "tcp_sendmsg_locked"), fentry("send_fentry", "tcp_sendmsg_locked"),
            kprobe("send_kprobe", "tcp_sendmsg_locked")),
        Hook(
            "sendpage", onlyWith: "tcp_sendpage", without: "what is sent by sendfile or splice",
            fentry("sendpage_fentry", "tcp_sendpage"), kprobe("sendpage_kprobe", "tcp_sendpage")),
        Hook(
            "sent", needlessWith: "send",
            without: "when a send returns: the end of a response is its last send's start",
            fexit("sent_fexit", "tcp_sendmsg"),
            kretprobe("sending_kprobe", "sent_kretprobe", "tcp_sendmsg")),
        Hook(
            "sentpage", onlyWith: "tcp_sendpage", without: "when a sendfile returns",
            fexit("sentpage_fexit", "tcp_sendpage"),
            kretprobe("sendingpage_kprobe", "sentpage_kretprobe", "tcp_sendpage")),
        Hook(
            "send-wait", refines: true,
            without: "how long a send waits for buffer to the ns: known to a jiffy, and from its thread",
            fentryAndExit("send_wait_fentry", "send_wait_fexit", "sk_stream_wait_memory"),
            kretprobe("send_wait_kprobe", "send_wait_kretprobe", "sk_stream_wait_memory")),
        Hook(
            "receive", option: tcpReceive,
            without: "how long TCP takes to take in what is to be read: no stage tcp-receive",
            fexit("receive_fexit", "tcp_v4_do_rcv"),
            kretprobe("receive_kprobe", "receive_kretprobe", "tcp_v4_do_rcv")),
        Hook(
            "receive6", option: tcpReceive, without: "the same over IPv6",
            fexit("receive6_fexit", "tcp_v6_do_rcv"),
            kretprobe("receive6_kprobe", "receive6_kretprobe", "tcp_v6_do_rcv")),
        Hook(
            "state", without: "connects, closes and time in ESTABLISHED; roles come from listeners alone",
            tracepoint("state_tp", "inet_sock_set_state")),
        Hook(
            "retransmit", without: "retransmits",
            tracepoint("retransmit_result_tp", "tcp_retransmit_skb", arguments: 3),
            tracepoint("retransmit_tp", "tcp_retransmit_skb")),
        Hook("synack", without: "SYN-ACK retransmits", tracepoint("synack_tp", "tcp_retransmit_synack")),
        Hook("reset", without: "resets received", tracepoint("reset_received_tp", "tcp_receive_reset")),
        Hook("reset-sent", without: "resets sent", tracepoint("reset_sent_tp", "tcp_send_reset")),
        Hook(
            "drop", without: "dropped packets and their reasons",
            tracepoint("drop_received_tp", "kfree_skb", arguments: 4),
            tracepoint("drop_tp", "kfree_skb", arguments: 3)),
        Hook("softirq-entry", without: "softirq timing", tracepoint("softirq_entry_tp", "softirq_entry")),
        Hook("softirq-exit", without: "softirq timing", tracepoint("softirq_exit_tp", "softirq_exit")),
        Hook(
            "switch", ofThreads: true, without: "what threads did while a request waited for them, and late softirqs",
            tracepoint("switch_tp", "sched_switch", arguments: 3)),
        Hook(
            "wakeup", ofThreads: true, without: "how long a woken thread waited for a CPU, and late softirqs",
            tracepoint("wakeup_tp", "sched_wakeup")),
        Hook(
            "exit", ofThreads: true, without: "what threads did that ended at once",
            tracepoint("exit_tp", "sched_process_exit")),
        Hook(
            "memcg-reclaim-begin", ofThreads: true, without: "reclaim within a container's memory limit",
            tracepoint("memcg_reclaim_begin_tp", "mm_vmscan_memcg_reclaim_begin")),
        Hook(
            "memcg-reclaim-end", ofThreads: true, without: "reclaim within a container's memory limit",
            tracepoint("memcg_reclaim_end_tp", "mm_vmscan_memcg_reclaim_end")),
        Hook(
            "reclaim-begin", ofThreads: true, without: "reclaim when the host has no memory left",
            tracepoint("direct_reclaim_begin_tp", "mm_vmscan_direct_reclaim_begin")),
        Hook(
            "reclaim-end", ofThreads: true, without: "reclaim when the host has no memory left",
            tracepoint("direct_reclaim_end_tp", "mm_vmscan_direct_reclaim_end")),
        // Of no use one without the other, and 5.10 to 5.13 have one.
        Hook(
            "qdisc", without: "waits in queueing disciplines",
            Rung(
                type: .tracepoint,
                programs: [
                    Program(name: "enqueue_tp", type: "tp_btf", target: "qdisc_enqueue"),
                    Program(name: "dequeue_tp", type: "tp_btf", target: "qdisc_dequeue"),
                ])),
        Hook(
            "walk-threads", ofThreads: true, without: "what threads did while a request waited for them",
            iterator("walk_threads", "bpf_iter_task")),
        Hook(
            Probes.softirqThreads, ofThreads: true, without: "how late softirqs start that are left to ksoftirqd",
            iterator("walk_ksoftirqd", "bpf_iter_task")),
        Hook(
            "walk-open", without: "turns in flight: a hung request fires only when it ends",
            iterator("walk_sockets", "bpf_iter_bpf_sk_storage_map")),
        Hook(
            "walk-listeners", without: "roles of connections older than the recorder",
            iterator("walk_listeners", "bpf_iter_task_file")),
        Hook(
            "walk-connections", without: "owners of connections older than the recorder",
            iterator("walk_connections", "bpf_iter_task_file")),
    ]

    /// Where state lives by address, the walker of open turns walks that map.
    static let walkByAddress = iterator("walk_addresses", "bpf_iter_bpf_map_elem")
}

/// Kinds of rungs, best first.
public enum RungType: String, Sendable, CaseIterable {
    case tracepoint = "tp_btf"
    case function = "fentry"
    case kprobe
    case iterator = "iter"
}

/// What became of a hook on this host.
public struct HookStatus: Sendable, Codable, Equatable {
    public var hook: String
    /// The rung taken, `tp_btf/tcp_probe`; `nil` when none could be.
    public var rung: String?
    public var essential: Bool
    /// What it tells is known without it too, less exactly.
    public var refines: Bool
    /// The option of `record` that asks for it; `nil`: always wanted.
    public var option: String?
    /// What is lost, and why, when `rung` is `nil`.
    public var loss: String?
    public var reason: String?
}
