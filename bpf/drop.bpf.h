/* Probe family: dropped TCP packets with the kernel's reason. Bounded: one report per millisecond, CPU and reason. */

#define FR_DROP_REASONS 256
#define FR_DROP_INTERVAL_NS 1000000ULL

struct fr_drop_slot {
	u64 last;
	u32 waiting;
	u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FR_DROP_REASONS);
	__type(key, u32);
	__type(value, struct fr_drop_slot);
} drop_slots SEC(".maps");

/* Fills the addresses; false when it is not TCP over IP. */
static __always_inline bool fr_drop_tuple(struct fr_drop *e, const struct sk_buff *skb)
{
	unsigned char *head = skb->head;
	unsigned char *ip = head + skb->network_header;
	u8 first = 0;
	if (bpf_probe_read_kernel(&first, 1, ip))
		return false;
	u32 length;
	u8 protocol = 0;
	if (first >> 4 == 4) {
		length = (first & 15) * 4;
		e->family = AF_INET;
		bpf_probe_read_kernel(&protocol, 1, ip + 9);
		bpf_probe_read_kernel(e->source, 4, ip + 12);
		bpf_probe_read_kernel(e->destination, 4, ip + 16);
	} else if (first >> 4 == 6) {
		length = 40; /* extension headers are rare on TCP; such a packet shows without ports' meaning */
		e->family = AF_INET6;
		bpf_probe_read_kernel(&protocol, 1, ip + 6);
		bpf_probe_read_kernel(e->source, 16, ip + 8);
		bpf_probe_read_kernel(e->destination, 16, ip + 24);
	} else
		return false;
	if (protocol != IPPROTO_TCP)
		return false;
	u16 ports[2] = {};
	bpf_probe_read_kernel(ports, 4, ip + length);
	e->source_port = bpf_ntohs(ports[0]);
	e->destination_port = bpf_ntohs(ports[1]);
	return true;
}

#define FR_IFF_LOOPBACK 8

/* Whose packet: its socket's container, or the one in its network namespace; 0: the host's, or forwarded by it. */
static __always_inline u64 fr_drop_container(struct sock *sk, u32 netns)
{
	u64 container = 0;
	if (sk && BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_TIME_WAIT &&
	    BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_NEW_SYN_RECV) {
		struct cgroup *cgroup = fr_sock_cgroup(sk);
		container = cgroup ? fr_container_of((u64)cgroup) : 0;
	}
	u64 *known = container ? 0 : bpf_map_lookup_elem(&container_of_netns, &netns);
	return known ? *known : container;
}

/* A packet the host drops between devices may be any container's; on its loopback it is its own. */
static __always_inline bool fr_drop_watched(struct fr_drop *e, const struct sk_buff *skb, u64 container)
{
	if (fr_filter_ports && !bpf_map_lookup_elem(&port_rule, &e->source_port) &&
	    !bpf_map_lookup_elem(&port_rule, &e->destination_port))
		return false;
	if (container || skb->sk || BPF_CORE_READ(skb, dev, flags) & FR_IFF_LOOPBACK)
		return fr_container_watched(container);
	return true;
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(drop_tp, struct sk_buff *skb, void *location, u32 reason)
{
	if (reason <= fr_reason_unspecified() || reason >= FR_DROP_REASONS || fr_reason_is_close(reason))
		return 0;
	struct fr_drop_slot *slot = bpf_map_lookup_elem(&drop_slots, &reason);
	if (!slot)
		return 0;
	struct fr_drop e = {};
	if (!fr_drop_tuple(&e, skb))
		return 0;
	e.netns = BPF_CORE_READ(skb, dev, nd_net.net, ns.inum);
	u64 container = fr_drop_container(skb->sk, e.netns);
	if (!fr_drop_watched(&e, skb, container))
		return 0;
	u64 now = bpf_ktime_get_ns();
	slot->waiting++;
	if (now - slot->last < FR_DROP_INTERVAL_NS)
		return 0;
	struct fr_drop *out = fr_reserve(sizeof(*out), FR_DROP);
	if (!out)
		return 0;
	*out = e;
	fr_head(&out->h, now, container, 0, FR_DROP);
	out->location = (u64)location;
	out->reason = reason;
	out->count = slot->waiting;
	slot->waiting = 0;
	slot->last = now;
	fr_submit(out);
	return 0;
}
