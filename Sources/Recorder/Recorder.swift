import Analysis
import CFlightrec
import CLinux
import Capture
import Containers
import Context
import Events
import Foundation
import Glibc
import Kernel
import Logging
import Synchronization
import Trigger
import Window

/// The pump: one thread that drains the ring, keeps the window, asks the trigger, and hands incidents to the publisher.
public final class Recorder {
    private static let tick: UInt64 = 100_000_000
    /// Ten seconds of them.
    private static let mostFailedTicks = 100
    /// Ticks between two looks at what changes slowly: counters, softirqs, sealing, eviction.
    private static let slowTicks = 5
    /// ns after its last turn that a container is still looked at now and then.
    private static let activeFor: UInt64 = 30_000_000_000

    var options: RecorderOptions
    let reload: () throws(ReloadError) -> RecorderOptions
    let service = ServiceManager()
    let logger: Logger
    private let lock: DirectoryLock
    private let control: ControlSocket
    private let loop: EventLoop
    let probes: Probes
    let window: Window
    // Unchecked here and elsewhere: touched for every record, by the pump thread alone and by nothing that is called meanwhile. The
    // checks at run time took an eighth of the recorder's time (`Tests/bench/cost/notes.md`).
    @exclusivity(unchecked) var registry: SocketRegistry
    var saidUnnamed = false
    var sweep = SweepSchedule()
    /// When containers without turns gave back what they no longer need.
    private var trimmed: Instant = 0
    let trigger: TriggerEngine
    var tracker: IncidentTracker
    let resolver: ContainerResolver
    let rules: ContainerRules
    let publisher: Publisher
    /// Of the file system of captures, without `--keep-free`.
    let usualFree: UInt64
    var softirqs = SoftirqHistory()
    @exclusivity(unchecked) var losses = Losses()
    var clocks = ClockHistory()
    var costs = CostHistory()
    var circumstances: [String: String]
    let context: ContextReader
    /// As of the last walk.
    var openTurns: [fr_turn] = []
    private var pace = WalkPace()
    var started: Instant = 0
    private var ticks = 0
    /// Records read since the last tick.
    var drained = 0
    private var drainPace = DrainPace(tick: Recorder.tick)
    private var courtesy = Courtesy()
    private var mayGiveWay = true
    private var failedTicks = 0
    private var stopping = false
    var selection: Selection
    var detachedAt: Instant?
    private var slicesSince: Instant = 0
    private var slicesWanted = false
    var badRecords: UInt64 = 0
    var captures = 0
    @exclusivity(unchecked) var tally = Tally()
    var fired = FiredCounts()
    private(set) var metrics: MetricsServer?
    var reach = WindowReach()
    var budget: OverheadBudget?
    var meter = OverheadMeter()
    /// Of the time of all CPUs, over the last half second.
    var overhead = 0.0
    var detail = Detail.full
    /// What was told since when; at least one.
    var details: [(at: Instant, detail: Detail)] = [(0, .full)]
    var briefs = BriefCounts()
    /// Some may have been counted since they were read.
    var briefsMayLag = false

    /// Prepares the directory before anything is attached, then loads and attaches. Errors say what to do next.
    /// `reload`: the options as they are now, asked for on SIGHUP.
    public init(
        _ options: RecorderOptions, logger: Logger,
        reload: @escaping @Sendable () throws(ReloadError) -> RecorderOptions
    ) throws {
        ProcessMemory.keepLittle()
        self.options = options
        self.reload = reload
        self.logger = logger
        circumstances = Circumstances.facts(options)
        let directory = try CaptureDirectory(preparing: options.directory)
        lock = try DirectoryLock(directory: directory.path)
        for stale in try directory.sweep() { logger.warning("removed an unfinished capture: \(stale)") }
        control = try ControlSocket(directory: directory.path)
        loop = try EventLoop(tick: Self.tick)
        resolver = ContainerResolver(
            sources: NameSources(dockerSockets: options.dockerSockets, dockerRoots: options.dockerRoots))
        context = ContextReader(resolver)
        trigger = TriggerEngine(rule: options.rule, after: options.after)
        tracker = IncidentTracker(before: options.before, after: options.after)
        window = Window(bytes: options.memory, duration: options.window)
        registry = SocketRegistry(bytes: Self.namesLimit(options.memory))
        usualFree = try directory.usualFreeBytes()
        budget = options.maximumOverhead.map { OverheadBudget(limit: $0) }
        publisher = Publisher(
            directory: directory, resolver: resolver, retention: options.retention.leaving(usualFree),
            execute: options.execute,
            logger: logger)
        probes = try Probes(
            filter: options.filter, debug: ProbeDebug(environment: ProcessInfo.processInfo.environment))
        selection = Selection(options.choices)
        rules = ContainerRules(options.choices, resolver, wake: loop.wakeDescriptor)
        for lacking in Self.lacking(probes.status) { logger.warning("\(lacking)") }
        probes.setOpenFloor(trigger.openFloor)
        try loop.watch(probes.ringDescriptor, .ring)
        try loop.watch(control.descriptor, .control)
        metrics = try options.metrics.map { address in
            let series = Mutex(SeriesTotals())
            return try MetricsServer(address, pump: loop.wakeDescriptor) { [logger] in
                logger.warning("\($0)")
            } render: { [resolver] snapshot in
                series.withLock { MetricsText(snapshot, resolver, &$0).text }
            }
        }
    }

    /// Runs until a signal or the duration's end; an incident being collected is finished first.
    public func run() throws {
        flightrec_thread_name("flightrec-pump")
        started = Clock.monotonic()
        do throws(KernelError) {
            try probes.adoptExisting()
        } catch {
            logger.warning("connections older than the recorder: \(error)")
        }
        findSoftirqThreads()
        ProcessMemory.giveBack()
        costs.note(at: started, events: 0)
        logger.notice("armed: captures go to \(options.directory)")
        logger.notice("\(options.watched)")
        metrics?.start()
        if let address = options.metrics { logger.notice("metrics: \(address)") }
        service.ready("captures go to \(options.directory)")
        do {
            try watch()
        } catch {
            // What is being collected is worth more than the reason why no more will be.
            logger.error("the recorder ends: \(error)")
            publish(force: true)
            publisher.finish()
            throw error
        }
        try finish()
    }

    private func watch() throws {
        while !stopping {
            try loop.wait { source, signal in
                switch source {
                case .ring, .drain: drain()
                case .tick: try tick()
                case .wake:
                    try applyRules()
                    supplyMetrics()
                case .signal: if signal == SIGHUP { reloadOptions() } else { stopping = true }
                case .control: control.serve { answer($0) }
                }
            }
            if let duration = options.duration, Clock.monotonic() - started >= duration { stopping = true }
        }
    }

    private func finish() throws {
        service.tell("STOPPING=1")
        metrics?.stop()
        if tracker.isCollecting { try walk(Clock.monotonic()) }
        drain()
        publish(force: true)
        publisher.finish()
        try closeBooks()
    }

    /// Detaches, drains what is left, and says whether every record is accounted for.
    private func closeBooks() throws {
        probes.detach()
        drain()
        let counters = try probes.counters()
        let missing = losses.unaccounted(counters).reduce(0) { $0 + $1.magnitude }
        logger.notice(
            """
            stopped: \(counters.totalEmitted) events, \(counters.totalLost) lost, \(badRecords) unreadable, \
            \(missing) unaccounted
            """)
        if counters.totalMissed > counters.totalLost {
            logger.warning(
                """
                missed besides: \(counters.skipped) calls of probes the kernel skipped, \(counters.untracked) sockets \
                without memory for their state
                """)
        }
    }

    // MARK: Ticks

    /// Looks at the kernel may fail for a while, when it has no memory or this process no descriptors: that is a gap. When it
    /// lasts, there is nothing left to record.
    private func tick() throws {
        do {
            try onTick()
            failedTicks = 0
        } catch let error as KernelError {
            failedTicks += 1
            let now = Clock.monotonic()
            losses.gap(from: now > Self.tick ? now - Self.tick : 0, to: now, why: "a look at the kernel failed")
            if failedTicks == 1 { logger.warning("a look at the kernel failed, trying again: \(error)") }
            if failedTicks >= Self.mostFailedTicks { throw error }
        }
    }

    private func onTick() throws {
        drain()
        if mayGiveWay, courtesy.took(drained) { giveWay() }
        if drainPace.took(drained) { try loop.drain(every: drainPace.needsTimer ? drainPace.interval : 0) }
        drained = 0
        let now = Clock.monotonic()
        let isWalked = pace.isDue(at: now) || tracker.isDue(at: now)
        if isWalked { try walk(now) }
        drain()
        var slow = tracker.isCollecting
        // Those answered are judged at their end, which is not known yet; they are here for a capture made meanwhile.
        for raw in openTurns where Turn.Flags(rawValue: raw.flags).contains(.open) {
            slow = true
            guard isWalked else { break }
            watch(raw.h.cgroup, until: now &+ options.after)
            if let fact = trigger.open(observe(raw)) { fire(fact, began: raw.start) }
        }
        if slow { try followThreads(now) }
        if slow != slicesWanted {
            probes.setSlicesWanted(slow)
            slicesWanted = slow
        }
        context.tick(at: now, slow: slow)
        clocks.look()
        ticks += 1
        service.alive(at: now)
        let whole = ticks % Self.slowTicks == 0
        if slow || whole {
            let totals = try probes.softirqs()
            softirqs.note(totals, at: now, whole: whole, timedSince: probes.softirqsTimedSince)
            if whole { try keepBudget(totals, at: now) }
        }
        if whole { try onSlowTick(now) }
        publish(force: false)
    }

    /// Finds the turns that are open. What is published must know those of its own time.
    func walk(_ now: Instant) throws(KernelError) {
        openTurns.removeAll(keepingCapacity: true)
        guard detachedAt == nil else { return }
        let begin = WalkPace.threadTime()
        try probes.walkOpen { raw in
            var raw = raw
            raw.cutTimes()
            openTurns.append(raw)
        }
        pace.took(WalkPace.threadTime() - begin, at: now)
    }

    private func giveWay() {
        do {
            if courtesy.isOn { mayGiveWay = try Scheduling.giveWay() } else { try Scheduling.asUsual() }
            drainPace.atOnce = courtesy.isOn && mayGiveWay ? DrainPace.givingWay : DrainPace.inTheWay
        } catch {
            mayGiveWay = false
            logger.warning("requests may wait for the recorder, where both are on one CPU: \(error)")
        }
    }

    private func findSoftirqThreads() {
        do throws(KernelError) {
            try probes.findSoftirqThreads()
        } catch {
            logger.warning("late softirqs may not be seen: \(error)")
        }
    }

    /// Threads keep their last slices; they are fetched while something is slow, before newer ones take their place.
    private func followThreads(_ now: Instant) throws {
        try probes.walkThreads(since: slicesSince, now: now) { record, kind in
            window.append(record, kind: kind, container: record.loadUnaligned(as: fr_header.self).cgroup)
        }
        slicesSince = now
    }

    private func onSlowTick(_ now: Instant) throws {
        let counters = try probes.counters()
        losses.note(counters, at: now)
        costs.note(at: now, events: counters.totalEmitted)
        try sweepSockets(now, missed: counters.totalMissed)
        let quiet = now > Self.activeFor ? now - Self.activeFor : 0
        try recallRules(now)
        context.schedule.setActive(trigger.containers(activeSince: quiet).filter(selection.has) + [0])
        window.seal(olderThan: now > 1_000_000_000 ? now - 1_000_000_000 : 0)
        shareMemory()
        window.evict(now: now)
        if now > trimmed &+ 60_000_000_000 {
            trigger.trim(at: now)
            tally.trim(at: now)
            findSoftirqThreads()
            trimmed = now
        }
        reach.note(now, asked: options.window, started: started, cut: window.cutByBytes)
        let limit = now > options.window ? now - options.window : 0
        registry.expire(before: max(limit, window.oldest ?? 0))
        losses.expire(before: limit)
        clocks.expire(before: limit)
        costs.expire(before: limit)
        if let kept = details.lastIndex(where: { $0.at <= limit }) { details.removeFirst(kept) }
        softirqs.expire(before: limit)
        context.expire(before: limit)
    }
}
