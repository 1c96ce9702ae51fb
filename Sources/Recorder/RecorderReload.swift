import Events
import Trigger

/// Why new options can't be had, in words.
public struct ReloadError: Error, CustomStringConvertible, Sendable {
    public var description: String

    public init(_ description: String) { self.description = description }
}

/// SIGHUP: other options, the same history.
extension Recorder {
    func reloadOptions() {
        service.reloading(at: Clock.monotonic())
        defer { service.ready("captures go to \(options.directory)") }
        let new: RecorderOptions
        do throws(ReloadError) {
            new = try reload()
            try new.checkReload(cap: tracker.cap)
        } catch {
            logger.error("the options stay as they were: \(error)")
            return
        }
        let fixed = options.fixedDifferences(new)
        if !fixed.isEmpty { logger.warning("not changed before a restart: \(fixed.joined(separator: ", "))") }
        let changed = options.liveDifferences(new)
        logger.notice("reloaded: \(changed.isEmpty ? "nothing to change" : changed.joined(separator: ", "))")
        apply(new)
    }

    /// What can be changed while the probes run; the rest stays.
    private func apply(_ new: RecorderOptions) {
        trigger.setRule(new.rule)
        tracker.keep(before: new.before, after: new.after)
        publisher.set(retention: new.retention.leaving(usualFree), execute: new.execute)
        if options.choices != new.choices {
            selection.change(new.choices)
            rules.change(new.choices, known: selection.known)
        }
        // The minimum is of the window that is asked for now.
        if options.window != new.window || options.memory != new.memory { reach = WindowReach() }
        if options.maximumOverhead != new.maximumOverhead { setBudget(new.maximumOverhead) }
        options.maximumOverhead = new.maximumOverhead
        options.rule = new.rule
        options.before = new.before
        options.after = new.after
        options.window = new.window
        options.memory = new.memory
        options.retention = new.retention
        options.execute = new.execute
        options.choices = new.choices
        shareMemory()
        circumstances = Circumstances.facts(options)
        probes.setOpenFloor(trigger.openFloor)
        do {
            // What is only counted must stay far below what fires now.
            try probes.set(detail: detail, floor: trigger.floor)
        } catch {
            logger.warning("turns that are counted only: \(error)")
        }
    }
}

extension RecorderOptions {
    /// Throws where a recorder that runs can't take these over. `cap`: ns an incident of it may last; what it waits for after a
    /// trigger must fit.
    func checkReload(cap: UInt64) throws(ReloadError) {
        guard after > cap else { return }
        throw ReloadError(
            """
            after can't be more than \(cap / 1_000_000_000) s while it runs, which is as long as an incident may last: choose \
            less, or restart the recorder
            """)
    }

    /// Settings that differ and can be changed at once.
    func liveDifferences(_ new: RecorderOptions) -> [String] {
        var names: [String] = []
        if rule != new.rule { names.append("threshold \(rule) → \(new.rule)") }
        if choices != new.choices { names.append("container") }
        if before != new.before { names.append("before") }
        if after != new.after { names.append("after") }
        if window != new.window { names.append("window") }
        if memory != new.memory { names.append("memory") }
        if retention != new.retention { names.append("keep") }
        if maximumOverhead != new.maximumOverhead { names.append("max-overhead") }
        if execute != new.execute { names.append("exec") }
        return names
    }

    /// Settings that differ and are fixed while it runs: the kernel side was loaded with them, or they were opened at start.
    func fixedDifferences(_ new: RecorderOptions) -> [String] {
        var names: [String] = []
        if directory != new.directory { names.append("dir") }
        if filter.host != new.filter.host { names.append("host") }
        if filter.ports != new.filter.ports { names.append("port") }
        if filter.pids != new.filter.pids { names.append("pid") }
        if filter.tcpReceive != new.filter.tcpReceive { names.append("tcp-receive") }
        if duration != new.duration { names.append("duration") }
        if dockerSockets != new.dockerSockets { names.append("docker-socket") }
        if quiet != new.quiet { names.append("quiet") }
        if metrics != new.metrics { names.append("metrics") }
        if dockerRoots != new.dockerRoots { names.append("docker-root") }
        return names
    }
}
