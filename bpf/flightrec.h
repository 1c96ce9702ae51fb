/* The only contract between the BPF programs and Swift: every record that crosses the ring.
 *
 * Plain fixed-width integers, explicit padding, no bitfields and no unions (both would cost Swift its
 * BitwiseCopyable import). All times are CLOCK_MONOTONIC nanoseconds (bpf_ktime_get_ns), durations are
 * nanoseconds, and 0 means "did not happen" unless a field says otherwise.
 */
#ifndef FLIGHTREC_H
#define FLIGHTREC_H

#ifndef __VMLINUX_H__
#include <stdint.h>
typedef uint8_t __fr_u8;
typedef uint16_t __fr_u16;
typedef uint32_t __fr_u32;
typedef uint64_t __fr_u64;
#else
typedef __u8 __fr_u8;
typedef __u16 __fr_u16;
typedef __u32 __fr_u32;
typedef __u64 __fr_u64;
#endif

/* What a record is. Kept below FR_KINDS, which sizes the per-kind counters. */
enum fr_kind {
	FR_NONE = 0,
	FR_SOCKET = 1,		/* fr_socket: names a socket id; sent again when its process becomes known */
	FR_TURN = 2,		/* fr_turn: a completed request/response exchange */
	FR_OPEN = 3,		/* fr_turn: a turn still open, or answered and not closed, when the walker passed (not counted as emitted) */
	FR_RETRANSMIT = 4,	/* fr_retransmit */
	FR_STATE = 5,		/* fr_state: established, closed, failed to connect */
	FR_RESET = 6,		/* fr_reset */
	FR_DROP = 7,		/* fr_drop */
	FR_SOFTIRQ = 8,		/* fr_softirq: one slow or late softirq */
	FR_SLICE = 9,		/* fr_slice: a thread was off the CPU (by the walker, not counted as emitted; at a thread's end, counted) */
	FR_QUEUED = 10,		/* fr_queued: a packet waited in a queueing discipline */
	FR_STACK = 11,		/* fr_stack: where in the kernel a thread is blocked (by the walker, not counted as emitted) */
	FR_KINDS = 16
};

/* Role of the watched end in its turns. */
enum fr_role { FR_ROLE_UNKNOWN = 0, FR_SERVED = 1, FR_CALLED = 2 };

#define FR_NO_CPU 0xffff

enum fr_turn_flag {
	FR_TURN_OPEN = 1,	/* not completed when reported */
	FR_TURN_STREAM = 2,	/* upload or one-way stream: three or more bursts read before any answer, or sent over 10 ms after the first */
	FR_TURN_ABORTED = 4,	/* the connection ended before an answer */
	FR_TURN_UNREAD = 8,	/* open, and its first byte still waits in the receive queue */
	FR_TURN_SENDING = 16,	/* open, and a send call is blocked in it */
	FR_TURN_FIRST = 32,	/* the first turn seen on this socket */
	FR_TURN_CONNECT = 64,	/* not an exchange but the handshake, when it is slow; aborted: it failed */
	FR_TURN_UNACCEPTED = 128 /* its first byte came before the application had accepted the connection */
};

enum fr_retransmit_kind { FR_RTX_RTO = 1, FR_RTX_FAST = 2, FR_RTX_TLP = 3, FR_RTX_SYN = 4, FR_RTX_SYNACK = 5 };
enum fr_state_kind { FR_ESTABLISHED = 1, FR_CLOSED = 2, FR_CONNECT_FAILED = 3 };
enum fr_reset_kind { FR_RESET_SENT = 1, FR_RESET_RECEIVED = 2 };
enum fr_socket_flag { FR_SOCKET_OLD = 1 /* older than the recorder */, FR_SOCKET_OWNED = 2 /* pid and comm are set */ };

struct fr_header {
	__fr_u64 ts;		/* when it happened */
	__fr_u64 cgroup;	/* container key: its cgroup id, or 1<<63 | netns inode on cgroup-v1 hosts; 0: the host */
	__fr_u32 socket;	/* socket id, 0 when none */
	__fr_u16 kind;		/* enum fr_kind, validated as an integer before use */
	__fr_u16 cpu;
};

struct fr_socket {
	struct fr_header h;
	__fr_u64 established;	/* 0: unknown (older than the recorder) or not yet */
	__fr_u64 leaf_cgroup;	/* the socket's own cgroup id, which may lie below the container's */
	__fr_u32 netns;		/* network namespace inode */
	__fr_u32 pid;		/* thread group that first read or wrote; valid with FR_SOCKET_OWNED */
	__fr_u16 family;	/* AF_INET or AF_INET6 */
	__fr_u16 local_port;	/* host byte order */
	__fr_u16 remote_port;
	__fr_u8 role;
	__fr_u8 flags;
	__fr_u8 local[16];	/* network byte order; IPv4 in the first four bytes */
	__fr_u8 remote[16];
	__fr_u8 comm[16];
	__fr_u32 write_seq;	/* at ESTABLISHED: one end's pair is the other's, mirrored, through any NAT */
	__fr_u32 rcv_nxt;
};

/* Absolute stamps. Served: rx_* come first, then tx_*. Called: tx_* first, then rx_*. */
struct fr_turn {
	struct fr_header h;	/* ts = the end */
	__fr_u64 start;		/* served: first request byte at TCP; called: first request byte sent */
	__fr_u64 rx_last;	/* last segment with data of this turn reached TCP */
	__fr_u64 rx_first;	/* first segment with data of this turn reached TCP */
	__fr_u64 woken;		/* socket signalled readable after rx_first */
	__fr_u64 read_first;
	__fr_u64 read_last;
	__fr_u64 tx_first;	/* first byte handed to TCP */
	__fr_u64 tx_last;	/* last send operation returned */
	__fr_u64 rx_bytes;
	__fr_u64 tx_bytes;
	__fr_u64 sndbuf_wait;	/* chrono_stat, jiffies resolution: waited for send buffer */
	__fr_u64 rwnd_wait;	/* chrono_stat, jiffies resolution: waited for the peer's window */
	__fr_u64 acked;		/* called: the peer's TCP had acknowledged the whole request */
	__fr_u32 tid;		/* thread that read (served) or sent (called) */
	__fr_u32 srtt_us;	/* the kernel's smoothed round trip at the end of the turn */
	__fr_u32 sequence;	/* number of the turn on its socket, from 1 */
	__fr_u16 retransmits;	/* by this end, within the turn */
	__fr_u8 role;
	__fr_u8 flags;		/* enum fr_turn_flag */
	__fr_u32 tx_tid;	/* thread that sent the first byte */
	__fr_u32 nagle_us;	/* a small segment held back until what was sent before it was acknowledged */
	__fr_u32 rx_late_us;	/* from when the softirq that brought the first segment was due; 0: less than 100 */
	__fr_u16 rx_cpu;	/* and where it ran; FR_NO_CPU: not in a softirq */
	__fr_u16 unseen;	/* segments sent again within the turn by tcp_sock.total_retrans, of which no hook was told */
	__fr_u64 send_wait;	/* ns a sender was blocked for send buffer (sk_stream_wait_memory); 0: none was, or no hook tells */
	__fr_u64 tcp_receive;	/* ns TCP took to take in what was to be read first, to the end of tcp_v?_do_rcv; 0: no hook tells */
};

struct fr_retransmit {
	struct fr_header h;
	__fr_u32 rto_ms;	/* the timer in force */
	__fr_u8 rtx_kind;	/* enum fr_retransmit_kind */
	__fr_u8 ca_state;
	__fr_u8 backoff;
	__fr_u8 state;		/* TCP state */
	__fr_u32 srtt_us;	/* the kernel's smoothed round trip before; 0: not known */
	__fr_u32 pad;
};

struct fr_state {
	struct fr_header h;
	__fr_u64 duration;	/* ESTABLISHED: of the handshake (called only); CLOSED: time spent established */
	__fr_u64 sndbuf_wait;	/* whole life of the socket */
	__fr_u64 rwnd_wait;
	__fr_u32 turns;
	__fr_u32 retransmits;	/* whole life */
	__fr_u16 syn_retries;	/* by tcp_sock.total_retrans */
	__fr_u8 state_kind;	/* enum fr_state_kind */
	__fr_u8 pad[5];
};

struct fr_reset {
	struct fr_header h;
	__fr_u32 reset_kind;
	__fr_u32 pad;
};

/* Not the kernel's: a full listener on kernels that have no reason for it. */
#define FR_REASON_LISTEN_OVERFLOW 0xffff

struct fr_drop {
	struct fr_header h;
	__fr_u64 location;	/* kernel text address of the dropper */
	__fr_u32 reason;	/* enum skb_drop_reason of the running kernel */
	__fr_u32 count;		/* this one and those since the last report on this CPU for the same reason */
	__fr_u32 netns;		/* of the device or socket; 0 unknown */
	__fr_u16 family;	/* 0 when the headers were not IP/TCP */
	__fr_u16 source_port;
	__fr_u16 destination_port;
	__fr_u16 pad[3];
	__fr_u8 source[16];
	__fr_u8 destination[16];
};

struct fr_softirq {
	struct fr_header h;
	__fr_u64 run;		/* entry to exit */
	__fr_u64 deferred;	/* from when it was due, at the most: ksoftirqd, to which it was left, waited for the CPU, or a slow one ran before it */
	__fr_u64 from;		/* container that sent the first of the packets looked at; 0: the host, another host, or not known */
	__fr_u32 vector;
	__fr_u32 waiting;	/* NET_RX: packets in this CPU's backlog when it ended */
	__fr_u16 looked_at;	/* of those, the next ones */
	__fr_u16 alike;		/* … of which so many are `from`'s, or came in on the same device where that is 0 */
	__fr_u32 ifindex;	/* the first one came in on */
	__fr_u8 device[16];
};

/* Why a thread left the CPU. */
enum fr_off_why {
	FR_OFF_PREEMPTED = 1,	/* runnable all along: waiting for a CPU */
	FR_OFF_SLEEP = 2,	/* interruptible */
	FR_OFF_UNINTERRUPTIBLE = 3,
	FR_OFF_IO = 4,		/* in_iowait: block I/O */
	FR_OFF_STOPPED = 5,	/* a signal or a tracer */
	FR_OFF_FROZEN = 6,	/* the cgroup freezer */
	FR_OFF_RECLAIM = 7,	/* freeing memory for itself, or made to wait for that */
	FR_OFF_STOLEN = 8,	/* it did not leave it, but the hypervisor ran others there: in steal time (proc_stat(5)) */
	FR_OFF_FORGOTTEN = 9	/* not known: it had more slices than are kept */
};
enum fr_slice_flag {
	FR_SLICE_OPEN = 1,	/* still so when asked */
	FR_SLICE_THROTTLED = 2,	/* what it waited for, when it could run, was its cgroup's quota */
	FR_SLICE_WITHIN = 4,	/* part of a reclaim that has a slice of its own */
	FR_SLICE_BURST = 8	/* many short ones of the same kind: spent off the CPU, woken ns of it able to run */
};
#define FR_NO_SYSCALL 0xffffffff

struct fr_slice {
	struct fr_header h;	/* ts = back on the CPU */
	__fr_u64 start;		/* off the CPU */
	__fr_u64 woken;		/* runnable again; 0: it was all along, or is not yet; a burst: ns, not a time */
	__fr_u64 spent;		/* bursts, reclaim, stolen: ns of it between start and end; of reclaim on and off the CPU */
	__fr_u32 tid;
	__fr_u32 pid;
	__fr_u32 syscall;	/* number on this architecture; FR_NO_SYSCALL: not in one, or preempted */
	__fr_u8 why;		/* enum fr_off_why */
	__fr_u8 flags;
	__fr_u8 pad[2];
};

/* One packet, and those since the last report on this CPU. */
struct fr_queued {
	struct fr_header h;	/* ts = it left the queue */
	__fr_u64 waited;
	__fr_u32 netns;		/* of the device */
	__fr_u32 ifindex;
	__fr_u32 count;
	__fr_u32 backlog;	/* packets still queued behind it */
	__fr_u16 family;	/* 0 when the headers were not IP/TCP */
	__fr_u16 source_port;
	__fr_u16 destination_port;
	__fr_u16 pad;
	__fr_u8 source[16];
	__fr_u8 destination[16];
	__fr_u8 device[16];
};

#define FR_FRAMES 12

struct fr_stack {
	struct fr_header h;
	__fr_u64 start;		/* of the slice it belongs to */
	__fr_u32 tid;
	__fr_u32 depth;
	__fr_u64 frames[FR_FRAMES]; /* kernel text addresses, innermost first */
};

#define FR_SOFTIRQ_VECTORS 10

/* One vector on one CPU since the probes were attached; userspace takes differences. */
struct fr_softirq_total {
	__fr_u64 count;
	__fr_u64 total;		/* ns run */
	__fr_u64 max;		/* ns, longest run since userspace last reset it */
	__fr_u64 deferred_max;	/* ns, longest time that one was due since userspace last reset it */
	__fr_u64 due;		/* since when the one being served was, at the most; 0: it ran where it was raised */
	__fr_u64 entered;	/* 0: not running */
	__fr_u64 left;		/* when it last ran out */
	__fr_u64 stolen;	/* ns since boot that the hypervisor ran others on this CPU, + 1, as of then; 0: not looked at. Not of NET_RX */
};

/* Per CPU. emitted = delivered + lost, by kind, always. */
struct fr_counters {
	__fr_u64 emitted[FR_KINDS];
	__fr_u64 lost[FR_KINDS];
	__fr_u64 untracked;	/* times a socket got no state for want of memory: its event could not be told */
	__fr_u64 runs;		/* of the hooks that run for every segment, read, send, context switch, wakeup and change of state */
	__fr_u64 timed;		/* of those runs: how many were timed … */
	__fr_u64 timed_ns;	/* … and how long they took, without what leads to them */
	__fr_u64 until_timed;	/* runs that go before the next one that is */
};

#define FR_BRIEF_BUCKETS 10

/* Turns that were counted instead of recorded, of one service. */
struct fr_service {
	__fr_u64 container;
	__fr_u16 port;		/* served: the local one; called: the remote one */
	__fr_u8 role;
	__fr_u8 pad[5];
};
struct fr_brief {
	__fr_u64 total;		/* ns they took together */
	__fr_u64 count[FR_BRIEF_BUCKETS]; /* by octave: [i] took 2^i µs up to twice that, [0] less too, the last one more too */
};

#define FR_ASSERT(name, size) _Static_assert(sizeof(struct name) == size, #name)
FR_ASSERT(fr_header, 24);
FR_ASSERT(fr_socket, 24 + 16 + 8 + 8 + 48 + 8);
FR_ASSERT(fr_turn, 24 + 104 + 32 + 16);
FR_ASSERT(fr_retransmit, 40);
FR_ASSERT(fr_state, 64);
FR_ASSERT(fr_reset, 32);
FR_ASSERT(fr_drop, 88);
FR_ASSERT(fr_softirq, 80);
FR_ASSERT(fr_slice, 64);
FR_ASSERT(fr_queued, 104);
FR_ASSERT(fr_stack, 136);
FR_ASSERT(fr_softirq_total, 64);
FR_ASSERT(fr_counters, 296);
FR_ASSERT(fr_service, 16);
FR_ASSERT(fr_brief, 88);

#endif
