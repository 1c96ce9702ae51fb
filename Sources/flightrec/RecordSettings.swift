import ArgumentParser
import Foundation
import Glibc
import Recorder
import Settings

/// What may be set for `record` in a file or the environment, and how that comes to its arguments.
enum RecordSettings {
    static let defaultFile = "/etc/flightrec.conf"

    static let definitions: [SettingDefinition] = [
        setting("threshold", "auto or \(duration)", as: Threshold.self),
        setting(
            "container", .repeatable, "a glob or a prefix of an id, with =DURATION for a threshold of its own",
            as: ContainerChoice.self),
        setting("pid", .repeatable, "a process id", as: UInt32.self),
        setting("port", .repeatable, "a port, 0 to 65535", as: UInt16.self),
        SettingDefinition("host", .flag, allowed: "") { _ in false },
        SettingDefinition("tcp-receive", .flag, allowed: "") { _ in false },
        setting("before", duration, as: Duration.self),
        setting("after", duration, as: Duration.self),
        setting("window", duration, as: Duration.self),
        setting("memory", size, as: Size.self),
        text("dir", .value, "a directory"),
        setting("keep", size, as: Size.self),
        setting("keep-free", size, as: Size.self),
        setting("keep-age", duration, as: Duration.self),
        setting("keep-count", "a number", as: Int.self),
        text("exec", .value, "a shell command"),
        setting("duration", duration, as: Duration.self),
        text("docker-socket", .repeatable, "a path"),
        text("docker-root", .repeatable, "a path"),
        setting(
            "metrics", "an address and a port (127.0.0.1:9464, [::1]:9464) or a socket's absolute path",
            as: MetricsAddress.self),
        setting("max-overhead", "a percentage (1%, 0.5)", as: Percent.self),
        SettingDefinition("quiet", .flag, allowed: "") { _ in false },
    ]

    private static let duration = "a duration (200ms, 1.5s, 2m, 3h, 7d)"
    private static let size = "a size in bytes (500000, 64M, 2G)"

    private static func setting<Value: ExpressibleByArgument>(
        _ name: String, _ kind: SettingDefinition.Kind, _ allowed: String, as type: Value.Type
    ) -> SettingDefinition {
        SettingDefinition(name, kind, allowed: allowed) { Value(argument: $0) != nil }
    }

    private static func setting<Value: ExpressibleByArgument>(
        _ name: String, _ allowed: String, as type: Value.Type
    ) -> SettingDefinition {
        setting(name, .value, allowed, as: type)
    }

    private static func text(_ name: String, _ kind: SettingDefinition.Kind, _ allowed: String) -> SettingDefinition {
        SettingDefinition(name, kind, allowed: allowed) { !$0.isEmpty }
    }

    /// The command line with what the environment and the file say, where the command is `record`. Throws `Failure`.
    static func layered(_ arguments: [String]) throws -> [String] {
        let asks: Set<String> = ["--help", "-h", "--version", "--help-hidden"]
        guard arguments.first == "record", asks.isDisjoint(with: arguments) else { return arguments }
        let environment = ProcessInfo.processInfo.environment
        do throws(SettingsError) {
            let lower = try Layers(definitions).arguments(
                given: arguments, environment: environment, file: try file(arguments, environment))
            return ["record"] + lower + arguments.dropFirst()
        } catch {
            throw Failure(message: error.description, code: Exit.usage)
        }
    }

    private static func file(
        _ arguments: [String], _ environment: [String: String]
    ) throws(SettingsError) -> [Setting] {
        let named = Layers.value(of: "config", in: arguments) ?? environment["FLIGHTREC_CONFIG"]
        if let settings = try SettingsFile.read(named ?? defaultFile) { return settings }
        guard let named else { return [] }
        throw SettingsError(["\(named): there is no such file: make it, or leave --config out"])
    }

    /// `dir` of the default file, for the commands that look at captures. What else is wrong there is the recorder's to say.
    static var directory: String? {
        let path = ProcessInfo.processInfo.environment["FLIGHTREC_CONFIG"] ?? defaultFile
        guard let settings = try? SettingsFile.read(path) else { return nil }
        return settings.last { $0.name == "dir" }?.value
    }
}
