/* Probe family: threads that handle turns. What one did whenever it was off the CPU stays with it, the last few times;
 * userspace asks for it while something is slow. Long slices are kept one by one. Short ones, which may be hundreds between
 * two walks (a CPU shared slice by slice, a thousand small reads), are summed up in bursts of the same kind. */

#define FR_SLICES 64	/* a power of 2 */

struct fr_off {
	u64 start;
	u64 woken;	/* 0: runnable all along */
	u64 end;
	u64 spent;
	u32 syscall;
	u16 why;
	u16 flags;
};

struct fr_thread {
	u64 container;
	struct fr_off now;	/* start: 0 while it runs */
	u64 reclaiming;		/* since; 0: not now */
	struct fr_off reclaim;	/* the burst it is part of */
	struct fr_off preempted;	/* bursts of short slices; start: 0 when there is none */
	struct fr_off blocked;
	u64 stack_told;		/* of the block that began then */
	u32 count;		/* of slices ever kept */
	u32 pad;
	struct fr_off slices[FR_SLICES];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct fr_thread);
} threads SEC(".maps");

const volatile u64 fr_slice_floor_ns = 500000;
u64 fr_slices_since = 0;	/* the walker leaves out what ended before */
u32 fr_slices_wanted = 0;	/* something is slow: a thread that ends tells its slices first */

/* Reclaims closer together than this are one burst. */
#define FR_RECLAIM_APART_NS 2000000ULL
/* Slices of this length are kept one by one: blocked, and preempted (more than a scheduler's slice or two). */
#define FR_LONG_BLOCK_NS 4000000ULL
#define FR_LONG_WAIT_NS 10000000ULL
/* Short ones further apart, or longer together, are two bursts: what falls on two stages of a turn is divided by time. */
#define FR_BURST_APART_NS 10000000ULL
#define FR_BURST_NS 50000000ULL
/* Less than this of a burst is not worth a place. */
#define FR_BURST_FLOOR_NS 100000ULL
/* A block this long is worth its stack. */
#define FR_STACK_FLOOR_NS 50000000ULL

static __always_inline u32 fr_off_why(struct task_struct *task, bool preempted)
{
	u32 state = fr_task_state(task);
	if (preempted || !state)
		return FR_OFF_PREEMPTED;
	if (fr_task_frozen(task, state))
		return FR_OFF_FROZEN;
	if (state & (TASK_STOPPED | TASK_TRACED))
		return FR_OFF_STOPPED;
	if (fr_task_stalled(task))
		return FR_OFF_RECLAIM;
	if (BPF_CORE_READ_BITFIELD(task, in_iowait))
		return FR_OFF_IO;
	return state & TASK_UNINTERRUPTIBLE ? FR_OFF_UNINTERRUPTIBLE : FR_OFF_SLEEP;
}

/* This thread handles turns of this socket: it is followed from now on. */
static __always_inline void fr_follow(struct fr_sock *st)
{
	u32 tid = (u32)bpf_get_current_pid_tgid();
	if (!fr_follow_threads || st->followed == tid)
		return;
	struct fr_thread *t = bpf_task_storage_get(&threads, bpf_get_current_task_btf(), 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!t)
		return;
	t->container = st->container;
	st->followed = tid;
}

static __always_inline void fr_keep(struct fr_thread *t, struct fr_off *off)
{
	t->slices[t->count & (FR_SLICES - 1)] = *off;
	t->count++;
}

static __always_inline void fr_burst_add(struct fr_thread *t, struct fr_off *burst)
{
	const struct fr_off *off = &t->now;
	if (burst->start && (off->start - burst->end > FR_BURST_APART_NS || off->end - burst->start > FR_BURST_NS ||
			     off->why != burst->why || off->syscall != burst->syscall || (off->flags | FR_SLICE_BURST) != burst->flags)) {
		if (burst->spent >= FR_BURST_FLOOR_NS)
			fr_keep(t, burst);
		burst->start = 0;
	}
	if (!burst->start) {
		burst->start = off->start;
		burst->woken = 0;
		burst->spent = 0;
		burst->syscall = off->syscall;
		burst->why = off->why;
		burst->flags = off->flags | FR_SLICE_BURST;
	}
	burst->end = off->end;
	burst->spent += off->end - off->start;
	if (off->why == FR_OFF_PREEMPTED)
		burst->woken += off->end - off->start;
	else if (off->woken)
		burst->woken += off->end - off->woken;
}

/* From this length on a slice is kept by itself. */
static __always_inline u64 fr_slice_least(const struct fr_off *off)
{
	switch (off->why) {
	case FR_OFF_PREEMPTED:
		return FR_LONG_WAIT_NS;
	case FR_OFF_SLEEP:
	case FR_OFF_UNINTERRUPTIBLE:
	case FR_OFF_IO:
		return FR_LONG_BLOCK_NS;
	default:
		return fr_slice_floor_ns;
	}
}

static __always_inline void fr_slice_ends(struct fr_thread *t)
{
	if (t->now.end - t->now.start >= fr_slice_least(&t->now))
		fr_keep(t, &t->now);
	else if (t->now.why == FR_OFF_PREEMPTED)
		fr_burst_add(t, &t->preempted);
	else if (t->now.why == FR_OFF_SLEEP || t->now.why == FR_OFF_UNINTERRUPTIBLE || t->now.why == FR_OFF_IO)
		fr_burst_add(t, &t->blocked);
}

SEC("?tp_btf/sched_switch")
int BPF_PROG(switch_tp, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	fr_runs();
	u64 now = 0;
	struct fr_thread *t = bpf_task_storage_get(&threads, prev, 0, 0);
	if (t) {
		now = bpf_ktime_get_ns();
		t->now.start = now;
		t->now.woken = 0;
		t->now.why = fr_off_why(prev, preempt);
		t->now.flags = t->reclaiming ? FR_SLICE_WITHIN : 0;
		t->now.syscall = FR_NO_SYSCALL;
		if (t->now.why != FR_OFF_PREEMPTED)
			t->now.syscall = fr_task_syscall(prev);
		else if (fr_task_throttled(prev))
			t->now.flags |= FR_SLICE_THROTTLED;
	}
	t = bpf_task_storage_get(&threads, next, 0, 0);
	if (!t || !t->now.start)
		return 0;
	if (!now)
		now = bpf_ktime_get_ns();
	t->now.end = now;
	fr_slice_ends(t);
	t->now.start = 0;
	return 0;
}

SEC("?tp_btf/sched_wakeup")
int BPF_PROG(wakeup_tp, struct task_struct *task)
{
	fr_runs();
	struct fr_thread *t = bpf_task_storage_get(&threads, task, 0, 0);
	if (t && t->now.start && !t->now.woken && t->now.why != FR_OFF_PREEMPTED) {
		t->now.woken = bpf_ktime_get_ns();
		if (fr_task_throttled(task))
			t->now.flags |= FR_SLICE_THROTTLED;
	}
	return 0;
}

/* Reclaim comes in many short runs: those close together are one slice, with the time spent in all of them. */
static __always_inline int fr_reclaim_begins(void)
{
	struct fr_thread *t = bpf_task_storage_get(&threads, bpf_get_current_task_btf(), 0, 0);
	if (!t)
		return 0;
	u64 now = bpf_ktime_get_ns();
	if (t->reclaim.start && now - t->reclaim.end > FR_RECLAIM_APART_NS) {
		if (t->reclaim.spent >= fr_slice_floor_ns)
			fr_keep(t, &t->reclaim);
		t->reclaim.start = 0;
	}
	if (!t->reclaim.start) {
		t->reclaim.start = now;
		t->reclaim.end = now;
		t->reclaim.spent = 0;
		t->reclaim.why = FR_OFF_RECLAIM;
		t->reclaim.syscall = FR_NO_SYSCALL;
	}
	t->reclaiming = now;
	return 0;
}

static __always_inline int fr_reclaim_ends(void)
{
	struct fr_thread *t = bpf_task_storage_get(&threads, bpf_get_current_task_btf(), 0, 0);
	if (!t || !t->reclaiming)
		return 0;
	u64 now = bpf_ktime_get_ns();
	t->reclaim.spent += now - t->reclaiming;
	t->reclaim.end = now;
	t->reclaiming = 0;
	return 0;
}

SEC("?tp_btf/mm_vmscan_memcg_reclaim_begin")
int BPF_PROG(memcg_reclaim_begin_tp)
{
	return fr_reclaim_begins();
}

SEC("?tp_btf/mm_vmscan_memcg_reclaim_end")
int BPF_PROG(memcg_reclaim_end_tp)
{
	return fr_reclaim_ends();
}

SEC("?tp_btf/mm_vmscan_direct_reclaim_begin")
int BPF_PROG(direct_reclaim_begin_tp)
{
	return fr_reclaim_begins();
}

SEC("?tp_btf/mm_vmscan_direct_reclaim_end")
int BPF_PROG(direct_reclaim_end_tp)
{
	return fr_reclaim_ends();
}

static __always_inline void fr_slice_fill(struct fr_slice *e, struct task_struct *task, u64 container, struct fr_off *off,
					  u64 end, u8 flags)
{
	fr_head(&e->h, end, container, 0, FR_SLICE);
	e->start = off->start;
	e->woken = off->woken;
	e->spent = off->spent;
	e->tid = BPF_CORE_READ(task, pid);
	e->pid = BPF_CORE_READ(task, tgid);
	e->syscall = off->syscall;
	e->why = off->why;
	e->flags = off->flags | flags;
	e->pad[0] = e->pad[1] = 0;
}

static __always_inline void fr_slice_write(struct seq_file *seq, struct task_struct *task, u64 container, struct fr_off *off,
					   u64 end, u8 flags)
{
	struct fr_slice e = {};
	fr_slice_fill(&e, task, container, off, end, flags);
	bpf_seq_write(seq, &e, sizeof(e));
}

/* The burst of reclaim it is in, or that has not been followed by another. */
static __always_inline bool fr_reclaim_so_far(struct fr_thread *t, u64 now, struct fr_off *burst)
{
	*burst = t->reclaim;
	u64 since = t->reclaiming;
	if (!burst->start)
		return false;
	if (since && now > since) {
		burst->spent += now - since;
		burst->end = now;
	}
	return burst->spent >= fr_slice_floor_ns && burst->end > fr_slices_since;
}

/* A burst that may not be over. */
static __always_inline bool fr_burst_counts(const struct fr_off *burst)
{
	return burst->start && burst->spent >= FR_BURST_FLOOR_NS && burst->end > fr_slices_since;
}

static __always_inline void fr_slice_emit(struct task_struct *task, u64 container, struct fr_off *off)
{
	struct fr_slice *e = fr_reserve(sizeof(*e), FR_SLICE);
	if (!e)
		return;
	fr_slice_fill(e, task, container, off, off->end, 0);
	fr_submit(e);
}

/* A thread of one connection ends with it, before the next walk. */
SEC("?tp_btf/sched_process_exit")
int BPF_PROG(exit_tp, struct task_struct *task)
{
	struct fr_thread *t = bpf_task_storage_get(&threads, task, 0, 0);
	if (!t)
		return 0;
	/* Nothing is known to be slow: it may have been this thread's own turn, that ended since the last walk. */
	u64 least = fr_slices_wanted ? 0 : fr_open_floor_ns / 16;
	if (!fr_slices_wanted && least < FR_STACK_FLOOR_NS / 5)
		least = FR_STACK_FLOOR_NS / 5;
	for (int i = 0; i < FR_SLICES; i++) {
		struct fr_off off = t->slices[i];
		u64 length = off.spent ? off.spent : off.end - off.start;
		if (off.end > fr_slices_since && length >= least)
			fr_slice_emit(task, t->container, &off);
	}
	struct fr_off burst = t->preempted;
	if (fr_burst_counts(&burst) && burst.spent >= least)
		fr_slice_emit(task, t->container, &burst);
	burst = t->blocked;
	if (fr_burst_counts(&burst) && burst.spent >= least)
		fr_slice_emit(task, t->container, &burst);
	if (fr_reclaim_so_far(t, bpf_ktime_get_ns(), &burst))
		fr_slice_emit(task, t->container, &burst);
	return 0;
}

/* Where in the kernel it is blocked, once a block. Costs nothing until something is slow. */
static __always_inline void fr_stack_write(struct seq_file *seq, struct task_struct *task, struct fr_thread *t, u64 start,
					   u64 now)
{
	struct fr_stack e = {};
	if (t->stack_told == start)
		return;
	long bytes = bpf_get_task_stack(task, e.frames, sizeof(e.frames), 0);
	if (bytes <= 0)
		return;
	fr_head(&e.h, now, t->container, 0, FR_STACK);
	e.start = start;
	e.tid = BPF_CORE_READ(task, pid);
	e.depth = bytes / sizeof(e.frames[0]);
	/* Written in vain, the whole thread is told again. */
	if (!bpf_seq_write(seq, &e, sizeof(e)))
		t->stack_told = start;
}

/* Every thread that ever handled a turn, with its slices since fr_slices_since and the one it is in. */
SEC("?iter/task")
int walk_threads(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	if (!task)
		return 0;
	struct fr_thread *t = bpf_task_storage_get(&threads, task, 0, 0);
	if (!t)
		return 0;
	u64 now = bpf_ktime_get_ns();
	for (int i = 0; i < FR_SLICES; i++) {
		struct fr_off off = t->slices[i];
		if (off.end > fr_slices_since)
			fr_slice_write(ctx->meta->seq, task, t->container, &off, off.end, 0);
	}
	struct fr_off off;
	if (fr_reclaim_so_far(t, now, &off))
		fr_slice_write(ctx->meta->seq, task, t->container, &off, off.end, FR_SLICE_OPEN);
	off = t->preempted;
	if (fr_burst_counts(&off))
		fr_slice_write(ctx->meta->seq, task, t->container, &off, off.end, 0);
	off = t->blocked;
	if (fr_burst_counts(&off))
		fr_slice_write(ctx->meta->seq, task, t->container, &off, off.end, 0);
	off = t->now;
	/* One that is shorter may end as part of a burst: told now, it would count twice. */
	if (!off.start || now <= off.start || now - off.start < fr_slice_least(&off))
		return 0;
	fr_slice_write(ctx->meta->seq, task, t->container, &off, now, FR_SLICE_OPEN);
	if (!off.woken && off.why != FR_OFF_PREEMPTED && now - off.start >= FR_STACK_FLOOR_NS)
		fr_stack_write(ctx->meta->seq, task, t, off.start, now);
	return 0;
}
