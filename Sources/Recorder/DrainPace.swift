/// How often the ring is read between ticks. A request on the same CPU may wait for what the recorder does at one go, unless that gives
/// way (`Scheduling`), and finds the caches cold after it: at 0.3 to 0.5 µs a record a thousand are 0.3 to 0.5 ms. But each wakeup has
/// its price too: of a recorder that gives way, portions of 128 records made the slowest hundredth of 10,000 requests a second no faster
/// than 512 (`Tests/bench/cost/notes.md`), and took it 1.1 instead of 0.9 % of a CPU.
struct DrainPace {
    /// Records that are few enough to take at one go.
    var atOnce = Self.inTheWay
    static let inTheWay = 128
    static let givingWay = 512
    /// A tick is cut into 2 to the power of this at most: a wakeup of the recorder has its price too.
    static let mostHalvings: UInt64 = 4

    private let tick: UInt64
    /// ns between reads, of the ticks' reads too.
    private(set) var interval: UInt64

    init(tick: UInt64) { (self.tick, interval) = (tick, tick) }

    /// Told how many records the last tick brought; whether `interval` is another than before.
    mutating func took(_ records: Int) -> Bool {
        var halvings: UInt64 = 0
        while halvings < Self.mostHalvings, records > atOnce << halvings { halvings += 1 }
        defer { interval = tick >> halvings }
        return interval != tick >> halvings
    }

    /// The ticks alone would be too few.
    var needsTimer: Bool { interval < tick }
}
