import Analysis
import Events

/// What was read of containers and the host, for as long as the window reaches back: bounded, and of counters only the
/// changes.
public struct ContextHistory: Sendable {
    /// Readings kept of each sort, about 3 MB; the oldest go first.
    static let mostSamples = 16384
    static let mostCounters = 65536
    static let mostSoftnet = 65536
    static let mostInterface = 16384

    private struct Series: Hashable {
        var container: ContainerKey
        var name: String
    }

    private var samples: [ContainerSample] = []
    private var counters: [CounterReading] = []
    private var softnet: [SoftnetReading] = []
    private var interfaces: [InterfaceReading] = []
    /// What each counter said last.
    private var last: [Series: UInt64] = [:]
    /// What it said when the history begins.
    private var before: [Series: CounterReading] = [:]
    private var looked: [ContainerKey: Instant] = [:]

    public init() {}

    public mutating func note(_ sample: ContainerSample) {
        samples.append(sample)
        looked[sample.container] = sample.at
    }

    /// `value` 0 may be left out: it is what a counter says that was never noted.
    public mutating func note(_ container: ContainerKey, _ name: String, _ value: UInt64, at now: Instant) {
        let series = Series(container: container, name: name)
        guard last[series] ?? 0 != value else { return }
        last[series] = value
        counters.append(CounterReading(at: now, container: container, name: name, value: value))
    }

    public mutating func note(_ readings: [SoftnetReading]) { softnet += readings }

    public mutating func note(_ reading: InterfaceReading) { interfaces.append(reading) }

    /// Forgets what lies before `limit`, and what is too much.
    public mutating func expire(before limit: Instant) {
        samples.removeFirst(Self.expired(samples, Self.mostSamples) { $0.at < limit })
        softnet.removeFirst(Self.expired(softnet, Self.mostSoftnet) { $0.at < limit })
        interfaces.removeFirst(Self.expired(interfaces, Self.mostInterface) { $0.at < limit })
        let old = Self.expired(counters, Self.mostCounters) { $0.at < limit }
        for reading in counters.prefix(old) {
            before[Series(container: reading.container, name: reading.name)] = reading
        }
        counters.removeFirst(old)
        // Of a container nobody looked at for so long nothing is left to compare with.
        let gone = Set(looked.filter { $0.value < limit }.keys)
        guard !gone.isEmpty else { return }
        for container in gone { looked[container] = nil }
        last = last.filter { !gone.contains($0.key.container) }
        before = before.filter { !gone.contains($0.key.container) }
    }

    /// How many at the front of `readings`, which are in order of time, have to go.
    private static func expired<Reading>(_ readings: [Reading], _ most: Int, _ isOld: (Reading) -> Bool) -> Int {
        var low = 0
        var high = readings.count
        while low < high {
            let middle = (low + high) / 2
            if isOld(readings[middle]) { low = middle + 1 } else { high = middle }
        }
        return max(low, readings.count - most)
    }

    /// Puts what belongs to `containers`, the host and the time into the evidence. Of every counter also what it said
    /// when that time began, and of every container its last look before: what came after is compared with it.
    public func collect(into evidence: inout Evidence, containers: Set<ContainerKey>) {
        let wanted = containers.union([0])
        let cut = Cut(from: evidence.from, to: evidence.to)
        evidence.samples = cut.of(samples.filter { wanted.contains($0.container) }, at: \.at, series: \.container)
        evidence.softnet = cut.of(softnet, at: \.at, series: \.cpu)
        evidence.interfaces = cut.of(interfaces, at: \.at, series: \.interface)
        let looked = Set(evidence.samples.map(\.container))
        let old = before.values.sorted { $0.at < $1.at }
        evidence.counters = cut.of((old + counters).filter { looked.contains($0.container) }, at: \.at) {
            Series(container: $0.container, name: $0.name)
        }
    }
}

/// Those readings within the time, and the last before it of every series.
private struct Cut {
    var from: Instant
    var to: Instant

    func of<Reading, Key: Hashable>(
        _ readings: [Reading], at: (Reading) -> Instant, series: (Reading) -> Key
    ) -> [Reading] {
        var before: [Key: Reading] = [:]
        var within: [Reading] = []
        for reading in readings where at(reading) <= to {
            if at(reading) < from { before[series(reading)] = reading } else { within.append(reading) }
        }
        return before.values.sorted { at($0) < at($1) } + within
    }
}
