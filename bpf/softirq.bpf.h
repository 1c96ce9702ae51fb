/* Probe family: softirqs. Totals per CPU and vector stay in the kernel; only a slow or late one becomes an event. */

static __always_inline struct fr_softirq_total *fr_vector(u32 vector)
{
	return bpf_map_lookup_elem(&softirqs, &vector);
}

SEC("tp_btf/softirq_raise")
int BPF_PROG(softirq_raise_tp, unsigned int vector)
{
	struct fr_softirq_total *t = fr_vector(vector);
	if (t && !t->raised)
		t->raised = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/softirq_entry")
int BPF_PROG(softirq_entry_tp, unsigned int vector)
{
	struct fr_softirq_total *t = fr_vector(vector);
	if (t)
		t->entered = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/softirq_exit")
int BPF_PROG(softirq_exit_tp, unsigned int vector)
{
	struct fr_softirq_total *t = fr_vector(vector);
	if (!t || !t->entered)
		return 0;
	u64 now = bpf_ktime_get_ns();
	u64 run = now - t->entered;
	u64 deferred = t->raised && t->raised < t->entered ? t->entered - t->raised : 0;
	t->count++;
	t->total += run;
	if (run > t->max)
		t->max = run;
	if (deferred > t->deferred_max)
		t->deferred_max = deferred;
	/* Raised again while it ran: that raise is served by the next round. */
	if (t->raised < t->entered)
		t->raised = 0;
	t->entered = 0;
	if (run < fr_softirq_run_ns && deferred < fr_softirq_late_ns)
		return 0;
	struct fr_softirq *e = fr_reserve(sizeof(*e), FR_SOFTIRQ);
	if (!e)
		return 0;
	fr_head(&e->h, now, 0, 0, FR_SOFTIRQ);
	e->run = run;
	e->deferred = deferred;
	e->vector = vector;
	e->pad = 0;
	fr_submit(e);
	return 0;
}
