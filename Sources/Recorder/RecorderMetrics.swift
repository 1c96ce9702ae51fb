import Events

extension Recorder {
    /// Figures for `--metrics`, when somebody asked.
    func supplyMetrics() {
        do {
            try metrics?.supply { try metricsSnapshot() }
        } catch {
            // They are asked for again; the connection that waits ends by its deadline.
            logger.warning("no figures for --metrics: \(error)")
        }
    }

    private func metricsSnapshot() throws -> MetricsSnapshot {
        let status = try status()
        let now = Clock.monotonic()
        var totals: [MetricsSnapshot.Softirq] = []
        for (vector, cpus) in try probes.softirqs().enumerated() {
            for (cpu, total) in cpus.enumerated() where total.count > 0 {
                totals.append(
                    MetricsSnapshot.Softirq(cpu: cpu, vector: vector, count: total.count, time: total.total))
            }
        }
        return MetricsSnapshot(
            status: status, startedAt: Clock.wall() - Int64(now - started),
            tallies: tally.rows(at: now, since: 0, selection.has), softirqs: totals,
            fired: [("latency", fired.latency), ("in-flight", fired.inFlight)], suppressed: tracker.suppressedTotal,
            timeInGaps: losses.timeInGaps)
    }
}

/// Triggers since the start.
struct FiredCounts {
    var latency: UInt64 = 0
    var inFlight: UInt64 = 0
}
