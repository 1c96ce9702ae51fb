import Analysis
import Foundation
import Testing

@testable import Context

private func bytes<Value>(_ text: String, _ body: (UnsafeRawBufferPointer) -> Value) -> Value {
    Array(text.utf8).withUnsafeBytes(body)
}

/// Texts as a 6.18 kernel wrote them, shortened.
@Suite struct ParserTests {
    @Test func keysAreWholeWords() {
        let text = "nr_periods 50\nnr_throttled 7\nthrottled_usec 123456\nnr_bursts 0\n"
        #expect(bytes(text) { $0.value(of: "nr_throttled") } == 7)
        #expect(bytes(text) { $0.value(of: "throttled_usec") } == 123_456)
        #expect(bytes(text) { $0.value(of: "nr_throttle") } == nil)
        #expect(bytes(text) { $0.value(of: "throttled_time") } == nil)
        #expect(bytes("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n") { $0.value(of: "oom_kill") } == 3)
        #expect(bytes("frozen") { $0.value(of: "frozen") } == nil)
        #expect(bytes("frozen ") { $0.value(of: "frozen") } == nil)
    }

    @Test func numbersThatAreNone() {
        #expect(bytes("max\n") { $0.decimal } == nil)
        #expect(bytes("") { $0.decimal } == nil)
        #expect(bytes("18446744073709551615\n") { $0.decimal } == .max)
        #expect(bytes("18446744073709551616\n") { $0.decimal } == nil)
        #expect(bytes("0520b146") { $0.hexadecimal } == 0x0520_b146)
        #expect(bytes("00000000000000000") { $0.hexadecimal } == nil)
    }

    @Test func pressure() {
        let text = """
            some avg10=74.03 avg60=42.24 avg300=15.51 total=1359237461
            full avg10=0.00 avg60=0.00 avg300=0.00 total=7
            """
        #expect(bytes(text) { $0.pressure } == 1_359_237_461_000)
        #expect(bytes("some avg10=0.00") { $0.pressure } == nil)
    }

    private static let netstat = """
        TcpExt: SyncookiesSent PruneCalled RcvPruned ListenOverflows ListenDrops TCPHPHits TCPTimeouts TCPRcvQDrop
        TcpExt: 0 5 0 12 13 58019837 2 0
        IpExt: InNoRoutes TCPTimeouts
        IpExt: 9 9
        """
    private static let snmp = """
        Ip: Forwarding RetransSegs
        Ip: 1 64
        Tcp: RtoAlgorithm RtoMin RtoMax MaxConn AttemptFails EstabResets InSegs OutSegs RetransSegs InErrs OutRsts
        Tcp: 1 200 120000 -1 248 744 59998185 59996265 17 0 646
        Udp: InDatagrams RetransSegs
        Udp: 1 1
        """

    private func parse(_ text: String, _ counters: inout NetworkCounters) -> [String: UInt64] {
        var found: [String: UInt64] = [:]
        Array(text.utf8).withUnsafeBytes { counters.parse($0) { found[NetworkCounters.wanted[$0]] = $1 } }
        return found
    }

    @Test func columnsAreFoundByName() {
        var counters = NetworkCounters()
        #expect(
            parse(Self.netstat, &counters) == [
                "SyncookiesSent": 0, "PruneCalled": 5, "RcvPruned": 0, "ListenOverflows": 12, "ListenDrops": 13,
                "TCPTimeouts": 2, "TCPRcvQDrop": 0,
            ])
        let snmp: [String: UInt64] = [
            "AttemptFails": 248, "EstabResets": 744, "RetransSegs": 17, "InErrs": 0, "OutRsts": 646,
        ]
        #expect(parse(Self.snmp, &counters) == snmp)
        // Another kernel's order: the names count, not what was seen before.
        #expect(
            parse("TcpExt: TCPTimeouts ListenDrops\nTcpExt: 4 3", &counters) == ["TCPTimeouts": 4, "ListenDrops": 3])
        #expect(parse(Self.snmp, &counters) == snmp)
    }

    @Test func brokenTablesAreNoTables() {
        var counters = NetworkCounters()
        #expect(parse("TcpExt: TCPTimeouts ListenDrops", &counters).isEmpty)
        #expect(parse("TcpExt: TCPTimeouts ListenDrops\nTcpExt: 4", &counters) == ["TCPTimeouts": 4])
        #expect(parse("TcpExt: TCPTimeouts\nTcpExt: 4 5 6", &counters) == ["TCPTimeouts": 4])
        #expect(parse("TcpExt: TCPTimeouts\nTcpExt: -1", &counters).isEmpty)
        #expect(parse("", &counters).isEmpty)
    }

    @Test func interfaces() {
        let text = """
            Inter-|   Receive                             |  Transmit
             face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo
                lo: 451670719 6629320    0    0    0     0   0   0 451670719 6629320    0    0    0     0   0   0
              eth0: 333225719    7362    1    2    0     9   9   9   356644    4648    3    4    5     9   9   9
            docker0:3177002033 53226234  0    0    0     0   0   0 5423830023 53226844   0    2    0     0   0   0
            """
        var found: [String: UInt64] = [:]
        Array(text.utf8).withUnsafeBytes { InterfaceCounters.parse($0) { found[$0] = $1 } }
        #expect(
            found == [
                "eth0 rx_errors": 1, "eth0 rx_dropped": 2, "eth0 tx_errors": 3, "eth0 tx_dropped": 4, "eth0 tx_fifo": 5,
                "docker0 tx_dropped": 2,
            ])
    }

    @Test func manyInterfacesAreBounded() {
        let line = "0 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0"
        let text = (0..<1000).map { "veth\($0): \(line)" }.joined(separator: "\n")
        var found = 0
        Array(text.utf8).withUnsafeBytes { InterfaceCounters.parse($0) { _, _ in found += 1 } }
        #expect(found == InterfaceCounters.most)
    }

    @Test func softnet() {
        let zeros = "00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000"
        let text = """
            0520b146 00000001 00000005 \(zeros) 00000000 00000000 00000000
            04d4b507 00000000 0000000a \(zeros) 00000002 00000000 00000000
            """
        let found = Array(text.utf8).withUnsafeBytes { Softnet.parse($0, at: 9) }
        #expect(
            found == [
                SoftnetReading(at: 9, cpu: 0, processed: 0x0520_b146, dropped: 1, squeezed: 5),
                SoftnetReading(at: 9, cpu: 2, processed: 0x04d4_b507, dropped: 0, squeezed: 10),
            ])
        // Before Linux 5.10 the line had no CPU.
        let old = Array("1 2 3\n4 5 6\n".utf8).withUnsafeBytes { Softnet.parse($0, at: 9) }
        #expect(old.map(\.cpu) == [0, 1])
    }
}
