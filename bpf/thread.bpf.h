/* Probe family: threads that handle turns: when they leave the CPU, are woken, come back, free memory. */

static __always_inline int fr_on_switch(bool preempt, struct task_struct *prev, struct task_struct *next)
{
	u64 now = 0;
	struct fr_thread *t = fr_thread_of(prev);
	if (t) {
		now = bpf_ktime_get_ns();
		if (!t->softirqs) {
			fr_count_stolen(t, prev, now);
			t->steal = 0;
		}
		t->now.start = now;
		t->now.woken = 0;
		t->now.why = fr_off_why(prev, preempt);
		t->now.flags = t->reclaiming ? FR_SLICE_WITHIN : 0;
		t->now.syscall = FR_NO_SYSCALL;
		if (t->now.why != FR_OFF_PREEMPTED)
			t->now.syscall = fr_task_syscall(prev);
		else if (fr_task_throttled(prev))
			t->now.flags |= FR_SLICE_THROTTLED;
		if (t->softirqs && t->now.why != FR_OFF_PREEMPTED)
			fr_softirqs_done();
	}
	t = fr_thread_of(next);
	if (!t)
		return 0;
	if (!now)
		now = bpf_ktime_get_ns();
	t->now.end = now;
	if (!t->softirqs)
		fr_put_on(t, next, now);
	if (!t->now.start)
		return 0;
	if (t->softirqs)
		fr_softirqs_due(next, t->now.why == FR_OFF_PREEMPTED ? t->now.start : t->now.woken);
	else
		fr_slice_ends(t);
	t->now.start = 0;
	return 0;
}

SEC("?tp_btf/sched_switch")
int BPF_PROG(switch_tp, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	return FR_RUN(fr_on_switch(preempt, prev, next));
}

static __always_inline int fr_on_wakeup(struct task_struct *task)
{
	struct fr_thread *t = fr_thread_of(task);
	if (t && t->now.start && !t->now.woken && t->now.why != FR_OFF_PREEMPTED) {
		t->now.woken = bpf_ktime_get_ns();
		if (t->softirqs)
			fr_softirqs_due(task, t->now.woken);
		if (fr_task_throttled(task))
			t->now.flags |= FR_SLICE_THROTTLED;
	}
	return 0;
}

SEC("?tp_btf/sched_wakeup")
int BPF_PROG(wakeup_tp, struct task_struct *task)
{
	return FR_RUN(fr_on_wakeup(task));
}

/* Reclaim comes in many short runs: those close together are one slice, with the time spent in all of them. */
static __always_inline int fr_reclaim_begins(void)
{
	struct fr_thread *t = fr_thread_of(bpf_get_current_task_btf());
	if (!t)
		return 0;
	u64 now = bpf_ktime_get_ns();
	/* What was taken of its CPU up to here is no part of it; what is meanwhile is in its time. */
	fr_count_stolen(t, bpf_get_current_task_btf(), now);
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
	struct fr_thread *t = fr_thread_of(bpf_get_current_task_btf());
	if (!t || !t->reclaiming)
		return 0;
	u64 now = bpf_ktime_get_ns();
	t->reclaim.spent += now - t->reclaiming;
	t->reclaim.end = now;
	t->reclaiming = 0;
	if (t->steal)
		fr_put_on(t, bpf_get_current_task_btf(), now);
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
