/// Why a query gave no answer. `description` is fit to be shown as it is.
public enum QueryError: Error, Equatable, CustomStringConvertible {
    /// SQLite's words for what is wrong with the statement, or with the file it read.
    case statement(String)
    /// Ctrl-C.
    case interrupted
    /// SQLite itself failed to open the capture.
    case open(path: String, why: String)

    public var description: String {
        switch self {
        case .statement(let why): why
        case .interrupted: "interrupted"
        case .open(let path, let why): "cannot read \(path): \(why)"
        }
    }
}
