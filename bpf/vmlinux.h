/* Kernel types, only the fields touched. CO-RE relocates every access against the running kernel's BTF, so order,
 * offsets and everything left out do not matter; names and types do.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;
typedef __s64 s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;
enum { false = 0, true = 1 };

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_SK_STORAGE = 24,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1, BPF_F_NO_PREALLOC = 1, BPF_SK_STORAGE_GET_F_CREATE = 1 };
enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2, BPF_RB_AVAIL_DATA = 0 };
enum tcp_state {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT = 2,
	TCP_SYN_RECV = 3,
	TCP_FIN_WAIT1 = 4,
	TCP_FIN_WAIT2 = 5,
	TCP_TIME_WAIT = 6,
	TCP_CLOSE = 7,
	TCP_CLOSE_WAIT = 8,
	TCP_LAST_ACK = 9,
	TCP_LISTEN = 10,
	TCP_CLOSING = 11,
	TCP_NEW_SYN_RECV = 12
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct in6_addr {
	union {
		__u8 u6_addr8[16];
	} in6_u;
};
struct ns_common {
	unsigned int inum;
};
struct net {
	struct ns_common ns;
};
typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};
struct kernfs_node {
	u64 id;
	const char *name;
};
struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};
struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
};
struct sock_cgroup_data {
	struct cgroup *cgroup;
};
typedef struct {
	int counter;
} atomic_t;
typedef struct {
	int owned;
} socket_lock_t;
struct sock {
	struct sock_common __sk_common;
	atomic_t sk_drops;
	u32 sk_max_ack_backlog;
	int sk_rcvlowat;
	socket_lock_t sk_lock;
	struct socket *sk_socket;
	u8 sk_shutdown;
	struct sock_cgroup_data sk_cgrp_data;
	u16 sk_protocol;
};
struct inet_sock {
	struct sock sk;
};
struct inet_connection_sock {
	__u32 icsk_rto;
	__u8 icsk_ca_state : 5;
	__u8 icsk_retransmits;
	__u8 icsk_pending;
	__u8 icsk_backoff;
	struct {
		__u32 lrcvtime;
	} icsk_ack;
};
struct tcp_sock {
	struct inet_connection_sock inet_conn;
	u32 rcv_nxt;
	u32 copied_seq;
	u32 write_seq;
	u64 tcp_mstamp;
	u64 tcp_wstamp_ns;
	u32 snd_una;
	u32 snd_nxt;
	u32 snd_wnd;
	u32 snd_cwnd;
	u32 packets_out;
	u32 mss_cache;
	u8 nonagle : 4;
	u32 rcv_tstamp;
	u32 srtt_us;
	u32 total_retrans;
	u32 chrono_start;
	u32 chrono_stat[3];
	u8 chrono_type : 2;
	bool is_mptcp;
};
struct request_sock {
	u8 num_retrans;
};
struct file {
	void *private_data;
};
struct socket {
	struct file *file;
	struct sock *sk;
};
struct rq {
	int cpu;
	u64 prev_steal_time;
	u64 prev_steal_time_rq;
};
struct cfs_rq {
	struct rq *rq;
	int throttle_count;
};
struct sched_entity {
	struct cfs_rq *cfs_rq;
};
struct bpf_local_storage {
};
struct task_struct {
	void *stack;
	unsigned int __state;
	unsigned int flags;
	struct bpf_local_storage *bpf_storage;
	unsigned long jobctl;
	unsigned in_iowait : 1;
	unsigned frozen : 1;
	unsigned in_memstall : 1;
	bool throttled;
	struct sched_entity se;
	int pid;
	int tgid;
	char comm[16];
};
struct net_device {
	unsigned int flags;
	int ifindex;
	char name[16];
	possible_net_t nd_net;
};
struct sk_buff {
	struct sk_buff *next;
	struct sk_buff *prev;
	struct sock *sk;
	struct net_device *dev;
	unsigned int len;
	__be16 protocol;
	__u16 transport_header;
	__u16 network_header;
	unsigned char *head;
	unsigned char *data;
	unsigned long _skb_refdst;
	char cb[48];
};
struct dst_entry {
	struct net_device *dev;
};
struct tcp_skb_cb {
	__u32 seq;
	__u32 end_seq;
	__u16 tcp_gso_segs;
	__u8 tcp_flags;
	__u32 ack_seq;
};
struct sk_buff_head {
	struct sk_buff *next;
	__u32 qlen;
};
struct softnet_data {
	struct sk_buff_head process_queue;
	struct sk_buff_head input_pkt_queue;
};
struct qdisc_skb_head {
	__u32 qlen;
};
struct Qdisc {
	struct qdisc_skb_head q;
};
struct netdev_queue;
struct iov_iter {
	unsigned long count;
};
struct msghdr {
	struct iov_iter msg_iter;
};
struct page;
/* What a kprobe's arguments are read from. */
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
	s32 syscallno; /* arm64 */
};
struct user_pt_regs {
	u64 regs[31];
	u64 sp, pc, pstate;
};
struct bpf_map;
struct seq_file;
struct bpf_iter_meta {
	struct seq_file *seq;
	u64 session_id;
	u64 seq_num;
};
struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	struct sock *sk;
	void *value;
};
struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
};
struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};
struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	u32 fd;
	struct file *file;
};

#pragma clang attribute pop

enum bpf_func_id {
	BPF_FUNC_get_current_task_btf = 158,
	BPF_FUNC_sock_from_file = 162,
	BPF_FUNC_task_pt_regs = 175,
	BPF_FUNC_loop = 181,
	BPF_FUNC_map_lookup_percpu_elem = 195
};
enum skb_drop_reason { SKB_DROP_REASON_NOT_SPECIFIED = 2, SKB_DROP_REASON_QUEUE_PURGE = 3, SKB_DROP_REASON_TCP_LISTEN_OVERFLOW = 4 };

#endif
