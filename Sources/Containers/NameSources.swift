import Foundation

/// Where container runtimes keep the names of their containers, on this host or, for tests, below another root.
public struct NameSources: Sendable {
    /// API sockets of Docker daemons, those asked for first.
    public var dockerSockets: [String]
    /// Data roots of Docker daemons, for when no socket answers.
    public var dockerRoots: [String]
    var podman: PodmanNames
    var oci: OCINames

    /// The usual places below `root`, and what Docker's configuration and the users' homes add to them.
    public init(root: String = "", dockerSockets: [String] = [], dockerRoots: [String] = []) {
        let homes = StateFile.list("\(root)/home").map { "\(root)/home/\($0)" } + ["\(root)/root"]
        let users = StateFile.list("\(root)/run/user").map { "\(root)/run/user/\($0)" }
        self.dockerSockets = dockerSockets + ["\(root)/run/docker.sock"] + users.map { "\($0)/docker.sock" }
        struct Configuration: Decodable {
            var root: String?
            private enum CodingKeys: String, CodingKey { case root = "data-root" }
        }
        let configured = StateFile.decode(Configuration.self, "\(root)/etc/docker/daemon.json")?.root
        self.dockerRoots =
            dockerRoots + [configured.map { root + $0 } ?? "\(root)/var/lib/docker"]
            + homes.map { "\($0)/.local/share/docker" }
        podman = PodmanNames(
            roots: ["\(root)/var/lib/containers/storage"] + homes.map { "\($0)/.local/share/containers/storage" })
        oci = OCINames(
            containerd: [
                "\(root)/run/containerd/io.containerd.runtime.v2.task",
                "\(root)/run/k3s/containerd/io.containerd.runtime.v2.task",
            ],
            crio: ["\(root)/run/containers/storage/overlay-containers"], logs: "\(root)/var/log/containers")
    }

    /// The sources that may know a container of this path, likeliest first. `nil`: none does.
    func lookUp(_ path: ContainerPath, docker: DockerNames) -> (name: String, image: String, runtime: String)? {
        func found(_ answer: (name: String, image: String)?, _ runtime: String)
            -> (name: String, image: String, runtime: String)?
        {
            answer.map { ($0.name, $0.image, runtime) }
        }
        switch path.runtime {
        case "docker": return found(docker.lookUp(path.id, user: path.user), "docker")
        case "podman": return found(podman.lookUp(path.id), "podman")
        case "containerd", "cri-o": return found(oci.lookUp(path.id), path.runtime)
        case "demo": return nil
        default:
            return found(docker.lookUp(path.id, user: path.user), "docker") ?? found(podman.lookUp(path.id), "podman")
                ?? found(oci.lookUp(path.id), path.runtime)
        }
    }
}
