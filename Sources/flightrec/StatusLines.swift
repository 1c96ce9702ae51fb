import Foundation
import Recorder
import Report

/// A recorder's status for people: names and what is to be said of them.
struct StatusLines {
    private(set) var all: [(name: String, value: String)] = []

    init(_ status: RecorderStatus) {
        watching(status)
        all.append(
            (
                "events",
                "\(Format.count(status.events)), \(Format.count(Int(status.eventsPerSecond.rounded())))/s, "
                    + "\(Format.count(status.lost)) lost"
            ))
        triggers(status)
        if let disk = status.disk { self.disk(disk) }
        all.append(
            (
                "own cost",
                "\(Format.factor(status.cpuShare * 100, places: 2)) % of a CPU, \(Format.size(UInt64(status.rssBytes))) resident, "
                    + "\(Format.duration(status.cpuNs)) of CPU since the start"
            ))
        all.append(
            (
                "overhead",
                "\(Format.factor(status.overheadShare * 100, places: 2)) % of all CPUs, with the probes (their part is reckoned)"
            ))
        if let budget = status.budget { self.budget(budget) }
        if !status.missingHooks.isEmpty { all.append(("missing", status.missingHooks.joined(separator: ", "))) }
    }

    private mutating func watching(_ status: RecorderStatus) {
        let since = status.armedSince.prefix(19).replacing("T", with: " ")
        // Rounded down: what has a gap is not complete.
        let coverage = String(format: "%.2f", (status.coverage * 10_000).rounded(.down) / 100)
        all.append(("armed", "\(Format.duration(status.armedNs)), since \(since) UTC (pid \(status.pid))"))
        all.append(("coverage", "\(coverage) %, \(status.gaps) \(status.gaps == 1 ? "gap" : "gaps")"))
        for gap in status.latestGaps {
            let day = gap.from.prefix(19).replacing("T", with: " ")
            all.append(
                ("", "\(day) to \(gap.to.dropFirst(11).prefix(12)): \(gap.why), \(Format.count(gap.lost)) lost"))
        }
        let minimum = status.windowMinimumNs.map { ", never less than \(Format.duration($0)) since it was full" }
        all.append(
            (
                "window",
                "\(Format.duration(status.windowCompleteNs)) of \(Format.duration(status.windowAskedNs)) whole"
                    + "\(minimum ?? ", not full yet"); \(Format.size(UInt64(status.windowBytes))) of "
                    + Format.size(UInt64(status.windowBudget))
            ))
        if let least = status.cutShort.first {
            var text = "least of \(Sanitizer.clean(least.container))"
            let more = status.cutShort.dropFirst().prefix(2)
            for short in more {
                text += ", \(Sanitizer.clean(short.container)) \(Format.duration(short.completeNs))"
            }
            let rest = status.cutShortContainers - 1 - more.count
            if rest > 0 { text += ", \(Format.count(rest)) more cut short" }
            all.append(("", text + "; all of every other container"))
        }
        var names =
            "\(Format.count(UInt64(status.sockets))) known; their names take \(Format.size(UInt64(status.namesBytes)))"
        if status.unnamedSockets > 0 {
            names += "; \(Format.count(status.unnamedSockets)) OPEN ONES HAVE LOST THEIRS: raise --memory"
        }
        all.append(("sockets", names))
    }

    private mutating func budget(_ budget: RecorderStatus.Budget) {
        var text = "of \(Format.factor(budget.limit * 100, places: 2)) % allowed; "
        text += budget.step == 0 ? "nothing is left out" : "LESS DETAIL: \(budget.detail)"
        if budget.exhausted { text += "; it takes more, and nothing more can be left out" }
        if budget.shed > 0 { text += " (detail shed \(budget.shed) \(budget.shed == 1 ? "time" : "times"))" }
        all.append(("", text))
    }

    /// Only where there is something to say.
    private mutating func disk(_ disk: RecorderStatus.Disk) {
        var text: [String] = []
        let free = "\(Format.size(disk.freeBytes)) free, of which --keep-free takes \(Format.size(disk.keepFreeBytes))"
        switch disk.state {
        case "ok": break
        case "smaller": text.append("LOW: \(free): captures are made without some of their events")
        default: text.append("FULL: \(free): no capture can be made. Free some space, or lower --keep-free")
        }
        if disk.cut > 0 { text.append("\(disk.cut) captures made smaller") }
        if disk.unsaved > 0 {
            text.append("\(disk.unsaved) not saved, the worst of \(Format.duration(disk.unsavedWorstNs))")
        }
        if !text.isEmpty { all.append(("disk", text.joined(separator: "; "))) }
    }

    private mutating func triggers(_ status: RecorderStatus) {
        all.append(
            (
                "captures",
                "\(status.captures) made, \(status.failedCaptures) failed"
                    + (status.collecting ? ", one being collected" : "")
            ))
        for held in status.suppressed {
            all.append(
                (
                    "suppressed",
                    "\(Sanitizer.clean(held.container)): \(held.count) triggers, worst \(Format.duration(held.worstNs))"
                ))
        }
        if status.habitual > 0 {
            all.append(("habitual", "\(status.habitual) slow turns of services that are always slow"))
        }
        all.append(
            (
                "threshold",
                "\(status.threshold); \(Format.count(status.turnsJudged)) turns judged; what others would have caught:"
            ))
        for level in Self.telling(status.wouldFire) {
            let often =
                level.incidentsPerDay.map { Self.perDay($0) }
                ?? "\(Format.count(level.incidents)) \(level.incidents == 1 ? "incident" : "incidents") so far"
            all.append(
                (
                    "",
                    "\(Format.duration(level.thresholdNs)): \(often); turns: "
                        + "\(Format.count(level.served)) served, \(Format.count(level.called)) called"
                ))
        }
    }

    private static func perDay(_ incidents: Double) -> String {
        "\(Format.factor(incidents, places: incidents < 10 ? 1 : 0)) incidents a day"
    }

    /// Of thresholds that make no difference the highest; none that nothing reached, but the first of these.
    private static func telling(_ levels: [RecorderStatus.WouldFire]) -> [RecorderStatus.WouldFire] {
        var told: [RecorderStatus.WouldFire] = []
        for (index, level) in levels.enumerated() {
            let next = index + 1 < levels.count ? levels[index + 1] : nil
            guard let next, next.served == level.served, next.called == level.called else {
                told.append(level)
                continue
            }
            if level.served + level.called == 0 {
                told.append(level)
                break
            }
        }
        return told
    }
}
