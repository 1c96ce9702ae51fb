/* Probe family: turns. Each hook is a few lines over turn.h; tp_btf first, fentry where a kernel lacks the tracepoint. */

/* tcp_rcv_established also sees pure ACKs: only a segment longer than its own header carries data. */
static __always_inline u32 fr_payload(const struct sk_buff *skb)
{
	u8 offset = 0;
	if (bpf_probe_read_kernel(&offset, 1, skb->data + 12))
		return 0;
	u32 header = (offset >> 4) * 4;
	return skb->len > header ? skb->len - header : 0;
}

static __always_inline int fr_on_data(struct sock *sk, const struct sk_buff *skb)
{
	struct fr_sock *st = fr_state_or_old(sk);
	if (!st || !fr_watched(sk, st))
		return 0;
	u32 bytes = fr_payload(skb);
	if (bytes)
		fr_data_arrived(sk, st, bpf_ktime_get_ns(), bytes);
	return 0;
}

SEC("tp_btf/tcp_probe")
int BPF_PROG(data_tp, struct sock *sk, const struct sk_buff *skb)
{
	return fr_on_data(sk, skb);
}

SEC("?fentry/tcp_rcv_established")
int BPF_PROG(data_fentry, struct sock *sk, struct sk_buff *skb)
{
	return fr_on_data(sk, skb);
}

static __always_inline int fr_on_woken(struct sock *sk)
{
	struct fr_sock *st = bpf_sk_storage_get(&sockets, sk, 0, 0);
	if (st && st->watched)
		fr_reader_woken(sk, st, bpf_ktime_get_ns());
	return 0;
}

SEC("tp_btf/sk_data_ready")
int BPF_PROG(woken_tp, struct sock *sk)
{
	return fr_on_woken(sk);
}

SEC("?fentry/sock_def_readable")
int BPF_PROG(woken_fentry, struct sock *sk)
{
	return fr_on_woken(sk);
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
	fr_was_read(sk, st, bpf_ktime_get_ns());
	return 0;
}

SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(read_tp, struct sock *sk)
{
	return fr_on_read(sk);
}

SEC("?fentry/tcp_rcv_space_adjust")
int BPF_PROG(read_fentry, struct sock *sk)
{
	return fr_on_read(sk);
}

static __always_inline int fr_on_send(struct sock *sk)
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
	fr_sends(sk, st, bpf_ktime_get_ns());
	return 0;
}

SEC("tp_btf/tcp_sendmsg_locked")
int BPF_PROG(send_tp, struct sock *sk)
{
	return fr_on_send(sk);
}

SEC("?fentry/tcp_sendmsg_locked")
int BPF_PROG(send_fentry, struct sock *sk)
{
	return fr_on_send(sk);
}

static __always_inline int fr_on_sent(struct sock *sk, int bytes)
{
	struct fr_sock *st = bpf_sk_storage_get(&sockets, sk, 0, 0);
	if (st && st->watched)
		fr_sent(st, bpf_ktime_get_ns(), bytes);
	return 0;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(sent_tp, struct sock *sk, int bytes)
{
	return fr_on_sent(sk, bytes);
}

SEC("?fexit/tcp_sendmsg")
int BPF_PROG(sent_fexit, struct sock *sk, struct msghdr *msg, unsigned long size, int bytes)
{
	return fr_on_sent(sk, bytes);
}
