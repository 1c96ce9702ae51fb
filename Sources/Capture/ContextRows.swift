import Analysis
import Events
import GRDB

/// What containers and the host said of themselves, to and from rows.
enum ContextRows {
    static func insert(_ evidence: Evidence, into db: Database) throws {
        let samples = try Insert(
            db, "sample",
            """
            at_ns container frozen throttled_ns throttled_periods memory_high memory_max memory_kills memory_bytes
            memory_limit_bytes cpu_pressure_ns memory_pressure_ns io_pressure_ns network
            """)
        for sample in evidence.samples {
            try samples.row(
                sample.at.signed, sample.container.signed, sample.frozen, sample.throttled?.signed,
                sample.throttledPeriods?.signed, sample.memoryHigh?.signed, sample.memoryMax?.signed,
                sample.memoryKills?.signed, sample.memory?.signed, sample.memoryLimit?.signed,
                sample.cpuPressure?.signed, sample.memoryPressure?.signed, sample.ioPressure?.signed, sample.network)
        }
        let counters = try Insert(db, "counter", "at_ns container name value")
        for reading in evidence.counters {
            try counters.row(reading.at.signed, reading.container.signed, reading.name, reading.value.signed)
        }
        let softnet = try Insert(db, "softnet", "at_ns cpu processed dropped squeezed")
        for reading in evidence.softnet {
            try softnet.row(
                reading.at.signed, Int64(reading.cpu), reading.processed.signed, reading.dropped.signed,
                reading.squeezed.signed)
        }
    }

    static func read(into evidence: inout Evidence, from db: Database) throws {
        let columns = """
            at_ns, container, frozen, throttled_ns, throttled_periods, memory_high, memory_max, memory_kills,
            memory_bytes, memory_limit_bytes, cpu_pressure_ns, memory_pressure_ns, io_pressure_ns, network
            """
        try EvidenceTables.each(db, columns, "sample ORDER BY rowid") {
            var sample = ContainerSample(
                at: try $0.bits(0), container: try $0.bits(1), frozen: $0.isNull(2) ? nil : try $0.int64(2) != 0,
                throttled: try $0.optionalBits(3))
            sample.throttledPeriods = try $0.optionalBits(4)
            sample.memoryHigh = try $0.optionalBits(5)
            sample.memoryMax = try $0.optionalBits(6)
            sample.memoryKills = try $0.optionalBits(7)
            sample.memory = try $0.optionalBits(8)
            sample.memoryLimit = try $0.optionalBits(9)
            sample.cpuPressure = try $0.optionalBits(10)
            sample.memoryPressure = try $0.optionalBits(11)
            sample.ioPressure = try $0.optionalBits(12)
            sample.network = try $0.int64(13) != 0
            evidence.samples.append(sample)
        }
        try EvidenceTables.each(db, "at_ns, container, name, value", "counter ORDER BY rowid") {
            evidence.counters.append(
                CounterReading(
                    at: try $0.bits(0), container: try $0.bits(1), name: try $0.text(2), value: try $0.bits(3)))
        }
        try EvidenceTables.each(db, "at_ns, cpu, processed, dropped, squeezed", "softnet ORDER BY rowid") {
            evidence.softnet.append(
                SoftnetReading(
                    at: try $0.bits(0), cpu: try $0.number(1), processed: try $0.bits(2), dropped: try $0.bits(3),
                    squeezed: try $0.bits(4)))
        }
    }
}
