/* What must not be done twice at once. Atomic instructions that return what was there before are of 5.12, functions that a helper calls
 * (bpf_loop) of 5.13, and an older verifier refuses a program that has one, reached or not. For those kernels the programs are built a
 * second time, with FR_BEFORE_5_13. */
#ifndef FLIGHTREC_ATOMIC_H
#define FLIGHTREC_ATOMIC_H

#ifdef FR_BEFORE_5_13

/* Ids given lately: a counter that is read and moved in two steps may be read twice between. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, u8);
} ids_given SEC(".maps");

static __always_inline u32 fr_new_id(void)
{
	u8 given = 1;
	for (u32 i = 0; i < 4; i++) {
		u32 id = fr_next_id + 1;
		__sync_fetch_and_add(&fr_next_id, 1);
		if (!bpf_map_update_elem(&ids_given, &id, &given, BPF_NOEXIST))
			return id;
	}
	return 1u << 31 | (u32)bpf_ktime_get_ns();
}

/* Between the look and the write the other one may come: then a turn is told twice. */
static __always_inline bool fr_claim(struct fr_sock *st, u32 sequence)
{
	if (st->claimed != sequence - 1)
		return false;
	st->claimed = sequence;
	return true;
}

/* What is added between the two is lost. Nobody but its own CPU takes here: the walker's flush needs bpf_loop. */
static __always_inline u32 fr_take(u32 *count)
{
	u32 taken = *(volatile u32 *)count;
	*(volatile u32 *)count = 0;
	return taken;
}

#else

static __always_inline u32 fr_new_id(void)
{
	return __sync_fetch_and_add(&fr_next_id, 1) + 1;
}

/* A turn is reported by the socket's own path or by the walker: whoever comes first. */
static __always_inline bool fr_claim(struct fr_sock *st, u32 sequence)
{
	return __sync_val_compare_and_swap(&st->claimed, sequence - 1, sequence) == sequence - 1;
}

/* Takes what a count has: its CPU and the walker's flush, on any other, may come at once, and what both took would be taken off twice. */
static __always_inline u32 fr_take(u32 *count)
{
	return __sync_lock_test_and_set(count, 0);
}

#endif

#endif
