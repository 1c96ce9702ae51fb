import CLinux
import Foundation
import Glibc
import Synchronization

/// Answers Prometheus, on a thread of its own. Nothing a client does reaches the pump but a wish for new figures, and that at
/// most twice a second: connections are few, requests small, and each has five seconds.
final class MetricsServer: Sendable {
    static let mostConnections = 16
    static let mostRequestBytes = 4096
    /// ns from accept to the last byte of the answer.
    private static let patience: UInt64 = 5_000_000_000
    /// ns figures are good for.
    private static let fresh: UInt64 = 500_000_000

    private struct State {
        var isWanted = false
        var isStopping = false
        var snapshot: MetricsSnapshot?
    }
    private let state = Mutex(State())
    private let address: MetricsAddress
    private let listener: Int32
    /// Written to when there is something for our thread.
    private let wake: Int32
    /// The pump's.
    private let pump: Int32
    private let ended = DispatchSemaphore(value: 0)
    private let warn: @Sendable (String) -> Void
    private let accept: @Sendable (Int32) -> Int32
    private let render: @Sendable (MetricsSnapshot) -> String

    /// `pump`: an eventfd that makes the pump call `supply`. `warn` and `render`, which makes the text, are called on our thread;
    /// `accept` takes a connection of a listener without waiting, as accept(2).
    init(
        _ address: MetricsAddress, pump: Int32, accept: @escaping @Sendable (Int32) -> Int32 = { flightrec_accept($0) },
        warn: @escaping @Sendable (String) -> Void, render: @escaping @Sendable (MetricsSnapshot) -> String
    ) throws(SystemError) {
        self.address = address
        self.pump = pump
        self.accept = accept
        self.warn = warn
        self.render = render
        listener = try address.listen()
        wake = eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC))
        guard wake >= 0 else { throw SystemError("making an eventfd") }
    }

    func start() {
        let thread = Thread { [self] in
            flightrec_thread_name("flightrec-http")
            serve()
            ended.signal()
        }
        thread.start()
    }

    /// Ends the thread and waits for it.
    func stop() {
        state.withLock { $0.isStopping = true }
        Self.signal(wake)
        ended.wait()
        close(listener)
        close(wake)
        if case .unix(let path) = address, MetricsAddress.isDead(path) { unlink(path) }
    }

    /// From the pump: makes figures when some are wanted.
    func supply(_ make: () throws -> MetricsSnapshot) rethrows {
        // Before they are made: when that fails, the next wish must reach the pump again.
        let isWanted = state.withLock { state in
            defer { state.isWanted = false }
            return state.isWanted
        }
        guard isWanted else { return }
        let snapshot = try make()
        state.withLock { $0.snapshot = snapshot }
        Self.signal(wake)
    }

    private static func signal(_ descriptor: Int32) {
        var one: UInt64 = 1
        _ = write(descriptor, &one, 8)
    }

    // MARK: The server's thread

    private func serve() {
        var connections: [MetricsConnection] = []
        var body: (text: [UInt8], at: UInt64)?
        var entrance = Entrance()
        while true {
            let now = Clock.monotonic()
            var polled = [pollfd(fd: wake, events: Int16(POLLIN), revents: 0)]
            // poll(2) leaves out what has a negative descriptor.
            polled.append(pollfd(fd: entrance.isOpen(at: now) ? listener : -1, events: Int16(POLLIN), revents: 0))
            polled += connections.map { pollfd(fd: $0.descriptor, events: $0.events, revents: 0) }
            let soonest = (connections.map(\.deadline) + (entrance.opens.map { [$0] } ?? [])).min()
            let time = soonest.map { Int32(clamping: $0 > now ? ($0 - now) / 1_000_000 + 1 : 0) } ?? -1
            poll(&polled, nfds_t(polled.count), time)
            if polled[0].revents != 0 {
                var value: UInt64 = 0
                _ = read(wake, &value, 8)
                let (isStopping, snapshot) = state.withLock { state in
                    defer { state.snapshot = nil }
                    return (state.isStopping, state.snapshot)
                }
                if isStopping { break }
                if let snapshot { body = (Array(render(snapshot).utf8), Clock.monotonic()) }
            }
            for index in connections.indices where polled[index + 2].revents != 0 { connections[index].move() }
            if polled[1].revents != 0 { take(&entrance, into: &connections) }
            answer(&connections, &body)
            let limit = Clock.monotonic()
            for connection in connections where connection.isDone || connection.deadline <= limit { connection.close() }
            connections.removeAll { $0.isDone || $0.deadline <= limit }
        }
        for connection in connections { connection.close() }
    }

    /// Out of descriptors or memory, a connection that waits makes the listener ready at every look: none is taken for a while
    /// then, and it is said once until one could be taken again.
    private struct Entrance {
        /// ns.
        static let pause: UInt64 = 1_000_000_000
        private(set) var opens: UInt64?
        private var isReported = false

        mutating func isOpen(at now: UInt64) -> Bool {
            if let opens, now < opens { return false }
            opens = nil
            return true
        }

        /// True when it is news.
        mutating func failed() -> Bool {
            opens = Clock.monotonic() + Self.pause
            defer { isReported = true }
            return !isReported
        }

        mutating func worked() { isReported = false }
    }

    private func take(_ entrance: inout Entrance, into connections: inout [MetricsConnection]) {
        let descriptor = accept(listener)
        guard descriptor >= 0 else {
            // Gone again before it was taken, or a signal (accept(2)): the next look will tell.
            if [EAGAIN, EINTR, ECONNABORTED].contains(errno) { return }
            let why = SystemError("taking a connection of --metrics")
            if entrance.failed() {
                warn("\(why); trying once a second. Raise this process's limit of open files (LimitNOFILE= of a unit)")
            }
            return
        }
        entrance.worked()
        if connections.count >= Self.mostConnections {
            // The longest there has had its chance.
            connections.removeFirst().close()
        }
        connections.append(MetricsConnection(descriptor, deadline: Clock.monotonic() + Self.patience))
    }

    private func answer(_ connections: inout [MetricsConnection], _ body: inout (text: [UInt8], at: UInt64)?) {
        if let known = body, Clock.monotonic() > known.at + Self.fresh { body = nil }
        for index in connections.indices where connections[index].isWaiting {
            if let body {
                connections[index].answer(body.text)
            } else if !state.withLock({ state in
                defer { state.isWanted = true }
                return state.isWanted
            }) {
                Self.signal(pump)
            }
        }
    }
}
