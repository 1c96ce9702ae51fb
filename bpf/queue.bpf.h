/* Probe family: packets that wait in a queueing discipline. Devices without one (most veths and bridges) cost nothing.
 * Bounded: one report a millisecond, CPU and group of connections, and sooner only for a longer wait. A group is small enough
 * that one flow's packets do not hide another's that leaves right behind them. */

/* When each packet was queued, by its address. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, u64);
} queued SEC(".maps");

#define FR_QUEUE_GROUPS 16	/* a power of 2 */

struct fr_queue_slot {
	u64 last;
	u64 waited;	/* of the last one reported */
	u32 count;	/* since */
	u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FR_QUEUE_GROUPS);
	__type(key, u32);
	__type(value, struct fr_queue_slot);
} queue_slots SEC(".maps");

const volatile u64 fr_queue_floor_ns = 1000000;
#define FR_QUEUE_INTERVAL_NS 1000000ULL
/* No queue holds a packet for longer; but a stamp may be an earlier packet's of the same address, whose end was not seen
 * (queues without a lock may tell of the beginning after the end). */
#define FR_QUEUE_MOST_NS 10000000000ULL
/* Packets taken out at once are told of together, as a list. */
#define FR_QUEUE_BULK 8

SEC("?tp_btf/qdisc_enqueue")
int BPF_PROG(enqueue_tp, struct Qdisc *qdisc, const struct netdev_queue *txq, struct sk_buff *skb)
{
	u64 key = (u64)skb, now = bpf_ktime_get_ns();
	bpf_map_update_elem(&queued, &key, &now, BPF_ANY);
	return 0;
}

static __always_inline int fr_dequeued(struct Qdisc *qdisc, struct sk_buff *skb, u64 now)
{
	u64 key = (u64)skb;
	u64 *since = bpf_map_lookup_elem(&queued, &key);
	if (!since)
		return 0;
	u64 waited = now - *since;
	bpf_map_delete_elem(&queued, &key);
	if (waited < fr_queue_floor_ns || waited > FR_QUEUE_MOST_NS)
		return 0;
	struct fr_packet packet = {};
	bool known = fr_packet(&packet, skb);
	u32 group = (packet.source_port ^ packet.destination_port) & (FR_QUEUE_GROUPS - 1);
	struct fr_queue_slot *slot = bpf_map_lookup_elem(&queue_slots, &group);
	if (!slot)
		return 0;
	slot->count++;
	if (now - slot->last < FR_QUEUE_INTERVAL_NS && waited <= slot->waited)
		return 0;
	struct fr_queued *e = fr_reserve(sizeof(*e), FR_QUEUED);
	if (!e)
		return 0;
	__builtin_memset(e, 0, sizeof(*e));
	fr_head(&e->h, now, 0, 0, FR_QUEUED);
	e->waited = waited;
	e->count = slot->count;
	e->backlog = qdisc->q.qlen;
	e->netns = BPF_CORE_READ(skb, dev, nd_net.net, ns.inum);
	e->ifindex = BPF_CORE_READ(skb, dev, ifindex);
	struct net_device *device = skb->dev;
	BPF_CORE_READ_INTO(&e->device, device, name);
	if (known) {
		e->family = packet.family;
		e->source_port = packet.source_port;
		e->destination_port = packet.destination_port;
		__builtin_memcpy(e->source, packet.source, 16);
		__builtin_memcpy(e->destination, packet.destination, 16);
	}
	slot->last = now;
	slot->waited = waited;
	slot->count = 0;
	fr_submit(e);
	return 0;
}

SEC("?tp_btf/qdisc_dequeue")
int BPF_PROG(dequeue_tp, struct Qdisc *qdisc, const struct netdev_queue *txq, int packets, struct sk_buff *skb)
{
	u64 now = bpf_ktime_get_ns();
	for (int i = 0; i < FR_QUEUE_BULK && i < packets && skb; i++) {
		fr_dequeued(qdisc, skb, now);
		skb = skb->next;
	}
	return 0;
}
