/* Every difference between kernels, each with its reason. */
#ifndef FLIGHTREC_COMPAT_H
#define FLIGHTREC_COMPAT_H

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define TCP_CA_RECOVERY 3
#define TCP_CA_LOSS 4

/* Before 5.15 sock_cgroup_data held the cgroup in a tagged integer (`val`), shared with net_cls and net_prio. */
struct sock_cgroup_data___tagged {
	u64 val;
} __attribute__((preserve_access_index));

static __always_inline struct cgroup *fr_sock_cgroup(struct sock *sk)
{
	if (bpf_core_field_exists(sk->sk_cgrp_data.cgroup))
		return BPF_CORE_READ(sk, sk_cgrp_data.cgroup);
	u64 val = 0;
	struct sock_cgroup_data___tagged *tagged = (void *)&sk->sk_cgrp_data;
	bpf_core_read(&val, sizeof(val), &tagged->val);
	return val & 1 ? 0 : (struct cgroup *)val; /* bit 0: classid and prioidx live there instead */
}

#define FR_NET_RX 3 /* enum: linux/interrupt.h */
#define TCP_NAGLE_OFF 1
/* TCPHDR_FIN. tcp_skb_cb.tcp_flags was a byte and has two on newer kernels (6.18 does): libbpf makes a load as wide as the field, and
 * where a helper reads, the first byte is the low one on x86 and arm64. */
#define TCP_FLAG_FIN 1

#define PF_KTHREAD 0x00200000

#define TASK_UNINTERRUPTIBLE 0x2
#define TASK_STOPPED 0x4
#define TASK_TRACED 0x8
#define TASK_FROZEN 0x8000 /* since 6.1 */

/* Before 5.14 `state`, a long. */
struct task_struct___state {
	long state;
} __attribute__((preserve_access_index));

static __always_inline u32 fr_task_state(struct task_struct *task)
{
	if (bpf_core_field_exists(task->__state))
		return task->__state;
	struct task_struct___state *old = (void *)task;
	return BPF_CORE_READ(old, state);
}

/* cgroup v2 traps a task it freezes; v1 and suspend gave it a state of its own in 6.1. (`frozen` alone is set for a parent
 * in vfork too.) */
#define JOBCTL_TRAP_FREEZE (1UL << 23)
static __always_inline bool fr_task_frozen(struct task_struct *task, u32 state)
{
	return state & TASK_FROZEN || (bpf_core_field_exists(task->frozen) && BPF_CORE_READ_BITFIELD(task, frozen) &&
				       task->jobctl & JOBCTL_TRAP_FREEZE);
}

/* Out of its cgroup's quota. Since 6.18 each task is taken off by itself; before, and while it still has work in the kernel,
 * it is its run queue that is. Without CONFIG_CFS_BANDWIDTH there is neither. */
static __always_inline bool fr_task_throttled(struct task_struct *task)
{
	if (bpf_core_field_exists(task->throttled) && BPF_CORE_READ(task, throttled))
		return true;
	return bpf_core_field_exists(task->se.cfs_rq) && bpf_core_field_exists(struct cfs_rq, throttle_count) &&
	       BPF_CORE_READ(task, se.cfs_rq, throttle_count) > 0;
}

/* Waits for memory to be freed: direct reclaim, memory.high's penalty, pages just reclaimed and needed again (psi_memstall). */
static __always_inline bool fr_task_stalled(struct task_struct *task)
{
	return bpf_core_field_exists(task->in_memstall) && BPF_CORE_READ_BITFIELD(task, in_memstall);
}

/* Whether a thread may have state of ours. Most have none of anybody's, and to see that is cheaper than to ask the map. */
static __always_inline bool fr_task_has_storage(struct task_struct *task)
{
	return !bpf_core_field_exists(task->bpf_storage) || task->bpf_storage;
}

/* The run queue a task is on; NULL where a kernel does not tell. Read once by those who want several things of it: for each pointer they
 * follow from a task new verifiers look through all names of vmlinux. */
static __always_inline struct rq *fr_rq(struct task_struct *task)
{
	return bpf_core_field_exists(task->se.cfs_rq) ? task->se.cfs_rq->rq : 0;
}

/* ns the hypervisor ran others on a run queue's CPU, as far as the scheduler took note (update_rq_clock_task, at each switch; where
 * it does not, or has no CONFIG_PARAVIRT_TIME_ACCOUNTING, the timer tick: steal_account_process_time). 0 on hardware of its own. By the run
 * queue: per-CPU variables can be had only where the kernel keeps their names (CONFIG_KALLSYMS_ALL). */
static __always_inline u64 fr_steal(struct rq *rq)
{
	u64 steal = 0;
	if (!rq)
		return 0;
	if (bpf_core_field_exists(struct rq, prev_steal_time_rq))
		steal = rq->prev_steal_time_rq;
	/* It is there and stands still with no-steal-acc, and on some Xen. */
	if (!steal && bpf_core_field_exists(struct rq, prev_steal_time))
		steal = rq->prev_steal_time;
	return steal;
}

/* The CPU whose steal that is. */
static __always_inline u32 fr_steal_cpu(struct rq *rq)
{
	return rq && bpf_core_field_exists(struct rq, cpu) ? rq->cpu : 0;
}

/* The syscall a thread blocks in, by the number its architecture gave it; a kernel thread, or a fault, is in none. */
static __always_inline u32 fr_task_syscall(struct task_struct *task)
{
	struct pt_regs *regs;
	/* The helper is of 5.15: before, where it looks (task_pt_regs), which is under the top of the thread's stack; of THREAD_SIZE on
	 * x86-64, and on arm64 with pages of 4 KiB, without KASAN. */
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		regs = (struct pt_regs *)bpf_task_pt_regs(task);
	else
		regs = BPF_CORE_READ(task, stack) + 16384 - bpf_core_type_size(struct pt_regs);
#if defined(__TARGET_ARCH_arm64)
	s32 number = BPF_CORE_READ(regs, syscallno);
#else
	s64 number = BPF_CORE_READ(regs, orig_ax);
#endif
	return number < 0 || number > 1024 ? FR_NO_SYSCALL : (u32)number;
}

/* The socket of an open file; NULL: it is none. The helper is of 5.11: before, a file and a socket must name each other. */
static __always_inline struct sock *fr_file_sock(struct file *file)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_sock_from_file)) {
		struct socket *socket = bpf_sock_from_file(file);
		return socket ? socket->sk : 0;
	}
	struct socket *socket = BPF_CORE_READ(file, private_data);
	if (!socket || BPF_CORE_READ(socket, file) != file)
		return 0;
	struct sock *sk = BPF_CORE_READ(socket, sk);
	return sk && BPF_CORE_READ(sk, sk_socket) == socket ? sk : 0;
}

/* A subflow of Multipath TCP (RFC 8684): its data is read and written past it (mptcp_recvmsg, mptcp_sendmsg), where there are no
 * hooks. What fell back to plain TCP is none. Without CONFIG_MPTCP there is no such field. */
static __always_inline bool fr_is_subflow(struct sock *sk)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;
	return bpf_core_field_exists(tp->is_mptcp) && BPF_CORE_READ(tp, is_mptcp);
}

/* enum skb_drop_reason is renumbered by kernels; ask BTF for the value that means "not said". */
static __always_inline u32 fr_reason_unspecified(void)
{
	if (bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_NOT_SPECIFIED))
		return bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_NOT_SPECIFIED);
	return 0;
}

/* A reason of its own since 6.15 or so; before, the number is ours and userspace names it. */
static __always_inline u32 fr_reason_listen_overflow(void)
{
	if (bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_TCP_LISTEN_OVERFLOW))
		return bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_TCP_LISTEN_OVERFLOW);
	return FR_REASON_LISTEN_OVERFLOW;
}

/* What lay unread in a socket's queue when it closed, often only the FIN: no packet was lost. Since 6.11 or so; before,
 * such packets had no reason. */
static __always_inline bool fr_reason_is_close(u32 reason)
{
	return bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_QUEUE_PURGE) &&
	       reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_QUEUE_PURGE);
}

#endif
