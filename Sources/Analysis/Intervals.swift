import Events

/// Stretches of time known from samples and events.
enum Intervals {
    /// Two samples further apart say nothing of what lay between: the recorder looked away.
    static let continuous: UInt64 = 1_000_000_000

    /// Overlapping stretches made one, in order.
    static func union(_ stretches: [Range<Instant>]) -> [Range<Instant>] {
        var merged: [Range<Instant>] = []
        for next in stretches.filter({ !$0.isEmpty }).sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = merged.last, next.lowerBound <= last.upperBound {
                merged[merged.count - 1] = last.lowerBound..<max(last.upperBound, next.upperBound)
            } else {
                merged.append(next)
            }
        }
        return merged
    }

    /// What of `range` lies in none of `holes`.
    static func subtract(_ holes: [Range<Instant>], from range: Range<Instant>) -> [Range<Instant>] {
        var rest: [Range<Instant>] = []
        var at = range.lowerBound
        for hole in union(holes.map { $0.clamped(to: range) }) {
            if hole.lowerBound > at { rest.append(at..<hole.lowerBound) }
            at = max(at, hole.upperBound)
        }
        if at < range.upperBound { rest.append(at..<range.upperBound) }
        return rest
    }

    /// ns of `wait` in which the container was frozen. `wait` must be one uninterrupted wait of its threads.
    ///
    /// Between two frozen samples close together it was frozen. The change itself lies anywhere between two samples; but
    /// when the wait began or ended there too, the freeze began or ended it: a frozen thread cannot read, and one that
    /// runs would have. Otherwise half of that stretch counts. `unread`: nothing ran in all of `wait`, so a freeze seen in
    /// it reaches its edges however far; an application may have worked before, and samples must be near.
    static func frozen(
        _ samples: [ContainerSample], container: ContainerKey, in wait: Range<Instant>, unread: Bool
    ) -> UInt64 {
        let mine = samples.filter { $0.container == container && $0.frozen != nil }.sorted { $0.at < $1.at }
        var stretches: [Range<Instant>] = []
        for (index, sample) in mine.enumerated() where sample.frozen == true {
            let inside = wait.contains(sample.at)
            let before = index > 0 ? mine[index - 1] : nil
            let after = index + 1 < mine.count ? mine[index + 1] : nil
            let reachesStart = inside && (unread || sample.at - wait.lowerBound <= continuous)
            let reachesEnd = inside && (unread || wait.upperBound - sample.at <= continuous)
            let low = edge(sample.at, before?.at ?? 0, reachesStart ? wait.lowerBound : nil, before?.frozen == true)
            let high = edge(sample.at, after?.at ?? .max, reachesEnd ? wait.upperBound : nil, after?.frozen == true)
            stretches.append(min(low, sample.at)..<max(high, sample.at))
        }
        return union(stretches.map { $0.clamped(to: wait) }).reduce(0) { $0 + ($1.upperBound - $1.lowerBound) }
    }

    /// How far the freeze seen at `sample` reaches towards its neighbour. `waitEdge`: `nil` when the sample says
    /// nothing of the wait's edge.
    private static func edge(
        _ sample: Instant, _ neighbour: Instant, _ waitEdge: Instant?, _ isFrozenThere: Bool
    ) -> Instant {
        let between = min(sample, neighbour)...max(sample, neighbour)
        let apart = between.upperBound - between.lowerBound
        if isFrozenThere && apart <= continuous { return neighbour }
        if let waitEdge, between.contains(waitEdge) { return waitEdge }
        guard apart <= continuous else { return sample }
        return neighbour > sample ? sample + apart / 2 : sample - apart / 2
    }

    /// ns of `span` the container was throttled, from its counter; of samples that only touch the edge in proportion.
    ///
    /// The counter adds up all CPUs, so between two samples it can grow by more than passed: never more than that counts.
    static func throttled(_ samples: [ContainerSample], container: ContainerKey, in span: Range<Instant>) -> UInt64 {
        let mine = samples.filter { $0.container == container && $0.throttled != nil }.sorted { $0.at < $1.at }
        var total = 0.0
        for (a, b) in zip(mine, mine.dropFirst()) {
            let low = max(a.at, span.lowerBound)
            let high = min(b.at, span.upperBound)
            guard high > low, b.at > a.at, let before = a.throttled, let after = b.throttled, after > before else {
                continue
            }
            total += Double(high - low) * min(1, Double(after - before) / Double(b.at - a.at))
        }
        // A forged span may be as long as a UInt64 can tell, and the sum more.
        return min(UInt64(exactly: max(total, 0).rounded()) ?? .max, span.upperBound - span.lowerBound)
    }
}
