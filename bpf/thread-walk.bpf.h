/* Telling a thread's slices: to userspace, which asks while something is slow, and at the thread's end. */

static __always_inline void fr_slice_whose(struct fr_slice *e, struct task_struct *task)
{
	e->tid = BPF_CORE_READ(task, pid);
	e->pid = BPF_CORE_READ(task, tgid);
	e->pad[0] = e->pad[1] = 0;
}

static __always_inline void fr_slice_fill(struct fr_slice *e, u64 container, const struct fr_off *off, u64 end, u8 flags)
{
	fr_head(&e->h, end, container, 0, FR_SLICE);
	e->start = off->start;
	e->woken = off->woken;
	e->spent = off->spent;
	e->syscall = off->syscall;
	e->why = off->why;
	e->flags = off->flags | flags;
}

/* `e` is the thread's already: a verifier walks through this for every slice a thread may have. */
static __always_inline void fr_slice_write(struct seq_file *seq, struct fr_slice *e, u64 container, const struct fr_off *off, u64 end, u8 flags)
{
	fr_slice_fill(e, container, off, end, flags);
	bpf_seq_write(seq, e, sizeof(*e));
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

/* Since the last walk it had more slices than it keeps: what it did up to then is not known. */
static __always_inline bool fr_forgotten(const struct fr_thread *t, struct fr_off *gap)
{
	gap->start = t->since > fr_slices_since ? t->since : fr_slices_since;
	gap->woken = 0;
	gap->end = t->lost_until;
	gap->spent = 0;
	gap->syscall = FR_NO_SYSCALL;
	gap->why = FR_OFF_FORGOTTEN;
	gap->flags = 0;
	return gap->end > gap->start;
}

static __always_inline void fr_slice_emit(struct task_struct *task, u64 container, struct fr_off *off)
{
	struct fr_slice *e = fr_reserve(sizeof(*e), FR_SLICE);
	if (!e)
		return;
	fr_slice_whose(e, task);
	fr_slice_fill(e, container, off, off->end, 0);
	fr_submit(e);
}

/* Those that a thread keeps many of are told by functions of their own, which a verifier looks at once: in the loop that calls them it
 * walked through 650,000 instructions on 6.1, of the million it would (and with sums in variables of the loop through more than that). */
__noinline int fr_tell_kept(u32 at, u64 least, u64 most, u64 late)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct fr_thread *t = fr_thread_of(task);
	if (!t)
		return 0;
	struct fr_off off = t->slices[at & (FR_SLICES - 1)];
	u64 length = off.spent ? off.spent : off.end - off.start;
	if (length >= least && length < most)
		fr_slice_emit(task, t->container, &off);
	else if (off.end > late)
		t->untold += length;
	return 0;
}

__noinline int fr_tell_stolen(u32 at, u64 least)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct fr_thread *t = fr_thread_of(task);
	if (!t)
		return 0;
	struct fr_off burst = t->stolen_before[at & (FR_STOLEN - 1)];
	if (fr_burst_counts(&burst) && burst.spent >= least)
		fr_slice_emit(task, t->container, &burst);
	return 0;
}

/* A turn that is not seen to be slow while it lasts is shorter than this: looks are 100 ms apart. */
#define FR_UNSEEN_NS 200000000ULL

/* A thread of one connection ends with it, before the next walk. It is the current one (do_exit). */
SEC("?tp_btf/sched_process_exit")
int BPF_PROG(exit_tp, struct task_struct *task)
{
	struct fr_thread *t = fr_thread_of(task);
	if (!t || t->softirqs)
		return 0;
	fr_count_stolen(t, task, bpf_ktime_get_ns());
	t->steal = 0;
	/* Nothing is known to be slow: it may have been this thread's own turn, that ended since the last walk. */
	u64 least = fr_slices_wanted ? 0 : fr_open_floor_ns / 16;
	if (!fr_slices_wanted && least < FR_STACK_FLOOR_NS / 5)
		least = FR_STACK_FLOOR_NS / 5;
	u64 late = bpf_ktime_get_ns() - FR_UNSEEN_NS;
	t->untold = 0;
	for (u32 i = 0; i < FR_SLICES; i++)
		if (t->slices[i].end > fr_slices_since)
			fr_tell_kept(i, least, ~0ULL, late);
	/* Together the others may be what its turn took. */
	if (least && t->untold >= least)
		for (u32 i = 0; i < FR_SLICES; i++)
			if (t->slices[i].end > fr_slices_since && t->slices[i].end > late)
				fr_tell_kept(i, 0, least, ~0ULL);
	struct fr_off burst;
	if (fr_slices_wanted && fr_forgotten(t, &burst))
		fr_slice_emit(task, t->container, &burst);
	burst = t->preempted;
	if (fr_burst_counts(&burst) && burst.spent >= least)
		fr_slice_emit(task, t->container, &burst);
	burst = t->blocked;
	if (fr_burst_counts(&burst) && burst.spent >= least)
		fr_slice_emit(task, t->container, &burst);
	for (u32 i = 0; i < FR_STOLEN; i++)
		if (t->stolen_before[i].end > fr_slices_since)
			fr_tell_stolen(i, least);
	burst = t->stolen;
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
	struct fr_thread *t = fr_thread_of(task);
	if (!t || t->softirqs)
		return 0;
	u64 now = bpf_ktime_get_ns(), container = t->container;
	struct seq_file *seq = ctx->meta->seq;
	struct fr_slice e;
	fr_slice_whose(&e, task);
	for (int i = 0; i < FR_SLICES; i++) {
		u64 end = t->slices[i].end;
		if (end > fr_slices_since)
			fr_slice_write(seq, &e, container, &t->slices[i], end, 0);
	}
	struct fr_off off;
	if (fr_forgotten(t, &off))
		fr_slice_write(seq, &e, container, &off, off.end, 0);
	if (fr_reclaim_so_far(t, now, &off))
		fr_slice_write(seq, &e, container, &off, off.end, FR_SLICE_OPEN);
	off = t->preempted;
	if (fr_burst_counts(&off))
		fr_slice_write(seq, &e, container, &off, off.end, 0);
	off = t->blocked;
	if (fr_burst_counts(&off))
		fr_slice_write(seq, &e, container, &off, off.end, 0);
	for (int i = 0; i < FR_STOLEN; i++)
		if (fr_burst_counts(&t->stolen_before[i]))
			fr_slice_write(seq, &e, container, &t->stolen_before[i], t->stolen_before[i].end, 0);
	off = t->stolen;
	u64 ran = 0, stolen = fr_stolen_since(t, task, now, &ran);
	if (stolen && fr_stolen_apart(&off, ran, now)) {
		if (fr_burst_counts(&off))
			fr_slice_write(seq, &e, container, &off, off.end, 0);
		off.start = 0;
	}
	if (stolen)
		fr_stolen_join(&off, ran, now, stolen);
	if (fr_burst_counts(&off))
		fr_slice_write(seq, &e, container, &off, off.end, stolen ? FR_SLICE_OPEN : 0);
	off = t->now;
	/* One that is shorter may end as part of a burst: told now, it would count twice. */
	if (!off.start || now <= off.start || now - off.start < fr_slice_least(&off))
		return 0;
	fr_slice_write(seq, &e, container, &off, now, FR_SLICE_OPEN);
	if (!off.woken && off.why != FR_OFF_PREEMPTED && now - off.start >= FR_STACK_FLOOR_NS)
		fr_stack_write(seq, task, t, off.start, now);
	return 0;
}
