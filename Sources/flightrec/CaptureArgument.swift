import Capture

extension DirectoryOption {
    /// The file that an id, a unique prefix of one, `latest` or a path stands for. Throws `Failure`.
    func capture(_ id: String) throws -> String {
        do {
            if id.contains("/") { return id }
            return try CaptureStore(CaptureDirectory(existing: path)).resolve(id)
        } catch {
            throw Failure(error)
        }
    }
}

extension Failure {
    init(_ error: CaptureError) {
        self.init(message: error.description)
        switch error {
        case .notFound: code = Exit.nothing
        case .denied: code = Exit.privilege
        default: break
        }
    }
}
