import Foundation

/// Names from the OCI bundles that containerd and CRI-O keep of their running containers (config.json, `annotations`).
struct OCINames: Sendable {
    /// containerd: `<root>/<namespace>/<id>/config.json`.
    var containerd: [String]
    /// CRI-O: `<root>/<id>/userdata/config.json`.
    var crio: [String]
    /// The kubelet's links `<pod>_<namespace>_<container>-<id>.log`.
    var logs: String

    private struct Spec: Decodable { var annotations: [String: String]? }

    func lookUp(_ id: String) -> (name: String, image: String)? {
        for root in containerd {
            for namespace in StateFile.list(root) {
                if let spec = StateFile.decode(Spec.self, "\(root)/\(namespace)/\(id)/config.json"),
                    let found = Self.name(spec.annotations ?? [:])
                {
                    return found
                }
            }
        }
        for root in crio {
            if let spec = StateFile.decode(Spec.self, "\(root)/\(id)/userdata/config.json"),
                let found = Self.name(spec.annotations ?? [:])
            {
                return found
            }
        }
        return log(id).map { ($0, "") }
    }

    /// containerd's CRI plugin (pkg/cri/annotations), CRI-O (pkg/annotations) and nerdctl (pkg/labels) write these.
    static func name(_ annotations: [String: String]) -> (name: String, image: String)? {
        let styles = [
            (
                "io.kubernetes.cri.sandbox-namespace", "io.kubernetes.cri.sandbox-name",
                "io.kubernetes.cri.container-name",
                "io.kubernetes.cri.image-name"
            ),
            (
                "io.kubernetes.pod.namespace", "io.kubernetes.pod.name", "io.kubernetes.container.name",
                "io.kubernetes.cri-o.ImageName"
            ),
        ]
        for (namespace, pod, container, image) in styles {
            guard let namespace = annotations[namespace], let pod = annotations[pod] else { continue }
            // A pod's sandbox has no container name, or CRI-O's "POD": it is the pod itself.
            let own = annotations[container].flatMap { $0.isEmpty || $0 == "POD" ? nil : "/" + $0 } ?? ""
            return ("\(namespace)/\(pod)\(own)", annotations[image] ?? "")
        }
        return annotations["nerdctl/name"].map { ($0, annotations["nerdctl/image-name"] ?? "") }
    }

    /// A pod's and a namespace's name hold no `_` (RFC 1123 labels).
    private func log(_ id: String) -> String? {
        let suffix = "-\(id).log"
        guard let file = StateFile.list(logs).first(where: { $0.hasSuffix(suffix) }) else { return nil }
        let parts = file.dropLast(suffix.count).split(separator: "_", maxSplits: 2)
        return parts.count == 3 ? "\(parts[1])/\(parts[0])/\(parts[2])" : nil
    }
}
