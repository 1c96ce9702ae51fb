/* The turn state machine: pure bookkeeping on struct fr_sock, driven by the hooks in turn.bpf.h.
 *
 * All callers but the walker hold the socket's lock, or run in its receive path, which excludes them.
 */
#ifndef FLIGHTREC_TURN_H
#define FLIGHTREC_TURN_H

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

/* Lateness below this is the time that taking a segment in takes. */
#define FR_LATE_FLOOR_US 100

/* The softirq that brings a segment: on which CPU, and since when it was due, µs. */
static __always_inline void fr_brought_by(u64 now, u16 *cpu, u32 *late)
{
	u32 vector = FR_NET_RX;
	struct fr_softirq_total *t = bpf_map_lookup_elem(&softirqs, &vector);
	/* From a socket's backlog it comes in its owner's own time. */
	if (!t || t->entered <= fr_softirqs_since)
		return;
	u64 due = t->due && t->due < t->entered ? t->due : t->entered;
	u32 us = now > due ? (now - due) / 1000 : 0;
	*late = us < FR_LATE_FLOOR_US ? 0 : us;
	*cpu = bpf_get_smp_processor_id();
}

/* The first segment of a turn's request or answer. */
static __always_inline void fr_first_arrived(struct sock *sk, struct fr_sock *st, u64 now)
{
	st->rx_first = now;
	fr_brought_by(now, &st->rx_cpu, &st->rx_late);
	/* Whether anybody could read it. */
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

/* The turn was answered at `at`, by a send that no hook told of. */
static __always_inline void fr_answered_unseen(struct tcp_sock *tp, struct fr_sock *st, u64 at)
{
	st->phase = FR_RESPONSE;
	st->tx_first = st->tx_last = at;
	st->tx_tid = st->tid;
	st->send_end = FR_READ(tp, write_seq);
	st->sndbuf_sent = fr_chrono(tp, FR_CHRONO_SNDBUF);
	st->rwnd_sent = fr_chrono(tp, FR_CHRONO_RWND);
}

/* Data arrives: what of the turn before was not told is made up for. Served: it was answered. Called: it was read, and another
 * began, whose answer this is. */
static __always_inline void fr_catch_up(struct tcp_sock *tp, struct fr_sock *st)
{
	bool served = st->phase == FR_REQUEST;
	u64 at = served || st->phase == FR_ANSWER ? fr_sent_unseen(tp, st, 1) : 0;
	if (!at)
		return;
	u32 from = st->send_end;
	if (served)
		fr_answered_unseen(tp, st, at);
	fr_complete(tp, st, served ? at : st->read_last, 0);
	if (served)
		return;
	fr_begin(tp, st, at, FR_CALL);
	st->sent_seq = from;
	st->tx_first = st->tx_last = at;
	st->tx_tid = st->tid;
}

/* `readable`: with it the reader is woken (tcp_data_ready). */
static __always_inline void fr_data_arrived(struct sock *sk, struct tcp_sock *tp, struct fr_sock *st, u64 now, u32 bytes, bool readable)
{
	fr_catch_up(tp, st);
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
			st->next_late = 0;
			st->next_cpu = FR_NO_CPU;
			fr_brought_by(now, &st->next_cpu, &st->next_late);
			if (fr_time_receive)
				st->next_receive = 0;
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
		if (!st->left_unread && st->read_last > st->rx_last && now - st->read_last > FR_REST_NS)
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

/* A request is read whose arrival no hook told of. */
static __always_inline void fr_begin_missed(struct sock *sk, struct tcp_sock *tp, struct fr_sock *st, u64 now)
{
	u64 at = st->sequence ? fr_came_unseen(sk, tp, st, now) : 0;
	fr_begin(tp, st, at ? at : now, FR_REQUEST);
	st->rx_first = st->rx_last = st->woken = at;
}

/* By thread `tid`. */
static __always_inline void fr_was_read(struct sock *sk, struct tcp_sock *tp, struct fr_sock *st, u64 now, u32 tid)
{
	if (st->phase == FR_RESPONSE && !st->next_first) {
		u32 fresh = fr_fresh(tp, st);
		/* The rest of a request that is being answered already, or a FIN, which takes a sequence number. */
		if (fresh < 2 || !fr_is_open(sk))
			return;
		fr_complete(tp, st, fr_answered_at(st), 0);
		fr_begin_missed(sk, tp, st, now);
		st->rx_bytes = fresh;
	} else if (st->phase == FR_RESPONSE) {
		fr_complete(tp, st, fr_answered_at(st), 0);
		fr_begin_next(tp, st);
	} else if (st->phase == FR_IDLE) {
		if (st->role != FR_SERVED || fr_is_dead(sk))
			return;
		u64 since = fr_came_with_handshake(tp, st);
		if (since)
			fr_begin_unseen(tp, st, since);
		else
			fr_begin_missed(sk, tp, st, now);
	} else if (st->phase == FR_CALL) {
		u64 at = fr_answer_half_closed(sk, tp, st, 0);
		if (!at && fr_fresh(tp, st))
			at = fr_came_unseen(sk, tp, st, now);
		st->rx_first = st->rx_last = st->woken = at;
		st->phase = FR_ANSWER;
	}
	if (st->phase == FR_ANSWER)
		st->left_unread = FR_READ(tp, rcv_nxt) != FR_READ(tp, copied_seq);
	if (!st->read_first) {
		st->read_first = now;
		st->tid = tid;
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
static __always_inline void fr_sends(struct tcp_sock *tp, struct fr_sock *st, u64 now, u32 left, u32 tid)
{
	if (!left)
		return;
	fr_sends_again(st, tid);
	u32 end = FR_READ(tp, write_seq) + left;
	/* A sendfile that ends short begins anew with a piece of another length: what the last one still owed says as much. */
	bool goes_on = end == st->send_end || fr_unsent(tp, st) > 0;
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
	else if (st->phase == FR_ANSWER && st->woken && FR_READ(tp, rcv_nxt) == FR_READ(tp, copied_seq))
		fr_complete(tp, st, st->rx_last, 0); /* it was read, by a call whose probe the kernel skipped */
	if (st->phase == FR_IDLE && st->role == FR_CALLED && !fr_is_dead((struct sock *)tp)) {
		fr_begin(tp, st, now, FR_CALL);
		st->received = FR_READ(tp, rcv_nxt);
		st->tid = tid;
	}
	if (st->phase == FR_REQUEST) {
		st->phase = FR_RESPONSE;
		st->received = FR_READ(tp, rcv_nxt);
	}
	if (st->phase == FR_IDLE)
		return; /* a push: an answer nobody asked for */
	st->tx_bytes += fr_handed_over(tp, st);
	st->sent_seq = FR_READ(tp, write_seq);
	st->send_end = end;
	st->acked = 0;
	if (!st->tx_first) {
		st->tx_first = now;
		st->tx_tid = tid;
	}
	fr_sent(tp, st, now);
}

/* The connection is ending: what is open ends with it. */
static __always_inline void fr_finish(struct sock *sk, struct tcp_sock *tp, struct fr_sock *st, u64 now)
{
	u64 end = fr_answered_at(st);
	if (st->phase == FR_IDLE) {
		u64 since = fr_came_unread(tp, st);
		if (!since)
			return;
		fr_begin_unseen(tp, st, since);
	}
	u64 unread = fr_answer_half_closed(sk, tp, st, 2); /* the FIN that ends it is one more */
	if (unread) {
		st->phase = FR_ANSWER;
		st->rx_first = st->rx_last = st->woken = unread;
	}
	u64 sent = st->phase == FR_REQUEST ? fr_sent_unseen(tp, st, 2) : 0;
	if (sent) {
		fr_answered_unseen(tp, st, sent);
		end = sent;
	}
	if (!end && st->phase == FR_ANSWER)
		end = st->rx_last; /* the answer came; the end of the connection overtook its reader */
	bool another = st->phase == FR_RESPONSE && st->next_first;
	if (end)
		fr_complete(tp, st, end, 0);
	else
		fr_complete(tp, st, now, FR_TURN_ABORTED);
	if (another) {
		fr_begin_next(tp, st);
		fr_complete(tp, st, now, FR_TURN_ABORTED);
	}
}

#endif
