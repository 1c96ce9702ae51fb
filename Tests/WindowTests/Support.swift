import CFlightrec
import Events

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers on every run.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }

    /// Roughly what a latency looks like: `floor` plus a geometric tail of mean `tail`, rarely 50 times that.
    mutating func latency(floor: UInt64, tail: UInt64) -> UInt64 {
        var sum: UInt64 = 0
        while next() & 1 == 1 { sum += tail }
        let value = floor + sum + next() % tail
        return next() % 1000 == 0 ? value * 50 : value
    }
}

func bytes<Record: BitwiseCopyable>(of record: Record) -> [UInt8] {
    withUnsafeBytes(of: record) { Array($0) }
}

/// A served or called ping-pong turn of `socket` that ends about `end`.
func pingPong(
    end: UInt64, socket: UInt32, sequence: UInt32, container: UInt64 = 4242, called: Bool = false,
    _ random: inout SeededGenerator
) -> fr_turn {
    var turn = fr_turn()
    turn.h.cgroup = container
    turn.h.socket = socket
    turn.h.kind = EventKind.turn.rawValue
    turn.h.cpu = UInt16(socket % 2)
    let wake = random.latency(floor: 1_200, tail: 400)
    let read = random.latency(floor: 2_500, tail: 1_500)
    let think = random.latency(floor: 20_000, tail: 20_000)
    let send = random.latency(floor: 5_000, tail: 2_000)
    if called {
        turn.start = end - think - wake - read - send
        turn.tx_first = turn.start
        turn.tx_last = turn.start + send
        turn.rx_first = turn.tx_last + think
    } else {
        turn.start = end - think - wake - read - send
        turn.rx_first = turn.start
        turn.tx_first = end - send
        turn.tx_last = end
    }
    turn.rx_last = turn.rx_first
    turn.woken = turn.rx_first + wake
    turn.read_first = turn.woken + read
    turn.read_last = turn.read_first
    turn.h.ts = end
    turn.rx_bytes = called ? 1_024 : 36
    turn.tx_bytes = called ? 36 : 1_024
    turn.tid = 1_000 + (called ? 500 : 0) + socket % 8
    turn.srtt_us = 40 + UInt32(random.next() % 8)
    turn.sequence = sequence
    turn.role = UInt8(called ? FR_CALLED.rawValue : FR_SERVED.rawValue)
    return turn
}

/// `count` turns of 50 connections, some 25 µs apart, CPUs interleaved.
func pingPongRecords(_ count: Int, called: Bool = false, seed: UInt64 = 1) -> [UInt8] {
    var random = SeededGenerator(state: seed)
    var now: UInt64 = 86_400_000_000_000
    var sequences = [UInt32](repeating: 100, count: 50)
    var result: [UInt8] = []
    for _ in 0..<count {
        now += random.next() % 50_000
        let socket = Int(random.next() % 50)
        sequences[socket] += 1
        let jitter = random.next() % 3_000
        let turn = pingPong(
            end: now - jitter, socket: UInt32(socket + 900), sequence: sequences[socket], called: called, &random)
        result += bytes(of: turn)
    }
    return result
}
