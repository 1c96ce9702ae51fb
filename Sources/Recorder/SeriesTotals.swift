import Containers

/// What the containers' series of `--metrics` stand at. Keys that share a name are one series, and a counter must not fall while
/// its series lasts: what the tally forgets of a key stays in the sum of the others. A series all of whose keys were forgotten
/// ends, and one that comes later begins at 0, as Prometheus expects of a counter that was reset.
struct SeriesTotals {
    /// One stay of a key in the tally.
    private struct Stay: Hashable {
        var key: Tally.Key
        var began: UInt64
    }

    private struct Series {
        /// The last that was known of each, gone ones too.
        var stays: [Stay: TallyTotal] = [:]
        /// Sum of those that went long ago.
        var folded = TallyTotal()

        var sum: TallyTotal { stays.values.reduce(folded) { $0.adding($1) } }
    }

    /// Stays that are over are told apart up to so many a series: one that was only hidden for a while may come back.
    static let mostGone = 16
    private var series: [String: Series] = [:]
    /// A key keeps its series when its name is forgotten.
    private var labels: [Tally.Key: String] = [:]

    /// Labels and sums of every series that lasts, in the order of their labels. `named`: labels of a
    /// key whose name is known; `unnamed`: of one that has none.
    mutating func sums(
        _ rows: [TallyRow], unnamed: (Tally.Key) -> String, named: (Tally.Key) -> String?
    ) -> [(labels: String, total: TallyTotal)] {
        var present: [String: [Stay: TallyTotal]] = [:]
        var kept: [Tally.Key: String] = [:]
        for row in rows {
            let known = named(row.key) ?? labels[row.key]
            kept[row.key] = known
            let stay = Stay(key: row.key, began: row.began)
            let series = known ?? unnamed(row.key)
            present[series, default: [:]][stay] = present[series]?[stay]?.adding(row.total) ?? row.total
        }
        labels = kept
        var next: [String: Series] = [:]
        for (labels, now) in present {
            var one = series[labels] ?? Series()
            one.stays.merge(now) { _, new in new }
            let gone = one.stays.keys.filter { now[$0] == nil }
            if gone.count > Self.mostGone {
                for stay in gone { one.folded = one.folded.adding(one.stays.removeValue(forKey: stay) ?? TallyTotal()) }
            }
            next[labels] = one
        }
        series = next
        return series.map { (labels: $0.key, total: $0.value.sum) }.sorted { $0.labels < $1.labels }
    }
}
