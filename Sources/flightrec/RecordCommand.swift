import ArgumentParser
import Capture
import Foundation
import Kernel
import Logging
import Recorder
import Trigger

struct RecordCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "record", abstract: "Run the recorder until Ctrl-C.",
        discussion: """
            Watches the TCP sockets of every container and captures the seconds around each turn (request and response) \
            that takes too long; with --host also those of processes outside containers. Needs CAP_BPF and CAP_PERFMON.

            A duration is 200ms, 1.5s, 2m, 3h or 7d, a size 500000, 64M or 2G. With --threshold auto a turn is slow when \
            it takes 100 ms or more and five times the 99th percentile of its own service; until 20 turns of that are \
            known, 1 s.

            Every option may also stand in a file, by the same name (`threshold = 200ms`; yes or no for a flag; a line for \
            each value of what is repeatable), or in the environment (FLIGHTREC_KEEP_FREE=1G; values of what is repeatable \
            with spaces between them). Options go before the environment, that before the file; without a value anywhere the \
            default counts. SIGHUP reads them again, and the history is kept.

            EXAMPLES:
              sudo flightrec record
              sudo flightrec record --threshold 200ms --container 'api-*' \\
                --container db=50ms
              sudo flightrec record --host --port 5432 --duration 10m
              sudo flightrec record --config ./flightrec.conf
            """)

    @Option(help: ArgumentHelp("Fire when a turn takes longer than this.", valueName: "duration|auto"))
    var threshold = Threshold.auto
    @Option(help: ArgumentHelp("Only these containers; =D sets their own threshold.", valueName: "glob[=duration]"))
    var container: [ContainerChoice] = []
    @Option(help: "Only this process. Repeatable.") var pid: [UInt32] = []
    @Option(help: "Only this local or remote port. Repeatable.") var port: [UInt16] = []
    @Flag(inversion: .prefixedNo, help: "Also watch processes outside containers.") var host = false
    @Flag(
        inversion: .prefixedNo,
        help: "Time TCP's receive path too, as a stage tcp-receive: one program run more for each segment, or two.")
    var tcpReceive = false
    @Option(help: ArgumentHelp("Kept before a trigger.", valueName: "duration"))
    var before = Duration(nanoseconds: 10_000_000_000)
    @Option(help: ArgumentHelp("Kept after a trigger.", valueName: "duration"))
    var after = Duration(nanoseconds: 5_000_000_000)
    @Option(help: ArgumentHelp("How far back the in-memory history reaches.", valueName: "duration"))
    var window = Duration(nanoseconds: 60_000_000_000)
    @Option(help: ArgumentHelp("How much memory the history may take.", valueName: "size"))
    var memory = Size(bytes: 256 << 20)
    @OptionGroup var directory: DirectoryOption
    @Option(
        help: ArgumentHelp(
            "Captures may take this much together; the oldest of the noisiest container goes first.", valueName: "size")
    )
    var keep = Size(bytes: 2 << 30)
    @Option(
        help: ArgumentHelp(
            "Leave this much of the file system free (default: 1G, or a tenth of a smaller one).", valueName: "size"))
    var keepFree: Size?
    @Option(help: ArgumentHelp("Remove captures older than this.", valueName: "duration")) var keepAge: Duration?
    @Option(help: ArgumentHelp("Keep at most this many captures.", valueName: "n")) var keepCount: Int?
    @Option(
        help: "Shell command run for every capture: FLIGHTREC_ID, _FILE, _CONTAINER, _CAUSE, _SUMMARY tell it which.")
    var exec: String?
    @Option(help: ArgumentHelp("Stop by itself after this long.", valueName: "duration")) var duration: Duration?
    @Option(help: "Docker daemon's socket, where it is not the usual one. Repeatable.") var dockerSocket: [String] = []
    @Option(help: "Docker's data root, where it is not the usual one: names while no daemon answers. Repeatable.")
    var dockerRoot: [String] = []
    @Option(help: ArgumentHelp("Let Prometheus ask here, at /metrics.", valueName: "ip:port|/socket"))
    var metrics: MetricsAddress?
    @Option(
        help: ArgumentHelp(
            "Above this much of all CPUs leave out detail, step by step; slow turns stay whole.", valueName: "percent"))
    var maxOverhead: Percent?
    @Flag(inversion: .prefixedNo, help: "Log only warnings and errors.") var quiet = false
    @Option(help: "File with any of these. [$FLIGHTREC_CONFIG, or /etc/flightrec.conf where it exists]")
    var config: String?

    func validate() throws {
        guard window.nanoseconds >= before.nanoseconds + after.nanoseconds else {
            throw ValidationError("--window must hold --before and --after together")
        }
        guard memory.bytes >= 1 << 20 else { throw ValidationError("--memory must be 1M or more") }
    }

    func run() throws {
        LoggingSystem.bootstrap(StreamLogHandler.standardError)
        var logger = Logger(label: "flightrec")
        logger.logLevel = quiet ? .warning : .notice
        // Before the directory is looked at: that root alone may make it is not what is wrong.
        let capabilities = Capabilities()
        guard capabilities.bpf && capabilities.perfmon || access("/proc/self/status", R_OK) != 0 else {
            let error = KernelError.privilege("recording")
            throw Failure(message: error.description, code: Exit.privilege)
        }
        do {
            try Recorder(options, logger: logger, reload: Self.reload).run()
        } catch let error as KernelError {
            switch error {
            case .privilege, .refused: throw Failure(message: error.description, code: Exit.privilege)
            case .unsupported, .lacking: throw Failure(message: error.description, code: Exit.unsupported)
            case .failed: throw Failure(message: error.description)
            }
        } catch let error as CaptureError {
            throw Failure(message: error.description)
        } catch let error as SystemError {
            throw Failure(message: error.description)
        }
    }

    private var options: RecorderOptions {
        var options = RecorderOptions(directory: directory.path)
        options.rule = threshold.rule
        options.choices = container.map {
            RecorderOptions.Choice(pattern: $0.pattern, rule: $0.threshold.map { .absolute($0.nanoseconds) })
        }
        options.filter = ProbeFilter(host: host, ports: port, pids: pid, tcpReceive: tcpReceive)
        options.before = before.nanoseconds
        options.after = after.nanoseconds
        options.window = window.nanoseconds
        options.memory = memory.bytes
        options.duration = duration?.nanoseconds
        options.execute = exec
        options.retention = RetentionPolicy(
            maximumBytes: UInt64(keep.bytes), freeBytes: keepFree.map { UInt64($0.bytes) },
            maximumAge: keepAge.map { Int64($0.nanoseconds) }, maximumCount: keepCount)
        options.dockerSockets = dockerSocket
        options.dockerRoots = dockerRoot
        options.metrics = metrics
        options.maximumOverhead = maxOverhead?.share
        options.quiet = quiet
        options.version = FlightRec.version
        return options
    }

    /// The options as they would be if this process began now. Throws what is wrong with them, in words.
    @Sendable private static func reload() throws(ReloadError) -> RecorderOptions {
        do {
            let arguments = try RecordSettings.layered(Array(CommandLine.arguments.dropFirst()))
            guard let command = try FlightRec.parseAsRoot(arguments) as? RecordCommand else {
                throw ReloadError("the arguments are no longer those of `record`")
            }
            return command.options
        } catch let error as Failure {
            throw ReloadError(error.message)
        } catch {
            throw ReloadError(FlightRec.message(for: error))
        }
    }
}

extension MetricsAddress: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}

extension Threshold {
    var rule: ThresholdRule {
        switch self {
        case .auto: .auto
        case .absolute(let duration): .absolute(duration.nanoseconds)
        }
    }
}
