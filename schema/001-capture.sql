-- A flightrec capture: one SQLite file, one incident. This text is the definition of the format, version 1.
--
-- Read it with any sqlite3:      sqlite3 20261123T165204Z-a1b2c3.flightrec 'SELECT * FROM incident'
--
-- Conventions
--   *_ns    nanoseconds. Instants (at_ns, from_ns, start_ns, ...) are CLOCK_MONOTONIC of the recording host;
--           wall clock = wall_ns + (instant - monotonic_ns), of the last row of the table clock at or before it.
--   *_wall_ns  nanoseconds since 1970-01-01 UTC.
--   Unsigned 64-bit values are stored as the signed integer of the same bits. That shows only where the top
--   bit is set: container keys made from a network namespace (1 << 63 | inode) read as negative numbers.
--   NULL    did not happen, or is not known. It is never written as 0.
--   container  a container key: the cgroup id the kernel reported; 0 is the host. See the table container.
--   socket  number of a socket, valid in this file alone. See the table socket.
--
-- A published capture is never modified. Readers refuse a file whose application_id or user_version they do not
-- know, and a file that holds views, triggers or virtual tables.

PRAGMA application_id = 0x464c5452; -- "FLTR"
PRAGMA user_version = 1;            -- the number of the newest schema file applied; the next ones raise it

-- Free facts. flightrec: its version; bpf: CRC-32 of its BPF programs; kernel, machine, host: uname(2); boot: the boot's
-- id; config.*: the configuration in effect; fired: triggers of this incident; threads: whether they were followed.
CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What happened, in exactly one row: all that a listing needs.
CREATE TABLE incident (
    id                 TEXT    NOT NULL, -- sortable by time; the file is called <id>.flightrec
    started_wall_ns    INTEGER NOT NULL,
    ended_wall_ns      INTEGER NOT NULL,
    container_id       TEXT    NOT NULL, -- the container the verdict is about
    container_name     TEXT    NOT NULL,
    container_runtime  TEXT    NOT NULL, -- docker, podman, containerd, kubernetes, host, demo, unknown
    container_image    TEXT    NOT NULL, -- empty: not known
    peak_ns            INTEGER NOT NULL, -- total of the slowest turn
    threshold_ns       INTEGER NOT NULL, -- 0: a manual snapshot
    slow_turns         INTEGER NOT NULL, -- turns over the threshold
    trigger            TEXT    NOT NULL, -- latency, in-flight, manual
    verdict_layer      TEXT    NOT NULL,
    verdict_cause      TEXT    NOT NULL, -- app.lock, cpu.throttled, net.retransmit, ..., unknown
    verdict_summary    TEXT    NOT NULL, -- one line
    verdict_share      REAL    NOT NULL, -- part of the turn's total that the cause explains, 0 to 1
    verdict_confidence TEXT    NOT NULL, -- high, medium, low
    verdict_peer       TEXT    NOT NULL, -- whom it points at: a container or an address; empty: the container itself
    unexplained_ns     INTEGER NOT NULL, -- the turn's total minus its stages (table stage)
    events             INTEGER NOT NULL, -- events captured, names of sockets not counted
    lost               INTEGER NOT NULL, -- events known to be lost in the captured interval
    asked_from_ns      INTEGER NOT NULL, -- first trigger minus --before
    asked_to_ns        INTEGER NOT NULL, -- last trigger plus --after
    from_ns            INTEGER NOT NULL, -- what the history could give of it
    to_ns              INTEGER NOT NULL,
    clock_monotonic_ns INTEGER NOT NULL, -- one moment, read on both clocks
    clock_wall_ns      INTEGER NOT NULL
) STRICT;

-- The verdict's evidence, a sentence a row.
CREATE TABLE verdict_evidence (
    line INTEGER PRIMARY KEY, -- from 1
    text TEXT NOT NULL
) STRICT;

-- Where the time of the verdict's turn went. The durations and incident.unexplained_ns sum to its total.
CREATE TABLE stage (
    position    INTEGER PRIMARY KEY, -- from 1
    name        TEXT    NOT NULL,
    offset_ns   INTEGER NOT NULL,    -- after the turn's start
    duration_ns INTEGER NOT NULL
) STRICT;

-- The rules that fired and what they saw, in the order they fired.
CREATE TABLE trigger (
    position     INTEGER PRIMARY KEY, -- from 1
    kind         TEXT    NOT NULL,    -- latency, in-flight, manual
    at_ns        INTEGER NOT NULL,
    container    INTEGER NOT NULL,
    socket       INTEGER NOT NULL,
    observed_ns  INTEGER NOT NULL,
    threshold_ns INTEGER NOT NULL,
    rule         TEXT    NOT NULL     -- in words; for a manual snapshot its reason
) STRICT;

-- The wall clock's settings over the capture: each holds from its moment on. More than one: it was set meanwhile.
CREATE TABLE clock (
    monotonic_ns INTEGER PRIMARY KEY,
    wall_ns      INTEGER NOT NULL
) STRICT;

-- What recording took: counters since the recorder's start.
CREATE TABLE recorder_cost (
    at_ns          INTEGER PRIMARY KEY,
    cpu_ns         INTEGER NOT NULL, -- its user and system time
    resident_bytes INTEGER NOT NULL,
    events         INTEGER NOT NULL  -- emitted by the probes
) STRICT;

-- What the rate limit held back, from the recorder's start to this capture: triggers without a capture of their own.
CREATE TABLE suppressed (
    container INTEGER PRIMARY KEY,
    count     INTEGER NOT NULL,
    worst_ns  INTEGER NOT NULL, -- the slowest of them
    last_ns   INTEGER NOT NULL  -- when the last one fired
) STRICT;

-- How people know a container.
CREATE TABLE container (
    key     INTEGER PRIMARY KEY,
    id      TEXT NOT NULL,
    name    TEXT NOT NULL,
    runtime TEXT NOT NULL,
    image   TEXT NOT NULL -- empty: not known
) STRICT;

-- The sockets that events name.
CREATE TABLE socket (
    id                 INTEGER PRIMARY KEY,
    container          INTEGER NOT NULL,
    leaf_cgroup        INTEGER NOT NULL, -- the socket's own cgroup, which may lie below the container's
    netns              INTEGER NOT NULL, -- inode of its network namespace
    role               INTEGER NOT NULL, -- 0 unknown, 1 served, 2 called
    local              TEXT    NOT NULL, -- to read: 10.0.0.2:6379 or [fd00::2]:6379
    remote             TEXT    NOT NULL,
    local_address      BLOB    NOT NULL, -- 4 or 16 bytes, network order
    local_port         INTEGER NOT NULL,
    remote_address     BLOB    NOT NULL,
    remote_port        INTEGER NOT NULL,
    pid                INTEGER,          -- first thread group that used it
    process            TEXT    NOT NULL, -- its comm; empty: not known
    seen_ns            INTEGER NOT NULL,
    established_ns     INTEGER,
    older_than_recorder INTEGER NOT NULL, -- 1: it was there before the recorder
    sent_sequence      INTEGER,          -- TCP sequence numbers at ESTABLISHED: the other end holds the mirror image
    received_sequence  INTEGER NOT NULL
) STRICT;

-- The same container's and port's own figures before the incident.
CREATE TABLE baseline (
    container         INTEGER NOT NULL,
    role              INTEGER NOT NULL, -- as in socket
    port              INTEGER NOT NULL, -- the server's
    turns             INTEGER NOT NULL,
    p50_ns            INTEGER NOT NULL,
    p99_ns            INTEGER NOT NULL,
    retransmits_per_s REAL    NOT NULL, -- in the two minutes before the first slow turn began
    of_verdict        INTEGER NOT NULL  -- 1: the one the verdict compares with
) STRICT;

-- One softirq vector on one CPU over the captured interval.
CREATE TABLE softirq_total (
    cpu             INTEGER NOT NULL,
    vector          INTEGER NOT NULL, -- 0 HI, 1 TIMER, 2 NET_TX, 3 NET_RX, 4 BLOCK, 5 IRQ_POLL, 6 TASKLET, 7 SCHED, ...
    count           INTEGER NOT NULL,
    total_ns        INTEGER NOT NULL,
    max_ns          INTEGER NOT NULL, -- 0: no longer one than before the interval, since the probes were attached
    deferred_max_ns INTEGER NOT NULL  -- longest that one had been due before it ran; 0: as of max_ns
) STRICT;

-- Softirq work of one CPU, tick by tick. A CPU that had none in a tick has no row for it.
CREATE TABLE softirq_tick (
    cpu       INTEGER NOT NULL,
    from_ns   INTEGER NOT NULL,
    to_ns     INTEGER NOT NULL,
    total_ns  INTEGER NOT NULL,
    net_rx_ns INTEGER NOT NULL
) STRICT;

-- What a container's cgroup files said at one moment: one look. NULL: the host does not have the file.
-- The last look before from_ns is here too. Of the host (container 0) there are pressures alone.
CREATE TABLE sample (
    at_ns              INTEGER NOT NULL,
    container          INTEGER NOT NULL,
    frozen             INTEGER, -- 1: frozen or freezing
    throttled_ns       INTEGER, -- since the cgroup exists, as all below but the bytes
    throttled_periods  INTEGER, -- cpu.stat nr_throttled
    memory_high        INTEGER, -- times over the soft limit: memory.events high
    memory_max         INTEGER, -- times at the limit: memory.events max, or memory.failcnt
    memory_kills       INTEGER, -- processes killed: oom_kill
    memory_bytes       INTEGER, -- in use
    memory_limit_bytes INTEGER, -- NULL: no limit
    cpu_pressure_ns    INTEGER, -- at least one task waited: "some" of cpu.pressure
    memory_pressure_ns INTEGER,
    io_pressure_ns     INTEGER,
    network            INTEGER NOT NULL -- 1: its counters (table counter) were read at this look too
) STRICT;

-- A counter of a container's network namespace, at each look that found it changed. Between its rows it stood still,
-- before the first of them at 0. Rows before from_ns say where it stood when the capture begins.
CREATE TABLE counter (
    at_ns     INTEGER NOT NULL,
    container INTEGER NOT NULL, -- 0: the host's own namespace
    name      TEXT    NOT NULL, -- as the kernel calls it: ListenOverflows, TCPTimeouts; "eth0 rx_dropped"
    value     INTEGER NOT NULL  -- since the namespace exists
) STRICT;

-- One CPU's line of /proc/net/softnet_stat, since boot.
CREATE TABLE softnet (
    at_ns     INTEGER NOT NULL,
    cpu       INTEGER NOT NULL,
    processed INTEGER NOT NULL, -- packets
    dropped   INTEGER NOT NULL, -- packets refused by its full backlog
    squeezed  INTEGER NOT NULL  -- times NET_RX ended with work left
) STRICT;

-- Processes of this host that pass connections on (docker-proxy): called at `listen`, they call `target` themselves, so
-- that a call through one is two connections. Those that ran at some time of the capture.
CREATE TABLE relay (
    program        TEXT    NOT NULL, -- comm
    pid            INTEGER NOT NULL,
    netns          INTEGER NOT NULL, -- inode of its network namespace; 0: not known
    listen         TEXT    NOT NULL, -- to read: 0.0.0.0:8080
    target         TEXT    NOT NULL,
    listen_address BLOB    NOT NULL, -- 4 or 16 bytes, network order; zeros: every address of the host
    listen_port    INTEGER NOT NULL,
    target_address BLOB    NOT NULL,
    target_port    INTEGER NOT NULL
) STRICT;

-- Addresses of the recording host's own network namespace.
CREATE TABLE host_address (
    address BLOB NOT NULL PRIMARY KEY -- 4 or 16 bytes, network order
) STRICT, WITHOUT ROWID;

-- How the host's physical interfaces gather packets before they interrupt (ethtool --coalesce), where their driver says.
-- NULL: it has no such setting.
CREATE TABLE coalescing (
    interface    TEXT NOT NULL PRIMARY KEY,
    rx_us        INTEGER, -- rx-usecs: after a packet came
    rx_frames    INTEGER, -- rx-frames: packets that bring the interrupt earlier; 0: the time alone counts
    rx_us_high   INTEGER, -- rx-usecs-high: under high load, where the driver adapts
    rx_adaptive  INTEGER, -- 1: the driver changes them with the load
    tx_us        INTEGER,
    tx_frames    INTEGER,
    tx_adaptive  INTEGER
) STRICT, WITHOUT ROWID;

-- What a physical interface had received at one look, since it is there.
CREATE TABLE interface (
    at_ns      INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    interrupts INTEGER NOT NULL, -- but those for sending alone, on all CPUs
    packets    INTEGER NOT NULL
) STRICT;

-- Intervals in which events are known to be missing.
CREATE TABLE gap (
    from_ns INTEGER NOT NULL,
    to_ns   INTEGER NOT NULL,
    lost    INTEGER NOT NULL,
    why     TEXT    NOT NULL
) STRICT;

-- Names of the recording kernel's enum skb_drop_reason: numbers differ between kernels.
CREATE TABLE drop_reason (
    reason INTEGER PRIMARY KEY,
    name   TEXT NOT NULL
) STRICT;

-- Names of the kernel functions that stacks (kind 11) refer to, on the recording kernel.
CREATE TABLE symbol (
    address INTEGER PRIMARY KEY,
    name    TEXT NOT NULL
) STRICT;

-- The turns over the threshold, and the one the verdict is about, as plain rows. They are in the blocks too.
CREATE TABLE turn_slow (
    position            INTEGER PRIMARY KEY, -- from 1, slowest first
    of_verdict          INTEGER NOT NULL, -- 1: the turn the verdict explains
    over_threshold      INTEGER NOT NULL, -- 0: the verdict's turn, and not slow (a manual snapshot)
    container           INTEGER NOT NULL,
    socket              INTEGER NOT NULL,
    sequence            INTEGER NOT NULL, -- number of the turn on its socket, from 1
    role                INTEGER NOT NULL, -- as in socket
    flags               INTEGER NOT NULL, -- 1 open, 2 stream, 4 aborted, 8 unread, 16 sending, 32 first, 64 connecting, 128 not accepted yet
    cpu                 INTEGER NOT NULL,
    tid                 INTEGER NOT NULL,
    start_ns            INTEGER NOT NULL,
    end_ns              INTEGER NOT NULL,
    total_ns            INTEGER NOT NULL,
    received_first_ns   INTEGER,
    received_last_ns    INTEGER,
    woken_ns            INTEGER,
    read_first_ns       INTEGER,
    read_last_ns        INTEGER,
    sent_first_ns       INTEGER,
    sent_last_ns        INTEGER,
    received_bytes      INTEGER NOT NULL,
    sent_bytes          INTEGER NOT NULL,
    send_buffer_wait_ns INTEGER NOT NULL,
    receiver_window_wait_ns INTEGER NOT NULL,
    smoothed_rtt_us     INTEGER NOT NULL,
    retransmits         INTEGER NOT NULL, -- seen, by this end
    unseen_retransmits  INTEGER NOT NULL  -- segments by the kernel's own count that no probe was told of
) STRICT;

-- All events, compressed. data holds `count` records of one kind, and nothing else in this file repeats them.
-- kind: 1 socket, 2 turn, 3 open turn, 4 retransmit, 5 state, 6 reset, 7 drop, 8 softirq, 9 slice of a thread, 10 packet
-- queued, 11 kernel stack.
CREATE TABLE block (
    id         INTEGER PRIMARY KEY,
    kind       INTEGER NOT NULL,
    container  INTEGER NOT NULL,
    from_ns    INTEGER NOT NULL, -- of its first and last event; a block may reach past the incident's interval
    to_ns      INTEGER NOT NULL,
    began_ns   INTEGER NOT NULL, -- earliest start of its turns or slices; of other kinds from_ns
    sockets    BLOB    NOT NULL, -- sockets its records name (0: none), ascending: LEB128 differences, the first to 0
    count      INTEGER NOT NULL,
    codec      INTEGER NOT NULL, -- how data is encoded: BLOCKS.md beside this file
    raw_length INTEGER NOT NULL, -- bytes before compression
    checksum   INTEGER NOT NULL, -- CRC of data as it is stored
    data       BLOB    NOT NULL
) STRICT;
