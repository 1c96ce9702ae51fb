/* Probe family: softirqs. Totals per CPU and vector stay in the kernel; only a slow or late one becomes an event.
 *
 * A softirq is late when it is left to ksoftirqd, a thread, and that has to wait for the CPU, or when another one runs for long. To
 * see it there costs next to nothing; a probe on each raise (irq:softirq_raise) would tell too where a CPU stays in code that holds
 * softirqs off, but runs as often as the other two. */

/* Bytes from a CPU's run queue to its softnet_data, both in the kernel's per-CPU section (userspace reads where from BTF; the
 * symbols have addresses only with CONFIG_KALLSYMS_ALL). 0: not known. */
const volatile s64 fr_softnet_from_rq = 0;

#ifdef FR_BEFORE_5_13
static __always_inline void fr_look_at_backlog(struct fr_softirq *e)
{
}
#else
#define FR_LOOK_AT 16
#define FR_NO_CONTAINER (1ULL << 62)

struct fr_look {
	u64 queue;
	u64 next;
	u64 first;
	u64 key;	/* of the first: its container, or FR_NO_CONTAINER | ifindex */
	u32 looked_at;
	u32 alike;	/* of those, with the same key */
};

/* Whose a waiting packet is: its sender's, when that is on this host, which the packet keeps until IP takes it in. */
static long fr_look_at_one(u32 index, struct fr_look *look)
{
	struct sk_buff *skb = (void *)look->next;
	if (!skb || look->next == look->queue)
		return 1;
	u64 container = fr_container_of_sock(BPF_CORE_READ(skb, sk));
	u64 key = container ? container : FR_NO_CONTAINER | (u32)BPF_CORE_READ(skb, dev, ifindex);
	if (!look->looked_at) {
		look->first = look->next;
		look->key = key;
	}
	look->looked_at++;
	look->alike += look->key == key;
	look->next = (u64)BPF_CORE_READ(skb, next);
	return look->looked_at >= FR_LOOK_AT;
}

static __always_inline void fr_look_at(struct sk_buff_head *queue, struct fr_look *look)
{
	struct sk_buff *skb = BPF_CORE_READ(queue, next);
	/* The list is circular: or else this is no queue. */
	if (!skb || (void *)BPF_CORE_READ(skb, prev) != (void *)queue)
		return;
	look->queue = (u64)queue;
	look->next = (u64)skb;
	bpf_loop(FR_LOOK_AT, fr_look_at_one, look, 0);
}

/* Who keeps this CPU busy: its backlog (get_rps_cpu, netif_rx), of which this CPU alone takes out. A driver that polls its
 * own ring has none. Only where a softirq was slow already: the hot path pays nothing. Needs a helper of 5.17. */
static __always_inline void fr_look_at_backlog(struct fr_softirq *e)
{
	if (!fr_softnet_from_rq || !bpf_core_field_exists(struct cfs_rq, rq) ||
	    !bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop))
		return;
	struct task_struct *task = bpf_get_current_task_btf();
	/* A running task's own run queue is this CPU's. */
	struct softnet_data *data = (void *)BPF_CORE_READ(task, se.cfs_rq, rq) + fr_softnet_from_rq;
	struct fr_look look = {};
	e->waiting = BPF_CORE_READ(data, process_queue.qlen) + BPF_CORE_READ(data, input_pkt_queue.qlen);
	fr_look_at(&data->process_queue, &look);
	if (look.looked_at < FR_LOOK_AT)
		fr_look_at(&data->input_pkt_queue, &look);
	struct sk_buff *first = (void *)look.first;
	if (!first)
		return;
	e->looked_at = look.looked_at;
	e->alike = look.alike;
	e->from = look.key & FR_NO_CONTAINER ? 0 : look.key;
	struct net_device *device = BPF_CORE_READ(first, dev);
	e->ifindex = BPF_CORE_READ(device, ifindex);
	BPF_CORE_READ_INTO(&e->device, device, name);
}
#endif

static __always_inline struct fr_softirq_total *fr_vector(u32 vector)
{
	return bpf_map_lookup_elem(&softirqs, &vector);
}

/* Marks each CPU's ksoftirqd, so that the switch hook knows it. */
SEC("?iter/task")
int walk_ksoftirqd(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	if (!task || !(task->flags & PF_KTHREAD))
		return 0;
	char name[] = "ksoftirqd/", comm[16];
	BPF_CORE_READ_INTO(&comm, task, comm);
	for (u32 i = 0; i < sizeof(name) - 1; i++)
		if (comm[i] != name[i])
			return 0;
	struct fr_thread *t = bpf_task_storage_get(&threads, task, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!t)
		return 0;
	/* Userspace counts them. */
	bpf_seq_write(ctx->meta->seq, name, 1);
	if (t->softirqs)
		return 0;
	/* As a rule it sleeps. If not, the switch hook says so when it next gives up the CPU. */
	t->now.start = bpf_ktime_get_ns();
	t->now.why = FR_OFF_SLEEP;
	t->softirqs = 1;
	return 0;
}

SEC("tp_btf/softirq_entry")
int BPF_PROG(softirq_entry_tp, unsigned int vector)
{
	struct fr_softirq_total *t = fr_vector(vector);
	if (!t)
		return 0;
	t->entered = bpf_ktime_get_ns();
	t->due = fr_due_since(vector, t->entered, t->left);
	return 0;
}

/* This CPU's steal, and that of the thread on it. The helper is of 5.11, as is a thread's storage. */
static __always_inline void fr_steal_tick(struct fr_softirq_total *total, u64 now)
{
	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf))
		return;
	struct task_struct *task = bpf_get_current_task_btf();
	total->stolen = fr_steal(fr_rq(task)) + 1;
	if (!fr_follow_threads)
		return;
	struct fr_thread *t = fr_thread_of(task);
	if (!t || t->softirqs)
		return;
	fr_count_stolen(t, task, now);
	fr_put_on(t, task, now);
}

SEC("tp_btf/softirq_exit")
int BPF_PROG(softirq_exit_tp, unsigned int vector)
{
	struct fr_softirq_total *t = fr_vector(vector);
	if (!t || t->entered <= fr_softirqs_since)
		return 0;
	u64 now = bpf_ktime_get_ns();
	u64 run = now - t->entered;
	u64 deferred = t->due && t->due < t->entered ? t->entered - t->due : 0;
	t->count++;
	t->total += run;
	if (run > t->max)
		t->max = run;
	if (deferred > t->deferred_max)
		t->deferred_max = deferred;
	if (run >= fr_softirq_run_ns || deferred >= fr_softirq_run_ns)
		fr_softirq_was_slow(deferred ? t->due : t->entered, now);
	t->entered = 0;
	t->left = now;
	/* The others run about as often as the timer ticks, and on the hot path there is but this one. */
	if (vector != FR_NET_RX)
		fr_steal_tick(t, now);
	if (run < fr_softirq_run_ns && deferred < fr_softirq_late_ns)
		return 0;
	struct fr_softirq *e = fr_reserve(sizeof(*e), FR_SOFTIRQ);
	if (!e)
		return 0;
	__builtin_memset(e, 0, sizeof(*e));
	fr_head(&e->h, now, 0, 0, FR_SOFTIRQ);
	e->run = run;
	e->deferred = deferred;
	e->vector = vector;
	if (vector == FR_NET_RX)
		fr_look_at_backlog(e);
	fr_submit(e);
	return 0;
}
