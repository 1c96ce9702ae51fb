import Foundation
import Glibc
import Synchronization

/// Runs the whole story on this host: normal traffic, one real stall, a capture.
public final class Demo: Sendable {
    /// The faults it can inject; the verdict should name the same.
    public enum Fault: String, Sendable, CaseIterable {
        /// The server's cgroup is frozen for 800 ms while a request waits, as `docker pause` does.
        case frozen = "app.frozen"
        /// The handler sleeps 800 ms.
        case sleep = "app.sleep"
    }

    private struct Children {
        var processes: [Process] = []
        var stopping = false
        /// Stopping because of a signal, not because the story is over.
        var interrupted = false
    }
    private let children = Mutex(Children())
    private let executable: String
    private let directory: String
    private let isArmed: @Sendable () -> Bool
    private let say: @Sendable (String) -> Void

    /// `executable`: this program, started again as the server and as the recorder. `isArmed`: whether the recorder of
    /// `directory` watches by now. `say` prints progress.
    public init(
        executable: String, directory: String, isArmed: @escaping @Sendable () -> Bool,
        say: @escaping @Sendable (String) -> Void
    ) {
        self.executable = executable
        self.directory = directory
        self.isArmed = isArmed
        self.say = say
    }

    /// Returns the client's own measure of the injected turn, ns. Captures are in `directory` afterwards.
    ///
    /// SIGINT, SIGTERM or SIGHUP end it early with `DemoError.interrupted`; then too everything made is gone.
    public func run(_ fault: Fault) throws -> UInt64 {
        let signals = stopOnSignals()
        defer { for signal in signals { signal.cancel() } }
        do {
            return try story(fault)
        } catch {
            // What failed after a signal failed because of it.
            throw children.withLock { $0.interrupted } ? DemoError.interrupted : error
        }
    }

    private func story(_ fault: Fault) throws -> UInt64 {
        let host = try DemoHost()
        defer {
            // Nothing frozen can end by itself; where the thaw is impossible the kill below says nothing new.
            try? host.setFrozen(false)
            stopChildren()
            host.remove()
        }
        say(
            "demo: container-like cgroup \(host.id.prefix(12)), namespace \(host.namespace), server \(host.serverAddress)"
        )
        let port: UInt16 = 8080
        _ = try start(
            ["demo-server", "--cgroup", host.cgroup, "--namespace", host.namespace, "--port", "\(port)"])
        let recorder = try start([
            "record", "--dir", directory, "--threshold", "\(Self.threshold)ms", "--container",
            String(host.id.prefix(12)),
            "--before", "4s", "--after", "1s", "--window", "20s", "--memory", "16M", "--quiet",
            // Should the demo be killed, its recorder ends too.
            "--duration", "180s",
        ])
        let client = try DemoClient(host: host.serverAddress, port: port)
        say("demo: normal traffic, about 30 ms a request")
        var others = try awaitArmed(recorder, client)
        for _ in 0..<Self.baselineRequests where recorder.isRunning && !isStopping { others.append(try client.ask()) }
        guard recorder.isRunning else {
            throw DemoError("the recorder ended: see its message above", exitCode: max(1, recorder.terminationStatus))
        }
        let measured = try inject(fault, host, client)
        say("demo: injected \(fault.rawValue); the client waited \(measured / 1_000_000) ms")
        for _ in 0..<60 where !isStopping { others.append(try client.ask()) }
        guard !isStopping else { throw DemoError.interrupted }
        recorder.interrupt()
        recorder.waitUntilExit()
        guard recorder.terminationStatus == 0 else {
            throw DemoError("the recorder ended with status \(recorder.terminationStatus)")
        }
        let slow = others.filter { $0 >= Self.threshold * 1_000_000 }
        if let worst = slow.max() {
            say(
                "demo: this host made \(slow.count) other requests wait, up to \(worst / 1_000_000) ms: the recorder may have caught "
                    + "these too")
        }
        return measured
    }

    /// ms from which a request is slow.
    private static let threshold: UInt64 = 200
    /// Requests the recorder learns the usual from, before the fault.
    private static let baselineRequests = 60
    /// Seconds its load and attach may take: far less on a host, half a minute under software emulation.
    private static let armedWithin: TimeInterval = 120

    /// Goes on asking until the recorder watches. Returns what the client waited each time, ns: of the last ones it may have seen a part.
    private func awaitArmed(_ recorder: Process, _ client: DemoClient) throws -> [UInt64] {
        var waited: [UInt64] = []
        let limit = Date(timeIntervalSinceNow: Self.armedWithin)
        while recorder.isRunning, !isStopping, !isArmed() {
            guard Date() < limit else {
                throw DemoError("the recorder was not armed within \(Int(Self.armedWithin)) s")
            }
            waited.append(try client.ask())
        }
        // The next one is the first of which the recorder surely sees the beginning.
        guard recorder.isRunning, !isStopping else { return waited }
        waited.append(try client.ask())
        return waited
    }

    private func inject(_ fault: Fault, _ host: DemoHost, _ client: DemoClient) throws -> UInt64 {
        switch fault {
        case .sleep: return try client.ask("slow 800")
        case .frozen:
            let thaw = Thread { [cgroup = host.cgroup] in
                usleep(800_000)
                // Writing is all that is left to do; a cgroup already gone needs no thaw.
                let file = open("\(cgroup)/cgroup.freeze", O_WRONLY | O_CLOEXEC)
                if file >= 0 {
                    _ = write(file, "0", 1)
                    close(file)
                }
            }
            try host.setFrozen(true)
            thaw.start()
            return try client.ask()
        }
    }

    private func start(_ arguments: [String]) throws -> Process {
        let process = Process()
        process.executableURL = URL(filePath: executable)
        process.arguments = arguments
        try children.withLock { children in
            guard !children.stopping else { throw DemoError.interrupted }
            try process.run()
            children.processes.append(process)
        }
        return process
    }

    private func stopChildren() {
        children.withLock { children in
            children.stopping = true
            for process in children.processes where process.isRunning { kill(process.processIdentifier, SIGKILL) }
            children.processes.removeAll()
        }
    }

    private var isStopping: Bool { children.withLock { $0.stopping } }

    /// A signal ends the children: the story then fails at its next step and cleans up on its way out, in one place.
    private func stopOnSignals() -> [any DispatchSourceSignal] {
        [SIGINT, SIGTERM, SIGHUP].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { [self] in
                children.withLock { $0.interrupted = true }
                stopChildren()
            }
            source.resume()
            return source
        }
    }
}
