import Events

/// When a turn is too slow.
public enum ThresholdRule: Sendable, Equatable, CustomStringConvertible {
    /// ns.
    case absolute(UInt64)
    /// At least `minimum` ns and `factor` × the rolling p99 of the same container, role and port. Until 20 turns of it
    /// are known there is nothing to compare with, and only `coldStart` ns fires.
    case auto(minimum: UInt64, factor: UInt64, coldStart: UInt64)

    public static let auto = ThresholdRule.auto(minimum: 100_000_000, factor: 5, coldStart: 1_000_000_000)

    /// As `--threshold` takes it.
    public var description: String {
        switch self {
        case .absolute(let threshold):
            threshold % 1_000_000 == 0 ? "\(threshold / 1_000_000)ms" : "\(Double(threshold) / 1e6)ms"
        case .auto: "auto"
        }
    }

    /// What it comes to, in words.
    public var meaning: String {
        guard case .auto(let minimum, let factor, let coldStart) = self else { return description }
        return "\(minimum / 1_000_000) ms and \(factor) × its service's own p99, or \(coldStart / 1_000_000) ms until "
            + "\(ServiceHistory.enough) turns of that are known"
    }

    /// No turn below this can fire, whatever the history: the hot path's early way out.
    var floor: UInt64 {
        switch self {
        case .absolute(let threshold): threshold
        case .auto(let minimum, _, let coldStart): min(minimum, coldStart)
        }
    }
}

/// What is compared: the container's port, in one role.
public struct ServiceKey: Hashable, Sendable {
    public var container: ContainerKey
    public var role: Role
    /// The server's port: local when served, remote when called; 0 when not known.
    public var port: UInt16

    public init(container: ContainerKey, role: Role, port: UInt16) {
        self.container = container
        self.role = role
        self.port = port
    }
}
