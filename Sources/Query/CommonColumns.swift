import Events

extension Column {
    /// An instant in three forms: text, ns since 1970, and as the plain tables have it. `text` is the first's name,
    /// `short` what the others begin with.
    static func time(
        _ text: String, _ short: String, _ moment: Prune.Moment? = .end,
        _ instant: @escaping @Sendable (Row) -> Instant?
    ) -> [Column] {
        func prune(_ form: Prune.Form) -> Prune? { moment.map { .time($0, form) } }
        return [
            Column(text, .text, "time, UTC, RFC 3339 with nanoseconds", prune: prune(.text)) { row, names in
                .text(instant(row).map(names.time))
            },
            Column("\(short)_wall_ns", "ns since 1970-01-01 UTC", prune: prune(.wall)) { row, names in
                .integer(instant(row).map(names.frame.wall))
            },
            Column(
                "\(short)_ns", hidden: true, "as in the plain tables: CLOCK_MONOTONIC of the recording host",
                prune: prune(.monotonic)
            ) { row, _ in .bits(instant(row)) },
        ]
    }

    static func container(_ key: @escaping @Sendable (Row) -> ContainerKey) -> [Column] {
        [
            Column(
                "container", .text, "its name; host: none",
                prune: .container { key, names in .text(names.container(key)) }
            ) { row, names in .text(names.container(key(row))) },
            Column(
                "container_key", hidden: true, "as in the plain tables", prune: .container { key, _ in .bits(key) }
            ) { row, _ in .bits(key(row)) },
        ]
    }

    /// A socket and what is known of it.
    static func socket(_ id: @escaping @Sendable (Row) -> SocketID, role: Bool = true) -> [Column] {
        func named(
            _ name: String, _ kind: Kind, _ about: String, _ value: @escaping @Sendable (Names.Socket) -> Value
        ) -> Column {
            let of: @Sendable (SocketID, Names) -> Value = { id, names in names.socket(id).map(value) ?? .null }
            return Column(name, kind, about, prune: .socket(of)) { row, names in of(id(row), names) }
        }
        let roles =
            role ? [named("role", .text, "served or called: this end of the connection") { .text($0.role) }] : []
        return [
            Column("socket", "its number in this capture", prune: .socket { id, _ in .integer(Int64(id)) }) { row, _ in
                .integer(Int64(id(row)))
            }
        ] + roles + [
            named("local", .text, "this end's address and port") { .text($0.local) },
            named("remote", .text, "the other end's") { .text($0.remote) },
            named("process", .text, "comm of the process that first used it") { .text($0.process) },
            named("pid", .integer, "and its pid") { .integer($0.pid) },
        ]
    }
}
