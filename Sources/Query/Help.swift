/// What there is to ask, for `--help` and `.help`.
public enum Help {
    /// Queries that people need first, each with what it tells. All run on any capture.
    public static let examples: [(about: String, sql: String)] = [
        (
            "the slowest turns, and where their time went",
            "SELECT started_at, container, remote, total_ns/1e6 AS ms,\n"
                + "  receive_queue_ns, application_ns, flags\n"
                + "  FROM turns ORDER BY total_ns DESC LIMIT 10"
        ),
        (
            "turns and their mean and worst, for each container and role",
            "SELECT container, role, count(*), avg(total_ns)/1e6 AS ms,\n"
                + "  max(total_ns)/1e6 AS worst FROM turns GROUP BY container, role"
        ),
        (
            "what happened on the connection of the slowest turn",
            "SELECT at, retransmit, rto_ms FROM retransmits WHERE socket =\n"
                + "  (SELECT socket FROM turn_slow WHERE position = 1)"
        ),
        (
            "what threads waited for while it was slow",
            "SELECT s.tid, why, syscall, sum(blocked_ns + waiting_ns)/1e6 AS ms\n"
                + "  FROM turn_slow AS t JOIN slices AS s\n"
                + "  ON s.start_ns < t.end_ns AND s.end_ns > t.start_ns\n"
                + "  WHERE t.position = 1 GROUP BY 1, 2, 3 ORDER BY ms DESC"
        ),
        ("packets dropped, by reason", "SELECT container, reason, sum(count) FROM drops GROUP BY 1, 2"),
        (
            "one container, one second: reads only the blocks that may hold it",
            "SELECT * FROM turns WHERE container GLOB 'api-*'\n"
                + "  AND started_at BETWEEN '2026-11-23T16:52:04' AND '2026-11-23T16:52:05'"
        ),
    ]

    static let commands = """
        Statements end with ; and may take several lines. Ctrl-C stops one, Ctrl-D or
        .quit ends.
          .tables          the tables
          .schema [TABLE]  their columns
          .mode FORMAT     table, csv or json
          .help            this
          .quit            end
        Times: *_at and at are text (UTC, RFC 3339), *_wall_ns are ns since 1970. The
        hidden *_ns of instants are those of the plain tables. A WHERE on time,
        container, socket, role, local, remote, process or pid skips what can't match.
        Examples:

        """ + examples.map { "-- \($0.about)\n\($0.sql);" }.joined(separator: "\n")

    static func describe(_ table: any Table) -> String {
        let columns = table.columnFacts
        let width = columns.reduce(0) { max($0, $1.name.count) } + 2
        let lines = columns.map {
            "  " + $0.name.padded(to: width) + $0.type.padded(to: 9) + $0.about + ($0.isHidden ? " (hidden)" : "")
        }
        return (["\(table.name): \(table.about)"] + lines).joined(separator: "\n")
    }
}
