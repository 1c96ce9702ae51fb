import CLinux
import Containers
import Events
import Foundation
import Glibc
import Synchronization
import Testing

@testable import Recorder

private func status() -> RecorderStatus {
    RecorderStatus(
        version: "1\"2", pid: 1, armedNs: 1, armedSince: "", coverage: 1, gaps: 2, latestGaps: [], windowNs: 1,
        windowCompleteNs: 1_500_000_000, windowMinimumNs: nil, windowAskedNs: 1, windowBytes: 3, windowBudget: 4,
        namesBytes: 1, unnamedSockets: 0, events: 5,
        eventsPerSecond: 6, lost: 7, captures: 8, failedCaptures: 9, collecting: false, suppressed: [], habitual: 10,
        threshold: "auto", turnsJudged: 11, wouldFire: [], sockets: 12, rssBytes: 13, cpuNs: 14_000_000, cpuShare: 0,
        overheadShare: 0.01,
        missingHooks: [])
}

private func snapshot(_ rows: [TallyRow] = []) -> MetricsSnapshot {
    MetricsSnapshot(
        status: status(), startedAt: 1_700_000_000_000_000_000, tallies: rows,
        softirqs: [MetricsSnapshot.Softirq(cpu: 1, vector: 3, count: 20, time: 30_000_000)],
        fired: [("latency", 1), ("in-flight", 2)], suppressed: 3, timeInGaps: 250_000_000)
}

private func row(_ container: UInt64, _ latencies: [UInt64], began: UInt64 = 1) -> TallyRow {
    var total = TallyTotal()
    for latency in latencies { total.note(latency) }
    return TallyRow(
        key: Tally.Key(container: container, role: .served), began: began, over: 1, turns: 0, p50: 0, p99: 0, max: 0,
        retransmits: 0,
        slowest: nil, total: total)
}

private func text(_ rows: [TallyRow] = []) -> String {
    var series = SeriesTotals()
    return MetricsText(snapshot(rows), ContainerResolver(), &series).text
}

@Suite struct MetricsTests {
    @Test func addresses() {
        #expect(MetricsAddress("127.0.0.1:9464") == .ip(host: "127.0.0.1", port: 9464))
        #expect(MetricsAddress("[::1]:9464") == .ip(host: "::1", port: 9464))
        #expect(MetricsAddress("/run/m.sock") == .unix("/run/m.sock"))
        for text in [
            "", "9464", ":9464", "localhost:9464", "1.2.3:1", "::1:9464", "127.0.0.1:0", "127.0.0.1:65536",
            "[127.0.0.1]:1",
            "m.sock", "/" + String(repeating: "x", count: 200),
        ] {
            #expect(MetricsAddress(text) == nil, "\(text)")
        }
    }

    @Test func bucketsAreCumulativeAndCountEverything() {
        let text = text([row(255, [50_000, 100_000, 100_001, 20_000_000_000])])
        let labels = "container=\"cgroup 255\",container_id=\"ff\",role=\"served\""
        #expect(text.contains("flightrec_turn_duration_seconds_bucket{\(labels),le=\"0.0001\"} 2\n"))
        #expect(text.contains("flightrec_turn_duration_seconds_bucket{\(labels),le=\"0.00025\"} 3\n"))
        #expect(text.contains("flightrec_turn_duration_seconds_bucket{\(labels),le=\"10.0\"} 3\n"))
        #expect(text.contains("flightrec_turn_duration_seconds_bucket{\(labels),le=\"+Inf\"} 4\n"))
        #expect(text.contains("flightrec_turn_duration_seconds_count{\(labels)} 4\n"))
        #expect(text.contains("flightrec_turn_duration_seconds_sum{\(labels)} 20.000250001\n"))
        #expect(text.contains("flightrec_softirq_seconds_total{cpu=\"1\",vector=\"NET_RX\"} 0.03\n"))
        #expect(text.contains("flightrec_build_info{version=\"1\\\"2\"} 1\n"))
        #expect(text.contains("\nflightrec_window_seconds 1.5\n"))
        #expect(MetricsText.escaped("a\\b\"c\nd") == "a\\\\b\\\"c\\nd")
    }

    @Test func aSeriesIsToldOnce() {
        let rows = (0..<3).map { _ in row(7, [1000]) }
        let text = text(rows)
        let lines = text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { $0.prefix { $0 != " " } }
        #expect(Set(text.split(separator: "\n")).count == text.split(separator: "\n").count)
        #expect(lines.filter { $0.hasPrefix("flightrec_turn_duration_seconds_count") }.count == 1)
        #expect(text.contains("role=\"served\"} 3\n"))
    }

    @Test func hostileClientsAreRefusedBoundedAndKeepNobodyWaiting() throws {
        let pump = eventfd(0, Int32(EFD_NONBLOCK))
        defer { close(pump) }
        let path = NSTemporaryDirectory() + "flightrec-metrics-\(getpid()).sock"
        let server = try MetricsServer(try #require(MetricsAddress(path)), pump: pump) {
            Issue.record("\($0)")
        } render: { _ in
            text()
        }
        server.start()
        let pumping = Mutex(true)
        let ended = DispatchSemaphore(value: 0)
        let asked = Atomic(0)
        Thread {
            while pumping.withLock({ $0 }) {
                server.supply {
                    asked.add(1, ordering: .relaxed)
                    return snapshot()
                }
                usleep(5000)
            }
            ended.signal()
        }.start()
        defer {
            server.stop()
            pumping.withLock { $0 = false }
            ended.wait()
            #expect(access(path, F_OK) != 0)
        }
        #expect(try ask(path, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(try ask(path, "HEAD /metrics HTTP/1.0\r\n\r\n").hasSuffix("\r\n\r\n"))
        #expect(try ask(path, "GET / HTTP/1.1\r\n\r\n").hasPrefix("HTTP/1.1 404"))
        #expect(try ask(path, "POST /metrics HTTP/1.1\r\n\r\n").hasPrefix("HTTP/1.1 405"))
        #expect(try ask(path, "\u{0}\u{1}\n\n").hasPrefix("HTTP/1.1 400"))
        #expect(
            try ask(path, "GET /metrics HTTP/1.1\r\nX: " + String(repeating: "x", count: 4096)).hasPrefix(
                "HTTP/1.1 431"))
        // More than there is room for, that never say anything: the next is answered all the same.
        let silent = try (0..<40).map { _ in try connection(path) }
        let began = Clock.monotonic()
        #expect(try ask(path, "GET /metrics HTTP/1.1\r\n\r\n").contains("flightrec_events_total 5\n"))
        #expect(Clock.monotonic() - began < 2_000_000_000)
        for descriptor in silent { close(descriptor) }
        // Many at once make few figures: two a second.
        let before = asked.load(ordering: .relaxed)
        for _ in 0..<50 { _ = try ask(path, "GET /metrics HTTP/1.1\r\n\r\n") }
        #expect(asked.load(ordering: .relaxed) - before <= 2 + Int((Clock.monotonic() - began) / 400_000_000))
    }

    @Test func withoutDescriptorsItRestsAndSaysSoOnce() throws {
        let pump = eventfd(0, Int32(EFD_NONBLOCK))
        defer { close(pump) }
        let path = NSTemporaryDirectory() + "flightrec-metrics-full-\(getpid()).sock"
        let tries = Atomic(0)
        let isFull = Atomic(true)
        let said = Mutex<[String]>([])
        let server = try MetricsServer(try #require(MetricsAddress(path)), pump: pump) { listener in
            tries.add(1, ordering: .relaxed)
            guard isFull.load(ordering: .relaxed) else { return flightrec_accept(listener) }
            errno = EMFILE
            return -1
        } warn: { words in
            said.withLock { $0.append(words) }
        } render: { _ in
            ""
        }
        server.start()
        defer { server.stop() }
        let waiting = try connection(path)
        defer { close(waiting) }
        usleep(2_500_000)
        let tried = tries.load(ordering: .relaxed)
        #expect(tried >= 2 && tried <= 3)
        #expect(said.withLock { $0.count } == 1)
        #expect(said.withLock { $0.first?.contains("Too many open files") } == true)
        // The one that waited is served when there is room.
        isFull.store(false, ordering: .relaxed)
        #expect(try answer(waiting, "GET / HTTP/1.1\r\n\r\n").hasPrefix("HTTP/1.1 404"))
        isFull.store(true, ordering: .relaxed)
        let again = try connection(path)
        defer { close(again) }
        usleep(500_000)
        #expect(said.withLock { $0.count } == 2)
    }

    private func connection(_ path: String) throws -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var limit = timeval(tv_sec: 3, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        guard UnixAddress.with(path, { connect(descriptor, $0, $1) }) == 0 else { throw SystemError("connecting") }
        return descriptor
    }

    private func ask(_ path: String, _ request: String) throws -> String {
        let descriptor = try connection(path)
        defer { close(descriptor) }
        return try answer(descriptor, request)
    }

    private func answer(_ descriptor: Int32, _ request: String) throws -> String {
        _ = send(descriptor, request, request.utf8.count, Int32(MSG_NOSIGNAL))
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count <= 0 { return String(decoding: answer, as: UTF8.self) }
            answer += buffer.prefix(count)
        }
    }
}
