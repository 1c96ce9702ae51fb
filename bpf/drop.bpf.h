/* Probe family: dropped TCP packets with the kernel's reason. Bounded: one report per millisecond, CPU and reason; what is
 * held back goes with the next one, or with the walker's next pass. */

#define FR_DROP_REASONS 256
#define FR_DROP_INTERVAL_NS 1000000ULL
#define FR_CPUS_MOST 1024

struct fr_drop_slot {
	u64 last;
	u32 waiting;	/* held back; whoever takes them to 0 reports them */
	u32 pad;
	struct fr_drop held;	/* the last of them */
};

u32 fr_drops_held = 0;	/* some slot holds some */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FR_DROP_REASONS);
	__type(key, u32);
	__type(value, struct fr_drop_slot);
} drop_slots SEC(".maps");

#define FR_IFF_LOOPBACK 8

/* Whose packet: its socket's container, or the one in its network namespace; 0: the host's, or forwarded by it. */
static __always_inline u64 fr_drop_container(struct sock *sk, u32 netns)
{
	u64 container = fr_container_of_sock(sk);
	if (container || !netns || netns == fr_host_netns)
		return container;
	u64 *known = bpf_map_lookup_elem(&container_of_netns, &netns);
	return known ? *known : 1ULL << 63 | netns;
}

/* A socket of TCP that is whole: neither tcpdump's, nor one that stands for a handshake or for TIME_WAIT. */
static __always_inline struct sock *fr_whole_socket(struct sock *sk)
{
	if (!sk)
		return 0;
	u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);
	if ((family != AF_INET && family != AF_INET6) || state == TCP_TIME_WAIT || state == TCP_NEW_SYN_RECV)
		return 0;
	return BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP ? sk : 0;
}

/* Once TCP takes a packet in (tcp_v4_rcv) it is on no device any more, and the pointer's place is used for other things: the socket
 * it was received for tells where it is, or its route, to this namespace's loopback device. SKB_DST_NOREF is the pointer's lowest bit. */
static __always_inline u32 fr_drop_netns(struct sk_buff *skb, struct sock *receiver)
{
	if (receiver)
		return fr_netns(receiver);
	struct net_device *device = BPF_CORE_READ(skb, dev);
	if (!device) {
		struct dst_entry *route = (void *)(BPF_CORE_READ(skb, _skb_refdst) & ~1UL);
		device = route ? BPF_CORE_READ(route, dev) : 0;
	}
	return device ? BPF_CORE_READ(device, nd_net.net, ns.inum) : 0;
}

/* A packet the host drops between devices may be any container's; on its loopback it is its own. */
static __always_inline bool fr_drop_watched(struct fr_drop *e, const struct sk_buff *skb, struct sock *sk, u64 container)
{
	if (fr_filter_ports && !bpf_map_lookup_elem(&port_rule, &e->source_port) &&
	    !bpf_map_lookup_elem(&port_rule, &e->destination_port))
		return false;
	if (container || sk || BPF_CORE_READ(skb, dev, flags) & FR_IFF_LOOPBACK)
		return fr_container_watched(container);
	return true;
}

static __always_inline void fr_drop_report(struct fr_drop_slot *slot, struct fr_drop *e)
{
	u32 count = fr_take(&slot->waiting);
	struct fr_drop *out = count ? fr_reserve(sizeof(*out), FR_DROP) : 0;
	if (!out)
		return;
	*out = *e;
	out->count = count;
	fr_submit(out);
}

static __always_inline int fr_on_drop(struct sk_buff *skb, void *location, u32 reason, struct sock *receiver)
{
	if (reason <= fr_reason_unspecified() || reason >= FR_DROP_REASONS || fr_reason_is_close(reason))
		return 0;
	struct fr_drop_slot *slot = bpf_map_lookup_elem(&drop_slots, &reason);
	if (!slot)
		return 0;
	struct fr_drop e = {};
	struct fr_packet packet = {};
	if (!fr_packet(&packet, skb))
		return 0;
	e.family = packet.family;
	e.source_port = packet.source_port;
	e.destination_port = packet.destination_port;
	__builtin_memcpy(e.source, packet.source, 16);
	__builtin_memcpy(e.destination, packet.destination, 16);
	receiver = fr_whole_socket(receiver);
	struct sock *sk = receiver ?: fr_whole_socket(BPF_CORE_READ(skb, sk));
	e.netns = fr_drop_netns(skb, receiver);
	u64 container = fr_drop_container(sk, e.netns);
	if (!fr_drop_watched(&e, skb, sk, container))
		return 0;
	fr_head(&e.h, bpf_ktime_get_ns(), container, 0, FR_DROP);
	e.location = (u64)location;
	e.reason = reason;
	__sync_fetch_and_add(&slot->waiting, 1);
	if (e.h.ts - slot->last < FR_DROP_INTERVAL_NS) {
		slot->held = e;
		fr_drops_held = 1;
		return 0;
	}
	slot->last = e.h.ts;
	fr_drop_report(slot, &e);
	return 0;
}

/* Since 6.11 it is told for which socket the packet was received; a socket's receive path takes skb->sk away. There may be none, which
 * verifiers before 6.14 (6.12.17 in its series) do not know of this argument: a test of it would be left out as needless. So it is
 * read as a number. */
SEC("tp_btf/kfree_skb")
int BPF_PROG(drop_received_tp, struct sk_buff *skb, void *location, u32 reason)
{
	u64 receiver = 0;
	bpf_probe_read_kernel(&receiver, sizeof(receiver), ctx + 3);
	return fr_on_drop(skb, location, reason, (struct sock *)receiver);
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(drop_tp, struct sk_buff *skb, void *location, u32 reason)
{
	return fr_on_drop(skb, location, reason, 0);
}

#ifdef FR_BEFORE_5_13
static __always_inline void fr_drop_flush(void)
{
}
#else
static long fr_drop_flush_one(u32 index, void *unused)
{
	u32 reason = index % FR_DROP_REASONS;
	struct fr_drop_slot *slot = bpf_map_lookup_percpu_elem(&drop_slots, &reason, index / FR_DROP_REASONS);
	if (!slot)
		return 1; /* no such CPU */
	if (slot->waiting && slot->held.h.ts)
		fr_drop_report(slot, &slot->held);
	return 0;
}

/* Run by the walker: the end of a burst must not wait for the next. Needs a helper of 5.19. */
static __always_inline void fr_drop_flush(void)
{
	if (!fr_drops_held || !bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_map_lookup_percpu_elem))
		return;
	fr_drops_held = 0;
	bpf_loop(FR_DROP_REASONS * FR_CPUS_MOST, fr_drop_flush_one, 0, 0);
}
#endif

/* A full accept or SYN queue drops silently: the SYN is consumed, not freed with a reason, but the listener counts it
 * (tcp_listendrop). Run by the walker. */
static __always_inline void fr_listen_drops(struct sock *sk, struct fr_sock *st)
{
	u32 drops = BPF_CORE_READ(sk, sk_drops.counter), more = drops - st->listen_drops;
	if (!more)
		return;
	struct fr_drop *e = fr_reserve(sizeof(*e), FR_DROP);
	if (!e)
		return;
	__builtin_memset(e, 0, sizeof(*e));
	fr_head(&e->h, bpf_ktime_get_ns(), st->container, st->id, FR_DROP);
	e->reason = fr_reason_listen_overflow();
	e->count = more;
	e->netns = fr_netns(sk);
	e->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	e->destination_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	u32 local = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
	if (e->family == AF_INET6)
		BPF_CORE_READ_INTO(&e->destination, sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8);
	else
		__builtin_memcpy(e->destination, &local, 4);
	fr_submit(e);
	st->listen_drops = drops;
}
