/// Flags go before variables of the environment, these before the file. A higher layer replaces all values of a repeatable.
public struct Layers {
    private let definitions: [SettingDefinition]

    public init(_ definitions: [SettingDefinition]) { self.definitions = definitions }

    /// The arguments that say what the lower layers say, for those that are not among `given`.
    ///
    /// - Parameters:
    ///   - given: the command line as it is; a flag in it hides what the layers below say.
    ///   - file: settings of the file, as read.
    /// Throws one error for all that is wrong, also in what is hidden: it would be wrong the next time.
    public func arguments(
        given: [String], environment: [String: String], file: [Setting]
    ) throws(SettingsError) -> [String] {
        let variables = definitions.flatMap { definition -> [Setting] in
            guard let text = environment[definition.variable], !text.isEmpty else { return [] }
            let values = definition.kind == .repeatable ? text.split(separator: " ").map(String.init) : [text]
            return values.map { Setting(name: definition.name, value: $0, origin: definition.variable) }
        }
        let problems = problems(file) + problems(variables)
        guard problems.isEmpty else { throw SettingsError(problems) }
        let named = Self.names(given)
        return definitions.filter { !named.contains($0.name) }.flatMap { definition in
            let mine = variables.filter { $0.name == definition.name }
            return (mine.isEmpty ? file.filter { $0.name == definition.name } : mine).map { setting in
                guard definition.kind == .flag else { return "--\(setting.name)=\(setting.value)" }
                return SettingDefinition.yes.contains(setting.value) ? "--\(setting.name)" : "--no-\(setting.name)"
            }
        }
    }

    /// The value of `--name VALUE` or `--name=VALUE`, the last one.
    public static func value(of name: String, in arguments: [String]) -> String? {
        var value: String?
        for (index, argument) in arguments.enumerated() {
            if argument == "--\(name)", index + 1 < arguments.count { value = arguments[index + 1] }
            if argument.hasPrefix("--\(name)=") { value = String(argument.dropFirst(name.count + 3)) }
        }
        return value
    }

    private static func names(_ arguments: [String]) -> Set<String> {
        var names: Set<String> = []
        for argument in arguments where argument.hasPrefix("--") {
            let name = argument.dropFirst(2).prefix { $0 != "=" }
            names.insert(String(name))
            if name.hasPrefix("no-") { names.insert(String(name.dropFirst(3))) }
        }
        return names
    }

    private func problems(_ settings: [Setting]) -> [String] {
        var seen: [String: String] = [:]
        var problems: [String] = []
        for setting in settings {
            guard let definition = definitions.first(where: { $0.name == setting.name }) else {
                problems.append(
                    "\(setting.origin): there is no setting \"\(printable(setting.name))\"\(hint(setting.name))")
                continue
            }
            if definition.kind != .repeatable, let first = seen[setting.name] {
                problems.append("\(setting.origin): \(setting.name) is set already at \(first), and only once counts")
            }
            seen[setting.name] = setting.origin
            if !definition.allows(setting.value) {
                problems.append(
                    "\(setting.origin): \(setting.name) can't be \"\(printable(setting.value))\": allowed is \(definition.words)"
                )
            }
        }
        return problems
    }

    private func printable(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7f }).prefix(80))
    }

    /// The name that was meant, or all there are.
    private func hint(_ name: String) -> String {
        let nearest = definitions.map { (name: $0.name, distance: Self.distance($0.name, String(name.prefix(40)))) }
            .min { $0.distance < $1.distance }
        if let nearest, nearest.distance <= 2 { return "; is \(nearest.name) meant?" }
        return "; there are " + definitions.map(\.name).joined(separator: ", ")
    }

    /// Levenshtein's: insertions, deletions and replacements from one to the other.
    private static func distance(_ a: String, _ b: String) -> Int {
        let a = Array(a.utf8)
        var row = Array(0...a.count)
        for (line, character) in b.utf8.enumerated() {
            var before = row[0]
            row[0] = line + 1
            for index in a.indices {
                let replaced = before + (a[index] == character ? 0 : 1)
                before = row[index + 1]
                row[index + 1] = min(replaced, row[index] + 1, before + 1)
            }
        }
        return row[a.count]
    }
}
