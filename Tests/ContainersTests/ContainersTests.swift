import Analysis
import Foundation
import Testing

@testable import Containers

private let id = String(repeating: "0123456789abcdef", count: 4)

@Suite struct ContainerPathTests {
    @Test(arguments: [
        ("/docker/\(id)", "docker"),
        ("/system.slice/docker-\(id).scope", "docker"),
        ("/docker/\(id)/init.scope", "docker"),
        ("/machine.slice/libpod-\(id).scope/container", "podman"),
        ("/libpod_parent/libpod-\(id)", "podman"),
        ("/system.slice/cri-containerd-\(id).scope", "containerd"),
        ("/default/\(id)", "containerd"),
        ("/flightrec-demo-4711/\(id)", "demo"),
        ("/kubepods.slice/kubepods-burstable.slice/crio-\(id).scope", "cri-o"),
    ])
    func runtimes(path: String, runtime: String) throws {
        let found = try #require(ContainerPath.parse(path))
        #expect(found.runtime == runtime)
        #expect(found.id == id)
    }

    @Test func podsAreFound() throws {
        let uid = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
        let plain = try #require(ContainerPath.parse("/kubepods/besteffort/pod\(uid)/\(id)"))
        #expect(plain.pod == uid && plain.runtime == "containerd")
        let slice = uid.replacing("-", with: "_")
        let systemd = try #require(
            ContainerPath.parse(
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod\(slice).slice/cri-containerd-\(id).scope"
            ))
        #expect(systemd.pod == uid)
    }

    @Test func theOutermostContainerWins() {
        let inner = String(id.reversed())
        #expect(ContainerPath.parse("/docker/\(id)/docker/\(inner)")?.id == id)
    }

    @Test func rootlessOnesAreTheirUsers() {
        let path = "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-\(id).scope"
        #expect(ContainerPath.parse(path)?.user == 1000)
        #expect(ContainerPath.parse("/system.slice/docker-\(id).scope")?.user == nil)
        // A user can't make a path below another's slice.
        #expect(ContainerPath.parse("/user.slice/user-1000.slice/user-0.slice/docker-\(id).scope")?.user == 1000)
    }

    @Test func othersAreNoContainers() {
        for path in ["/", "/system.slice/ssh.service", "/docker/short", "/docker/" + id.uppercased()] {
            #expect(ContainerPath.parse(path) == nil)
        }
    }
}

@Suite struct LayoutTests {
    @Test func hybrid() {
        let index = CgroupIndex(
            mounts: """
                30 24 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw
                31 30 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct
                32 30 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
                """)
        #expect(index.root == "/sys/fs/cgroup/unified")
        #expect(index.controllers["cpu"] == "/sys/fs/cgroup/cpu")
    }

    @Test func aDirectoryIsFoundByItsInodeEvenWhenMadeLater() throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "flightrec-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: root) }
        var index = CgroupIndex(mounts: "1 0 0:1 / \(root) rw - cgroup2 cgroup2 rw")
        index.scan()
        #expect(index.known(1) == nil)
        try FileManager.default.createDirectory(atPath: "\(root)/docker/\(id)", withIntermediateDirectories: true)
        let attributes = try FileManager.default.attributesOfItem(atPath: "\(root)/docker/\(id)")
        let inode = try #require(attributes[.systemFileNumber] as? UInt64)
        index.scan()
        #expect(index.known(inode) == "/docker/\(id)")
        try FileManager.default.removeItem(atPath: "\(root)/docker")
        index.scan()
        #expect(index.known(inode) == "/docker/\(id)", "a container that ended is still named")
    }
}

@Suite struct DockerTests {
    @Test func stateFile() throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "flightrec-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: root) }
        try FileManager.default.createDirectory(atPath: "\(root)/containers/\(id)", withIntermediateDirectories: true)
        let state = #"{"ID":"x","Name":"/redis-1","Config":{"Image":"redis:7"},"State":{}}"#
        try state.write(toFile: "\(root)/containers/\(id)/config.v2.json", atomically: true, encoding: .utf8)
        let found = DockerNames(sockets: ["\(root)/none.sock"], roots: [root]).lookUp(id)
        #expect(found?.name == "redis-1")
        #expect(found?.image == "redis:7")
        #expect(DockerNames(sockets: [], roots: [root]).lookUp("other") == nil)
    }

    @Test func globsAndIDPrefixes() {
        let name = ContainerName(id: id, name: "api-7", runtime: "docker")
        #expect(ContainerResolver.matches("api-*", name))
        #expect(ContainerResolver.matches(String(id.prefix(12)), name))
        #expect(!ContainerResolver.matches("db", name))
        #expect(!ContainerResolver.matches("0", name))
    }
}
