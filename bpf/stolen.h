/* What the hypervisor takes of a thread's CPU while it runs there (steal). Looked at when the thread comes and goes, and between, where
 * it runs on, at the softirqs that timer ticks raise: what was taken counts for the stretch since the look before. */
#ifndef FLIGHTREC_STOLEN_H
#define FLIGHTREC_STOLEN_H

/* The thread is put on this CPU, or seen there for the first time. */
static __always_inline void fr_put_on(struct fr_thread *t, struct task_struct *task, u64 now)
{
	t->ran = now;
	struct rq *rq = fr_rq(task);
	t->steal = fr_steal(rq) + 1;
	t->cpu = fr_steal_cpu(rq);
}

/* Bursts of it: those kept reach back 1.6 s at least, which is when the first walk comes with thresholds of up to 6 s. */
#define FR_STOLEN_APART_NS 50000000ULL
#define FR_STOLEN_BURST_NS 100000000ULL

/* A stretch on the CPU since `ran` does not belong to this burst. */
static __always_inline bool fr_stolen_apart(const struct fr_off *burst, u64 ran, u64 now)
{
	return burst->start && (ran - burst->end > FR_STOLEN_APART_NS || now - burst->start > FR_STOLEN_BURST_NS);
}

static __always_inline void fr_stolen_join(struct fr_off *burst, u64 ran, u64 now, u64 stolen)
{
	if (!burst->start) {
		burst->start = ran;
		burst->woken = 0;
		burst->spent = 0;
		burst->syscall = FR_NO_SYSCALL;
		burst->why = FR_OFF_STOLEN;
		burst->flags = 0;
	}
	burst->end = now;
	burst->spent += stolen;
}

static __always_inline void fr_stolen_add(struct fr_thread *t, u64 now, u64 stolen)
{
	struct fr_off *burst = &t->stolen;
	if (fr_stolen_apart(burst, t->ran, now)) {
		if (burst->spent >= FR_BURST_FLOOR_NS) {
			t->stolen_before[t->stolen_count & (FR_STOLEN - 1)] = *burst;
			t->stolen_count++;
		}
		burst->start = 0;
	}
	fr_stolen_join(burst, t->ran, now, stolen);
}

/* What was taken of a thread since the last look at that, for one that looks from another CPU: nothing is noted. */
static __always_inline u64 fr_stolen_since(struct fr_thread *t, struct task_struct *task, u64 now, u64 *ran)
{
	volatile struct fr_thread *v = t;
	u64 steal = v->steal;
	*ran = v->ran;
	if (!steal || v->now.start || v->reclaiming || *ran <= fr_softirqs_since || now <= *ran)
		return 0;
	struct rq *rq = fr_rq(task);
	if (v->cpu != fr_steal_cpu(rq))
		return 0;
	s64 stolen = fr_steal(rq) + 1 - steal;
	/* It may have left the CPU while this was read. */
	if (stolen <= 0 || v->ran != *ran || v->steal != steal || v->now.start)
		return 0;
	return stolen < (s64)(now - *ran) ? stolen : now - *ran;
}

/* The thread leaves this CPU, or was looked at there. (What is noted later is the next one's.) */
static __always_inline void fr_count_stolen(struct fr_thread *t, struct task_struct *task, u64 now)
{
	/* It came here unseen (the kernel leaves out programs that would nest), or before the hooks were attached again. Of a reclaim it is
	 * in the time of that. */
	if (!t->steal || t->reclaiming || t->ran <= fr_softirqs_since || now <= t->ran)
		return;
	struct rq *rq = fr_rq(task);
	if (t->cpu != fr_steal_cpu(rq))
		return;
	s64 stolen = fr_steal(rq) + 1 - t->steal;
	/* The scheduler hands on what it took no note of in time: no run can have lost more than it lasted. */
	if (stolen > (s64)(now - t->ran))
		stolen = now - t->ran;
	if (stolen > 0)
		fr_stolen_add(t, now, stolen);
}

#endif
