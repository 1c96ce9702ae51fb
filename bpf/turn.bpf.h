/* Probe family: turns. Each hook is a few lines over turn.h; tp_btf first, fentry where a kernel lacks the tracepoint. */

struct fr_segment {
	u32 bytes;	/* of data not received before */
	u32 ack;
	bool readable;	/* with it the reader is woken */
};

/* tcp_rcv_established also sees pure ACKs, and data sent again because our ACK was lost: a request that was answered must
 * not begin another turn. */
static __always_inline struct fr_segment fr_segment(struct sock *sk, struct tcp_sock *tp, struct sk_buff *skb)
{
	struct fr_segment found = {};
	/* What TCP noted of the header (tcp_v4_fill_cb), and of all segments that waited as one in the socket's backlog. */
	struct tcp_skb_cb *cb = (void *)__builtin_preserve_access_index(&skb->cb[0]);
	u32 sequence = FR_READ(cb, seq);
	found.ack = FR_READ(cb, ack_seq);
	found.bytes = FR_READ(cb, end_seq) - sequence;
	/* A FIN takes a sequence number too; a SYN does not come here. */
	if (found.bytes && FR_READ(cb, tcp_flags) & TCP_FLAG_FIN)
		found.bytes--;
	if (!found.bytes)
		return found;
	u32 expected = FR_READ(tp, rcv_nxt);
	s32 fresh = (s32)(sequence + found.bytes - expected);
	if (fresh < (s32)found.bytes)
		found.bytes = fresh <= 0 ? 0 : fresh;
	/* tcp_data_ready: what fills no gap before it wakes nobody, nor does less than SO_RCVLOWAT. */
	s32 least = FR_READ(sk, sk_rcvlowat);
	found.readable = found.bytes && (s32)(sequence - expected) <= 0 &&
			 (least <= 1 || expected + found.bytes - FR_READ(tp, copied_seq) >= least);
	return found;
}

/* A segment is being taken in: what it may bring begins `now`, or it brings nothing (0). */
static __always_inline void fr_takes_in(struct fr_sock *st, u64 now)
{
	if (fr_time_receive)
		st->taking_in = now;
}

static __always_inline int fr_on_data(struct sock *sk, struct sk_buff *skb)
{
	struct fr_sock *st = fr_state_or_old(sk);
	if (!st || !fr_watched(sk, st))
		return 0;
	struct tcp_sock *tp = fr_tcp(sk);
	if (!tp)
		return 0;
	struct fr_segment segment = fr_segment(sk, tp, skb);
	fr_takes_in(st, 0);
	bool acknowledges = fr_awaits_ack(tp, st);
	if (!acknowledges && !segment.bytes)
		return 0;
	u64 now = bpf_ktime_get_ns();
	if (acknowledges)
		fr_acknowledged(tp, st, now, segment.ack);
	if (segment.bytes) {
		fr_takes_in(st, now);
		fr_data_arrived(sk, tp, st, now, segment.bytes, segment.readable);
	}
	return 0;
}

SEC("tp_btf/tcp_probe")
int BPF_PROG(data_tp, struct sock *sk, struct sk_buff *skb)
{
	return FR_RUN(fr_on_data(sk, skb));
}

SEC("?fentry/tcp_rcv_established")
int BPF_PROG(data_fentry, struct sock *sk, struct sk_buff *skb)
{
	return FR_RUN(fr_on_data(sk, skb));
}

SEC("?kprobe/tcp_rcv_established")
int BPF_KPROBE(data_kprobe, struct sock *sk, struct sk_buff *skb)
{
	return FR_RUN(fr_on_data(sk, skb));
}

static __always_inline int fr_on_read(struct sock *sk)
{
	struct fr_sock *st = fr_state_or_old(sk);
	if (!st || !fr_watched(sk, st))
		return 0;
	if (st->announced < 2) {
		fr_own(st);
		if (st->pid_rejected)
			return 0;
		fr_announce(sk, st);
	}
	u32 tid = fr_follow(st);
	struct tcp_sock *tp = fr_tcp(sk);
	if (tp)
		fr_was_read(sk, tp, st, bpf_ktime_get_ns(), tid);
	return 0;
}

SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(read_tp, struct sock *sk)
{
	return FR_RUN(fr_on_read(sk));
}

SEC("?fentry/tcp_rcv_space_adjust")
int BPF_PROG(read_fentry, struct sock *sk)
{
	return FR_RUN(fr_on_read(sk));
}

SEC("?kprobe/tcp_rcv_space_adjust")
int BPF_KPROBE(read_kprobe, struct sock *sk)
{
	return FR_RUN(fr_on_read(sk));
}

static __always_inline int fr_on_send(struct sock *sk, u64 bytes)
{
	struct fr_sock *st = fr_state_or_old(sk);
	if (!st || !fr_watched(sk, st))
		return 0;
	if (st->announced < 2) {
		fr_own(st);
		if (st->pid_rejected)
			return 0;
		fr_announce(sk, st);
	}
	u32 tid = fr_follow(st);
	struct tcp_sock *tp = fr_tcp(sk);
	if (tp)
		fr_sends(tp, st, bpf_ktime_get_ns(), bytes, tid);
	return 0;
}

/* Raised before each piece is copied, and so again after each wait for buffer. */
SEC("tp_btf/tcp_sendmsg_locked")
int BPF_PROG(send_tp, struct sock *sk, struct msghdr *msg)
{
	return FR_RUN(fr_on_send(sk, msg->msg_iter.count));
}

SEC("?fentry/tcp_sendmsg_locked")
int BPF_PROG(send_fentry, struct sock *sk, struct msghdr *msg, unsigned long size)
{
	return FR_RUN(fr_on_send(sk, size));
}

SEC("?kprobe/tcp_sendmsg_locked")
int BPF_KPROBE(send_kprobe, struct sock *sk, struct msghdr *msg, unsigned long size)
{
	return FR_RUN(fr_on_send(sk, size));
}

/* Up to 6.4 sendfile and splice hand pages to TCP past tcp_sendmsg_locked; since 6.5 they go through it. */
SEC("?fentry/tcp_sendpage")
int BPF_PROG(sendpage_fentry, struct sock *sk, struct page *page, int offset, unsigned long size)
{
	return FR_RUN(fr_on_send(sk, size));
}

SEC("?kprobe/tcp_sendpage")
int BPF_KPROBE(sendpage_kprobe, struct sock *sk, struct page *page, int offset, unsigned long size)
{
	return FR_RUN(fr_on_send(sk, size));
}

static __always_inline int fr_on_sent(struct sock *sk, int bytes)
{
	struct fr_sock *st = fr_find(sk);
	if (bytes <= 0 || !st || !st->watched)
		return 0;
	if (fr_time_send_waits)
		fr_sends_again(st, (u32)bpf_get_current_pid_tgid());
	struct tcp_sock *tp = fr_tcp(sk);
	if (tp)
		fr_sent(tp, st, bpf_ktime_get_ns());
	return 0;
}

SEC("?fexit/tcp_sendmsg")
int BPF_PROG(sent_fexit, struct sock *sk, struct msghdr *msg, unsigned long size, int bytes)
{
	return fr_on_sent(sk, bytes);
}

SEC("?fexit/tcp_sendpage")
int BPF_PROG(sentpage_fexit, struct sock *sk, struct page *page, int offset, unsigned long size, int flags, int bytes)
{
	return fr_on_sent(sk, bytes);
}

/* A kretprobe has no arguments: the socket each thread is sending on. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, u64);
} senders SEC(".maps");

static __always_inline int fr_sender_enters(struct sock *sk)
{
	struct fr_sock *st = fr_find(sk);
	u64 thread = bpf_get_current_pid_tgid(), address = (u64)sk;
	if (st && st->watched)
		bpf_map_update_elem(&senders, &thread, &address, BPF_ANY);
	return 0;
}

static __always_inline int fr_sender_leaves(int bytes)
{
	u64 thread = bpf_get_current_pid_tgid();
	u64 *address = bpf_map_lookup_elem(&senders, &thread);
	if (!address)
		return 0;
	fr_on_sent((struct sock *)*address, bytes);
	bpf_map_delete_elem(&senders, &thread);
	return 0;
}

SEC("?kprobe/tcp_sendmsg")
int BPF_KPROBE(sending_kprobe, struct sock *sk)
{
	return fr_sender_enters(sk);
}

SEC("?kretprobe/tcp_sendmsg")
int BPF_KRETPROBE(sent_kretprobe, int bytes)
{
	return fr_sender_leaves(bytes);
}

SEC("?kprobe/tcp_sendpage")
int BPF_KPROBE(sendingpage_kprobe, struct sock *sk)
{
	return fr_sender_enters(sk);
}

SEC("?kretprobe/tcp_sendpage")
int BPF_KRETPROBE(sentpage_kretprobe, int bytes)
{
	return fr_sender_leaves(bytes);
}
