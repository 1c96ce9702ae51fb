import Analysis
import Events

/// What the recorder itself took, for as long as the window reaches back.
struct CostHistory {
    private var readings: [CostReading] = []

    mutating func note(at now: Instant, events: UInt64) {
        readings.append(
            CostReading(at: now, cpu: OwnCost.cpu(), residentBytes: UInt64(OwnCost.residentBytes()), events: events))
    }

    mutating func expire(before limit: Instant) {
        if let first = readings.first, first.at < limit { readings.removeAll { $0.at < limit } }
    }

    /// Events a second and share of one CPU over the ten seconds before the last reading; zeros before the second one.
    var lately: (eventsPerSecond: Double, cpuShare: Double) {
        guard let last = readings.last,
            let first = readings.reversed().prefix(while: { last.at - $0.at <= 10_000_000_000 }).last,
            last.at > first.at
        else { return (0, 0) }
        let time = Double(last.at - first.at)
        return (Double(last.events &- first.events) * 1e9 / time, Double(last.cpu &- first.cpu) / time)
    }

    /// And the last one before, so that there are differences.
    func over(_ from: Instant, _ to: Instant) -> [CostReading] {
        let first = readings.lastIndex { $0.at <= from } ?? 0
        return readings.dropFirst(first).filter { $0.at <= to }
    }
}
