import Foundation

/// Podman's names, from the container list of its storage library (`containers.json` of containers/storage).
struct PodmanNames: Sendable {
    /// Storage roots: `/var/lib/containers/storage`, and one below the home of every user who runs containers.
    var roots: [String]

    private struct Entry: Decodable {
        var id: String
        var names: [String]?
        /// JSON in a string.
        var metadata: String?
    }
    private struct Metadata: Decodable {
        var image: String?
        private enum CodingKeys: String, CodingKey { case image = "image-name" }
    }

    func lookUp(_ id: String) -> (name: String, image: String)? {
        for root in roots {
            // One directory a storage driver: overlay-containers, vfs-containers, btrfs-containers.
            for directory in StateFile.list(root) where directory.hasSuffix("-containers") {
                let list = StateFile.decode([Entry].self, "\(root)/\(directory)/containers.json") ?? []
                guard let entry = list.first(where: { $0.id == id }), let name = entry.names?.first else { continue }
                let metadata = entry.metadata.flatMap {
                    try? JSONDecoder().decode(Metadata.self, from: Data($0.utf8))
                }
                return (name, metadata?.image ?? "")
            }
        }
        return nil
    }
}
