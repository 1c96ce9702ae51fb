import Dispatch
import Foundation
import Glibc
import Logging
import Synchronization

/// Runs `--exec` for captures, one at a time, and not on the thread that writes them: a command that hangs must not cost the next
/// capture.
final class CommandRunner: Sendable {
    private let queue = DispatchQueue(label: "flightrec.exec")
    private let logger: Logger
    /// Seconds a command may take; then its process group is ended.
    private let limit: Double
    /// Commands that have not ended.
    private let waiting = Mutex(0)
    /// Each is a few hundred bytes; further ones are not run, and that is said.
    static let mostWaiting = 64

    init(logger: Logger, limit: Double = 300) {
        self.logger = logger
        self.limit = limit
    }

    /// Has `command` run by the shell for a capture that is in its file now, with these in its environment, and returns at once.
    func run(_ command: String, for id: String, _ variables: [String: String]) {
        let hasRoom = waiting.withLock { waiting in
            guard waiting < Self.mostWaiting else { return false }
            waiting += 1
            return true
        }
        guard hasRoom else {
            return logger.warning("--exec is not run for \(id): \(Self.mostWaiting) others wait for theirs")
        }
        queue.async { [self] in
            attend(command, id, variables)
            waiting.withLock { $0 -= 1 }
        }
    }

    /// Waits for commands that have not ended, for as many seconds at most; those that run on are left to themselves.
    func finish(within seconds: Double = 30) {
        let done = DispatchSemaphore(value: 0)
        queue.async { done.signal() }
        guard done.wait(timeout: .now() + seconds) == .timedOut else { return }
        logger.warning("--exec has not ended, for \(waiting.withLock { $0 }) captures: no longer waited for")
    }

    private func attend(_ command: String, _ id: String, _ variables: [String: String]) {
        // What it starts has the scheduling of this thread, which the pump may have started.
        do {
            try Scheduling.asUsual()
        } catch {
            logger.warning("--exec runs as the recorder is scheduled: \(error)")
        }
        let environment = ProcessInfo.processInfo.environment.merging(variables) { $1 }
        let (child, code) = Self.spawn(command, environment)
        guard code == 0 else {
            return logger.warning("--exec could not be started for \(id): \(String(cString: strerror(code)))")
        }
        guard let status = wait(child, for: id) else { return }
        // wait(2)
        let signal = status & 0x7f
        if signal != 0 {
            logger.warning("--exec was ended by signal \(signal) for \(id)")
        } else if status >> 8 & 0xff != 0 {
            logger.warning("--exec ended with status \(status >> 8 & 0xff) for \(id)")
        }
    }

    /// The child's wait status; `nil`: somebody else has taken it. Not by Foundation's `Process`, which waits until all that the command
    /// left in the background has ended too.
    private func wait(_ child: pid_t, for id: String) -> Int32? {
        let began = ContinuousClock.now
        var pause: UInt32 = 2_000
        var status: Int32 = 0
        var isEnding = false
        while true {
            let ended = waitpid(child, &status, WNOHANG)
            if ended == child { return status }
            if ended < 0, errno != EINTR { return nil }
            let took = ContinuousClock.now - began
            if took > .seconds(limit + 5) {
                kill(-child, SIGKILL)
            } else if took > .seconds(limit), !isEnding {
                isEnding = true
                logger.warning("--exec took longer than \(Int(limit)) s for \(id): it is ended")
                kill(-child, SIGTERM)
            }
            usleep(pause)
            pause = min(pause * 2, 100_000)
        }
    }

    /// `/bin/sh -c command` in a process group of its own, with signals as a shell expects them (the recorder ignores SIGPIPE and blocks
    /// others), nothing to read, and its output where the log goes. The child, or an errno.
    private static func spawn(_ command: String, _ environment: [String: String]) -> (child: pid_t, code: Int32) {
        var attributes = posix_spawnattr_t()
        var code = posix_spawnattr_init(&attributes)
        guard code == 0 else { return (0, code) }
        defer { posix_spawnattr_destroy(&attributes) }
        var all = sigset_t()
        var none = sigset_t()
        sigfillset(&all)
        sigemptyset(&none)
        let flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK
        posix_spawnattr_setflags(&attributes, Int16(flags))
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setsigmask(&attributes, &none)
        var actions = posix_spawn_file_actions_t()
        code = posix_spawn_file_actions_init(&actions)
        guard code == 0 else { return (0, code) }
        defer { posix_spawn_file_actions_destroy(&actions) }
        code = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        guard code == 0 else { return (0, code) }
        code = posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO)
        guard code == 0 else { return (0, code) }
        var arguments = copies(["/bin/sh", "-c", command])
        var variables = copies(environment.map { "\($0.key)=\($0.value)" })
        defer { for text in arguments + variables { free(text) } }
        var child = pid_t()
        code = posix_spawn(&child, "/bin/sh", &actions, &attributes, &arguments, &variables)
        return (child, code)
    }

    /// For C: each to be freed, `nil` at the end.
    private static func copies(_ texts: [String]) -> [UnsafeMutablePointer<CChar>?] {
        var copies: [UnsafeMutablePointer<CChar>?] = []
        for text in texts { copies.append(strdup(text)) }
        return copies + [nil]
    }
}
