import Foundation
import Testing

@testable import Settings

private let definitions = [
    SettingDefinition("threshold", .value, allowed: "a duration or auto") { $0.hasSuffix("ms") || $0 == "auto" },
    SettingDefinition("container", .repeatable, allowed: "a glob") { !$0.isEmpty },
    SettingDefinition("port", .repeatable, allowed: "1 to 65535") { UInt16($0) != nil },
    SettingDefinition("keep-free", .value, allowed: "a size") { !$0.isEmpty },
    SettingDefinition("host", .flag, allowed: "") { _ in false },
]

private func arguments(
    _ given: [String] = [], environment: [String: String] = [:], file: String = ""
) throws -> [String] {
    try Layers(definitions).arguments(
        given: given, environment: environment, file: SettingsFile.parse(file, path: "f.conf"))
}

private func problems(environment: [String: String] = [:], file: String) -> [String] {
    do throws(SettingsError) {
        let settings = try SettingsFile.parse(file, path: "f.conf")
        _ = try Layers(definitions).arguments(given: [], environment: environment, file: settings)
        return []
    } catch {
        return error.lines
    }
}

@Suite struct SettingsTests {
    @Test func aFileIsLinesOfNamesAndValues() throws {
        let text = "# all\n\n  threshold=200ms  \ncontainer = api-*\r\ncontainer =db=50ms # not a comment\nhost = yes\n"
        #expect(
            try arguments(file: text) == [
                "--threshold=200ms", "--container=api-*", "--container=db=50ms # not a comment", "--host",
            ])
    }

    @Test func flagsGoBeforeTheEnvironmentAndThatBeforeTheFile() throws {
        let file = "threshold = 1ms\ncontainer = a\ncontainer = b\nkeep-free = 1G\nhost = yes"
        let environment = ["FLIGHTREC_THRESHOLD": "2ms", "FLIGHTREC_CONTAINER": "c d", "FLIGHTREC_KEEP_FREE": "2G"]
        #expect(
            try arguments(environment: environment, file: file)
                == ["--threshold=2ms", "--container=c", "--container=d", "--keep-free=2G", "--host"])
        #expect(
            try arguments(["--threshold", "3ms", "--container=e", "--no-host"], environment: environment, file: file)
                == ["--keep-free=2G"])
        #expect(try arguments(environment: ["FLIGHTREC_HOST": "no"], file: file).last == "--no-host")
        // An empty variable says nothing.
        #expect(try arguments(environment: ["FLIGHTREC_THRESHOLD": ""], file: "threshold = 1ms") == ["--threshold=1ms"])
    }

    @Test func everyErrorTellsItsLineAndWhatIsAllowed() {
        let file =
            "treshold = 1ms\nthreshold = 200\nport = 80\nport = 99999\nhost = maybe\nthreshold = auto\nnonsense = 1"
        #expect(
            problems(file: file) == [
                "f.conf:1: there is no setting \"treshold\"; is threshold meant?",
                "f.conf:2: threshold can't be \"200\": allowed is a duration or auto",
                "f.conf:4: port can't be \"99999\": allowed is 1 to 65535",
                "f.conf:5: host can't be \"maybe\": allowed is yes or no",
                "f.conf:6: threshold is set already at f.conf:2, and only once counts",
                "f.conf:7: there is no setting \"nonsense\"; there are threshold, container, port, keep-free, host",
            ])
        #expect(
            problems(file: "[section]\nthreshold\n = 3\na b = 4")
                == [1, 2, 3, 4].map {
                    "f.conf:\($0): expected NAME = VALUE, as in `threshold = 200ms`; comments begin with #"
                })
        #expect(
            problems(environment: ["FLIGHTREC_PORT": "80 x"], file: "") == [
                "FLIGHTREC_PORT: port can't be \"x\": allowed is 1 to 65535"
            ])
    }

    @Test func anErrorCannotDriveTheTerminal() {
        let lines = problems(file: "threshold = \u{1b}[2J200\n\u{1b}]0;x = 1")
        #expect(lines.count == 2 && lines.allSatisfy { !$0.contains("\u{1b}") })
    }

    @Test func whatIsHiddenMustBeRightToo() {
        #expect(throws: SettingsError.self) { try arguments(["--threshold", "1ms"], file: "threshold = 7") }
    }

    @Test func filesThatAreNotThereOrNoConfiguration() throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        #expect(try SettingsFile.read(directory.appending(path: "none").path) == nil)
        #expect(throws: SettingsError.self) { try SettingsFile.read(directory.path) }
        let large = directory.appending(path: "large")
        try Data(count: SettingsFile.largest + 1).write(to: large)
        #expect(throws: SettingsError.self) { try SettingsFile.read(large.path) }
    }

    @Test func theLastOfSeveralValuesCounts() {
        #expect(Layers.value(of: "config", in: ["record", "--config", "a", "--config=b"]) == "b")
        #expect(Layers.value(of: "config", in: ["record", "--config"]) == nil)
    }
}
