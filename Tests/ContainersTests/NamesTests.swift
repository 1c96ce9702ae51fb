import Foundation
import Glibc
import Testing

@testable import Containers

private let id = String(repeating: "0123456789abcdef", count: 4)

/// A host's files below a temporary directory, as each runtime writes them.
private final class Host {
    let root = FileManager.default.temporaryDirectory.appending(path: "flightrec-\(UUID().uuidString)").path
    deinit { try? FileManager.default.removeItem(atPath: root) }

    func write(_ path: String, _ text: String) throws {
        let file = URL(filePath: root + path)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try text.write(to: file, atomically: true, encoding: .utf8)
    }

    func lookUp(_ path: String) throws -> (name: String, image: String, runtime: String)? {
        let sources = NameSources(root: root)
        return sources.lookUp(
            try #require(ContainerPath.parse(path)),
            docker: DockerNames(sockets: sources.dockerSockets, roots: sources.dockerRoots))
    }
}

@Suite struct NamesTests {
    private let pod = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice"

    @Test func dockersConfiguredDataRoot() throws {
        let host = Host()
        try host.write("/etc/docker/daemon.json", #"{"data-root":"/srv/docker"}"#)
        try host.write("/srv/docker/containers/\(id)/config.v2.json", #"{"Name":"/api","Config":{"Image":"api:2"}}"#)
        let found = try #require(try host.lookUp("/system.slice/docker-\(id).scope"))
        #expect(found == ("api", "api:2", "docker"))
    }

    @Test(arguments: ["/var/lib/containers/storage/overlay", "/home/ann/.local/share/containers/storage/vfs"])
    func podman(place: String) throws {
        let host = Host()
        let metadata = #"{\"image-name\":\"docker.io/library/redis:7\",\"name\":\"cache\"}"#
        try host.write(
            "\(place)-containers/containers.json",
            """
            [{"id":"\(id.replacing("0", with: "1"))","names":["other"]},
             {"id":"\(id)","names":["cache"],"metadata":"\(metadata)"}]
            """)
        let found = try #require(try host.lookUp("/machine.slice/libpod-\(id).scope/container"))
        #expect(found == ("cache", "docker.io/library/redis:7", "podman"))
        #expect(ContainerPath.parse("/machine.slice/libpod-conmon-\(id).scope") == nil)
    }

    @Test func containerdsPods() throws {
        let host = Host()
        try host.write(
            "/run/containerd/io.containerd.runtime.v2.task/k8s.io/\(id)/config.json",
            """
            {"ociVersion":"1.1.0","annotations":{"io.kubernetes.cri.container-name":"web",
             "io.kubernetes.cri.sandbox-name":"shop-7f9","io.kubernetes.cri.sandbox-namespace":"prod",
             "io.kubernetes.cri.image-name":"nginx:1.27"}}
            """)
        for path in ["\(pod)/cri-containerd-\(id).scope", "/kubepods/burstable/pod\(UUID().uuidString)/\(id)"] {
            let found = try #require(try host.lookUp(path))
            #expect(found == ("prod/shop-7f9/web", "nginx:1.27", "containerd"))
        }
    }

    @Test func criosPodsAndTheirSandbox() throws {
        let host = Host()
        let file = "/run/containers/storage/overlay-containers/\(id)/userdata/config.json"
        func annotations(_ container: String) -> String {
            """
            {"annotations":{"io.kubernetes.container.name":"\(container)","io.kubernetes.pod.name":"shop-7f9",
             "io.kubernetes.pod.namespace":"prod","io.kubernetes.cri-o.ImageName":"nginx:1.27"}}
            """
        }
        try host.write(file, annotations("web"))
        #expect(
            try #require(try host.lookUp("\(pod)/crio-\(id).scope")) == ("prod/shop-7f9/web", "nginx:1.27", "cri-o"))
        try host.write(file, annotations("POD"))
        #expect(try host.lookUp("\(pod)/crio-\(id).scope")?.name == "prod/shop-7f9")
    }

    @Test func nerdctlAndTheKubeletsLogs() throws {
        let host = Host()
        try host.write("/run/containerd/io.containerd.runtime.v2.task/default/\(id)/config.json", "{}")
        #expect(try host.lookUp("/default/\(id)") == nil)
        try host.write("/var/log/containers/shop-7f9_prod_web-\(id).log", "")
        #expect(try host.lookUp("/default/\(id)")?.name == "prod/shop-7f9/web")
        try host.write(
            "/run/containerd/io.containerd.runtime.v2.task/default/\(id)/config.json",
            #"{"annotations":{"nerdctl/name":"cache"}}"#)
        #expect(try host.lookUp("/default/\(id)")?.name == "cache")
    }

    @Test func podsUnderDocker() {
        #expect(DockerNames.plain("/k8s_web_shop-7f9_prod_0a1b_0") == "prod/shop-7f9/web")
        #expect(DockerNames.plain("/k8s_POD_shop-7f9_prod_0a1b_0") == "prod/shop-7f9")
        #expect(DockerNames.plain("/k8s_by_hand") == "k8s_by_hand")
    }

    @Test func nothingIsReadOutsideItsPlaceNorWithoutEnd() throws {
        let host = Host()
        try host.write("/var/lib/docker/containers/x/config.v2.json", #"{"Name":"/x"}"#)
        let docker = DockerNames(roots: ["\(host.root)/var/lib/docker"])
        #expect(docker.lookUp("../containers/x") == nil)
        let directory = "\(host.root)/var/lib/docker/containers/\(id)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        #expect(mkfifo("\(directory)/config.v2.json", 0o600) == 0)
        #expect(docker.lookUp(id) == nil, "a FIFO must not hang the look-up")
    }

    /// Whoever listens in a user's directory must not rename what root runs, or other users.
    @Test func aUsersSocketTellsOfItsOwnContainersAlone() {
        let (theirs, system) = ("/nowhere/run/user/1000/docker.sock", "/nowhere/run/docker.sock")
        let docker = DockerNames(sockets: [system, theirs])
        docker.note(id, name: "spoofed", image: "", from: theirs)
        #expect(docker.lookUp(id) == nil && docker.lookUp(id, user: 1001) == nil)
        #expect(docker.lookUp(id, user: 1000)?.name == "spoofed")
        docker.note(id, name: String(repeating: "n", count: 100_000), image: "", from: system)
        #expect(docker.lookUp(id)?.name == String(repeating: "n", count: 255))
    }

    @Test func devicesAreNotOpened() throws {
        let host = Host()
        let directory = "\(host.root)/var/lib/docker/containers/\(id)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            atPath: "\(directory)/config.v2.json", withDestinationPath: "/dev/zero")
        #expect(DockerNames(roots: ["\(host.root)/var/lib/docker"]).lookUp(id) == nil)
    }

    /// A daemon that accepts and never answers holds up one look-up, not all.
    @Test func aSilentSocketIsAskedOnce() throws {
        let path = "/tmp/flightrec-\(UUID().uuidString.prefix(8)).sock"
        let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer {
            close(listener)
            unlink(path)
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(bound == 0 && listen(listener, 8) == 0)
        let docker = DockerNames(sockets: [path])
        let begin = ContinuousClock.now
        for _ in 0..<50 { #expect(docker.lookUp(id) == nil) }
        #expect(ContinuousClock.now - begin < .seconds(3))
    }
}
