/* Probe family: the life of a connection: states, retransmits, resets. */

static __always_inline void fr_emit_state(struct sock *sk, struct tcp_sock *tp, struct fr_sock *st, u64 now, u8 kind, u64 duration)
{
	if (!fr_reportable(st))
		return;
	fr_announce(sk, st);
	struct fr_state *e = fr_reserve(sizeof(*e), FR_STATE);
	if (!e)
		return;
	__builtin_memset(e, 0, sizeof(*e));
	fr_head(&e->h, now, st->container, st->id, FR_STATE);
	e->duration = duration;
	e->turns = st->sequence;
	e->syn_retries = st->syn_retries;
	e->state_kind = kind;
	/* Up to here nothing but SYNs was sent. */
	if (kind != FR_CLOSED && st->connect_start)
		e->syn_retries = FR_READ(tp, total_retrans);
	e->sndbuf_wait = fr_chrono(tp, FR_CHRONO_SNDBUF) * fr_jiffy_ns;
	e->rwnd_wait = fr_chrono(tp, FR_CHRONO_RWND) * fr_jiffy_ns;
	e->retransmits = FR_READ(tp, total_retrans);
	fr_submit(e);
}

static __always_inline void fr_note_listener(struct sock *sk)
{
	struct fr_listener key = { .netns = fr_netns(sk), .port = BPF_CORE_READ(sk, __sk_common.skc_num) };
	u8 one = 1;
	if (!BPF_CORE_READ(sk, sk_max_ack_backlog))
		bpf_map_update_elem(&listeners, &key, &one, BPF_ANY);
	struct fr_sock *st = fr_adopt(sk);
	if (!st)
		return;
	st->role = FR_SERVED;
	st->listen_drops = BPF_CORE_READ(sk, sk_drops.counter);
}

/* A handshake is a turn of its own where it took long enough to be worth one. */
static __always_inline void fr_connected(struct tcp_sock *tp, struct fr_sock *st, u64 now, u8 flags)
{
	if (!st->connect_start || now - st->connect_start < fr_open_floor_ns)
		return;
	fr_begin(tp, st, st->connect_start, FR_CALL);
	st->retransmits = st->syn_retries;
	st->unseen = st->resent > st->syn_retries ? st->resent - st->syn_retries : 0;
	fr_complete(tp, st, now, FR_TURN_CONNECT | flags);
}

static __always_inline void fr_established(struct sock *sk, struct tcp_sock *tp, struct fr_sock *st, int from, u64 now)
{
	st->established = now;
	st->established_jiffies = bpf_jiffies64();
	/* A request that comes by a subflow is never seen read: it would hang for good. */
	st->role = from == TCP_SYN_SENT ? FR_CALLED : fr_is_subflow(sk) ? FR_ROLE_UNKNOWN : FR_SERVED;
	st->write_seq = FR_READ(tp, write_seq);
	st->rcv_nxt = FR_READ(tp, rcv_nxt);
	/* Named while it was connecting, it had neither these nor its address yet. */
	if (st->role == FR_CALLED)
		st->announced = 0;
	fr_emit_state(sk, tp, st, now, FR_ESTABLISHED, st->connect_start ? now - st->connect_start : 0);
	if (st->role != FR_CALLED)
		return;
	/* Fast open (RFC 7413) sends before it connects: its turn has the handshake in it, and the sequence numbers begin only here.
	 * Another turn begun now would leave that one without its end, and all later ones unclaimed. */
	if (st->phase == FR_CALL)
		st->sent_seq = st->send_end = st->write_seq;
	else
		fr_connected(tp, st, now, 0);
	st->syn_retries = FR_READ(tp, total_retrans);
}

static __always_inline int fr_on_state(struct sock *sk, int from, int to)
{
	if (BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0; /* MPTCP and SCTP raise it too */
	if (to == TCP_LISTEN) {
		fr_note_listener(sk);
		struct fr_sock *listener = fr_find(sk);
		if (listener)
			fr_own(listener);
		return 0;
	}
	u64 now = bpf_ktime_get_ns();
	struct fr_sock *st;
	struct tcp_sock *tp = fr_tcp(sk);
	if (!tp)
		return 0;
	if (to == TCP_SYN_SENT || to == TCP_ESTABLISHED) {
		st = fr_adopt(sk);
		if (!st)
			return 0;
		/* At SYN_SENT the ports are not chosen yet: a port filter is asked again at ESTABLISHED. */
		if (to == TCP_ESTABLISHED && fr_filter_ports && st->connect_start)
			fr_classify(sk, st);
		if (to == TCP_SYN_SENT) {
			st->role = FR_CALLED;
			st->connect_start = now;
			fr_own(st);
		} else if (fr_watched(sk, st))
			fr_established(sk, tp, st, from, now);
		return 0;
	}
	st = fr_find(sk);
	if (!st)
		return 0;
	if (!fr_watched(sk, st)) {
		if (to == TCP_CLOSE)
			fr_forget(sk);
		return 0;
	}
	/* A half-closed client (FIN_WAIT1 while it waits) still expects its answer. */
	if (to == TCP_CLOSE || to == TCP_LAST_ACK || (to == TCP_FIN_WAIT1 && st->phase != FR_CALL && st->phase != FR_REQUEST))
		fr_finish(sk, tp, st, now);
	if (to == TCP_CLOSE && from == TCP_SYN_SENT) {
		fr_connected(tp, st, now, FR_TURN_ABORTED);
		fr_emit_state(sk, tp, st, now, FR_CONNECT_FAILED, now - st->connect_start);
	} else if (to == TCP_CLOSE && from != TCP_LISTEN)
		fr_emit_state(sk, tp, st, now, FR_CLOSED, st->established ? now - st->established : 0);
	if (to == TCP_CLOSE)
		fr_forget(sk);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(state_tp, struct sock *sk, int from, int to)
{
	return FR_RUN(fr_on_state(sk, from, to));
}

/* tcp_skb_pcount: what total_retrans went up by. */
static __always_inline u32 fr_segments(struct sk_buff *skb)
{
	struct tcp_skb_cb *cb = (void *)__builtin_preserve_access_index(&skb->cb[0]);
	return BPF_CORE_READ(cb, tcp_gso_segs);
}

static __always_inline int fr_on_retransmit(struct sock *sk, struct sk_buff *skb, bool sent)
{
	struct fr_sock *st = fr_state_or_old(sk);
	if (!st || !fr_watched(sk, st))
		return 0;
	struct tcp_sock *tp = fr_tcp(sk);
	if (!tp)
		return 0;
	if (st->phase != FR_IDLE) {
		u32 total = FR_READ(tp, total_retrans), unseen = fr_unseen(st, total, fr_segments(skb));
		st->unseen = unseen < 65535 ? unseen : 65535;
		st->resent = total;
	}
	if (!sent)
		return 0;
	u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);
	u8 ca = BPF_CORE_READ_BITFIELD_PROBED(&tp->inet_conn, icsk_ca_state);
	u8 kind = FR_RTX_TLP; /* outside recovery and loss only the tail loss probe sends again */
	if (state == TCP_SYN_SENT) {
		kind = FR_RTX_SYN;
		st->syn_retries++;
	} else if (ca == TCP_CA_LOSS)
		kind = FR_RTX_RTO;
	else if (ca == TCP_CA_RECOVERY)
		kind = FR_RTX_FAST;
	if (st->phase != FR_IDLE && st->retransmits < 65535)
		st->retransmits++;
	if (!fr_reportable(st))
		return 0;
	fr_announce(sk, st);
	struct fr_retransmit *e = fr_reserve(sizeof(*e), FR_RETRANSMIT);
	if (!e)
		return 0;
	fr_head(&e->h, bpf_ktime_get_ns(), st->container, st->id, FR_RETRANSMIT);
	e->rtx_kind = kind;
	e->ca_state = ca;
	e->state = state;
	e->srtt_us = FR_READ(tp, srtt_us) >> 3;
	e->pad = 0;
	e->rto_ms = FR_READ(tp, inet_conn.icsk_rto) * (u32)(fr_jiffy_ns / 1000) / 1000;
	e->backoff = FR_READ(tp, inet_conn.icsk_backoff);
	fr_submit(e);
	return 0;
}

/* Newer kernels (6.18 does) raise it also for what could not be sent: the first copy still waits on a device, no route, a
 * filter on the way out. Where there is no such argument the verifier refuses this one. */
SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(retransmit_result_tp, struct sock *sk, struct sk_buff *skb, int error)
{
	return fr_on_retransmit(sk, skb, !error);
}

SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(retransmit_tp, struct sock *sk, struct sk_buff *skb)
{
	return fr_on_retransmit(sk, skb, true);
}

/* The socket is the listener: the connection has none yet. */
SEC("tp_btf/tcp_retransmit_synack")
int BPF_PROG(synack_tp, struct sock *sk, struct request_sock *req)
{
	struct fr_sock *st = fr_adopt(sk);
	if (!st || !fr_watched(sk, st) || !fr_reportable(st))
		return 0;
	st->role = FR_SERVED;
	fr_announce(sk, st);
	struct fr_retransmit *e = fr_reserve(sizeof(*e), FR_RETRANSMIT);
	if (!e)
		return 0;
	fr_head(&e->h, bpf_ktime_get_ns(), st->container, st->id, FR_RETRANSMIT);
	e->rtx_kind = FR_RTX_SYNACK;
	e->ca_state = 0;
	e->state = TCP_NEW_SYN_RECV;
	e->srtt_us = e->pad = 0;
	e->rto_ms = 0;
	e->backoff = BPF_CORE_READ(req, num_retrans);
	fr_submit(e);
	return 0;
}

static __always_inline int fr_on_reset(struct sock *sk, u32 kind)
{
	struct fr_sock *st = fr_find(sk);
	if (!st || !fr_watched(sk, st) || !fr_reportable(st))
		return 0;
	fr_announce(sk, st);
	struct fr_reset *e = fr_reserve(sizeof(*e), FR_RESET);
	if (!e)
		return 0;
	fr_head(&e->h, bpf_ktime_get_ns(), st->container, st->id, FR_RESET);
	e->reset_kind = kind;
	e->pad = 0;
	fr_submit(e);
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(reset_received_tp, struct sock *sk)
{
	return fr_on_reset(sk, FR_RESET_RECEIVED);
}

/* No socket: an answer to a packet for none. Minisockets have no storage. */
SEC("tp_btf/tcp_send_reset")
int BPF_PROG(reset_sent_tp, struct sock *sk)
{
	return sk ? fr_on_reset(sk, FR_RESET_SENT) : 0;
}
