import Events

/// How far back the window holds everything, and the least that was once it was full.
struct WindowReach {
    /// ns; `nil` until the window was full for the first time.
    private(set) var minimum: UInt64?

    /// ns. `asked`: `--window`. `cut`: from when on nothing was evicted for want of room.
    static func reach(_ now: Instant, asked: UInt64, started: Instant, cut: Instant?) -> UInt64 {
        let from = max(started, cut ?? 0)
        return min(asked, now > from ? now - from : 0)
    }

    mutating func note(_ now: Instant, asked: UInt64, started: Instant, cut: Instant?) {
        guard minimum != nil || cut != nil || now - min(started, now) >= asked else { return }
        minimum = min(minimum ?? .max, Self.reach(now, asked: asked, started: started, cut: cut))
    }
}
