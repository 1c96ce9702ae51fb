import Analysis
import CFlightrec
import Capture
import Events
import Trigger
import Window

/// What becomes of an incident once its time has passed.
extension Recorder {
    func publish(force: Bool) {
        let now = Clock.monotonic()
        guard var incident = tracker.due(at: now, force: force, reach: { reach($0, at: now) }) else { return }
        // Up to the walk just made: what is open was seen there, and what ended since the trigger is drained.
        incident.to = max(incident.to, now)
        _ = publish(incident, at: now, isLast: force)
    }

    /// From when on all events of these containers are at hand, and the names of their sockets.
    private func reach(_ containers: Set<ContainerKey>, at now: Instant) -> Instant {
        containers.reduce(max(started, now > options.window ? now - options.window : 0)) { from, container in
            max(from, window.oldestComplete(container), registry.droppedUntil[container].map { $0 &+ 1 } ?? 0)
        }
    }

    /// Pins what an incident needs and hands it over; returns the capture's id.
    func publish(_ incident: PendingIncident, at now: Instant, isLast: Bool = false) -> String {
        captures += 1
        let from = max(incident.from, started)
        let wall = Clock.wall()
        var evidence = Evidence(
            id: CaptureID.make(wall: wall), clock: ClockPair(monotonic: now, wall: wall), askedFrom: incident.from,
            askedTo: incident.to, from: from, to: incident.to)
        evidence.triggers = incident.triggers
        evidence.baselines = incident.baselines
        evidence.suppressed = tracker.suppressed.filter { selection.has($0.key) }.map { container, held in
            SuppressedFact(container: container, count: held.count, worst: held.worst, last: held.last)
        }.sorted { $0.container < $1.container }
        evidence.gaps = losses.over(from, incident.to)
        if incident.from < started {
            evidence.gaps.insert(
                Gap(from: incident.from, to: started, lost: 0, why: "before the recorder started"), at: 0)
        }
        if incident.capped {
            evidence.gaps.append(Gap(from: incident.to, to: incident.to, lost: 0, why: "cut at the incident's cap"))
        }
        if now > options.window, from < now - options.window {
            evidence.gaps.append(
                Gap(
                    from: from, to: min(now - options.window, incident.to), lost: 0,
                    why: "older than --window reaches back"))
        }
        evidence.softirqTotals = softirqs.totals(from, incident.to)
        evidence.softirqTicks = softirqs.ticks(from, incident.to)
        evidence.dropReasons = probes.dropReasons
        var blocks = window.snapshot(from: from, to: incident.to).filter { selection.has($0.container) }
        blocks += openBlocks()
        let sockets = registry.records().filter { selection.has($0.h.cgroup) }
        if !options.filter.pids.isEmpty { blocks = DropSelection(sockets).only(blocks) }
        let own = Set(incident.triggers.map(\.container))
        let short = shortHistories(from: from, to: incident.to, own: own)
        evidence.gaps += short
        let containers = Set(blocks.map(\.container)).union(own)
        context.history.collect(into: &evidence, containers: containers)
        evidence.clocks = clocks.over(from, incident.to)
        evidence.costs = costs.over(from, incident.to)
        evidence.facts = circumstances
        if let lost = detailLost(from: from, to: incident.to) { evidence.facts["detail"] = lost }
        evidence.facts["fired"] = String(incident.fired)
        evidence.facts["triggers.habitual"] = String(trigger.habitual)
        evidence.facts["threads"] = probes.followsThreads ? "followed" : "not followed"
        if probes.timesSendWaits { evidence.facts["send-wait"] = "timed" }
        publisher.publish(
            Finished(
                evidence: evidence, sockets: sockets, blocks: blocks,
                containers: containers.union(evidence.suppressed.map(\.container)).union(short.compactMap(\.container)),
                opened: incident.opening,
                replaces: incident.replaces),
            memory: options.memory, isLast: isLast)
        return evidence.id
    }

    /// What `--memory` had no room for, container by container; `own` first.
    private func shortHistories(from: Instant, to: Instant, own: Set<ContainerKey>) -> [Gap] {
        let cuts = window.cutByBytes(after: from)
        var gaps = cuts.map { container, cut in
            Gap(from: from, to: min(cut, to), lost: 0, why: "history cut short by --memory", container: container)
        }
        for (container, until) in registry.droppedUntil where until >= max(from, cuts[container] ?? 0) {
            gaps.append(
                Gap(
                    from: from, to: min(until, to), lost: 0, why: "names of closed sockets gone for want of --memory",
                    container: container))
        }
        return gaps.filter { $0.container.map(selection.has) ?? true }.sorted { one, other in
            func rank(_ gap: Gap) -> (Int, ContainerKey, Instant) {
                (gap.concerns(own) ? 0 : 1, gap.container ?? 0, gap.to)
            }
            return rank(one) < rank(other)
        }
    }

    /// Turns that were still open at the last walk, container by container, as blocks of their own.
    private func openBlocks() -> [Block] {
        let most = BlockCodec.maximumLength / EventKind.open.size
        let turns = Dictionary(grouping: openTurns.filter { selection.has($0.h.cgroup) }, by: \.h.cgroup)
        return turns.sorted { $0.key < $1.key }.map { container, turns in
            turns.prefix(most).withUnsafeBytes {
                BlockCodec.encode(.open, container: container, packedRecords: $0, count: min(turns.count, most))
            }
        }
    }
}
