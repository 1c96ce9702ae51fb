/// The counters of a network namespace worth knowing: those that stand for waiting, losing or refusing.
///
/// /proc/PID/net/snmp and netstat hold pairs of lines, names and values (proc_pid_net(5)). Where a counter stands differs
/// between kernels, but not from look to look: the names are matched once, and again when their line changes.
struct NetworkCounters {
    static let wanted: [String] = [
        // snmp
        "RetransSegs", "AttemptFails", "EstabResets", "InErrs", "OutRsts",
        // netstat: the listener's queues
        "ListenOverflows", "ListenDrops", "TCPReqQFullDrop", "TCPReqQFullDoCookies", "SyncookiesSent",
        "TCPTimeWaitOverflow", "EmbryonicRsts",
        // loss and its repair
        "TCPTimeouts", "TCPFastRetrans", "TCPLossProbes", "TCPLostRetransmit", "TCPSynRetrans", "TCPRetransFail",
        "TCPSpuriousRTOs", "TCPAbortOnTimeout", "TCPAbortOnMemory", "TCPSpuriousRtxHostQueues",
        // a reader or its memory that cannot keep up
        "TCPZeroWindowDrop", "TCPToZeroWindowAdv", "TCPWantZeroWindowAdv", "TCPRcvQDrop", "TCPBacklogDrop",
        "PruneCalled", "RcvPruned", "OfoPruned", "TCPRcvCollapsed", "TCPMemoryPressures", "TCPOFODrop",
        "PFMemallocDrop", "TCPWqueueTooBig",
    ]

    /// Columns of one line of values.
    private struct Layout {
        var header: [UInt8]
        /// Index into `wanted` by column; -1: not wanted.
        var columns: [Int]
    }
    private var layouts: [Layout] = []

    init() {}

    /// Calls `body` with every wanted counter found, by index into `wanted`.
    mutating func parse(_ text: UnsafeRawBufferPointer, _ body: (Int, UInt64) -> Void) {
        var header: UnsafeRawBufferPointer?
        text.lines { line in
            // Only these: IpExt and MPTcpExt have names of their own, which may one day be the same.
            guard line.starts(with: "TcpExt: ") || line.starts(with: "Tcp: ") else {
                header = nil
                return true
            }
            guard let names = header else {
                header = line
                return true
            }
            header = nil
            let columns = layout(names).columns
            var column = 0
            line.words { word in
                guard column < columns.count else { return false }
                if columns[column] >= 0, let value = word.decimal { body(columns[column], value) }
                column += 1
                return true
            }
            return true
        }
    }

    private mutating func layout(_ names: UnsafeRawBufferPointer) -> Layout {
        if let known = layouts.first(where: { $0.header.count == names.count && $0.header.elementsEqual(names) }) {
            return known
        }
        var columns: [Int] = []
        names.words { word in
            let name = String(decoding: word, as: UTF8.self)
            columns.append(Self.wanted.firstIndex(of: name) ?? -1)
            return true
        }
        let layout = Layout(header: Array(names), columns: columns)
        // One kernel has two such lines; a bound all the same.
        if layouts.count >= 4 { layouts.removeAll() }
        layouts.append(layout)
        return layout
    }
}

/// Errors and drops of network interfaces, from the text of /proc/PID/net/dev (proc_pid_net(5)).
enum InterfaceCounters {
    /// Interfaces of one namespace that are named: those with a count other than 0.
    static let most = 64
    /// The columns behind the interface's name.
    private static let wanted: [(column: Int, name: StaticString)] = [
        (2, "rx_errors"), (3, "rx_dropped"), (4, "rx_fifo"), (10, "tx_errors"), (11, "tx_dropped"), (12, "tx_fifo"),
    ]

    /// Calls `body` with every count that is not 0: `eth0 rx_dropped`.
    static func parse(_ text: UnsafeRawBufferPointer, _ body: (String, UInt64) -> Void) {
        var named = 0
        text.lines { line in
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return true }
            var column = 0
            var any = false
            UnsafeRawBufferPointer(rebasing: line[(colon + 1)...]).words { word in
                if let found = wanted.first(where: { $0.column == column }), let value = word.decimal, value > 0 {
                    let name = line[..<colon].drop { $0 == UInt8(ascii: " ") }
                    body("\(String(decoding: name, as: UTF8.self)) \(found.name)", value)
                    any = true
                }
                column += 1
                return true
            }
            if any { named += 1 }
            return named < most
        }
    }
}
