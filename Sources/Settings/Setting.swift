/// What may be set, by the name its flag has: `threshold` for `--threshold`.
public struct SettingDefinition: Sendable {
    public enum Kind: Sendable {
        case value
        /// May be set several times.
        case repeatable
        /// `yes` or `no`.
        case flag
    }

    public var name: String
    public var kind: Kind
    /// For people: `a duration (200ms, 1.5s, 2m, 3h, 7d)`.
    public var allowed: String
    /// Whether a value is allowed.
    public var accepts: @Sendable (String) -> Bool

    public init(_ name: String, _ kind: Kind, allowed: String, accepts: @escaping @Sendable (String) -> Bool) {
        self.name = name
        self.kind = kind
        self.allowed = allowed
        self.accepts = accepts
    }

    /// The variable that sets it: `FLIGHTREC_KEEP_FREE`.
    public var variable: String { "FLIGHTREC_" + name.uppercased().replacing("-", with: "_") }

    static let yes: Set<String> = ["yes", "true", "on", "1"]
    static let no: Set<String> = ["no", "false", "off", "0"]

    func allows(_ value: String) -> Bool {
        kind == .flag ? Self.yes.contains(value) || Self.no.contains(value) : accepts(value)
    }

    var words: String { kind == .flag ? "yes or no" : allowed }
}

/// A value and where it comes from.
public struct Setting: Equatable, Sendable {
    public var name: String
    public var value: String
    /// `/etc/flightrec.conf:3`, or a variable's name: what an error begins with.
    public var origin: String

    public init(name: String, value: String, origin: String) {
        self.name = name
        self.value = value
        self.origin = origin
    }
}

/// Settings that can't be used: one line for each.
public struct SettingsError: Error, Equatable, CustomStringConvertible, Sendable {
    public var lines: [String]

    public init(_ lines: [String]) { self.lines = lines }

    public var description: String { lines.joined(separator: "\n") }
}
