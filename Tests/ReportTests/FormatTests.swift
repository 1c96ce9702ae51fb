import Testing

@testable import Report

@Suite struct FormatTests {
    @Test(
        arguments: [
            (0, "0 ns"), (999, "999 ns"), (1000, "1.0 µs"), (5_200, "5.2 µs"), (99_949, "99.9 µs"), (99_950, "100 µs"),
            (999_499, "999 µs"), (999_500, "1.0 ms"), (812_000_000, "812 ms"), (999_500_000, "1.00 s"),
            (1_500_000_000, "1.50 s"), (9_995_000_000, "10.0 s"), (59_949_000_000, "59.9 s"),
            (59_950_000_000, "1 m 00 s"), (125_000_000_000, "2 m 05 s"), (11_045_000_000_000, "3 h 04 m"),
            (183_600_000_000_000, "2 d 03 h"), (UInt64.max, "213503 d 23 h"),
        ] as [(UInt64, String)]) func durations(ns: UInt64, text: String)
    {
        #expect(Format.duration(ns) == text)
    }

    @Test func figures() {
        #expect(Format.duration(5_200, utf8: false) == "5.2 us")
        #expect(Format.size(812) == "812 B")
        #expect(Format.size(1_048_575) == "1.0 MiB")
        #expect(Format.size(64 << 20) == "64.0 MiB")
        #expect(Format.size(.max) == "16777216.0 TiB")
        #expect(Format.count(1_234_567) == "1,234,567")
        #expect(Format.count(-999) == "-999")
        #expect(Format.share(0.984) == "98.4 %")
        #expect(Format.share(0.0001) == "<0.1 %")
        #expect(Format.share(0.9999) == ">99.9 %")
        #expect(Format.share(.nan) == "0.0 %")
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000000000Z"), (-1, "1969-12-31T23:59:59.999999999Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z"),
            (1_795_452_724_188_123_456, "2026-11-23T16:52:04.188123456Z"),
            (Int64.max, "2262-04-11T23:47:16.854775807Z"), (Int64.min, "1677-09-21T00:12:43.145224192Z"),
        ] as [(Int64, String)]) func times(ns: Int64, text: String)
    {
        #expect(WallTime.rfc3339(ns) == text)
    }

    @Test(arguments: [
        ("plain", "plain"), ("a\u{1b}[31;1mb", "ab"), ("a\u{1b}]8;;http://x\u{1b}\\b", "ab"), ("a\u{9b}2Jb", "ab"),
        ("a\u{1b}]0;never ends", "a0;never ends"), ("a\nb\tc", "a b c"), ("\u{202e}abc\u{2066}", "abc"),
        ("\u{1b}", ""), ("a\u{1b}(Bb", "ab"), ("a\u{7f}\u{0}b", "ab"), ("caf\u{e9}", "caf\u{e9}"),
        ("a\u{300}\u{300}\u{300}\u{300}\u{300}\u{300}b", "a\u{300}\u{300}\u{300}\u{300}b"), ("a\u{e0041}b", "ab"),
    ]) func sanitizer(text: String, clean: String) {
        #expect(Array(Sanitizer.clean(text).unicodeScalars) == Array(clean.unicodeScalars))
    }

    @Test func widths() {
        #expect(DisplayWidth.of("数据库") == 6)
        #expect(DisplayWidth.of("e\u{301}") == 1)
        #expect(DisplayWidth.of("👩‍👩‍👧") == 2)
        #expect(DisplayWidth.of("█▁…µ") == 4)
        #expect(DisplayWidth.fit("数据库", 4, ellipsis: "…") == "数… ")
        #expect(DisplayWidth.fit("7", 3, .right, ellipsis: "…") == "  7")
        #expect(DisplayWidth.wrap("it took 812 ms, then 5 s more", 11) == ["it took", "812 ms,", "then 5 s", "more"])
    }

    @Test func globs() {
        #expect(Glob.matches("checkout-api", "check*"))
        #expect(Glob.matches("api-1", "api-?"))
        #expect(Glob.matches("", "*"))
        #expect(!Glob.matches("api", "api-?"))
        #expect(!Glob.matches("xapi", "api*"))
        #expect(!Glob.matches(String(repeating: "a", count: 2000), "*a*a*a*b"))
    }
}
