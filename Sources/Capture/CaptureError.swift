import Glibc

/// What a file that should be a capture turned out to be.
public enum CaptureState: String, Sendable, Equatable, Codable {
    case ok
    /// Shorter than its own header says: a copy that did not finish, or a full disk.
    case truncated
    /// A capture whose contents contradict themselves.
    case corrupt
    /// Not a capture at all.
    case foreign
    /// Written by a later flightrec, in a format this one does not know.
    case newer
    /// It could not be read, and may be sound: not permitted, or an input/output error.
    case unreadable
}

/// Why a capture could not be written, found or read. `description` is fit to be shown as it is.
public enum CaptureError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The directory cannot hold captures.
    case directory(path: String, why: String)
    /// An id that cannot be part of a file name.
    case invalidID(String)
    /// A capture of that id is there already; it is never overwritten.
    case exists(path: String)
    /// ENOSPC or EDQUOT: the file system, or this user's share of it, is full.
    case noSpace(path: String)
    /// Anything else that stopped a write, a removal or a marker.
    case write(path: String, why: String)
    /// Could not be read: an input/output error, for one.
    case read(path: String, why: String)
    /// EACCES or EPERM: this user may not read it.
    case denied(path: String)
    /// The file was read and is no sound capture; `state` is never `.ok` or `.unreadable`.
    case unreadable(path: String, state: CaptureState, why: String)
    /// Sound as far as is known, but it asks for more memory than `CaptureLimits` grants.
    case tooLarge(path: String, why: String)
    case notFound(String)
    /// `matches` are full ids, newest first.
    case ambiguous(String, matches: [String])

    public var description: String {
        switch self {
        case .directory(let path, let why): "cannot use \(path) for captures: \(why)"
        case .invalidID(let id): "'\(id)' cannot name a capture"
        case .exists(let path): "\(path) exists already"
        case .noSpace(let path): "no space left on the file system of \(path)"
        case .write(let path, let why): "cannot write \(path): \(why)"
        case .read(let path, let why): "cannot read \(path): \(why)"
        case .denied(let path): "not permitted to read \(path): run with sudo"
        case .unreadable(let path, let state, let why): "\(path) is \(Self.words(state)): \(why)"
        case .tooLarge(let path, let why): "\(path) is refused: \(why)"
        case .notFound(let name): "no capture matches '\(name)': `flightrec list` shows those there are"
        case .ambiguous(let name, let matches):
            "'\(name)' matches \(matches.count) captures: \(matches.joined(separator: ", "))"
        }
    }

    private static func words(_ state: CaptureState) -> String {
        switch state {
        case .ok: "sound"
        case .truncated: "truncated"
        case .corrupt: "damaged"
        case .foreign: "not a flightrec capture"
        case .newer: "from a newer flightrec"
        case .unreadable: "not readable"
        }
    }

    /// The error for a failed call on `path`; the full disk is told apart because people can act on it.
    static func writing(_ path: String, errno code: Int32) -> CaptureError {
        code == ENOSPC || code == EDQUOT ? .noSpace(path: path) : .write(path: path, why: words(code))
    }

    /// The error for a failed call that reads `path`; what is not permitted is told apart because people can act on it.
    static func reading(_ path: String, errno code: Int32) -> CaptureError {
        code == EACCES || code == EPERM ? .denied(path: path) : .read(path: path, why: words(code))
    }

    /// The C library's words for an errno value.
    static func words(_ code: Int32) -> String {
        strerror(code).map { String(cString: $0) } ?? "error \(code)"
    }
}
