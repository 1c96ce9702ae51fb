/* Iterators: run by userspace a few times a second, off every hot path. */

/* What the walker is about to write: on the stack it is too large, with the calls it makes. Userspace reads one walk at a time. */
struct fr_turn fr_walk_turn = {};

/* A turn whose answer no hook told of. */
static __always_inline void fr_fill_unseen(struct fr_turn *e, struct tcp_sock *tp, struct fr_sock *st, u64 at)
{
	e->tx_first = e->tx_last = at;
	e->tx_tid = st->tid;
	e->tx_bytes = -fr_unsent(tp, st);
}

/* Finds turns still open past the floor, so that a hung request fires before its history expires, and reports turns that
 * ended with no further traffic to close them. Only the claim is written here: the socket's own path owns the rest. */
static __always_inline int fr_walk(struct seq_file *seq, struct sock *sk, struct fr_sock *st)
{
	if (!sk) { /* the end of the walk */
		fr_walk_jiffies = bpf_jiffies64();
		fr_walk_ktime = bpf_ktime_get_ns();
		fr_drop_flush();
		return 0;
	}
	/* Most sockets of a host: nothing more than this. */
	if (!st || !st->watched || !fr_reportable(st) || st->pid_rejected)
		return 0;
	if (fr_walk_ids) {
		u32 id = st->id;
		bpf_seq_write(seq, &id, sizeof(id));
		return 0;
	}
	u64 now = bpf_ktime_get_ns();
	if (BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_LISTEN) {
		if (fr_watched(sk, st))
			fr_listen_drops(sk, st);
		return 0;
	}
	if (fr_walk_reset) { /* nothing is attached: this is the only writer */
		st->phase = FR_IDLE;
		st->claimed = st->sequence;
		st->next_first = 0;
		st->blocked_tid = 0;
		return 0;
	}
	struct tcp_sock *tp = fr_tcp(sk);
	if (!tp)
		return 0;
	u8 phase = st->phase;
	bool sending = (phase == FR_RESPONSE || phase == FR_CALL) && fr_unsent(tp, st) > 0;
	u64 next = st->next_first;
	bool unread = phase == FR_RESPONSE && next;
	u64 ended = phase == FR_RESPONSE ? st->tx_last : phase == FR_ANSWER ? st->read_last : 0;
	u64 unseen = phase == FR_REQUEST ? fr_sent_unseen(tp, st, 2) : 0;
	if (unseen)
		ended = unseen;
	u32 sequence = st->sequence;
	struct fr_turn *open = &fr_walk_turn;
	if (!unread && ended && !sending && now > ended && now - ended > FR_PAUSE_NS) {
		if (!fr_claim(st, sequence))
			return 0;
		struct fr_turn *e = fr_reserve(sizeof(*e), FR_TURN);
		if (!e)
			return 0;
		fr_head(&e->h, ended, st->container, st->id, FR_TURN);
		fr_fill(e, tp, st, ended, 0);
		if (unseen)
			fr_fill_unseen(e, tp, st, unseen);
		fr_submit(e);
		return 0;
	}
	if (BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_SYN_SENT) {
		if (!st->connect_start || now <= st->connect_start || now - st->connect_start < fr_open_floor_ns)
			return 0;
		fr_announce(sk, st);
		__builtin_memset(open, 0, sizeof(*open));
		fr_head(&open->h, now, st->container, st->id, FR_OPEN);
		open->start = st->connect_start;
		open->sequence = sequence + 1;
		open->role = FR_CALLED;
		open->flags = FR_TURN_OPEN | FR_TURN_CONNECT;
		u32 again = FR_READ(tp, total_retrans);
		open->retransmits = st->syn_retries;
		open->unseen = again > open->retransmits ? again - open->retransmits : 0;
		bpf_seq_write(seq, open, sizeof(*open));
		return 0;
	}
	/* A connection's first request, which nobody was told of: it has no turn until it is read. */
	u64 came = phase == FR_IDLE ? fr_came_unread(tp, st) : 0;
	if ((phase == FR_IDLE && !came) || st->claimed == sequence + (unread || came ? 1 : 0))
		return 0;
	u64 start = unread ? next : came ? came : st->start, at = now;
	if (!start || now <= start || now - start < fr_open_floor_ns)
		return 0;
	fr_fill(open, tp, st, now, FR_TURN_OPEN);
	u64 half_closed = fr_answer_half_closed(sk, tp, st, 1);
	if (half_closed)
		open->rx_first = open->rx_last = open->woken = half_closed;
	if (unread) {
		open->start = open->rx_first = next;
		open->rx_last = st->next_last;
		open->woken = st->next_woken;
		open->rx_bytes = st->next_bytes;
		open->read_first = open->read_last = open->tx_first = open->tx_last = open->tx_bytes = 0;
		open->sndbuf_wait = open->rwnd_wait = open->send_wait = open->acked = 0;
		open->tcp_receive = fr_time_receive ? st->next_receive : 0;
		open->tx_tid = open->nagle_us = open->retransmits = open->unseen = 0;
		open->rx_late_us = st->next_late;
		open->rx_cpu = st->next_cpu;
		open->sequence = sequence + 1;
		open->flags = FR_TURN_OPEN | FR_TURN_UNREAD;
	} else if (came) {
		open->start = open->rx_first = open->rx_last = open->woken = came;
		open->rx_bytes = FR_READ(tp, rcv_nxt) - st->rcv_nxt;
		open->sequence = 1;
		open->retransmits = open->unseen = 0;
		open->flags = FR_TURN_OPEN | FR_TURN_UNREAD | FR_TURN_FIRST | FR_TURN_UNACCEPTED;
	} else if (phase == FR_REQUEST && !st->read_first && FR_READ(tp, rcv_nxt) != FR_READ(tp, copied_seq))
		open->flags |= FR_TURN_UNREAD; /* else the read was not seen */
	else if (ended && !sending) {
		/* Answered; the next request or the pause will end it. Till then it is told as it stands, or a capture made
		 * meanwhile would lack it. */
		if (ended < start || ended - start < fr_open_floor_ns)
			return 0;
		at = ended;
		open->flags &= ~FR_TURN_OPEN;
		if (unseen)
			fr_fill_unseen(open, tp, st, unseen);
	}
	if (sending)
		open->flags |= FR_TURN_SENDING;
	fr_announce(sk, st);
	fr_head(&open->h, at, st->container, st->id, FR_OPEN);
	bpf_seq_write(seq, open, sizeof(*open));
	return 0;
}

SEC("?iter/bpf_sk_storage_map")
int walk_sockets(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	return fr_walk(ctx->meta->seq, ctx->sk, ctx->value);
}

SEC("?iter/bpf_map_elem")
int walk_addresses(struct bpf_iter__bpf_map_elem *ctx)
{
	u64 *address = ctx->key;
	if (!address) /* the iterator's last call, past the end */
		return fr_walk(ctx->meta->seq, 0, 0);
	return fr_walk(ctx->meta->seq, (struct sock *)*address, ctx->value);
}

static __always_inline void fr_own_by(struct fr_sock *st, struct task_struct *task)
{
	if (st->owned)
		return;
	st->pid = BPF_CORE_READ(task, tgid);
	BPF_CORE_READ_INTO(&st->comm, task, comm);
	st->owned = 1;
	if (fr_filter_pids && !bpf_map_lookup_elem(&pid_rule, &st->pid))
		st->pid_rejected = 1;
}

/* First pass over every process's sockets: who listens. */
SEC("iter/task_file")
int walk_listeners(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct task_struct *task = ctx->task;
	if (!file || !task)
		return 0;
	struct sock *sk = fr_file_sock(file);
	if (!sk || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	if (BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_LISTEN)
		return 0;
	fr_note_listener(sk);
	struct fr_sock *st = fr_find(sk);
	if (st)
		fr_own_by(st, task);
	return 0;
}

/* Second pass: connections older than the recorder get their role, container and owner. */
SEC("iter/task_file")
int walk_connections(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct task_struct *task = ctx->task;
	if (!file || !task)
		return 0;
	struct sock *sk = fr_file_sock(file);
	if (!sk)
		return 0;
	u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if ((family != AF_INET && family != AF_INET6) || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP ||
	    BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_ESTABLISHED)
		return 0;
	struct fr_sock *st = fr_find_or_make(sk);
	if (!st)
		return 0;
	/* Its first packet came before the listeners were known. */
	if (st->old && st->role == FR_CALLED && fr_role_by_listener(sk) == FR_SERVED) {
		st->role = FR_SERVED;
		st->phase = FR_IDLE;
		st->claimed = st->sequence;
		st->announced = 0;
	}
	if (st->owned)
		return 0;
	if (!st->generation) {
		fr_classify(sk, st);
		st->id = fr_new_id();
		st->old = 1;
		st->role = fr_role_by_listener(sk);
	}
	fr_own_by(st, task);
	return 0;
}
