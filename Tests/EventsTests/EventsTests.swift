import CFlightrec
import Testing

@testable import Events

@Suite struct DecodingTests {
    /// The bytes of an `fr_header`, field by field.
    static func header(kind: UInt16) -> [UInt8] {
        [
            0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01,  // ts
            0x2a, 0, 0, 0, 0, 0, 0, 0,  // cgroup 42
            0x07, 0, 0, 0,  // socket 7
            UInt8(kind), 0,  // kind
            0x03, 0,  // cpu 3
        ]
    }

    @Test func retransmit() throws {
        // rto_ms, then rtx_kind, ca_state, backoff, state, then srtt_us
        let bytes = Self.header(kind: 4) + [0xc8, 0, 0, 0] + [1, 4, 2, 1] + [0x2c, 1, 0, 0, 0, 0, 0, 0]
        let event = try bytes.withUnsafeBytes { try Event($0) }
        guard case .retransmit(let retransmit) = event else {
            Issue.record("not a retransmit: \(event)")
            return
        }
        #expect(retransmit.at == 0x0102_0304_0506_0708)
        #expect(retransmit.container == 42)
        #expect(retransmit.socket == 7)
        #expect(retransmit.kind == .rto)
        #expect(retransmit.rtoMilliseconds == 200)
        #expect(retransmit.smoothedRTT == 300)
        #expect(retransmit.backoff == 2)
    }

    @Test func unknownKindAndShortRecordsAreErrors() {
        #expect(throws: RecordError.unknownKind(12)) {
            try Self.header(kind: 12).withUnsafeBytes { _ = try validate($0) }
        }
        #expect(throws: RecordError.truncated(size: 24)) {
            try Self.header(kind: 4).withUnsafeBytes { _ = try validate($0) }
        }
        #expect(throws: RecordError.truncated(size: 3)) {
            try [UInt8](repeating: 0, count: 3).withUnsafeBytes { _ = try validate($0) }
        }
    }

    @Test func kindsMatchTheHeader() {
        #expect(EventKind.turn.rawValue == UInt16(FR_TURN.rawValue))
        #expect(EventKind.softirq.rawValue == UInt16(FR_SOFTIRQ.rawValue))
        #expect(EventKind.turn.size == 176)
    }

    @Test func timesOfTurnsAreCutAlike() {
        var raw = fr_turn()
        raw.h.ts = 1000
        raw.start = 500
        raw.rx_first = 511
        raw.rx_last = 512
        raw.woken = 575
        raw.read_first = 576
        raw.read_last = 639
        raw.tx_first = 640
        raw.tx_last = 1000
        raw.srtt_us = 501
        raw.cutTimes()
        let found = [
            raw.start, raw.rx_first, raw.rx_last, raw.woken, raw.read_first, raw.read_last, raw.tx_first, raw.tx_last,
            raw.h.ts,
        ]
        #expect(found == [448, 448, 512, 512, 576, 576, 640, 960, 960])
        // What did not happen still did not; what is no time stays.
        #expect(raw.acked == 0 && raw.srtt_us == 501)
    }

    @Test func absentStampsAreNil() {
        var raw = fr_turn()
        raw.h.ts = 500
        raw.start = 100
        raw.role = UInt8(FR_SERVED.rawValue)
        let turn = Turn(raw)
        #expect(turn.total == 400)
        #expect(turn.woken == nil && turn.sentFirst == nil)
        #expect(turn.sendBlocked == 0 && turn.receiveProcessing == 0)
        raw.send_wait = 7_654_321
        raw.tcp_receive = 1_234
        raw.cutTimes()
        #expect(Turn(raw).sendBlocked == 7_654_321 && Turn(raw).receiveProcessing == 1_234)
    }

    @Test func aTurnEndingBeforeItStartsDoesNotWrap() {
        #expect(Turn(container: 0, socket: 1, role: .served, start: 10, end: 3).total == 0)
    }
}

@Suite struct EndpointTests {
    @Test(
        arguments: [
            ([10, 0, 0, 2], "10.0.0.2:80"),
            ([0xfd, 0] + [UInt8](repeating: 0, count: 13) + [2], "[fd00::2]:80"),
            ([UInt8](repeating: 0, count: 15) + [1], "[::1]:80"),
            ([UInt8](repeating: 0, count: 10) + [0xff, 0xff, 127, 0, 0, 1], "127.0.0.1:80"),
            ([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1], "[2001:db8:0:1::1]:80"),
        ] as [([UInt8], String)])
    func text(address: [UInt8], expected: String) {
        #expect(Endpoint(address: address, port: 80).description == expected)
    }
}
