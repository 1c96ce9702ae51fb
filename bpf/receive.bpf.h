/* Probe family, only with --tcp-receive: how long TCP takes to take in what is to be read (tcp_v4_do_rcv, tcp_v6_do_rcv), in the
 * softirq that brought it or from the socket's backlog. It begins at the data hook, where the turn does, and so needs the
 * function's end alone: one run more for each segment (on the kprobe rung two: a kretprobe has no arguments). */

/* Its data waits to be read from now on. Once something of the turn was read, more that comes is the reader's no longer to wait
 * for, but the sender's to send. */
static __always_inline int fr_on_taken_in(struct sock *sk)
{
	struct fr_sock *st = fr_find(sk);
	if (!st || !st->watched || !st->taking_in)
		return 0;
	u64 now = bpf_ktime_get_ns(), took = now > st->taking_in ? now - st->taking_in : 0;
	st->taking_in = 0;
	if (st->phase == FR_RESPONSE && st->next_first)
		st->next_receive += took;
	else if ((st->phase == FR_REQUEST || st->phase == FR_ANSWER) && !st->read_first)
		st->receive += took;
	return 0;
}

SEC("?fexit/tcp_v4_do_rcv")
int BPF_PROG(receive_fexit, struct sock *sk)
{
	return FR_RUN(fr_on_taken_in(sk));
}

SEC("?fexit/tcp_v6_do_rcv")
int BPF_PROG(receive6_fexit, struct sock *sk)
{
	return FR_RUN(fr_on_taken_in(sk));
}

/* The socket whose segment is being taken in: in a softirq, one on each CPU at most (the socket is not locked then), and in its
 * owner's time (it is), where a softirq may come in between and is over before that goes on. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} receiving_in_softirq SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, u64);
} receiving_in_thread SEC(".maps");

static __always_inline int fr_receive_enters(struct sock *sk)
{
	struct fr_sock *st = fr_find(sk);
	if (!st || !st->watched)
		return 0;
	u64 thread = bpf_get_current_pid_tgid(), address = (u64)sk;
	u32 zero = 0;
	u64 *here = bpf_map_lookup_elem(&receiving_in_softirq, &zero);
	if (BPF_CORE_READ(sk, sk_lock.owned))
		bpf_map_update_elem(&receiving_in_thread, &thread, &address, BPF_ANY);
	else if (here)
		*here = address;
	return 0;
}

static __always_inline int fr_receive_leaves(void)
{
	u64 thread = bpf_get_current_pid_tgid();
	u32 zero = 0;
	u64 *here = bpf_map_lookup_elem(&receiving_in_softirq, &zero);
	if (here && *here) {
		(void)FR_RUN(fr_on_taken_in((struct sock *)*here));
		*here = 0;
		return 0;
	}
	u64 *address = bpf_map_lookup_elem(&receiving_in_thread, &thread);
	if (!address)
		return 0;
	(void)FR_RUN(fr_on_taken_in((struct sock *)*address));
	bpf_map_delete_elem(&receiving_in_thread, &thread);
	return 0;
}

SEC("?kprobe/tcp_v4_do_rcv")
int BPF_KPROBE(receive_kprobe, struct sock *sk)
{
	return fr_receive_enters(sk);
}

SEC("?kretprobe/tcp_v4_do_rcv")
int BPF_KRETPROBE(receive_kretprobe)
{
	return fr_receive_leaves();
}

SEC("?kprobe/tcp_v6_do_rcv")
int BPF_KPROBE(receive6_kprobe, struct sock *sk)
{
	return fr_receive_enters(sk);
}

SEC("?kretprobe/tcp_v6_do_rcv")
int BPF_KRETPROBE(receive6_kretprobe)
{
	return fr_receive_leaves();
}
