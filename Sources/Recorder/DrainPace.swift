/// How often the ring is read between ticks. What the recorder does at one go, a request on the same CPU may wait for: at 0.3 µs
/// a record a thousand are 0.3 ms. What smaller portions gain the slowest hundredth of requests has not been measured.
struct DrainPace {
    /// Records that are few enough to take at one go.
    static let atOnce = 128
    /// A tick is cut into 2 to the power of this at most: a wakeup of the recorder has its price too.
    static let mostHalvings: UInt64 = 4

    private let tick: UInt64
    /// ns between reads, of the ticks' reads too.
    private(set) var interval: UInt64

    init(tick: UInt64) { (self.tick, interval) = (tick, tick) }

    /// Told how many records the last tick brought; whether `interval` is another than before.
    mutating func took(_ records: Int) -> Bool {
        var halvings: UInt64 = 0
        while halvings < Self.mostHalvings, records > Self.atOnce << halvings { halvings += 1 }
        defer { interval = tick >> halvings }
        return interval != tick >> halvings
    }

    /// The ticks alone would be too few.
    var needsTimer: Bool { interval < tick }
}
