import CLinux
import Glibc

/// The demo's server: answers each line after a fixed time. One thread, blocking calls, so that what it does is plain.
public enum DemoServer {
    /// Moves itself into the cgroup and namespace, listens, and serves one connection after another until killed.
    ///
    /// A request `slow N` is answered N ms later than the others: the injected fault of `--cause app.sleep`.
    public static func run(cgroup: String, namespace: String, port: UInt16, delay: UInt32) throws {
        try enter(cgroup: cgroup, namespace: namespace)
        // Dies with the demo, whatever ends that.
        guard flightrec_die_with_parent() == 0 else { throw DemoError.system("asking to die with the demo") }
        let listener = try TCP.listen(port: port)
        while true {
            let connection = accept(listener, nil, nil)
            guard connection >= 0 else { continue }
            serve(connection, delay: delay)
            close(connection)
        }
    }

    private static func enter(cgroup: String, namespace: String) throws {
        let procs = open("\(cgroup)/cgroup.procs", O_WRONLY | O_CLOEXEC)
        guard procs >= 0 else { throw DemoError.system("opening \(cgroup)/cgroup.procs") }
        defer { close(procs) }
        let pid = String(getpid())
        guard write(procs, pid, pid.utf8.count) > 0 else { throw DemoError.system("entering the cgroup") }
        let net = open("/run/netns/\(namespace)", O_RDONLY | O_CLOEXEC)
        guard net >= 0 else { throw DemoError.system("opening the namespace") }
        defer { close(net) }
        guard flightrec_setns(net, Int32(CLONE_NEWNET)) == 0 else { throw DemoError.system("entering the namespace") }
    }

    private static func serve(_ connection: Int32, delay: UInt32) {
        var buffer = [UInt8](repeating: 0, count: 512)
        while true {
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return }
            let words = String(decoding: buffer[..<count], as: UTF8.self).split { $0 == " " || $0 == "\n" }
            var sleep = delay
            if words.count == 2, words[0] == "slow", let extra = UInt32(words[1]) { sleep += extra }
            usleep(sleep * 1000)
            let answer = "done\n"
            guard send(connection, answer, answer.utf8.count, Int32(MSG_NOSIGNAL)) > 0 else { return }
        }
    }
}
