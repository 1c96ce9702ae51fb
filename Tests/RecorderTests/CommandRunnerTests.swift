import Foundation
import Glibc
import Logging
import Testing

@testable import Recorder

/// Real commands by the real shell.
@Suite final class CommandRunnerTests {
    private let scratch: String
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init() throws {
        scratch = NSTemporaryDirectory() + "/flightrec-commands-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: scratch) }

    private func said(_ name: String) -> String? {
        (try? String(contentsOfFile: "\(scratch)/\(name)", encoding: .utf8))?.trimmingCharacters(
            in: .whitespacesAndNewlines)
    }

    @Test func oneThatHangsIsEndedAndTheNextIsRun() throws {
        let runner = CommandRunner(logger: logger, limit: 0.5)
        // Its own children too.
        runner.run("(sleep 300 & echo $! >'\(scratch)/child'; wait)", for: "a", [:])
        runner.run("echo $FLIGHTREC_ID >'\(scratch)/next'", for: "b", ["FLIGHTREC_ID": "b"])
        runner.finish(within: 60)
        #expect(said("next") == "b")
        let child = try #require(said("child").flatMap { pid_t($0) })
        // Ended, and taken care of by whoever adopted it.
        for _ in 0..<100 where kill(child, 0) == 0 && !isZombie(child) { usleep(50_000) }
        #expect(kill(child, 0) != 0 || isZombie(child))
    }

    private func isZombie(_ pid: pid_t) -> Bool {
        (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8))?.contains(") Z ") ?? true
    }

    @Test func whatItLeavesInTheBackgroundIsNotWaitedFor() throws {
        let runner = CommandRunner(logger: logger)
        let took = ContinuousClock().measure {
            runner.run("sleep 20 & echo done >'\(scratch)/done'", for: "a", [:])
            runner.finish(within: 60)
        }
        #expect(said("done") == "done")
        #expect(took < .seconds(15), "\(took)")
    }

    @Test func signalsAreAsAShellExpectsThem() throws {
        signal(SIGPIPE, SIG_IGN)
        let runner = CommandRunner(logger: logger)
        runner.run("kill -PIPE $$; echo survived >'\(scratch)/survived'", for: "a", [:])
        runner.run("cat >'\(scratch)/read'; echo $? >'\(scratch)/status'", for: "b", [:])
        runner.finish(within: 60)
        #expect(said("survived") == nil)
        #expect(said("read") == "" && said("status") == "0", "there is nothing to read, and no terminal to wait for")
    }

    @Test func theRecorderDoesNotEndLaterForIt() {
        let runner = CommandRunner(logger: logger, limit: 4)
        runner.run("sleep 300", for: "a", [:])
        let took = ContinuousClock().measure { runner.finish(within: 0.5) }
        #expect(took < .seconds(3), "\(took)")
        runner.finish(within: 60)
    }
}
