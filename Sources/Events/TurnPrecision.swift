import CFlightrec

extension fr_turn {
    /// ns to which times of turns are kept, cut off below. A hook's own way to the clock varies by as much; in the window every
    /// bit of it would be noise to store, eight times a turn.
    public static let precision: UInt64 = 64

    /// Cuts its times to `precision`. All of them are cut alike, so that none comes to lie before another it did not lie before,
    /// and a report of an open turn has the same start as that of its end.
    public mutating func cutTimes() {
        let mask = ~(Self.precision - 1)
        h.ts &= mask
        start &= mask
        rx_first &= mask
        rx_last &= mask
        woken &= mask
        read_first &= mask
        read_last &= mask
        tx_first &= mask
        tx_last &= mask
        acked &= mask
    }
}
