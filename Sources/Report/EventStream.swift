import Events

/// One kind of event in order of time, by index: nothing is copied.
struct EventStream<Line> {
    private let order: [Int]?
    private let count: Int
    private let at: (Int) -> Instant
    private let text: (Int) -> Line?
    private var position = 0
    /// When the next event happened; `nil` at the end.
    private(set) var head: Instant?

    init<Event>(_ events: [Event], _ key: KeyPath<Event, Instant>, _ text: @escaping (Int) -> Line?) {
        let count = events.count
        let at = { (index: Int) in events[index][keyPath: key] }
        self.count = count
        self.at = at
        self.text = text
        // Captures are in order but for CPUs that interleave; only those pay for a sort.
        let sorted = count < 2 || (1..<count).allSatisfy { at($0 - 1) <= at($0) }
        order = sorted ? nil : (0..<count).sorted { (at($0), $0) < (at($1), $1) }
        head = count > 0 ? at(order?[0] ?? 0) : nil
    }

    func line() -> Line? { text(order?[position] ?? position) }

    mutating func advance() {
        position += 1
        head = position < count ? at(order?[position] ?? position) : nil
    }
}

/// Several kinds of events as one sequence in order of time; those without a line are left out.
func merge<Line>(_ streams: [EventStream<Line>], _ body: (Instant, Line) -> Void) {
    var streams = streams
    func first(_ one: Int, _ other: Int) -> Bool { (streams[one].head ?? .max) < (streams[other].head ?? .max) }
    while let next = streams.indices.filter({ streams[$0].head != nil }).min(by: first) {
        if let line = streams[next].line() { body(streams[next].head ?? 0, line) }
        streams[next].advance()
    }
}
