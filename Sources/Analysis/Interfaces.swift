import Events

/// How a network interface gathers packets before it interrupts (ethtool(8), --coalesce): saves interrupts, and delays
/// what is gathered. `nil`: the driver has no such setting.
public struct Coalescing: Sendable, Equatable {
    public var interface: String
    /// µs after a packet's arrival until the interrupt; 0: none are waited for. `rx-usecs`.
    public var rxMicroseconds: UInt32?
    /// Packets that bring the interrupt earlier; 0: the time alone counts. `rx-frames`.
    public var rxFrames: UInt32?
    /// The driver changes these with the load by itself.
    public var adaptiveRX: Bool?
    /// µs under high load, where the driver adapts. `rx-usecs-high`.
    public var rxMicrosecondsHigh: UInt32?
    /// The same of packets sent.
    public var txMicroseconds: UInt32?
    public var txFrames: UInt32?
    public var adaptiveTX: Bool?

    public init(interface: String) { self.interface = interface }

    /// ns a packet may wait for its interrupt; `nil`: none, or not known.
    public var longestWait: UInt64? {
        // The first packet interrupts at once.
        if rxFrames == 1 { return nil }
        let time = max(rxMicroseconds ?? 0, adaptiveRX == true ? rxMicrosecondsHigh ?? 0 : 0)
        return time > 0 ? UInt64(time) * 1000 : nil
    }

    /// `rx-usecs 100, rx-frames 32, adaptive`.
    public var settings: String {
        var parts = rxMicroseconds.map { ["rx-usecs \($0)"] } ?? []
        if let rxFrames, rxFrames > 0 { parts.append("rx-frames \(rxFrames)") }
        if adaptiveRX == true { parts.append("adaptive") }
        return parts.joined(separator: ", ")
    }
}

/// What a physical interface had received at one moment, since boot or since it is there.
public struct InterfaceReading: Sendable, Equatable {
    public var at: Instant
    public var interface: String
    /// Its interrupts but those for sending alone, on all CPUs.
    public var interrupts: UInt64
    /// Packets received.
    public var packets: UInt64

    public init(at: Instant, interface: String, interrupts: UInt64, packets: UInt64) {
        self.at = at
        self.interface = interface
        self.interrupts = interrupts
        self.packets = packets
    }
}

/// Interrupts of one interface around a turn.
public struct InterruptRate: Sendable, Equatable, Codable {
    /// ns between two, on average.
    public var gap: UInt64
    /// Packets received for each, on average.
    public var packets: Double

    /// Between the last look before `span` and the first after it. `nil`: too few to speak of an average, or not read.
    public init?(_ readings: [InterfaceReading], of interface: String, in span: Range<Instant>) {
        let mine = readings.filter { $0.interface == interface }
        guard let before = mine.last(where: { $0.at <= span.lowerBound }) ?? mine.first,
            let after = mine.first(where: { $0.at >= span.upperBound }) ?? mine.last, after.at > before.at,
            after.interrupts > before.interrupts, after.packets >= before.packets
        else { return nil }
        let count = after.interrupts - before.interrupts
        guard count >= Self.enough else { return nil }
        gap = (after.at - before.at) / count
        packets = Double(after.packets - before.packets) / Double(count)
    }

    private static let enough: UInt64 = 20
}

/// An interface that may have held back packets a turn waited for.
public struct Holding: Sendable, Equatable {
    public var coalescing: Coalescing
    /// ns, of one packet.
    public var longest: UInt64
    /// Of the turn's wait for the other host, at most: 0…1.
    public var share: Double
    public var rate: InterruptRate?

    public init(coalescing: Coalescing, longest: UInt64, share: Double, rate: InterruptRate?) {
        self.coalescing = coalescing
        self.longest = longest
        self.share = share
        self.rate = rate
    }
}

extension Rules {
    /// Interfaces whose setting may be a tenth or more of what the turn waited for another host, the longest first; which
    /// of them its packets came by is not known.
    static func holding(_ it: Case) -> [Holding] {
        guard it.isRemote else { return [] }
        let wait = it.waterfall["network"] &+ it.waterfall["waiting-for-peer"] &+ it.waterfall["connect"]
        guard wait >= it.total / 4 else { return [] }
        return it.evidence.coalescing.compactMap { one in
            guard let longest = one.longestWait, wait > 0, longest >= wait / 10 else { return nil }
            return Holding(
                coalescing: one, longest: longest, share: min(1, Double(longest) / Double(wait)),
                rate: InterruptRate(it.evidence.interfaces, of: one.interface, in: it.span))
        }.sorted { ($1.longest, $0.coalescing.interface) < ($0.longest, $1.coalescing.interface) }
    }

    /// The same in words. Evidence, no cause: what the setting allows is known, not what it did to this packet.
    static func coalescing(_ it: Case) -> [String] {
        let all = holding(it)
        guard let one = all.first else { return [] }
        var text =
            "\(one.coalescing.interface) gathers packets for up to \(milliseconds(one.longest)) before it interrupts"
        text += " (\(one.coalescing.settings)): up to \(Int((one.share * 100).rounded())) % of this wait"
        if let rate = one.rate {
            let packets = (rate.packets * 10).rounded() / 10
            text += "; it interrupted every \(milliseconds(rate.gap)) then, for \(packets) packets each"
        }
        if all.count > 1 { text += "; \(all.count) interfaces do so, and which one it came by is not known" }
        return [text]
    }
}
