import Analysis
import CFlightrec
import Capture
import CaptureFixtures
import Events
import Query
import Testing

@testable import Export

@Suite struct PerfettoTests {
    private static let second = CaptureFixture.second
    private static let origin = CaptureFixture.origin

    private func draw(_ fixture: CaptureFixture) throws -> DrawnTrace {
        var bytes: [UInt8] = []
        exportPerfetto(try CaptureReader.open(fixture.path).evidence(), to: TextOutput { bytes += $0 })
        return try DrawnTrace(bytes)
    }

    @Test func messagesOfEveryLengthReadBack() throws {
        for length in [0, 1, 127, 128, 129, 16383, 16384, 2_100_000] {
            var writer = ProtoWriter()
            writer.message(1) { outer in
                outer.varint(2, .max)
                outer.message(3) { inner in inner.string(4, String(repeating: "x", count: length)) }
                outer.fixed64(5, 0x0102_0304_0506_0708)
                outer.integer(6, -1)
            }
            writer.varint(7, 300)
            let message = try #require(ProtoMessage(writer.bytes))
            let outer = try #require(message.messages(1).first)
            #expect(outer.number(2) == .max)
            #expect(outer.messages(3).first?.text(4)?.count == length)
            #expect(outer.number(5) == 0x0102_0304_0506_0708)
            #expect(outer.number(6) == .max)
            #expect(message.number(7) == 300)
        }
    }

    @Test func aCallAndItsAnswerAreLanesWithAnArrow() throws {
        let second = Self.second
        var call = CaptureFixture.socket(1, 1, role: .called)
        call.sentSequence = 100
        call.receivedSequence = 900
        var answer = CaptureFixture.socket(2, 2)
        answer.sentSequence = 900
        answer.receivedSequence = 100
        let fixture = try CaptureFixture(
            [
                CaptureFixture.block(
                    .turn, 1, [CaptureFixture.turn(second, 3 * second, container: 1, socket: 1, role: .called)]),
                CaptureFixture.block(
                    .turn, 2,
                    [
                        CaptureFixture.turn(0, second / 2, container: 2, socket: 2),
                        CaptureFixture.turn(2 * second, 3 * second - 10, container: 2, socket: 2),
                    ]),
            ], containers: [1: "api", 2: "db"], sockets: [call, answer])
        let trace = try draw(fixture)
        let caller = "#1 10.0.1.1:4001 → 10.0.0.1:80 (called)"
        let server = "#2 10.0.0.2:80 ← 10.0.1.2:4002 (served)"
        #expect(trace.flows.count == 1)
        #expect(trace.flows.first?.value.from == caller)
        #expect(trace.flows.first?.value.to == server)
        #expect(trace.parents[caller] == "worker1 501")
        #expect(trace.parents["worker1 501"] == "api (docker)")
        let served = trace.slices.filter { $0.track == server && $0.depth == 0 }
        #expect(served.map(\.start) == [Self.origin, Self.origin + 2 * second])
        #expect(served.map(\.end) == [Self.origin + second / 2, Self.origin + 3 * second - 10])
        // The slowest turns hold their stages; with both ends known, the path is told from the answering.
        let stages = trace.slices.filter { $0.track == caller && $0.depth == 1 }.map(\.name)
        #expect(stages == ["request-transit", "waiting-for-peer", "response-transit"])
        #expect(trace.counts.contains { $0.track == "served turns" && $0.value == 10 })
    }

    @Test func whatOverlapsHasALaneOfItsOwn() throws {
        let second = Self.second
        let fixture = try CaptureFixture([
            CaptureFixture.block(
                .turn, 1,
                [
                    CaptureFixture.turn(second, 3 * second, container: 1, socket: 1),
                    CaptureFixture.turn(2 * second, 4 * second, container: 1, socket: 1),
                    // Begun a moment before the first had ended: that lane goes on.
                    CaptureFixture.turn(3 * second - 1000, 5 * second, container: 1, socket: 1),
                ])
        ])
        let slices = try draw(fixture).slices.filter { $0.depth == 0 }
        #expect(Set(slices.map(\.track)) == ["#1", "#1 (2)"])
        let first = slices.filter { $0.track == "#1" }
        #expect(first.map(\.start) == [Self.origin + second, Self.origin + 3 * second])
        #expect(first.map(\.end) == [Self.origin + 3 * second, Self.origin + 5 * second])
    }

    @Test func threadsDropsSoftirqsAndTriggers() throws {
        let second = Self.second
        var drop = fr_drop()
        drop.h = CaptureFixture.header(.drop, at: Self.origin + second, container: 1, socket: 0)
        drop.reason = 6
        var softirq = fr_softirq()
        softirq.h = CaptureFixture.header(.softirq, at: Self.origin + second, container: 0, socket: 0)
        softirq.vector = 3
        softirq.run = 5000
        var reset = fr_reset()
        reset.h = CaptureFixture.header(.reset, at: Self.origin + second, container: 1, socket: 9)
        reset.reset_kind = UInt32(FR_RESET_SENT.rawValue)
        var queued = fr_queued()
        queued.h = CaptureFixture.header(.queued, at: Self.origin + second, container: 0, socket: 0)
        queued.waited = 7000
        let fixture = try CaptureFixture(
            [
                CaptureFixture.block(.slice, 1, [CaptureFixture.slice(second, 2 * second, container: 1)]),
                CaptureFixture.block(.drop, 1, [drop]), CaptureFixture.block(.softirq, 0, [softirq]),
                CaptureFixture.block(.reset, 1, [reset]), CaptureFixture.block(.queued, 0, [queued]),
            ], containers: [1: "api"],
            triggers: [
                TriggerFact(
                    kind: .latency, at: Self.origin + 3 * second, container: 1, socket: 9, observed: 5, threshold: 4,
                    rule: "absolute 4ns")
            ])
        let trace = try draw(fixture)
        #expect(
            trace.slices.contains(
                .init(
                    track: "thread 7", name: "nanosleep", start: Self.origin + second, end: Self.origin + 2 * second,
                    depth: 0)))
        #expect(
            trace.slices.contains(
                .init(
                    track: "slow softirqs, CPU 1", name: "NET_RX", start: Self.origin + second - 5000,
                    end: Self.origin + second, depth: 0)))
        #expect(trace.slices.contains { $0.name == "queued" && $0.end - $0.start == 7000 })
        #expect(trace.instants.map(\.name).sorted() == ["RST sent", "SOCKET_RCVBUFF", "latency"])
        #expect(trace.instants.first { $0.name == "latency" }?.at == Self.origin + 3 * second)
    }
}
