import Foundation

/// The configuration file: lines of `name = value`, empty ones, and comments that begin with `#`. A value goes to the end of
/// its line; there are no quotes and no sections.
public enum SettingsFile {
    /// Bytes; who needs more has the wrong file.
    static let largest = 1 << 20

    /// Reads a file. `nil`: there is none. Throws when it can't be read or is not of this form.
    public static func read(_ path: String) throws(SettingsError) -> [Setting]? {
        let data: Data
        do {
            data = try Data(contentsOf: URL(filePath: path))
        } catch CocoaError.fileReadNoSuchFile {
            return nil
        } catch {
            throw SettingsError(["\(path): can't be read: \((error as NSError).localizedDescription)"])
        }
        guard data.count <= largest else {
            throw SettingsError(["\(path): \(data.count) bytes are no configuration file: name another with --config"])
        }
        return try parse(String(decoding: data, as: UTF8.self), path: path)
    }

    /// The settings in the order of their lines; their names and values are not judged here.
    public static func parse(_ text: String, path: String) throws(SettingsError) -> [Setting] {
        var settings: [Setting] = []
        var problems: [String] = []
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (index, line) in lines.enumerated() {
            let line = line.trimmed
            guard !line.isEmpty, !line.hasPrefix("#") else { continue }
            let origin = "\(path):\(index + 1)"
            let halves = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = halves[0].trimmed
            guard halves.count == 2, !name.isEmpty, !name.contains(where: \.isWhitespace) else {
                problems.append("\(origin): expected NAME = VALUE, as in `threshold = 200ms`; comments begin with #")
                continue
            }
            settings.append(Setting(name: String(name), value: String(halves[1].trimmed), origin: origin))
        }
        guard problems.isEmpty else { throw SettingsError(problems) }
        return settings
    }
}

extension Substring {
    var trimmed: Substring {
        var rest = drop(while: \.isWhitespace)
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return rest
    }
}
