import ArgumentParser

/// A length of time as written on the command line: `200ms`, `1.5s`, `2m`, `3h`, `7d`.
struct Duration: ExpressibleByArgument, Equatable {
    /// ns, always positive.
    var nanoseconds: UInt64

    init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    init?(argument: String) {
        let units: [(String, Double)] = [
            ("ns", 1), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9), ("d", 86400e9),
        ]
        for (suffix, scale) in units where argument.hasSuffix(suffix) {
            guard let value = Double(argument.dropLast(suffix.count)), value.isFinite, value > 0,
                value * scale < 1e18
            else { continue }
            nanoseconds = UInt64(value * scale)
            return
        }
        return nil
    }

    var defaultValueDescription: String { description }

    var description: String {
        for (scale, unit) in [
            (86_400_000_000_000, "d"), (3_600_000_000_000, "h"), (1_000_000_000, "s"), (1_000_000, "ms"),
        ]
        where nanoseconds >= scale && nanoseconds % UInt64(scale) == 0 {
            return "\(nanoseconds / UInt64(scale))\(unit)"
        }
        return "\(nanoseconds)ns"
    }
}

/// A part of a whole as written on the command line: `1%`, `0.5`, both in percent.
struct Percent: ExpressibleByArgument, Equatable {
    /// 0…1, more than 0.
    var share: Double

    init?(argument: String) {
        let digits = argument.hasSuffix("%") ? argument.dropLast() : Substring(argument)
        guard let value = Double(digits), value.isFinite, value > 0, value <= 100 else { return nil }
        share = value / 100
    }
}

/// A number of bytes as written on the command line: `64M`, `2G`, powers of 1024; `0`.
struct Size: ExpressibleByArgument, Equatable {
    var bytes: Int

    init(bytes: Int) { self.bytes = bytes }

    init?(argument: String) {
        let units: [Character: Double] = ["K": 1024, "M": 1_048_576, "G": 1_073_741_824, "T": 1_099_511_627_776]
        var digits = Substring(argument)
        var scale = 1.0
        if let last = digits.last, let unit = units[Character(last.uppercased())] {
            scale = unit
            digits = digits.dropLast()
        }
        guard let value = Double(digits), value.isFinite, value >= 0, value * scale < 9e18 else { return nil }
        bytes = Int(value * scale)
    }

    var defaultValueDescription: String {
        for (shift, unit) in [(30, "G"), (20, "M"), (10, "K")] where bytes >= 1 << shift && bytes % (1 << shift) == 0 {
            return "\(bytes >> shift)\(unit)"
        }
        return "\(bytes)"
    }
}

/// `--threshold`: a duration, or `auto`.
enum Threshold: ExpressibleByArgument, Equatable {
    case auto
    case absolute(Duration)

    init?(argument: String) {
        if argument == "auto" {
            self = .auto
        } else if let duration = Duration(argument: argument) {
            self = .absolute(duration)
        } else {
            return nil
        }
    }

    var defaultValueDescription: String {
        switch self {
        case .auto: "auto"
        case .absolute(let duration): duration.description
        }
    }
}

/// `--container NAME[=D]`: a glob on the name or a prefix of the id, with an optional threshold of its own.
struct ContainerChoice: ExpressibleByArgument, Equatable {
    var pattern: String
    var threshold: Duration?

    init?(argument: String) {
        guard let equals = argument.lastIndex(of: "=") else {
            guard !argument.isEmpty else { return nil }
            pattern = argument
            return
        }
        pattern = String(argument[..<equals])
        threshold = Duration(argument: String(argument[argument.index(after: equals)...]))
        guard !pattern.isEmpty, threshold != nil else { return nil }
    }
}
