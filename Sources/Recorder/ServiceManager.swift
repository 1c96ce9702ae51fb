import CLinux
import Glibc

/// Tells systemd, or whoever started us with `NOTIFY_SOCKET`, how we are (sd_notify(3)): datagrams of `NAME=value` lines. Without
/// the variable it does nothing. The pump sends from its own thread, so a pump that hangs is missed by the watchdog.
final class ServiceManager {
    private let descriptor: Int32
    private let address: String
    /// ns between two signs of life; `nil`: nobody waits for them.
    private let interval: UInt64?
    private var lastSign: Instant = 0
    private typealias Instant = UInt64

    /// Takes the variables out of the environment: they are not for what `--exec` runs.
    init() {
        func take(_ name: String) -> String? {
            defer { unsetenv(name) }
            return getenv(name).map { String(cString: $0) }
        }
        address = take("NOTIFY_SOCKET") ?? ""
        let time = take("WATCHDOG_USEC").flatMap { UInt64($0) }
        let process = take("WATCHDOG_PID").flatMap { Int32($0) }
        // Half of the time: one sign may come late. Microseconds.
        interval = process ?? getpid() == getpid() ? time.map { max($0, 2) * 1000 / 2 } : nil
        descriptor =
            address.isEmpty ? -1 : socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    func ready(_ status: String) { tell("READY=1\nSTATUS=\(status)\nMAINPID=\(getpid())") }

    /// `now`: CLOCK_MONOTONIC, ns.
    func reloading(at now: UInt64) { tell("RELOADING=1\nMONOTONIC_USEC=\(now / 1000)") }

    /// Every tick.
    func alive(at now: UInt64) {
        guard let interval, now >= lastSign &+ interval else { return }
        lastSign = now
        tell("WATCHDOG=1")
    }

    /// Sent or dropped, never waited for. A manager that went away is no reason to stop recording.
    func tell(_ message: String) {
        guard descriptor >= 0, var target = Self.target(address) else { return }
        var message = message
        message.withUTF8 { bytes in
            withUnsafePointer(to: &target.address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    _ = sendto(
                        descriptor, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL),
                        $0,
                        target.length)
                }
            }
        }
    }

    /// A path, or with `@` before it a name in the abstract namespace, whose length counts (unix(7)).
    static func target(_ text: String) -> (address: sockaddr_un, length: socklen_t)? {
        var bytes = Array(text.utf8)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let offset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2
        let isAbstract = bytes.first == UInt8(ascii: "@")
        guard isAbstract || bytes.first == UInt8(ascii: "/"), bytes.count > 1 else { return nil }
        if isAbstract { bytes[0] = 0 }
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return (address, socklen_t(offset + bytes.count + (isAbstract ? 0 : 1)))
    }
}
