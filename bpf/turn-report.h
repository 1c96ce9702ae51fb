/* What a turn comes to: read from the socket's state and the kernel's own tcp_sock when it is over, or while it hangs. */
#ifndef FLIGHTREC_TURN_REPORT_H
#define FLIGHTREC_TURN_REPORT_H

/* tcp_sock.chrono_stat counts jiffies; the chronograph that runs now is not in it yet. */
static __always_inline u32 fr_chrono(struct tcp_sock *tp, u32 index)
{
	u32 stat = FR_READ(tp, chrono_stat[index]);
	u32 running = fr_by_address ? BPF_CORE_READ_BITFIELD_PROBED(tp, chrono_type) : BPF_CORE_READ_BITFIELD(tp, chrono_type);
	if (running == index + 1)
		stat += (u32)bpf_jiffies64() - FR_READ(tp, chrono_start);
	return stat;
}
#define FR_CHRONO_RWND 1
#define FR_CHRONO_SNDBUF 2

/* Bytes that the last send call still has to hand to TCP: it is blocked, or was refused the rest for want of buffer and the
 * application waits to try again. */
static __always_inline s32 fr_unsent(struct tcp_sock *tp, struct fr_sock *st)
{
	return st->send_end - FR_READ(tp, write_seq);
}

/* Bytes handed to TCP since tx_bytes was last added to; a FIN, which takes a sequence number too, is past the end. */
static __always_inline u32 fr_handed_over(struct tcp_sock *tp, struct fr_sock *st)
{
	return (fr_unsent(tp, st) < 0 ? st->send_end : FR_READ(tp, write_seq)) - st->sent_seq;
}

/* The kernel skips a probe that this CPU is in already: a kprobe inside of any other one, and an fentry program that a task was
 * preempted in (PREEMPT_RT, preempt=full), for the task that runs meanwhile. When data was handed to TCP in this turn that no send
 * hook told of; 0: none was. By the last segment TCP sent (__tcp_transmit_skb), which is that data's, or acknowledged what came
 * before it. `least` bytes: a FIN, which looks like one, is none. */
static __always_inline u64 fr_sent_unseen(struct tcp_sock *tp, struct fr_sock *st, s32 least)
{
	s32 bytes = -fr_unsent(tp, st);
	if (bytes < least || bytes > 1 << 30 || !st->read_last)
		return 0;
	u64 at = FR_READ(tp, tcp_wstamp_ns);
	return at > st->read_last ? at : st->read_last;
}

/* When TCP last took in a segment of this connection, µs (tcp_mstamp_refresh; sending data refreshes it too). */
static __always_inline u64 fr_last_segment(struct tcp_sock *tp)
{
	return FR_READ(tp, tcp_mstamp) * 1000;
}

/* In other states data comes by where no hook is. */
static __always_inline bool fr_is_open(struct sock *sk)
{
	u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);
	return state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT;
}

/* Bytes that came since the response began (served) or the request (called), told of or not. */
static __always_inline u32 fr_fresh(struct tcp_sock *tp, struct fr_sock *st)
{
	return FR_READ(tp, rcv_nxt) - st->received;
}

/* When data came that is read now and that no hook told of, as the kernel skipped the probe: with the last segment, at the latest.
 * 0: that was before the last send, and it came while that one went on. */
static __always_inline u64 fr_came_unseen(struct sock *sk, struct tcp_sock *tp, struct fr_sock *st, u64 now)
{
	u64 at = fr_last_segment(tp);
	return fr_is_open(sk) && at > st->tx_last && at < now ? at : 0;
}

/* After shutdown(SHUT_WR) answers no longer come by tcp_rcv_established, where the data hook is; nothing but acknowledgements
 * is sent by then. When such an answer came; 0: not so, or fewer than `least` bytes are unread. */
static __always_inline u64 fr_answer_half_closed(struct sock *sk, struct tcp_sock *tp, struct fr_sock *st, u32 least)
{
	u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);
	if (st->phase != FR_CALL || (state != TCP_FIN_WAIT1 && state != TCP_FIN_WAIT2))
		return 0;
	u64 at = fr_last_segment(tp);
	return FR_READ(tp, rcv_nxt) - FR_READ(tp, copied_seq) >= least && at > st->start ? at : 0;
}

/* The kernel's own count says what the hook was not told: `segments` of those since the last look were. */
static __always_inline u32 fr_unseen(struct fr_sock *st, u32 total, u32 segments)
{
	u32 sent = total - st->resent;
	return st->unseen + (sent > segments && sent < 1 << 30 ? sent - segments : 0);
}

/* RFC 896: after a send, less than a segment is left unsent though window and congestion window have room, because
 * something is in flight (tcp_nagle_check). */
static __always_inline bool fr_held_by_nagle(struct tcp_sock *tp)
{
	u32 unsent = FR_READ(tp, write_seq) - FR_READ(tp, snd_nxt);
	if (!unsent || unsent >= FR_READ(tp, mss_cache))
		return false;
	u8 nonagle = fr_by_address ? BPF_CORE_READ_BITFIELD_PROBED(tp, nonagle) : BPF_CORE_READ_BITFIELD(tp, nonagle);
	u32 in_flight = FR_READ(tp, packets_out);
	return !(nonagle & TCP_NAGLE_OFF) && in_flight && in_flight < FR_READ(tp, snd_cwnd) &&
	       (s32)(FR_READ(tp, snd_una) + FR_READ(tp, snd_wnd) - FR_READ(tp, write_seq)) >= 0;
}

/* How much longer than is counted already. */
static __always_inline u64 fr_held_since(struct fr_sock *st, u64 now)
{
	u64 since = st->tx_last > st->nagle_until ? st->tx_last : st->nagle_until;
	return since && now > since ? now - since : 0;
}

/* A turn begins: a thread that still waits to send what was of the last one now holds up this one. */
static __always_inline void fr_begin_send_wait(struct fr_sock *st, u64 start)
{
	if (!fr_time_send_waits)
		return;
	st->send_wait = 0;
	if (st->blocked_tid && st->blocked_at < start)
		st->blocked_at = start;
}

/* A thread that hands data over, or has come back from it, waits no longer: the end of its wait was not seen. */
static __always_inline void fr_sends_again(struct fr_sock *st, u32 tid)
{
	if (fr_time_send_waits && st->blocked_tid == tid)
		st->blocked_tid = 0;
}

/* How long a sender has waited for send buffer in this turn, up to `end`. */
static __always_inline u64 fr_send_wait(struct fr_sock *st, u64 end)
{
	if (!fr_time_send_waits)
		return 0;
	return st->send_wait + (st->blocked_tid && end > st->blocked_at ? end - st->blocked_at : 0);
}

static __always_inline void fr_fill(struct fr_turn *e, struct tcp_sock *tp, struct fr_sock *st, u64 end, u8 flags)
{
	e->start = st->start;
	e->rx_first = st->rx_first;
	e->rx_last = st->rx_last;
	e->woken = st->woken;
	e->read_first = st->read_first;
	e->read_last = st->read_last;
	e->tx_first = st->tx_first;
	/* Not known while a send has not handed all over. */
	e->tx_last = flags & (FR_TURN_OPEN | FR_TURN_ABORTED) && fr_unsent(tp, st) > 0 ? 0 : st->tx_last;
	e->rx_bytes = st->rx_bytes;
	e->tx_bytes = st->tx_bytes + fr_handed_over(tp, st);
	e->tid = st->tid;
	e->sequence = st->sequence;
	e->retransmits = st->retransmits;
	e->role = st->role;
	e->flags = flags | (st->bursts >= 3 ? FR_TURN_STREAM : 0) | (st->sequence == 1 ? FR_TURN_FIRST : 0) |
		   (st->unaccepted ? FR_TURN_UNACCEPTED : 0);
	e->acked = st->acked;
	e->tx_tid = st->tx_tid;
	u64 nagle = st->nagle;
	if (flags & FR_TURN_OPEN && fr_held_by_nagle(tp)) /* it still is */
		nagle += fr_held_since(st, end);
	e->nagle_us = nagle / 1000;
	e->rx_late_us = st->rx_late;
	e->rx_cpu = st->rx_cpu;
	u32 unseen = fr_unseen(st, FR_READ(tp, total_retrans), 0);
	e->unseen = unseen < 65535 ? unseen : 65535;
	/* A served turn ends with its last send: what a slow reader took after that is not in it. */
	bool sent = st->role == FR_SERVED && st->tx_last && fr_unsent(tp, st) <= 0;
	e->sndbuf_wait = ((sent ? st->sndbuf_sent : fr_chrono(tp, FR_CHRONO_SNDBUF)) - st->sndbuf_at) * fr_jiffy_ns;
	e->rwnd_wait = ((sent ? st->rwnd_sent : fr_chrono(tp, FR_CHRONO_RWND)) - st->rwnd_at) * fr_jiffy_ns;
	e->send_wait = fr_send_wait(st, end);
	e->tcp_receive = fr_time_receive ? st->receive : 0;
	e->srtt_us = FR_READ(tp, srtt_us) >> 3;
}

/* Counts an uneventful turn, when userspace wants such ones counted only. */
static __always_inline bool fr_counted(struct tcp_sock *tp, struct fr_sock *st, u64 end, u8 flags)
{
	u64 took = end - st->start;
	if (took >= fr_brief_ns || flags || st->retransmits || st->bursts >= 3 || st->unaccepted || st->nagle || st->role == FR_ROLE_UNKNOWN ||
	    fr_unseen(st, FR_READ(tp, total_retrans), 0))
		return false;
	struct sock *sk = (struct sock *)tp;
	struct fr_service key = { .container = st->container, .role = st->role };
	key.port = st->role == FR_SERVED ? BPF_CORE_READ(sk, __sk_common.skc_num) : bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	struct fr_brief *brief = bpf_map_lookup_elem(&briefs, &key);
	if (!brief) {
		struct fr_brief none = {};
		bpf_map_update_elem(&briefs, &key, &none, BPF_NOEXIST);
		brief = bpf_map_lookup_elem(&briefs, &key);
		if (!brief)
			return false;
	}
	u64 us = took / 1000;
	u32 octave = 0;
	for (u32 i = 1; i < FR_BRIEF_BUCKETS; i++)
		octave += us >> i != 0;
	__sync_fetch_and_add(&brief->total, took);
	if (octave < FR_BRIEF_BUCKETS)
		__sync_fetch_and_add(&brief->count[octave], 1);
	return true;
}

/* Reports the current turn, unless the walker did, and leaves the socket idle. */
static __always_inline void fr_complete(struct tcp_sock *tp, struct fr_sock *st, u64 end, u8 flags)
{
	u32 sequence = st->sequence;
	st->phase = FR_IDLE;
	if (!st->rested && st->rests)
		st->rests--;
	if (!fr_reportable(st))
		return;
	if (!fr_claim(st, sequence))
		return;
	if (fr_brief_ns && fr_counted(tp, st, end, flags))
		return;
	struct fr_turn *e = fr_reserve(sizeof(*e), FR_TURN);
	if (!e)
		return;
	fr_head(&e->h, end, st->container, st->id, FR_TURN);
	fr_fill(e, tp, st, end, flags);
	fr_submit(e);
}

#endif
