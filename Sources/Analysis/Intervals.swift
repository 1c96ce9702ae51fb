import Events

/// Stretches of time known from samples.
enum Intervals {
    /// ns of `from..<to` in which samples said `frozen`: between two frozen samples it was; at an edge, up to the sample
    /// that said otherwise counts half, because the change lies anywhere in between.
    static func frozen(_ samples: [ContainerSample], container: ContainerKey, from: Instant, to: Instant) -> UInt64 {
        let mine = samples.filter { $0.container == container && $0.frozen != nil }.sorted { $0.at < $1.at }
        var total: UInt64 = 0
        for (a, b) in zip(mine, mine.dropFirst()) {
            let low = max(a.at, from)
            let high = min(b.at, to)
            guard high > low else { continue }
            switch (a.frozen == true, b.frozen == true) {
            case (true, true): total += high - low
            case (true, false), (false, true): total += (high - low) / 2
            case (false, false): break
            }
        }
        return total
    }

    /// ns the container was throttled within `from..<to`, from its counter; the share of a sample interval that only
    /// touches the edge is taken in proportion.
    static func throttled(_ samples: [ContainerSample], container: ContainerKey, from: Instant, to: Instant) -> UInt64 {
        let mine = samples.filter { $0.container == container && $0.throttled != nil }.sorted { $0.at < $1.at }
        var total = 0.0
        for (a, b) in zip(mine, mine.dropFirst()) {
            let low = max(a.at, from)
            let high = min(b.at, to)
            guard high > low, b.at > a.at, let before = a.throttled, let after = b.throttled, after > before else {
                continue
            }
            total += Double(after - before) * Double(high - low) / Double(b.at - a.at)
        }
        return UInt64(total)
    }
}
