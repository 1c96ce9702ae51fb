/* Maps, the state a socket carries, and the one way a record leaves the kernel. */
#ifndef FLIGHTREC_STATE_H
#define FLIGHTREC_STATE_H

enum fr_phase {
	FR_IDLE = 0,
	FR_REQUEST = 1,		/* served: request arriving, being read or handled; nothing sent */
	FR_RESPONSE = 2,	/* served: something was sent */
	FR_CALL = 3,		/* called: sent, nothing back */
	FR_ANSWER = 4		/* called: something came back */
};

/* A response that pauses this long between two sends, with no send blocked, has ended: what follows is a push. */
#define FR_PAUSE_NS 1000000000ULL
/* A rest: this long nothing sent or received within an answer, though the other side has taken all there was. CPU
 * throttling stops a sender for less than its period of 100 ms. */
#define FR_REST_NS 100000000ULL
/* So many rests on a connection, and what follows one is a push; fewer are an answer that stalls. */
#define FR_RESTS 3
#define FR_RESTS_MOST 8
/* A request whose sending goes on after this long is an upload. */
#define FR_UPLOAD_NS 10000000ULL

/* include/net/sock.h: RCV_SHUTDOWN | SEND_SHUTDOWN. */
#define FR_SHUTDOWN_MASK 3

/* A storage element's own pointer and the first 56 bytes share a cache line: what a socket that is not watched costs. The next
 * two lines are what an ordinary turn touches. */
struct fr_sock {
	u32 generation;
	u32 id;
	u32 followed;		/* the last thread told to the switch hook */
	u32 sequence;		/* of the current turn */
	u8 watched;
	u8 pid_rejected;
	u8 role;
	u8 phase;
	u8 announced;		/* 1: sent, 2: sent with its owner */
	u8 owned;
	u8 bursts;
	u8 rests;		/* in the last turns: up by one at each, down by one for a turn without */
	u64 container;
	u64 start, rx_first, rx_last;

	u64 woken, read_first, read_last, tx_first, tx_last;
	u64 rx_bytes, tx_bytes;
	u32 sent_seq;		/* of write_seq, tx_bytes counts up to here */
	u32 send_end;		/* where the data of the last send call ends */

	u64 acked;		/* called: the whole request was acknowledged */
	u64 nagle_until, nagle;	/* ns that a small segment was held back in this turn, counted up to then */
	u32 sndbuf_at, rwnd_at;	/* chrono_stat when the turn began, jiffies */
	u32 sndbuf_sent, rwnd_sent; /* and when the last send returned */
	u32 resent;		/* tcp_sock.total_retrans when the turn began, or at the last retransmission the hook saw */
	u32 claimed;		/* sequence of the last turn reported: walker and hot path must not both report it */
	u32 tid, tx_tid;
	u32 rx_late;		/* µs */
	u16 retransmits;	/* in the current turn */
	u16 unseen;		/* segments sent again in it that the hook did not see */
	u16 rx_cpu;
	u8 unaccepted;
	u8 old;

	union {
		u32 received;	/* rcv_nxt when the response began (served), or the request (called) */
		u32 listen_drops; /* of a listener: sk_drops reported so far */
	};
	u64 next_first, next_last, next_woken, next_bytes; /* request data that arrived while still answering */
	u32 next_late;		/* as rx_late and rx_cpu */
	u16 next_cpu;
	u8 left_unread;		/* called: the last read left data behind: the rest that follows is the reader's */
	u64 send_wait;		/* ns of this turn that a sender waited for send buffer */
	u64 rested, rested_rx, rested_bytes; /* end, last arrival and size of the answer before its first rest */
	u64 blocked_at;		/* since when it does, in this turn */
	u64 taking_in;		/* since when a segment with data is being taken in by TCP */
	u64 receive;		/* ns that took in this turn, before anything of it was read */
	u64 next_receive;
	u64 leaf;
	u64 connect_start;
	u64 established;
	u32 pid;
	u32 write_seq, rcv_nxt;
	u32 blocked_tid;	/* thread that waits for send buffer; 0: none does */
	u32 established_jiffies;
	u16 syn_retries;
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct fr_sock);
} sockets SEC(".maps");

/* The same state by socket address, for kernels where a rung is a kprobe: those may not use socket storage, and the
 * state must be one for all hooks. Entries go when the connection closes; LRU, so that a missed close leaks nothing.
 * Userspace sizes it: one entry where storage is used. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, u64);
	__type(value, struct fr_sock);
} sockets_by_address SEC(".maps");

/* A new entry to copy from: 360 bytes of zeros are too many for the stack of a deep call. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct fr_sock);
} blank SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct fr_counters);
} counters SEC(".maps");

/* cgroup id → the container it lies in (0: none). */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, u64);
} container_of_cgroup SEC(".maps");

/* Network namespace → the container in it, for packets that have no socket. The host's own is not in it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, u64);
} container_of_netns SEC(".maps");

/* Written by userspace: container key → 1 watch, 0 ignore. Absent: watched, and userspace decides. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, u8);
} container_rule SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u16);
	__type(value, u8);
} port_rule SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, u8);
} pid_rule SEC(".maps");

/* Per CPU, by vector. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FR_SOFTIRQ_VECTORS);
	__type(key, u32);
	__type(value, struct fr_softirq_total);
} softirqs SEC(".maps");

/* Turns that were counted instead of recorded. One not used for long goes first: its counts begin anew. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct fr_service);
	__type(value, struct fr_brief);
} briefs SEC(".maps");

struct fr_listener {
	u32 netns;
	u32 port;
};

/* Ports of listeners with a backlog of 0, for the role of connections older than the recorder. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct fr_listener);
	__type(value, u8);
} listeners SEC(".maps");

const volatile bool fr_by_address = false;	/* state lives in sockets_by_address */
const volatile bool fr_follow_threads = false;	/* the switch hook is there */
const volatile bool fr_time_send_waits = false;	/* the hooks of sk_stream_wait_memory are there */
const volatile bool fr_time_receive = false;	/* those of tcp_v?_do_rcv are */
const volatile bool fr_watch_host = false;	/* sockets outside containers too */
const volatile bool fr_filter_ports = false;
const volatile bool fr_filter_pids = false;
const volatile u32 fr_host_netns = 0;
const volatile u32 fr_ring_wake = 1 << 20;	/* bytes waiting that force a wakeup */
const volatile u64 fr_softirq_run_ns = 1000000;	/* report a softirq that ran this long */
const volatile u64 fr_softirq_late_ns = 5000000;	/* … or started this late */

u32 fr_next_id = 0;
u32 fr_generation = 1;	/* bumped by userspace when container_rule changes */
u64 fr_open_floor_ns = 100000000;	/* walker reports open turns older than this */
u64 fr_jiffy_ns = 4000000;	/* measured by userspace */
u64 fr_brief_ns = 0;	/* uneventful turns shorter than this are counted instead of recorded */
u64 fr_softirqs_since = 0; /* when the softirq hooks were attached: stamps of before are stale */
u32 fr_walk_ids = 0;	/* the walker tells the ids of all sockets it would tell of instead */
u32 fr_walk_reset = 0;	/* the walker forgets open turns instead: hooks were off for a while */
u64 fr_walk_jiffies = 0;
u64 fr_walk_ktime = 0;

/* A socket's state; NULL when it has none. */
static __always_inline struct fr_sock *fr_find(struct sock *sk)
{
	if (!fr_by_address)
		return bpf_sk_storage_get(&sockets, sk, 0, 0);
	u64 key = (u64)sk;
	return bpf_map_lookup_elem(&sockets_by_address, &key);
}

/* A socket's state, made when it has none; NULL without memory. */
static __always_inline struct fr_sock *fr_find_or_make(struct sock *sk)
{
	if (!fr_by_address) {
		struct fr_sock *made = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		/* NULL too when another CPU made it meanwhile: SYN-ACK timers of one listener run on all. */
		return made ? made : bpf_sk_storage_get(&sockets, sk, 0, 0);
	}
	u64 key = (u64)sk;
	struct fr_sock *st = bpf_map_lookup_elem(&sockets_by_address, &key);
	if (st)
		return st;
	u32 zero = 0;
	struct fr_sock *from = bpf_map_lookup_elem(&blank, &zero);
	if (!from)
		return 0;
	bpf_map_update_elem(&sockets_by_address, &key, from, BPF_NOEXIST);
	return bpf_map_lookup_elem(&sockets_by_address, &key);
}

/* Storage dies with its socket; an entry by address must be told. */
static __always_inline void fr_forget(struct sock *sk)
{
	u64 key = (u64)sk;
	if (fr_by_address)
		bpf_map_delete_elem(&sockets_by_address, &key);
}

static __always_inline struct tcp_sock *fr_tcp(struct sock *sk)
{
	return fr_by_address ? (struct tcp_sock *)sk : bpf_skc_to_tcp_sock(sk);
}

/* A kprobe's pointers may only be read through a helper; where they are trusted a load is cheaper. */
#define FR_READ(from, field) (fr_by_address ? BPF_CORE_READ(from, field) : (from)->field)

static __always_inline struct fr_counters *fr_count(void)
{
	u32 zero = 0;
	return bpf_map_lookup_elem(&counters, &zero);
}

/* One run in so many of a CPU's is timed. A prime: hooks come in turns, and each must have its turn here too. */
#define FR_TIMED_EACH 251
/* One that took longer was interrupted, and for all that is its own it took so long. */
#define FR_TIMED_MOST_NS 20000ULL

/* A hook of a hot path runs: what userspace reckons the probes' cost by. Returns when it began, where it is to be timed, or 0. */
static __always_inline u64 fr_run_begins(void)
{
	struct fr_counters *c = fr_count();
	if (!c)
		return 0;
	c->runs++;
	if (c->until_timed) {
		c->until_timed--;
		return 0;
	}
	c->until_timed = FR_TIMED_EACH - 1;
	return bpf_ktime_get_ns();
}

static __always_inline void fr_run_ends(u64 began)
{
	struct fr_counters *c = began ? fr_count() : 0;
	if (!c)
		return;
	u64 took = bpf_ktime_get_ns() - began;
	c->timed_ns += took < FR_TIMED_MOST_NS ? took : FR_TIMED_MOST_NS;
	c->timed++;
}

#define FR_RUN(call)                                                                                                   \
	({                                                                                                             \
		u64 fr_began = fr_run_begins();                                                                        \
		int fr_result = (call);                                                                                \
		fr_run_ends(fr_began);                                                                                 \
		fr_result;                                                                                             \
	})

/* Reserves a record; every attempt is counted, and so is every refusal. */
static __always_inline void *fr_reserve(u64 size, u32 kind)
{
	struct fr_counters *c = fr_count();
	void *record = bpf_ringbuf_reserve(&ring, size, 0);
	if (c && kind < FR_KINDS) {
		/* Atomic: a softirq may interrupt a task's hook between load and store on this very CPU. */
		__sync_fetch_and_add(&c->emitted[kind], 1);
		if (!record)
			__sync_fetch_and_add(&c->lost[kind], 1);
	}
	return record;
}

/* The reader wakes by its own tick; only a ring filling up earlier than that is worth a wakeup. Asked for about every
 * sixteenth record, by its time's low bits: thousands fit between the mark and a full ring. */
static __always_inline void fr_submit(void *record)
{
	struct fr_header *h = record;
	u64 flags = BPF_RB_NO_WAKEUP;
	if (!(h->ts >> 4 & 15) && bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >= fr_ring_wake)
		flags = BPF_RB_FORCE_WAKEUP;
	bpf_ringbuf_submit(record, flags);
}

static __always_inline void fr_head(struct fr_header *h, u64 ts, u64 container, u32 socket, u16 kind)
{
	h->ts = ts;
	h->cgroup = container;
	h->socket = socket;
	h->kind = kind;
	h->cpu = bpf_get_smp_processor_id();
}

#endif
