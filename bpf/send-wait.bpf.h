/* Probe family: a sender blocked for send buffer (sk_stream_wait_memory), whatever keeps the buffer full: its own limit, the
 * congestion window, or the peer's. It only runs when a sender has to wait, so it costs the others nothing. */

/* It sleeps without the socket's lock: several threads may wait on one socket. The first one's wait counts, which is when the
 * socket has a sender blocked; the next one's begins when that one's is over, at its next round. */
static __always_inline bool fr_send_blocks(struct sock *sk, long *timeout)
{
	struct fr_sock *st = fr_find(sk);
	long jiffies = 0;
	/* Not to wait at all (MSG_DONTWAIT, O_NONBLOCK) is asked for here too. */
	if (!st || !st->watched || bpf_probe_read_kernel(&jiffies, sizeof(jiffies), timeout) || !jiffies)
		return false;
	u32 tid = (u32)bpf_get_current_pid_tgid();
	/* One whose end was not seen would stand there for ever. */
	if (st->blocked_tid && st->blocked_tid != tid)
		return false;
	st->blocked_at = bpf_ktime_get_ns();
	st->blocked_tid = tid;
	return true;
}

static __always_inline int fr_send_unblocks(struct sock *sk)
{
	struct fr_sock *st = fr_find(sk);
	if (!st || st->blocked_tid != (u32)bpf_get_current_pid_tgid())
		return 0;
	u64 now = bpf_ktime_get_ns();
	/* What is sent between turns is no answer: nobody waits for it. */
	if (st->phase != FR_IDLE && now > st->blocked_at)
		st->send_wait += now - st->blocked_at;
	st->blocked_tid = 0;
	return 0;
}

/* Before 5.17 an argument that points to a number can't be had as one: it is read from where the arguments are. */
SEC("?fentry/sk_stream_wait_memory")
int BPF_PROG(send_wait_fentry, struct sock *sk)
{
	u64 timeout = 0;
	bpf_probe_read_kernel(&timeout, sizeof(timeout), ctx + 1);
	fr_send_blocks(sk, (long *)timeout);
	return 0;
}

SEC("?fexit/sk_stream_wait_memory")
int BPF_PROG(send_wait_fexit, struct sock *sk)
{
	return fr_send_unblocks(sk);
}

/* A kretprobe has no arguments: the socket each thread waits on. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, u64);
} blocked_senders SEC(".maps");

SEC("?kprobe/sk_stream_wait_memory")
int BPF_KPROBE(send_wait_kprobe, struct sock *sk, long *timeout)
{
	u64 thread = bpf_get_current_pid_tgid(), address = (u64)sk;
	if (fr_send_blocks(sk, timeout))
		bpf_map_update_elem(&blocked_senders, &thread, &address, BPF_ANY);
	return 0;
}

SEC("?kretprobe/sk_stream_wait_memory")
int BPF_KRETPROBE(send_wait_kretprobe)
{
	u64 thread = bpf_get_current_pid_tgid();
	u64 *address = bpf_map_lookup_elem(&blocked_senders, &thread);
	if (!address)
		return 0;
	fr_send_unblocks((struct sock *)*address);
	bpf_map_delete_elem(&blocked_senders, &thread);
	return 0;
}
