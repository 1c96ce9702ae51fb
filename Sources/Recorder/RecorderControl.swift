import Analysis
import Events
import Glibc
import Kernel
import Report
import Trigger

/// What the running recorder answers to commands.
extension Recorder {
    func answer(_ request: ControlRequest) -> ControlAnswer {
        guard request.command == .top else { return .now(reply(to: request)) }
        do {
            let snapshot = try topSnapshot()
            return .later { [resolver] in snapshot.reply(from: request.offset ?? 0, resolver) }
        } catch {
            return .now(ControlReply(error: "\(error)"))
        }
    }

    private func reply(to request: ControlRequest) -> ControlReply {
        switch request.command {
        case .status:
            do {
                return ControlReply(status: try status())
            } catch {
                return ControlReply(error: "\(error)")
            }
        case .snapshot: return ControlReply(id: snapshot(reason: request.reason ?? "asked for"))
        case .fate: return request.id.map(publisher.fate) ?? ControlReply(error: "no id")
        case .detach: return detach()
        case .attach: return attach()
        case .top: return ControlReply(error: "rows are made elsewhere")
        }
    }

    /// The time until `attach` is a gap in what was watched.
    private func detach() -> ControlReply {
        guard detachedAt == nil else { return ControlReply(error: "the probes are detached already") }
        probes.detach()
        detachedAt = Clock.monotonic()
        drain()
        return ControlReply()
    }

    private func attach() -> ControlReply {
        guard let since = detachedAt else { return ControlReply(error: "the probes are attached already") }
        do throws(KernelError) {
            try probes.reattach()
        } catch {
            return ControlReply(error: error.description)
        }
        losses.gap(from: since, to: Clock.monotonic(), why: "the probes were detached")
        sweep.isWanted = true
        detachedAt = nil
        return ControlReply()
    }

    /// Freezes the last `--before` now, beside any incident being collected.
    private func snapshot(reason: String) -> String {
        do throws(KernelError) {
            try walk(Clock.monotonic())
        } catch {
            logger.warning("open turns in this snapshot are those of the last look: \(error)")
        }
        drain()
        let now = Clock.monotonic()
        let fact = TriggerFact(
            kind: .manual, at: now, container: 0, socket: 0, observed: 0, threshold: 0, rule: reason)
        let incident = PendingIncident(
            first: fact, from: now > options.before ? now - options.before : 0, to: now, limit: now,
            baselines: trigger.baselines(before: now), containers: [])
        return publish(incident, at: now)
    }

    func status() throws -> RecorderStatus {
        // What waits in the ring has happened.
        drain()
        let now = Clock.monotonic()
        let counters = try probes.counters()
        let armed = now - started
        let window = window.statistics
        let lately = costs.lately
        let wall = Clock.wall()
        let cuts = self.window.cutByBytes(after: max(started, now > options.window ? now - options.window : 0))
            .filter { selection.has($0.key) }.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        func time(_ instant: Instant) -> String { WallTime.rfc3339(wall - Int64(now - min(instant, now))) }
        return RecorderStatus(
            version: options.version, pid: getpid(), armedNs: armed, armedSince: time(started),
            coverage: armed == 0 ? 1 : 1 - min(1, Double(losses.timeInGaps) / Double(armed)), gaps: losses.gapCount,
            latestGaps: losses.latest.map {
                RecorderStatus.Gap(from: time($0.from), to: time($0.to), lost: $0.lost, why: $0.why)
            },
            windowNs: window.oldest.map { now > $0 ? now - $0 : 0 } ?? 0,
            windowCompleteNs: WindowReach.reach(
                now, asked: options.window, started: started, cut: self.window.cutByBytes),
            cutShort: cuts.prefix(RecorderStatus.mostCutShort).map { key, cut in
                RecorderStatus.CutShort(container: label(key), completeNs: now > cut ? now - cut : 0)
            },
            cutShortContainers: cuts.count, windowMinimumNs: reach.minimum, windowAskedNs: options.window,
            windowBytes: window.bytes,
            windowBudget: window.budget, namesBytes: registry.footprint, unnamedSockets: registry.droppedOpen,
            events: counters.totalEmitted, eventsPerSecond: lately.eventsPerSecond,
            lost: counters.totalMissed, captures: captures,
            failedCaptures: publisher.failed, collecting: tracker.isCollecting, disk: try? publisher.disk(),
            suppressed: tracker.suppressed.map { key, held in
                RecorderStatus.Suppressed(container: label(key), count: held.count, worstNs: held.worst)
            }.sorted { $0.container < $1.container },
            habitual: trigger.habitual, threshold: options.rule.description, turnsJudged: trigger.wouldFire.judged,
            wouldFire: wouldFire(armed), sockets: registry.count, rssBytes: OwnCost.residentBytes(),
            cpuNs: OwnCost.cpu(), cpuShare: lately.cpuShare,
            overheadShare: overhead,
            budget: budget.map {
                RecorderStatus.Budget(
                    limit: $0.limit, detail: detail.loss ?? "full", step: detail.rawValue, shed: $0.shed,
                    exhausted: $0.isExhausted)
            },
            missingHooks: probes.status.filter { $0.rung == nil && !$0.refines }.map(\.hook))
    }

    private func label(_ key: ContainerKey) -> String { resolver.cached(key)?.name ?? String(key, radix: 16) }

    private func wouldFire(_ armed: UInt64) -> [RecorderStatus.WouldFire] {
        let day = 86_400e9
        return trigger.wouldFire.levels.map { level in
            RecorderStatus.WouldFire(
                thresholdNs: level.threshold, served: level.served, called: level.called, incidents: level.incidents,
                // From a few minutes a day's worth can't be told.
                incidentsPerDay: armed >= 3_600_000_000_000 ? Double(level.incidents) * day / Double(armed) : nil)
        }
    }
}
