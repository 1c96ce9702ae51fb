import Events

/// Softirq work of one CPU in one tick, and what was stolen of it: the timeline's load lane, and what the incident is compared with.
public struct SoftirqTick: Sendable, Equatable, Codable {
    public var cpu: UInt16
    public var from: Instant
    public var to: Instant
    /// ns spent in softirqs.
    public var total: UInt64
    public var netRX: UInt64
    /// ns the hypervisor ran others on this CPU (steal in proc_stat(5)).
    public var stolen: UInt64

    public init(cpu: UInt16, from: Instant, to: Instant, total: UInt64, netRX: UInt64, stolen: UInt64 = 0) {
        self.cpu = cpu
        self.from = from
        self.to = to
        self.total = total
        self.netRX = netRX
        self.stolen = stolen
    }
}

/// What the cgroup files of one container said at one moment. `nil`: this host does not have the file. Of the host
/// itself (key 0) there are pressures alone, from /proc/pressure.
public struct ContainerSample: Sendable, Equatable, Codable {
    public var at: Instant
    public var container: ContainerKey
    /// `cgroup.events` frozen, or `freezer.state` FROZEN/FREEZING.
    public var frozen: Bool?
    /// ns since the cgroup exists: `cpu.stat` throttled_usec (v2) or throttled_time (v1).
    public var throttled: UInt64?
    /// `cpu.stat` nr_throttled: periods in which the quota ran out.
    public var throttledPeriods: UInt64?
    /// `memory.events` high: times it was throttled to reclaim, over the soft limit (v2).
    public var memoryHigh: UInt64?
    /// Times it was at its limit: `memory.events` max (v2) or `memory.failcnt` (v1).
    public var memoryMax: UInt64?
    /// Processes killed for want of memory: `memory.events` (v2) or `memory.oom_control` (v1) oom_kill.
    public var memoryKills: UInt64?
    /// Bytes: `memory.current` (v2) or `memory.usage_in_bytes` (v1).
    public var memory: UInt64?
    /// Bytes; `nil`: no limit. `memory.max` (v2) or `memory.limit_in_bytes` (v1).
    public var memoryLimit: UInt64?
    /// ns in which at least one task waited, since the cgroup exists: `some` of the `.pressure` files (PSI).
    public var cpuPressure: UInt64?
    public var memoryPressure: UInt64?
    public var ioPressure: UInt64?
    /// Its network counters (`CounterReading`) were read at this moment too.
    public var network = false

    public init(at: Instant, container: ContainerKey, frozen: Bool? = nil, throttled: UInt64? = nil) {
        self.at = at
        self.container = container
        self.frozen = frozen
        self.throttled = throttled
    }
}

/// One counter of a container's network namespace (/proc/PID/net: snmp, netstat, dev), when it was not what it was at the
/// look before. At a look (`ContainerSample.network`) without one the counter stood as before; 0 if there was none yet.
public struct CounterReading: Sendable, Equatable, Codable {
    public var at: Instant
    /// 0: the host's own namespace.
    public var container: ContainerKey
    /// As the kernel calls it: `ListenOverflows`; of an interface `eth0 rx_dropped`.
    public var name: String
    /// Since the namespace exists.
    public var value: UInt64

    public init(at: Instant, container: ContainerKey, name: String, value: UInt64) {
        self.at = at
        self.container = container
        self.name = name
        self.value = value
    }
}

/// One CPU's line of /proc/net/softnet_stat, since boot.
public struct SoftnetReading: Sendable, Equatable, Codable {
    public var at: Instant
    public var cpu: UInt16
    /// Packets taken from the CPU's backlog or a driver.
    public var processed: UInt64
    /// Packets its full backlog (net.core.netdev_max_backlog) refused.
    public var dropped: UInt64
    /// Times NET_RX ended with work left: out of budget, or out of time.
    public var squeezed: UInt64

    public init(at: Instant, cpu: UInt16, processed: UInt64, dropped: UInt64, squeezed: UInt64) {
        self.at = at
        self.cpu = cpu
        self.processed = processed
        self.dropped = dropped
        self.squeezed = squeezed
    }
}
