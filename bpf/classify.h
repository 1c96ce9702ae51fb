/* Which sockets matter, and whose they are. Runs once per socket, then again only when the rules change. */
#ifndef FLIGHTREC_CLASSIFY_H
#define FLIGHTREC_CLASSIFY_H

#define FR_CGROUP_LEVELS 8
#define FR_ID_LENGTH 64
#define FR_SUFFIX_LENGTH 6 /* .scope */

static __always_inline bool fr_is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static __always_inline bool fr_all_hex(const char *at)
{
	char id[FR_ID_LENGTH] = {};
	if (bpf_probe_read_kernel(id, sizeof(id), at))
		return false;
	for (int i = 0; i < FR_ID_LENGTH; i++)
		if (!fr_is_hex(id[i]))
			return false;
	return true;
}

/* Every runtime names a container's cgroup after its 64-digit id, at the end: `<id>`, `libpod-<id>`, or before systemd's
 * suffix: `docker-<id>.scope`, `cri-containerd-<id>.scope`. A global function over a plain integer: the verifier checks
 * it once, not once per caller. */
__noinline int fr_names_container(u64 address)
{
	struct kernfs_node *kn = (void *)address;
	char name[128];
	const char *at = BPF_CORE_READ(kn, name);
	long length = bpf_probe_read_kernel_str(name, sizeof(name), at) - 1;
	if (length < FR_ID_LENGTH)
		return 0;
	if (fr_all_hex(at + length - FR_ID_LENGTH))
		return 1;
	return length >= FR_ID_LENGTH + FR_SUFFIX_LENGTH && fr_all_hex(at + length - FR_ID_LENGTH - FR_SUFFIX_LENGTH);
}

/* The outermost container around a cgroup, or 0. Cached by cgroup id. */
__noinline u64 fr_container_of(u64 address)
{
	struct cgroup *cgroup = (void *)address;
	struct kernfs_node *kn = BPF_CORE_READ(cgroup, kn);
	u64 leaf = BPF_CORE_READ(kn, id), found = 0;
	u64 *known = bpf_map_lookup_elem(&container_of_cgroup, &leaf);
	if (known)
		return *known;
	for (int level = 0; level < FR_CGROUP_LEVELS && kn; level++) {
		if (fr_names_container((u64)kn))
			found = BPF_CORE_READ(kn, id);
		struct cgroup_subsys_state *parent = BPF_CORE_READ(cgroup, self.parent);
		if (!parent)
			break;
		cgroup = BPF_CORE_READ(parent, cgroup);
		kn = BPF_CORE_READ(cgroup, kn);
	}
	bpf_map_update_elem(&container_of_cgroup, &leaf, &found, BPF_ANY);
	return found;
}

/* The container a packet's socket is in, of any protocol; 0: none. */
static __always_inline u64 fr_container_of_sock(struct sock *sk)
{
	if (!sk)
		return 0;
	/* These are not whole sockets. */
	u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);
	if (state == TCP_TIME_WAIT || state == TCP_NEW_SYN_RECV)
		return 0;
	struct cgroup *cgroup = fr_sock_cgroup(sk);
	return cgroup ? fr_container_of((u64)cgroup) : 0;
}

static __always_inline u32 fr_netns(struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
}

static __always_inline bool fr_port_wanted(struct sock *sk)
{
	u16 local = BPF_CORE_READ(sk, __sk_common.skc_num);
	u16 remote = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	return bpf_map_lookup_elem(&port_rule, &local) || bpf_map_lookup_elem(&port_rule, &remote);
}

static __always_inline bool fr_container_watched(u64 container)
{
	u8 *rule = bpf_map_lookup_elem(&container_rule, &container);
	return rule ? *rule : container || fr_watch_host;
}

/* Sets st->container, st->leaf and st->watched. */
static __noinline int fr_classify(struct sock *sk, struct fr_sock *st)
{
	if (!sk || !st)
		return 0;
	struct cgroup *cgroup = fr_sock_cgroup(sk);
	u32 netns = fr_netns(sk);
	u8 before = st->watched;
	st->generation = fr_generation;
	st->watched = 0;
	st->leaf = cgroup ? BPF_CORE_READ(cgroup, kn, id) : 0;
	st->container = cgroup ? fr_container_of((u64)cgroup) : 0;
	/* A cgroup-v1-only host leaves every socket in the v2 root: there the network namespace tells. */
	if (!st->container && st->leaf <= 1 && fr_host_netns && netns != fr_host_netns)
		st->container = 1ULL << 63 | netns;
	u64 container = st->container; /* up to 6.2 an iterator's value may not be a helper's argument */
	if (container && netns != fr_host_netns) {
		/* As a rule it is known, and a look takes no lock. */
		u64 *known = bpf_map_lookup_elem(&container_of_netns, &netns);
		if (!known || *known != container)
			bpf_map_update_elem(&container_of_netns, &netns, &container, BPF_ANY);
	}
	st->watched = fr_container_watched(container);
	if (st->watched && fr_filter_ports && !fr_port_wanted(sk))
		st->watched = 0;
	/* What becomes of a turn that is open nobody sees: watched again, it must not seem to have lasted all the while. */
	if (!st->watched) {
		st->phase = FR_IDLE;
		st->claimed = st->sequence;
		st->next_first = 0;
	} else if (!before && st->announced) {
		/* Its name is forgotten by now. */
		st->id = fr_new_id();
		st->announced = 0;
	}
	return 0;
}

/* The current task is the owner only in a read, a write or a connect. */
static __always_inline void fr_own(struct fr_sock *st)
{
	if (st->owned)
		return;
	st->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(st->comm, sizeof(st->comm));
	st->owned = 1;
	if (fr_filter_pids && !bpf_map_lookup_elem(&pid_rule, &st->pid))
		st->pid_rejected = 1;
}

/* Under --pid nothing is said of a socket before it is known whose it is; its turn is followed all the same. */
static __always_inline bool fr_reportable(struct fr_sock *st)
{
	return !fr_filter_pids || (st->owned && !st->pid_rejected);
}

static __always_inline bool fr_watched(struct sock *sk, struct fr_sock *st)
{
	if (st->generation != fr_generation)
		fr_classify(sk, st);
	return st->watched && !st->pid_rejected;
}

/* State for a socket that has none yet: one older than the recorder when called from data paths. */
static __noinline struct fr_sock *fr_adopt(struct sock *sk)
{
	struct fr_sock *st = fr_find_or_make(sk);
	if (!st) {
		struct fr_counters *c = fr_count();
		if (c)
			__sync_fetch_and_add(&c->untracked, 1);
		return 0;
	}
	if (st->generation)
		return st;
	fr_classify(sk, st);
	st->id = fr_new_id();
	return st;
}

/* Served when it was made by a listener, whose backlog it inherits (sk_clone), be that gone or in another namespace; or
 * when its local port has one here with a backlog of 0, which leaves no other sign. */
static __always_inline u8 fr_role_by_listener(struct sock *sk)
{
	if (fr_is_subflow(sk))
		return FR_ROLE_UNKNOWN;
	if (BPF_CORE_READ(sk, sk_max_ack_backlog))
		return FR_SERVED;
	struct fr_listener key = { .netns = fr_netns(sk), .port = BPF_CORE_READ(sk, __sk_common.skc_num) };
	return bpf_map_lookup_elem(&listeners, &key) ? FR_SERVED : FR_CALLED;
}

/* Its connection is over (tcp_done), though what came before may still be read: no turn begins on it. One that is to be connected
 * yet (MSG_FASTOPEN) was not shut down. */
static __always_inline bool fr_is_dead(struct sock *sk)
{
	return FR_READ(sk, __sk_common.skc_state) == TCP_CLOSE && FR_READ(sk, sk_shutdown) == FR_SHUTDOWN_MASK;
}

static __always_inline struct fr_sock *fr_state_or_old(struct sock *sk)
{
	/* A tracepoint's argument may be NULL for all that 6.13's verifier knows, and those that took that over (Ubuntu's 6.8). */
	if (!sk)
		return 0;
	struct fr_sock *st = fr_find(sk);
	if (st)
		return st;
	/* By address, what was made for a dead one would be taken for that of the next socket there. */
	if (fr_by_address && fr_is_dead(sk))
		return 0;
	st = fr_adopt(sk);
	if (st) {
		st->old = 1;
		st->role = fr_role_by_listener(sk);
	}
	return st;
}

/* Sends the socket's name once, and once more when its process becomes known. */
static __noinline int fr_announce(struct sock *sk, struct fr_sock *st)
{
	if (!sk || !st || st->announced >= (st->owned ? 2 : 1))
		return 0;
	struct fr_socket *e = fr_reserve(sizeof(*e), FR_SOCKET);
	if (!e)
		return 0;
	__builtin_memset(e, 0, sizeof(*e));
	fr_head(&e->h, bpf_ktime_get_ns(), st->container, st->id, FR_SOCKET);
	e->established = st->established;
	e->leaf_cgroup = st->leaf;
	e->netns = fr_netns(sk);
	e->pid = st->pid;
	e->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	e->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	e->remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	e->role = st->role;
	e->flags = (st->old ? FR_SOCKET_OLD : 0) | (st->owned ? FR_SOCKET_OWNED : 0);
	if (e->family == AF_INET6) {
		BPF_CORE_READ_INTO(&e->local, sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8);
		BPF_CORE_READ_INTO(&e->remote, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
	} else {
		u32 local = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
		u32 remote = BPF_CORE_READ(sk, __sk_common.skc_daddr);
		__builtin_memcpy(e->local, &local, 4);
		__builtin_memcpy(e->remote, &remote, 4);
	}
	__builtin_memcpy(e->comm, st->comm, sizeof(e->comm));
	e->write_seq = st->write_seq;
	e->rcv_nxt = st->rcv_nxt;
	fr_submit(e);
	st->announced = st->owned ? 2 : 1;
	return 0;
}

#endif
