import Events
import Glibc
import Kernel

// thinnest path
let probes = try Probes(filter: ProbeFilter(host: true))
for s in probes.status { print(s.hook, s.rung ?? "-", s.reason ?? "") }
try probes.adoptExisting()
for _ in 0..<40 {
    usleep(250_000)
    probes.drain { record in
        do { print(try Event(record)) } catch { print(error) }
    }
    try probes.walkOpen { print("open", $0.h.socket, $0.h.ts - $0.start, $0.flags) }
}
print(try probes.counters())
