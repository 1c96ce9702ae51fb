/* Probe family: threads that handle turns. What one did whenever it was off the CPU for longer than a floor stays with it,
 * the last few times; userspace asks for it while something is slow. */

#define FR_SLICES 32	/* a power of 2 */

struct fr_off {
	u64 start;
	u64 woken;	/* 0: runnable all along */
	u64 end;
	u32 syscall;
	u32 why;
};

struct fr_thread {
	u64 container;
	struct fr_off now;	/* start: 0 while it runs */
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

static __always_inline u32 fr_off_why(struct task_struct *task, bool preempted)
{
	u32 state = fr_task_state(task);
	if (preempted || !state)
		return FR_OFF_PREEMPTED;
	if (fr_task_frozen(task, state))
		return FR_OFF_FROZEN;
	if (state & (TASK_STOPPED | TASK_TRACED))
		return FR_OFF_STOPPED;
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

SEC("?tp_btf/sched_switch")
int BPF_PROG(switch_tp, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	u64 now = 0;
	struct fr_thread *t = bpf_task_storage_get(&threads, prev, 0, 0);
	if (t) {
		now = bpf_ktime_get_ns();
		t->now.start = now;
		t->now.woken = 0;
		t->now.why = fr_off_why(prev, preempt);
		t->now.syscall = t->now.why == FR_OFF_PREEMPTED ? FR_NO_SYSCALL : fr_task_syscall(prev);
	}
	t = bpf_task_storage_get(&threads, next, 0, 0);
	if (!t || !t->now.start)
		return 0;
	if (!now)
		now = bpf_ktime_get_ns();
	if (now - t->now.start >= fr_slice_floor_ns) {
		struct fr_off *slice = &t->slices[t->count & (FR_SLICES - 1)];
		*slice = t->now;
		slice->end = now;
		t->count++;
	}
	t->now.start = 0;
	return 0;
}

SEC("?tp_btf/sched_wakeup")
int BPF_PROG(wakeup_tp, struct task_struct *task)
{
	struct fr_thread *t = bpf_task_storage_get(&threads, task, 0, 0);
	if (t && t->now.start && !t->now.woken && t->now.why != FR_OFF_PREEMPTED)
		t->now.woken = bpf_ktime_get_ns();
	return 0;
}

static __always_inline void fr_slice_fill(struct fr_slice *e, struct task_struct *task, u64 container, struct fr_off *off,
					  u64 end, u8 flags)
{
	fr_head(&e->h, end, container, 0, FR_SLICE);
	e->start = off->start;
	e->woken = off->woken;
	e->tid = BPF_CORE_READ(task, pid);
	e->pid = BPF_CORE_READ(task, tgid);
	e->syscall = off->syscall;
	e->why = off->why;
	e->flags = flags;
	e->pad[0] = e->pad[1] = 0;
}

static __always_inline void fr_slice_write(struct seq_file *seq, struct task_struct *task, u64 container, struct fr_off *off,
					   u64 end, u8 flags)
{
	struct fr_slice e = {};
	fr_slice_fill(&e, task, container, off, end, flags);
	bpf_seq_write(seq, &e, sizeof(e));
}

/* A thread of one connection ends with it, before the next walk. */
SEC("?tp_btf/sched_process_exit")
int BPF_PROG(exit_tp, struct task_struct *task)
{
	if (!fr_slices_wanted)
		return 0;
	struct fr_thread *t = bpf_task_storage_get(&threads, task, 0, 0);
	if (!t)
		return 0;
	for (int i = 0; i < FR_SLICES; i++) {
		struct fr_off off = t->slices[i];
		if (off.end <= fr_slices_since)
			continue;
		struct fr_slice *e = fr_reserve(sizeof(*e), FR_SLICE);
		if (!e)
			continue;
		fr_slice_fill(e, task, t->container, &off, off.end, 0);
		fr_submit(e);
	}
	return 0;
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
	struct fr_off off = t->now;
	if (off.start && now > off.start && now - off.start >= fr_slice_floor_ns)
		fr_slice_write(ctx->meta->seq, task, t->container, &off, now, FR_SLICE_OPEN);
	return 0;
}
