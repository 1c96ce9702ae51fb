import Glibc

/// What the demo could not set up, in words.
public struct DemoError: Error, CustomStringConvertible, Sendable, Equatable {
    public var description: String

    /// Ended by a signal.
    public static let interrupted = DemoError("interrupted")

    public init(_ description: String) { self.description = description }

    static func system(_ operation: String, _ code: Int32 = errno) -> DemoError {
        DemoError("\(operation): \(String(cString: strerror(code)))")
    }
}
