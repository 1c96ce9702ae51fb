/* The turn state machine: pure bookkeeping on struct fr_sock, driven by the hooks in turn.bpf.h.
 *
 * All callers but the walker hold the socket's lock, or run in its receive path, which excludes them.
 */
#ifndef FLIGHTREC_TURN_H
#define FLIGHTREC_TURN_H

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

static __always_inline void fr_begin(struct tcp_sock *tp, struct fr_sock *st, u64 start, u8 phase)
{
	st->start = start;
	st->rx_first = st->rx_last = st->woken = 0;
	st->read_first = st->read_last = st->tx_first = st->tx_last = 0;
	st->rx_bytes = st->tx_bytes = 0;
	st->rested = 0;
	st->acked = st->nagle_until = st->nagle = 0;
	st->tx_tid = st->rx_late = 0;
	st->rx_cpu = FR_NO_CPU;
	st->unaccepted = 0;
	st->retransmits = 0;
	st->unseen = 0;
	st->bursts = 0;
	st->sequence++;
	st->phase = phase;
	st->sndbuf_at = fr_chrono(tp, FR_CHRONO_SNDBUF);
	st->rwnd_at = fr_chrono(tp, FR_CHRONO_RWND);
	st->resent = FR_READ(tp, total_retrans);
	st->sent_seq = st->send_end = FR_READ(tp, write_seq);
}

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

/* When TCP last took in a segment of this connection, µs (tcp_mstamp_refresh; sending data refreshes it too). */
static __always_inline u64 fr_last_segment(struct tcp_sock *tp)
{
	return FR_READ(tp, tcp_mstamp) * 1000;
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
	if (__sync_val_compare_and_swap(&st->claimed, sequence - 1, sequence) != sequence - 1)
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

/* When the turn is over: its last send (served) or its last read (called); 0 while it is not answered. */
static __always_inline u64 fr_answered_at(struct fr_sock *st)
{
	if (st->phase == FR_RESPONSE)
		return st->tx_last ? st->tx_last : st->tx_first;
	if (st->phase == FR_ANSWER)
		return st->read_last;
	return 0;
}

/* The answer goes on after a rest that followed `end`. Connections that carry messages both ways (WebSocket, subscribers)
 * look like this: the turn then ended at its first rest, and what came since was not asked for. */
static __always_inline void fr_rest(struct tcp_sock *tp, struct fr_sock *st, u64 end)
{
	if (!st->rested) {
		st->rested = end;
		st->rested_rx = st->rx_last;
		st->rested_bytes = st->phase == FR_RESPONSE ? st->tx_bytes + fr_handed_over(tp, st) : st->rx_bytes;
	}
	if (st->rests < FR_RESTS_MOST)
		st->rests++;
	if (st->rests < FR_RESTS)
		return;
	if (st->phase == FR_RESPONSE) {
		st->tx_last = st->rested;
		st->tx_bytes = st->rested_bytes - fr_handed_over(tp, st);
	} else {
		st->read_last = st->rested;
		st->rx_last = st->rested_rx;
		st->rx_bytes = st->rested_bytes;
	}
	fr_complete(tp, st, st->rested, 0);
}

/* Whether the peer has acknowledged all that was ever written, and some time ago: where a slow reader was waited for, its
 * acknowledgement and the next send come together. rcv_tstamp: jiffies of the last one. */
static __always_inline bool fr_drained(struct tcp_sock *tp)
{
	if (FR_READ(tp, write_seq) != FR_READ(tp, snd_una))
		return false;
	return ((u32)bpf_jiffies64() - FR_READ(tp, rcv_tstamp)) * fr_jiffy_ns > FR_REST_NS / 4;
}

/* The first segment of a turn's request or answer: which softirq brought it, how late, and whether anybody could read. */
static __always_inline void fr_first_arrived(struct sock *sk, struct fr_sock *st, u64 now)
{
	u32 vector = FR_NET_RX;
	struct fr_softirq_total *t = bpf_map_lookup_elem(&softirqs, &vector);
	st->rx_first = now;
	/* From a socket's backlog it comes in its owner's own time. */
	if (t && t->entered) {
		u64 due = t->due && t->due < t->entered ? t->due : t->entered;
		st->rx_late = now > due ? (now - due) / 1000 : 0;
		st->rx_cpu = bpf_get_smp_processor_id();
	}
	st->unaccepted = st->phase == FR_REQUEST && !FR_READ(sk, sk_socket);
}

/* Whether an acknowledgement may matter to the turn: it releases what Nagle's algorithm held back, or is the request's. */
static __always_inline bool fr_awaits_ack(struct tcp_sock *tp, struct fr_sock *st)
{
	return (st->phase == FR_CALL && !st->acked) || ((st->phase == FR_RESPONSE || st->phase == FR_CALL) && fr_held_by_nagle(tp));
}

/* The peer acknowledged up to `ack`. */
static __always_inline void fr_acknowledged(struct tcp_sock *tp, struct fr_sock *st, u64 now, u32 ack)
{
	/* What Nagle's algorithm held back goes out now. */
	if ((s32)(ack - FR_READ(tp, snd_una)) > 0 && fr_held_by_nagle(tp)) {
		st->nagle += fr_held_since(st, now);
		st->nagle_until = now;
	}
	if (st->phase == FR_CALL && !st->acked && (s32)(ack - FR_READ(tp, write_seq)) >= 0)
		st->acked = now;
}

/* `readable`: with it the reader is woken (tcp_data_ready). */
static __always_inline void fr_data_arrived(struct sock *sk, struct tcp_sock *tp, struct fr_sock *st, u64 now, u32 bytes, bool readable)
{
	switch (st->phase) {
	case FR_IDLE:
		if (st->role != FR_SERVED)
			return; /* a push from the peer: nobody asked, so nobody waits */
		fr_begin(tp, st, now, FR_REQUEST);
		fr_first_arrived(sk, st, now);
		break;
	case FR_REQUEST:
		if (st->read_last > st->rx_last && st->bursts < 255)
			st->bursts++; /* what came before was read already: another burst of the same request */
		break;
	case FR_RESPONSE:
		if (!st->next_first) {
			st->next_first = now;
			st->next_woken = 0;
			st->next_bytes = 0;
		}
		st->next_last = now;
		st->next_bytes += bytes;
		if (readable && !st->next_woken)
			st->next_woken = now;
		return;
	case FR_CALL:
		st->phase = FR_ANSWER;
		fr_first_arrived(sk, st, now);
		break;
	case FR_ANSWER:
		if (st->read_last > st->rx_last && now - st->read_last > FR_REST_NS)
			fr_rest(tp, st, st->read_last);
		if (st->phase == FR_IDLE)
			return;
		break;
	}
	st->rx_last = now;
	st->rx_bytes += bytes;
	if (readable && !st->woken)
		st->woken = now;
}

static __always_inline void fr_was_read(struct sock *sk, struct tcp_sock *tp, struct fr_sock *st, u64 now)
{
	if (st->phase == FR_RESPONSE) {
		if (!st->next_first)
			return; /* the rest of a request that is being answered already */
		fr_complete(tp, st, fr_answered_at(st), 0);
		fr_begin(tp, st, st->next_first, FR_REQUEST);
		st->rx_first = st->next_first;
		st->rx_last = st->next_last;
		st->woken = st->next_woken;
		st->rx_bytes = st->next_bytes;
		st->next_first = 0;
	} else if (st->phase == FR_IDLE) {
		if (st->role != FR_SERVED)
			return;
		fr_begin(tp, st, now, FR_REQUEST); /* its arrival was not seen (data on the handshake's ACK) */
	} else if (st->phase == FR_CALL) {
		u64 at = fr_answer_half_closed(sk, tp, st, 0);
		if (at)
			st->rx_first = st->rx_last = st->woken = at;
		st->phase = FR_ANSWER;
	}
	if (!st->read_first) {
		st->read_first = now;
		st->tid = (u32)bpf_get_current_pid_tgid();
	}
	st->read_last = now;
}

/* Data was or is being handed to TCP. */
static __always_inline void fr_sent(struct tcp_sock *tp, struct fr_sock *st, u64 now)
{
	if (st->phase != FR_RESPONSE && st->phase != FR_CALL)
		return;
	st->tx_last = now;
	if (st->phase == FR_RESPONSE) {
		st->sndbuf_sent = fr_chrono(tp, FR_CHRONO_SNDBUF);
		st->rwnd_sent = fr_chrono(tp, FR_CHRONO_RWND);
	}
}

/* A send call has `left` bytes to hand to TCP: at its start, and on the newest rung again before each piece of it. Where the last
 * one ended short and this one goes on from there, it is one to us: the application waited for buffer in poll instead. */
static __always_inline void fr_sends(struct tcp_sock *tp, struct fr_sock *st, u64 now, u32 left)
{
	if (!left)
		return;
	u32 end = FR_READ(tp, write_seq) + left;
	bool goes_on = end == st->send_end;
	if (st->phase == FR_RESPONSE && !goes_on && !st->next_first) {
		u64 answered = fr_answered_at(st);
		if (now - answered > FR_PAUSE_NS)
			fr_complete(tp, st, answered, 0);
		else if (now - answered > FR_REST_NS && fr_drained(tp))
			fr_rest(tp, st, answered);
	} else if (st->phase == FR_CALL) {
		if (now - st->start > FR_UPLOAD_NS && st->bursts < 255)
			st->bursts++;
	} else if (st->phase == FR_ANSWER && st->read_last)
		fr_complete(tp, st, st->read_last, 0);
	if (st->phase == FR_IDLE && st->role == FR_CALLED) {
		fr_begin(tp, st, now, FR_CALL);
		st->tid = (u32)bpf_get_current_pid_tgid();
	}
	if (st->phase == FR_REQUEST)
		st->phase = FR_RESPONSE;
	if (st->phase == FR_IDLE)
		return; /* a push: an answer nobody asked for */
	st->tx_bytes += fr_handed_over(tp, st);
	st->sent_seq = FR_READ(tp, write_seq);
	st->send_end = end;
	st->acked = 0;
	if (!st->tx_first) {
		st->tx_first = now;
		st->tx_tid = (u32)bpf_get_current_pid_tgid();
	}
	fr_sent(tp, st, now);
}

/* The connection is ending: what is open ends with it. */
static __always_inline void fr_finish(struct sock *sk, struct tcp_sock *tp, struct fr_sock *st, u64 now)
{
	u64 end = fr_answered_at(st);
	if (st->phase == FR_IDLE)
		return;
	u64 unread = fr_answer_half_closed(sk, tp, st, 2); /* the FIN that ends it is one more */
	if (unread) {
		st->phase = FR_ANSWER;
		st->rx_first = st->rx_last = st->woken = unread;
	}
	if (!end && st->phase == FR_ANSWER)
		end = st->rx_last; /* the answer came; the end of the connection overtook its reader */
	if (end)
		fr_complete(tp, st, end, 0);
	else
		fr_complete(tp, st, now, FR_TURN_ABORTED);
}

#endif
