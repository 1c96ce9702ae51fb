import Kernel
import Trigger

/// What came since the last look to the turns that the kernel only counts.
struct BriefCounts {
    /// By octave, as read last.
    private var last: [ServiceKey: [UInt64]] = [:]

    /// Takes in all that was counted so far; returns how many turns of which octave are new.
    mutating func note(_ all: [BriefTurns]) -> [(service: ServiceKey, octave: Int, count: UInt64)] {
        var now: [ServiceKey: [UInt64]] = [:]
        var fresh: [(service: ServiceKey, octave: Int, count: UInt64)] = []
        for turns in all {
            let key = ServiceKey(container: turns.container, role: turns.role, port: turns.port)
            // A walk through a map begins again when the entry it stands on is taken away: then some come twice.
            guard now[key] == nil else { continue }
            now[key] = turns.counts
            let known = last[key]
            for (octave, count) in turns.counts.enumerated() {
                let before = known?[octave] ?? 0
                // One that fell began anew.
                let more = count >= before ? count - before : count
                if more > 0 { fresh.append((key, octave, more)) }
            }
        }
        last = now
        return fresh
    }
}
