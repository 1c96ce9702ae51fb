import Glibc

/// What the demo could not set up, in words.
public struct DemoError: Error, CustomStringConvertible, Sendable, Equatable {
    public var description: String
    /// What the demo's own process should end with: its recorder's code, where that was why.
    public var exitCode: Int32

    /// Ended by a signal.
    public static let interrupted = DemoError("interrupted")

    public init(_ description: String, exitCode: Int32 = 1) {
        self.description = description
        self.exitCode = exitCode
    }

    static func system(_ operation: String, _ code: Int32 = errno) -> DemoError {
        DemoError("\(operation): \(String(cString: strerror(code)))")
    }
}
