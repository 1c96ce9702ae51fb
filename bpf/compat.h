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

/* enum skb_drop_reason is renumbered by kernels; ask BTF for the value that means "not said". */
static __always_inline u32 fr_reason_unspecified(void)
{
	if (bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_NOT_SPECIFIED))
		return bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_NOT_SPECIFIED);
	return 0;
}

/* What lay unread in a socket's queue when it closed, often only the FIN: no packet was lost. Since 6.11 or so; before,
 * such packets had no reason. */
static __always_inline bool fr_reason_is_close(u32 reason)
{
	return bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_QUEUE_PURGE) &&
	       reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_QUEUE_PURGE);
}

#endif
