import Analysis
import CFlightrec
import Events
import Glibc
import Kernel
import Logging
import Trigger

/// `--max-overhead`, and the turns that are counted only.
extension Recorder {
    /// At the slow ticks.
    func keepBudget(_ softirqs: [[fr_softirq_total]], at now: Instant) throws {
        if detail >= .brief || briefsMayLag {
            noteBriefTurns(try probes.briefTurns(), at: now)
            briefsMayLag = detail >= .brief
        }
        let share = meter.note(
            at: now,
            .init(
                runs: try probes.hotRuns(), softirqs: softirqs.joined().reduce(0) { $0 &+ $1.count }, cpu: OwnCost.cpu()
            ),
            hooks: probes.softirqHooks, cpus: sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        guard detachedAt == nil, let share else { return }
        overhead = share
        guard let next = budget?.note(share) else { return }
        try set(detail: next, at: now)
    }

    private func set(detail next: Detail, at now: Instant) throws {
        let share = String((overhead * 10_000).rounded() / 100)
        logger.log(
            level: next > detail ? .warning : .notice,
            "--max-overhead: at \(share) % of all CPUs; from now on \(next.loss ?? "all is recorded again")")
        try probes.set(detail: next, floor: trigger.floor)
        details.append((now, next))
        detail = next
    }

    /// No limit any more, or another.
    func setBudget(_ limit: Double?) {
        budget = limit.map { OverheadBudget(limit: $0) }
        guard detail != .full else { return }
        do {
            try set(detail: .full, at: Clock.monotonic())
        } catch {
            logger.warning("all detail again: \(error)")
        }
    }

    /// What is left out between these times at the worst, for a capture; `nil`: nothing.
    func detailLost(from: Instant, to: Instant) -> String? {
        let first = details.lastIndex { $0.at <= from } ?? 0
        return details.dropFirst(first).filter { $0.at <= to }.map(\.detail).max()?.loss
    }

    private func noteBriefTurns(_ all: [BriefTurns], at now: Instant) {
        for (service, octave, count) in briefs.note(all) {
            trigger.counted(service, latency: BriefTurns.typical(octave), count: count, at: now)
            tally.counted(service, latency: BriefTurns.typical(octave), count: count, at: now)
        }
    }
}
