import Glibc

/// One client of `--metrics`: one small request, one answer, the end (RFC 9112).
struct MetricsConnection {
    private enum Phase { case reading, waiting, writing, done }

    let descriptor: Int32
    /// CLOCK_MONOTONIC, ns.
    let deadline: UInt64
    private var phase = Phase.reading
    private var request: [UInt8] = []
    private var isHead = false
    private var answer: [UInt8] = []
    private var sent = 0

    init(_ descriptor: Int32, deadline: UInt64) {
        self.descriptor = descriptor
        self.deadline = deadline
    }

    /// It wants the figures.
    var isWaiting: Bool { phase == .waiting }
    var isDone: Bool { phase == .done }
    /// What poll(2) waits for; one that waits for figures may only go away.
    var events: Int16 {
        switch phase {
        case .reading: Int16(POLLIN)
        case .writing: Int16(POLLOUT)
        case .waiting, .done: 0
        }
    }

    func close() { Glibc.close(descriptor) }

    /// Something can be done without waiting.
    mutating func move() {
        switch phase {
        case .reading: readRequest()
        case .writing: write()
        // Only errors come here: the client is gone.
        case .waiting, .done: phase = .done
        }
    }

    mutating func answer(_ body: [UInt8]) { reply("200 OK", body, type: "text/plain; version=0.0.4; charset=utf-8") }

    private mutating func readRequest() {
        var buffer = [UInt8](repeating: 0, count: 1024)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count > 0 else {
            if count == 0 || (errno != EAGAIN && errno != EINTR) { phase = .done }
            return
        }
        request += buffer.prefix(count)
        guard Self.isWhole(request) else {
            if request.count >= MetricsServer.mostRequestBytes {
                refuse("431 Request Header Fields Too Large", "the request is too large")
            }
            return
        }
        let line = String(decoding: request.prefix { $0 != 13 && $0 != 10 }, as: UTF8.self)
        let words = line.split(separator: " ")
        guard words.count == 3, words[2].hasPrefix("HTTP/1.") else {
            return refuse("400 Bad Request", "no HTTP/1 request")
        }
        isHead = words[0] == "HEAD"
        guard words[0] == "GET" || isHead else { return refuse("405 Method Not Allowed", "only GET and HEAD") }
        guard words[1].prefix(while: { $0 != "?" }) == "/metrics" else {
            return refuse("404 Not Found", "only /metrics")
        }
        phase = .waiting
    }

    /// An empty line ends the head of a request.
    private static func isWhole(_ request: [UInt8]) -> Bool {
        var feeds = 0
        for byte in request where byte != 13 {
            feeds = byte == 10 ? feeds + 1 : 0
            if feeds == 2 { return true }
        }
        return false
    }

    private mutating func refuse(_ status: String, _ words: String) {
        reply(status, Array("flightrec: \(words)\n".utf8), type: "text/plain; charset=utf-8")
    }

    private mutating func reply(_ status: String, _ body: [UInt8], type: String) {
        let head =
            "HTTP/1.1 \(status)\r\nContent-Type: \(type)\r\nContent-Length: \(body.count)\r\nConnection: close\r\n\r\n"
        answer = Array(head.utf8) + (isHead ? [] : body)
        request = []
        phase = .writing
        write()
    }

    private mutating func write() {
        while sent < answer.count {
            let count = answer[sent...].withUnsafeBytes {
                send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            }
            if count < 0 && errno == EINTR { continue }
            if count < 0 && errno == EAGAIN { return }
            guard count > 0 else { break }
            sent += count
        }
        answer = []
        phase = .done
    }
}
