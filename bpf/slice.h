/* What a thread did whenever it was off the CPU: slices, the last few of them, kept with the thread. Long ones are kept one by
 * one. Short ones, which may be hundreds between two walks (a CPU shared slice by slice, a thousand small reads), are summed up
 * in bursts of the same kind. */
#ifndef FLIGHTREC_SLICE_H
#define FLIGHTREC_SLICE_H

#define FR_SLICES 64	/* a power of 2 */
#define FR_STOLEN 32	/* too */

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
	struct fr_off stolen;	/* a burst of runs of which the hypervisor took a part, and those before it */
	struct fr_off stolen_before[FR_STOLEN];
	u64 ran;		/* on its CPU without a look at that since then */
	u64 steal;		/* of that CPU, as of then, + 1; 0: it is on none */
	u64 stack_told;		/* of the block that began then */
	u32 count;		/* of slices ever kept */
	u32 softirqs;		/* 1: a ksoftirqd. It handles no turns, and has no slices */
	u32 cpu;		/* whose steal that is */
	u32 stolen_count;
	u64 since;		/* followed */
	u64 lost_until;		/* slices up to then made room for later ones */
	u64 untold;		/* at its end: ns of late slices that are too short to be told one by one */
	struct fr_off slices[FR_SLICES];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct fr_thread);
} threads SEC(".maps");

/* A thread's state; NULL when it has none. */
static __always_inline struct fr_thread *fr_thread_of(struct task_struct *task)
{
	return fr_task_has_storage(task) ? bpf_task_storage_get(&threads, task, 0, 0) : 0;
}

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
#include "stolen.h"
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

/* This thread handles turns of this socket: it is followed from now on. Returns its number. */
static __always_inline u32 fr_follow(struct fr_sock *st)
{
	u32 tid = (u32)bpf_get_current_pid_tgid();
	if (!fr_follow_threads || st->followed == tid)
		return tid;
	struct fr_thread *t = bpf_task_storage_get(&threads, bpf_get_current_task_btf(), 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!t)
		return tid;
	t->container = st->container;
	st->followed = tid;
	if (!t->since) {
		t->since = bpf_ktime_get_ns();
		fr_put_on(t, bpf_get_current_task_btf(), t->since);
	}
	return tid;
}

static __always_inline void fr_keep(struct fr_thread *t, struct fr_off *off)
{
	struct fr_off *slot = &t->slices[t->count & (FR_SLICES - 1)];
	if (slot->end > t->lost_until)
		t->lost_until = slot->end;
	*slot = *off;
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

#endif
