import CaptureFixtures
import Foundation
import Testing

@testable import Query

@Suite struct ShellTests {
    private final class Session {
        let shell: Shell
        let box: Box
        private let fixture: CaptureFixture

        init(_ format: ResultFormat = .csv(isTerminal: false)) throws {
            fixture = try CaptureFixture([])
            let box = Box()
            shell = Shell(
                try CaptureDatabase(path: fixture.path), format: format, isTerminal: false,
                output: TextOutput { box.text += String(decoding: $0, as: UTF8.self) },
                complain: { box.complaints.append($0) })
            self.box = box
        }

        final class Box {
            var text = ""
            var complaints: [String] = []
        }
    }

    @Test func aStatementTakesSeveralLines() throws {
        let session = try Session()
        #expect(session.shell.take("SELECT ';' AS a,") == .more)
        #expect(session.shell.take("  2 AS b -- ;") == .more)
        #expect(session.box.text.isEmpty)
        #expect(session.shell.take(";") == .ready)
        #expect(session.box.text == "a,b\n;,2\n")
        #expect(session.shell.take("SELECT 1 AS a; SELECT 2 AS b;") == .ready)
        #expect(session.box.text == "a,b\n;,2\na\n1\nb\n2\n")
    }

    @Test func anUnendedStatementRunsAtTheEnd() throws {
        let session = try Session()
        #expect(session.shell.take("SELECT 7 AS a") == .more)
        session.shell.end()
        #expect(session.box.text == "a\n7\n")
        #expect(session.shell.take("SELECT 8") == .more)
        session.shell.clear()
        session.shell.end()
        #expect(session.box.text == "a\n7\n")
        #expect(!session.shell.failed)
    }

    @Test func commands() throws {
        let session = try Session()
        #expect(session.shell.take("  ") == .ready)
        #expect(session.shell.take(".tables") == .ready)
        for name in Tables.all.map(\.name) + ["incident", "turn_slow"] { #expect(session.box.text.contains(name)) }
        _ = session.shell.take(".schema drops")
        #expect(session.box.text.contains("reason"))
        _ = session.shell.take(".schema incident")
        #expect(session.box.text.contains("CREATE TABLE incident"))
        _ = session.shell.take(".help")
        #expect(session.box.text.contains(".schema [TABLE]"))
        #expect(session.shell.take(".quit") == .quit)
        #expect(session.box.complaints.isEmpty)
        _ = session.shell.take(".schema nope")
        _ = session.shell.take(".nonsense")
        _ = session.shell.take(".mode nonsense")
        _ = session.shell.take("SELEC 1;")
        #expect(session.box.complaints.count == 4)
        #expect(session.shell.failed)
    }

    @Test func aTableIsAligned() throws {
        let session = try Session(.table)
        _ = session.shell.take(
            "SELECT 'ab' AS name, 5 AS n, NULL AS empty UNION ALL SELECT '容' || char(27) || '[31m', -1234567, x'0aff';"
        )
        #expect(
            session.box.text == """
                name         n  empty
                ----  --------  -------
                ab           5
                容    -1234567  x'0aff'

                """)
    }

    @Test func formatsKeepWhatTheyAreGiven() throws {
        let session = try Session(.json)
        let sql = "SELECT 'a\"b\\' || char(10, 27, 155, 8238) || 'é' AS t, 1.5 AS r, 1e999 AS i, x'00ff' AS b, 1 AS t;"
        _ = session.shell.take(sql)
        let parsed = try JSONSerialization.jsonObject(with: Data(session.box.text.utf8)) as? [[String: Any]]
        let row = try #require(parsed?.first)
        #expect(row["t"] as? String == "a\"b\\\n\u{1b}\u{9b}\u{202e}é")
        #expect(row["r"] as? Double == 1.5)
        #expect(row["i"] is NSNull)
        #expect(row["b"] as? String == "00ff")
        #expect(row["t_2"] as? Int == 1)
        #expect(
            !session.box.text.unicodeScalars.contains { $0.value == 0x1b || $0.value == 0x9b || $0.value == 0x202e })
        let none = try Session(.json)
        _ = none.shell.take("SELECT 1 WHERE 0;")
        #expect(none.box.text == "[]\n")
        let csv = try Session()
        _ = csv.shell.take("SELECT 'a,\"b\"' || char(13) AS \"x,y\", NULL AS z;")
        #expect(csv.box.text == "\"x,y\",z\n\"a,\"\"b\"\"\r\",\n")
    }
}
