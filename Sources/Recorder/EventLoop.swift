import CLinux
import Glibc

/// A failed system call: what was tried and errno.
public struct SystemError: Error, CustomStringConvertible, Sendable, Equatable {
    public var operation: String
    public var code: Int32

    public init(_ operation: String, _ code: Int32 = errno) {
        self.operation = operation
        self.code = code
    }

    public var description: String {
        // A lock that is held needs no errno in words.
        code == EWOULDBLOCK ? operation : "\(operation): \(String(cString: strerror(code)))"
    }
}

/// epoll over the pump's few descriptors. One thread owns it; `wake` may be called from any.
final class EventLoop {
    enum Source: UInt64 {
        case ring = 1
        case tick = 2
        case signal = 3
        case wake = 4
        case control = 5
        case drain = 6
    }

    private let epoll: Int32
    private let timer: Int32
    private let drains: Int32
    private let signals: Int32
    /// Written by other threads to make the loop turn.
    let wakeDescriptor: Int32

    /// `tick` in ns. Blocks SIGINT, SIGTERM and SIGHUP for the process and reads them here: no handler races.
    init(tick: UInt64) throws(SystemError) {
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        timer = timerfd_create(CLOCK_MONOTONIC, Int32(TFD_NONBLOCK) | Int32(TFD_CLOEXEC))
        drains = timerfd_create(CLOCK_MONOTONIC, Int32(TFD_NONBLOCK) | Int32(TFD_CLOEXEC))
        wakeDescriptor = eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC))
        var mask = sigset_t()
        sigemptyset(&mask)
        for signal in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&mask, signal) }
        pthread_sigmask(SIG_BLOCK, &mask, nil)
        signals = signalfd(-1, &mask, Int32(SFD_NONBLOCK) | Int32(SFD_CLOEXEC))
        guard epoll >= 0, timer >= 0, drains >= 0, wakeDescriptor >= 0, signals >= 0 else {
            throw SystemError("setting up the event loop")
        }
        try Self.arm(timer, every: tick)
        try watch(timer, .tick)
        try watch(drains, .drain)
        try watch(signals, .signal)
        try watch(wakeDescriptor, .wake)
    }

    deinit {
        for descriptor in [epoll, timer, drains, signals, wakeDescriptor] { close(descriptor) }
    }

    private static func arm(_ timer: Int32, every interval: UInt64) throws(SystemError) {
        let interval = timespec(tv_sec: Int(interval / 1_000_000_000), tv_nsec: Int(interval % 1_000_000_000))
        var spec = itimerspec(it_interval: interval, it_value: interval)
        guard timerfd_settime(timer, 0, &spec, nil) == 0 else { throw SystemError("arming a timer") }
    }

    /// Reports `.drain` every so many ns; 0: no more.
    func drain(every interval: UInt64) throws(SystemError) { try Self.arm(drains, every: interval) }

    func watch(_ descriptor: Int32, _ source: Source) throws(SystemError) {
        var event = epoll_event()
        event.events = EPOLLIN.rawValue
        event.data.u64 = source.rawValue
        guard epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0 else {
            throw SystemError("watching a descriptor")
        }
    }

    /// Sleeps until something happens and reports each ready source; a signal's number comes with `.signal`.
    func wait(_ body: (Source, Int32) throws -> Void) throws {
        var ready = (epoll_event(), epoll_event(), epoll_event(), epoll_event(), epoll_event(), epoll_event())
        let count = withUnsafeMutableBytes(of: &ready) { bytes in
            epoll_wait(epoll, bytes.bindMemory(to: epoll_event.self).baseAddress, 6, -1)
        }
        if count < 0 {
            guard errno == EINTR else { throw SystemError("epoll_wait") }
            return
        }
        try withUnsafeBytes(of: &ready) { bytes in
            let events = bytes.bindMemory(to: epoll_event.self)
            for index in 0..<Int(count) {
                guard let source = Source(rawValue: events[index].data.u64) else { continue }
                switch source {
                case .tick: consume(timer)
                case .drain: consume(drains)
                case .wake: consume(wakeDescriptor)
                case .signal:
                    var info = signalfd_siginfo()
                    while read(signals, &info, MemoryLayout<signalfd_siginfo>.size) > 0 {
                        try body(.signal, Int32(info.ssi_signo))
                    }
                    continue
                case .ring, .control: break
                }
                try body(source, 0)
            }
        }
    }

    private func consume(_ descriptor: Int32) {
        var value: UInt64 = 0
        // Non-blocking: an empty counter only means someone else's wake was merged with ours.
        _ = read(descriptor, &value, 8)
    }
}

enum Clock {
    /// CLOCK_MONOTONIC, the clock of every event.
    static func monotonic() -> UInt64 { read(CLOCK_MONOTONIC) }
    /// CLOCK_REALTIME.
    static func wall() -> Int64 { Int64(read(CLOCK_REALTIME)) }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var now = timespec()
        clock_gettime(clock, &now)
        return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
    }
}
