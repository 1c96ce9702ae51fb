/* Softirqs that could not run where they were raised, being left to ksoftirqd or behind a slow one: since when they are due. */
#ifndef FLIGHTREC_DUE_H
#define FLIGHTREC_DUE_H

/* Bytes from a CPU's run queue to the word of its pending softirqs, both in the kernel's per-CPU section (userspace reads where from
 * BTF). 0: not known, and then no softirq is seen to be late. */
const volatile s64 fr_pending_from_rq = 0;

/* A power of 2 over FR_SOFTIRQ_VECTORS: a mask proves an index to verifiers that a comparison does not (6.1). */
#define FR_DUE_SLOTS 16

struct fr_due {
	u64 since[FR_DUE_SLOTS];	/* by vector, of what was seen to be pending, and has not run yet; 0: it was not */
	u64 slow_since;	/* the last slow or late run of any vector */
	u64 slow_until;
};

/* What begins so soon after a slow run had to wait for it: it was taken over before that, and is pending no longer. An interrupt may
 * come in between. */
#define FR_RIGHT_AFTER_NS 100000ULL

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct fr_due);
} due SEC(".maps");

static __always_inline struct fr_due *fr_due(void)
{
	u32 zero = 0;
	return bpf_map_lookup_elem(&due, &zero);
}

/* What of this CPU is in `pending` has waited since. Verified once, and not wherever it is called. */
__noinline int fr_mark_due(u32 pending, u64 since)
{
	struct fr_due *d = fr_due();
	if (!d)
		return 0;
	/* As a rule ksoftirqd is woken because softirqs ran for too long: what is left to it waited for these, too. */
	if (since - d->slow_until < FR_RIGHT_AFTER_NS)
		since = d->slow_since;
	for (u32 vector = 0; vector < FR_SOFTIRQ_VECTORS; vector++)
		if (pending >> vector & 1 && !d->since[vector])
			d->since[vector] = since;
	return 0;
}

/* What is pending on the CPU of `task` has waited since (0: not known): a slow one has ended; ksoftirqd has been woken, to which that is
 * left unless the next interrupt's end runs it before; or ksoftirqd has got the CPU. */
static __always_inline void fr_softirqs_due(struct task_struct *task, u64 since)
{
	if (!since || !fr_pending_from_rq || !bpf_core_field_exists(struct cfs_rq, rq))
		return;
	u16 pending = 0;
	/* local_softirq_pending(): a word of 16 bits on x86, the low half of one elsewhere. */
	bpf_probe_read_kernel(&pending, sizeof(pending), (void *)BPF_CORE_READ(task, se.cfs_rq, rq) + fr_pending_from_rq);
	fr_mark_due(pending, since);
}

/* Ksoftirqd sleeps: nothing is left to it. */
static __always_inline void fr_softirqs_done(void)
{
	struct fr_due *d = fr_due();
	if (d)
		__builtin_memset(d->since, 0, sizeof(d->since));
}

static __always_inline void fr_softirq_was_slow(u64 since, u64 until)
{
	struct fr_due *d = fr_due();
	if (!d)
		return;
	d->slow_since = since;
	d->slow_until = until;
	/* The helper is of 5.11. */
	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf))
		return;
	fr_softirqs_due(bpf_get_current_task_btf(), since);
}

/* Since when the softirq that begins now was due, at the most; 0: it runs right where it was raised. `left`: when it ran last. It
 * was raised after that: what is pending is taken over before any of it runs, and where ksoftirqd is to run others may run it too. */
static __always_inline u64 fr_due_since(u32 vector, u64 now, u64 left)
{
	struct fr_due *d = fr_due();
	if (!d)
		return 0;
	u64 since = 0;
	if (now - d->slow_until < FR_RIGHT_AFTER_NS && d->slow_since > fr_softirqs_since)
		since = d->slow_since;
	u64 *pending = &d->since[vector & (FR_DUE_SLOTS - 1)];
	if (*pending) {
		if (*pending > fr_softirqs_since && (!since || *pending < since))
			since = *pending;
		*pending = 0;
	}
	return since && since < left ? left : since;
}

#endif
