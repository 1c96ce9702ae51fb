import Analysis
import Events
import Foundation
import Testing

@testable import Containers

@Suite struct RelayTests {
    private let target = Endpoint(address: [172, 17, 0, 2], port: 80)

    private func parse(_ line: String) -> Relay? {
        DockerProxy.relay(pid: 9, netns: 4, arguments: line.split(separator: " ").map(String.init))
    }

    @Test(arguments: [
        "/usr/bin/docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2 -container-port 80 -use-listen-fd",
        "docker-proxy --proto=tcp --host-ip=0.0.0.0 --host-port=8080 --container-ip=172.17.0.2 --container-port=80",
        "docker-proxy -use-listen-fd -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2 -container-port 80",
    ])
    func commandLines(_ line: String) {
        let listen = Endpoint(address: [0, 0, 0, 0], port: 8080)
        #expect(
            parse(line) == Relay(program: "docker-proxy", pid: 9, netns: 4, listen: listen, target: target))
    }

    @Test func bothFamilies() throws {
        let relay = try #require(
            parse("p -proto tcp -host-ip :: -host-port 443 -container-ip fd00::2 -container-port 8443"))
        #expect(relay.listen.description == "[::]:443" && relay.target.description == "[fd00::2]:8443")
    }

    @Test(arguments: [
        "p -proto udp -host-ip 0.0.0.0 -host-port 53 -container-ip 172.17.0.2 -container-port 53",
        "p -proto tcp -host-ip localhost -host-port 53 -container-ip 172.17.0.2 -container-port 53",
        "p -proto tcp -host-ip 0.0.0.0 -host-port 65536 -container-ip 172.17.0.2 -container-port 53",
        "p -proto tcp -host-ip 0.0.0.0 -host-port 80", "p -proto", "p", "", "p 0.0.0.0 80",
    ])
    func whatIsNoTCPRelay(_ line: String) { #expect(parse(line) == nil) }

    @Test func oneThatEndedStaysKnownForWhatCameBefore() throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "flightrec-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: root) }
        func process(_ pid: Int, _ comm: String, _ port: Int) throws {
            try FileManager.default.createDirectory(atPath: "\(root)/proc/\(pid)", withIntermediateDirectories: true)
            let words = ["p", "-host-ip", "0.0.0.0", "-host-port", "\(port)", "-container-ip", "172.17.0.2"]
            let line = (words + ["-container-port", "80"]).joined(separator: "\0") + "\0"
            try line.write(to: URL(filePath: "\(root)/proc/\(pid)/cmdline"), atomically: false, encoding: .utf8)
            try "\(comm)\n".write(to: URL(filePath: "\(root)/proc/\(pid)/comm"), atomically: false, encoding: .utf8)
        }
        try process(100, "docker-proxy", 8080)
        try process(101, "docker-proxy", 8081)
        try process(102, "nginx", 8082)
        let index = RelayIndex(root: root)
        index.scan()
        #expect(index.relays(since: 0).map(\.listen.port) == [8080, 8081])
        #expect(index.relays(since: 0).first?.target == target)
        #expect(index.addresses.contains([127, 0, 0, 1]))
        try FileManager.default.removeItem(atPath: "\(root)/proc/100")
        index.scan()
        #expect(index.relays(since: 0).map(\.listen.port) == [8080, 8081])
        #expect(index.relays(since: .max).map(\.listen.port) == [8081])
    }
}
