/* How a turn begins: by what arrives or is sent now, or by what came before any hook could tell of it. */
#ifndef FLIGHTREC_TURN_BEGIN_H
#define FLIGHTREC_TURN_BEGIN_H

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
	fr_begin_send_wait(st, start);
	if (fr_time_receive)
		st->receive = 0;
	st->sequence++;
	st->phase = phase;
	st->sndbuf_at = fr_chrono(tp, FR_CHRONO_SNDBUF);
	st->rwnd_at = fr_chrono(tp, FR_CHRONO_RWND);
	st->resent = FR_READ(tp, total_retrans);
	st->sent_seq = st->send_end = FR_READ(tp, write_seq);
}

/* The request that arrived while the one before was being answered has its turn now. */
static __always_inline void fr_begin_next(struct tcp_sock *tp, struct fr_sock *st)
{
	fr_begin(tp, st, st->next_first, FR_REQUEST);
	st->rx_first = st->next_first;
	st->rx_last = st->next_last;
	st->woken = st->next_woken;
	st->rx_bytes = st->next_bytes;
	st->rx_late = st->next_late;
	st->rx_cpu = st->next_cpu;
	if (fr_time_receive)
		st->receive = st->next_receive;
	st->next_first = 0;
}

/* Data on the segment that completes the handshake is taken in where no hook is; with TCP_DEFER_ACCEPT a connection's first always comes
 * like that. Since when it waits; 0: it came later, and its arrival was missed. The kernel notes when data came last, in jiffies, and a
 * new connection's own beginning (tcp_create_openreq_child). */
static __always_inline u64 fr_came_with_handshake(struct tcp_sock *tp, struct fr_sock *st)
{
	if (st->sequence || st->old || !st->established || st->role != FR_SERVED)
		return 0;
	s32 later = FR_READ(tp, inet_conn.icsk_ack.lrcvtime) - st->established_jiffies;
	return later <= 1 ? st->established : 0;
}

/* The same of one that nobody has read yet: more than a FIN. */
static __always_inline u64 fr_came_unread(struct tcp_sock *tp, struct fr_sock *st)
{
	u64 since = fr_came_with_handshake(tp, st);
	return since && FR_READ(tp, rcv_nxt) - FR_READ(tp, copied_seq) >= 2 ? since : 0;
}

/* The turn of such a request begins. Nobody can have accepted what was not established. */
static __always_inline void fr_begin_unseen(struct tcp_sock *tp, struct fr_sock *st, u64 since)
{
	fr_begin(tp, st, since, FR_REQUEST);
	st->rx_first = st->rx_last = st->woken = since;
	st->rx_bytes = FR_READ(tp, rcv_nxt) - st->rcv_nxt;
	st->unaccepted = 1;
}

#endif
