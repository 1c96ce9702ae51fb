import CLinux
import Foundation

/// What the process takes beyond what it needs.
enum ProcessMemory {
    /// To be called before there are threads. What a capture took is given back when it is freed.
    static func keepLittle() {
        // All fail for values out of range only (mallopt(3)). One heap for all threads: else every thread that Dispatch starts takes one
        // of its own, whose free end malloc_trim(3) does not look at, and the few small objects that stay in each hold its pages. An
        // hour of soak grew by 2 to 4 MiB so, whatever the two limits below were. Threads hardly ever allocate at the same time here.
        mallopt(M_ARENA_MAX, 1)
        // To set one of these ends their raising (to 64 MiB at most, by the largest block ever freed: the heap kept 8 MiB after one
        // capture). The heap must not be cut and grown again for every block the pump seals, which takes half a MiB by arithmetic.
        // Larger arrays lie outside of it.
        mallopt(M_TRIM_THRESHOLD, 2 << 20)
        mallopt(M_MMAP_THRESHOLD, 1 << 20)
    }

    /// Gives back what only starting took: freed heap (the kernel's BTF above all), and the pages of code that ran once. Of code the
    /// process keeps no copy: a page it runs again is mapped again out of the page cache (`MADV_DONTNEED` in madvise(2)), those
    /// around it with it. A breakpoint or uprobe set in it before is lost.
    static func giveBack() {
        malloc_trim(0)
        // Where it can't be read or done the memory stays, which harms nobody.
        guard let maps = try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8) else { return }
        for range in code(maps) {
            madvise(UnsafeMutableRawPointer(bitPattern: range.lowerBound), range.count, MADV_DONTNEED)
        }
    }

    /// Of proc_pid_maps(5), mappings of files that may be run and not written: their pages are the file's own. (Those of a
    /// memfd_create(2) or device may not be.)
    static func code(_ maps: String) -> [Range<UInt>] {
        maps.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ", maxSplits: 5)
            guard fields.count == 6, fields[1] == "r-xp" else { return nil }
            let path = fields[5].drop { $0 == " " }
            guard path.hasPrefix("/"), !path.hasPrefix("/memfd:"), !path.hasPrefix("/dev/") else { return nil }
            let ends = fields[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
            return ends.count == 2 && ends[0] < ends[1] ? ends[0]..<ends[1] : nil
        }
    }
}
