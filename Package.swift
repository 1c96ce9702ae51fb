// swift-tools-version: 6.3;(experimentalCGen)
import PackageDescription

let package = Package(
    name: "flightrec",
    products: [.executable(name: "flightrec", targets: ["flightrec"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    ],
    targets: [
        // The kernel side: the plugin compiles bpf/ with the toolchain's clang; BPFObject embeds the result.
        .plugin(name: "EmbedBPF", capability: .buildTool(), path: "Sources/EmbedBPF"),
        .target(name: "BPFObject", cSettings: [.unsafeFlags(["-std=gnu2x"])], plugins: ["EmbedBPF"]),
        .systemLibrary(name: "CLibBPF", pkgConfig: "libbpf", providers: [.apt(["libbpf-dev", "libelf-dev"])]),
        .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
        .target(name: "CLinux"),
        .target(name: "CFlightrec"),
        // schema/*.sql as bytes.
        .target(name: "CaptureSchema", cSettings: [.unsafeFlags(["-std=gnu2x"])]),

        // One module per step of an event's path.
        .target(name: "Events", dependencies: ["CFlightrec"]),
        .target(name: "Kernel", dependencies: ["Events", "BPFObject", "CLibBPF", "CLinux", "CFlightrec"]),
        .target(name: "Window", dependencies: ["Events", "CLZ4", "CFlightrec"]),
        .target(name: "Trigger", dependencies: ["Events", "Analysis"]),
        .target(name: "Containers", dependencies: ["Analysis", "Events", "CLinux"]),
        .target(name: "Context", dependencies: ["Events", "Analysis", "Containers"]),
        .target(
            name: "Capture",
            dependencies: [
                "Events", "Window", "Analysis", "CFlightrec", "CLinux", "CaptureSchema",
                .product(name: "GRDB", package: "GRDB.swift"),
            ]),
        .target(name: "Analysis", dependencies: ["Events"]),
        .target(name: "Report", dependencies: ["Events", "Analysis"]),
        // Shims for SQLite's variadic functions.
        .target(name: "CSQLite", linkerSettings: [.linkedLibrary("sqlite3")]),
        .target(name: "Export", dependencies: ["Events", "Analysis", "Capture", "Query", "CSQLite"]),
        .target(name: "Query", dependencies: ["Events", "Analysis", "Capture", "Report", "CSQLite"]),
        .target(
            name: "Recorder",
            dependencies: [
                "Events", "Kernel", "Window", "Trigger", "Containers", "Context", "Capture", "Analysis", "CLinux",
                "BPFObject", "Report",
                .product(name: "Logging", package: "swift-log"),
            ]),
        // Flags, environment and configuration file.
        .target(name: "Settings"),
        .target(name: "Demo", dependencies: ["CLinux"]),
        .executableTarget(
            name: "flightrec",
            dependencies: [
                "Recorder", "Report", "Query", "Export", "Demo", "Kernel", "Capture", "Analysis", "Trigger", "Settings",
                // Not imported: what makes a Recorder is inlined here with its size, which is theirs. Without them a change of theirs
                // leaves an earlier build of this target as it was, and its heap corrupt.
                "Window", "Containers", "Context", "Events",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),

        .testTarget(name: "KernelTests", dependencies: ["Kernel", "CLibBPF"]),
        .testTarget(name: "EventsTests", dependencies: ["Events", "CFlightrec"]),
        .testTarget(name: "WindowTests", dependencies: ["Window", "Events", "CFlightrec"]),
        .testTarget(name: "TriggerTests", dependencies: ["Trigger", "Analysis", "Events"]),
        .testTarget(
            name: "RecorderTests",
            dependencies: [
                "Recorder", "Containers", "Report", "CLinux", "Kernel", "Trigger", "Analysis", "Events", "CFlightrec",
            ]),
        .testTarget(name: "SettingsTests", dependencies: ["Settings"]),
        .testTarget(name: "ContainersTests", dependencies: ["Containers", "Analysis", "Events"]),
        .testTarget(name: "ContextTests", dependencies: ["Context", "Containers", "Analysis", "Events"]),
        .testTarget(
            name: "CaptureTests",
            dependencies: [
                "Capture", "CaptureFixtures", "Window", "Analysis", "Events", "CFlightrec", "CLinux",
                .product(name: "GRDB", package: "GRDB.swift"),
            ], exclude: ["Captures"]),
        // Captures made of chosen events, for all three.
        .target(
            name: "CaptureFixtures",
            dependencies: ["Capture", "Window", "Analysis", "Events", "CFlightrec"], path: "Tests/CaptureFixtures"),
        .testTarget(
            name: "QueryTests",
            dependencies: [
                "Query", "CaptureFixtures", "Capture", "Window", "Analysis", "Events", "CFlightrec",
                .product(name: "GRDB", package: "GRDB.swift"),
            ]),
        .testTarget(
            name: "ExportTests",
            dependencies: [
                "Export", "Query", "CaptureFixtures", "Capture", "Window", "Analysis", "Events", "CFlightrec",
                .product(name: "GRDB", package: "GRDB.swift"),
            ]),
        .testTarget(name: "AnalysisTests", dependencies: ["Analysis", "Events"]),
        .testTarget(
            name: "ReportTests", dependencies: ["Report", "Analysis", "Events", "CFlightrec"], exclude: ["Golden"]),
    ],
    swiftLanguageModes: [.v6]
)

// The fuzzers need libFuzzer's runtime, which only `swift build --sanitize fuzzer` brings: see Tests/fuzz/run.
if Context.environment["FLIGHTREC_FUZZ"] != nil {
    package.targets += [
        .target(name: "FuzzSupport", dependencies: ["Analysis", "Report"], path: "Tests/fuzz/FuzzSupport"),
        .executableTarget(
            name: "fuzz-blocks", dependencies: ["FuzzSupport", "Analysis", "Capture", "Window", "Events"],
            path: "Tests/fuzz/Blocks"),
        .executableTarget(
            name: "fuzz-captures", dependencies: ["FuzzSupport", "CaptureFixtures", "Analysis", "Capture"],
            path: "Tests/fuzz/Captures"),
    ]
}
