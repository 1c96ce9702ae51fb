import Foundation
import Glibc
import Synchronization
import Testing

@testable import Recorder

@Suite struct ProcessMemoryTests {
    @Test func onlyTheCodeOfFiles() {
        let maps = """
            5586f4e65000-5586f6a3b000 r-xp 00000000 08:01 1234                       /usr/bin/flightrec
            5586f6a43000-5586f8f95000 rw-p 01bd6000 08:01 1234                       /usr/bin/flightrec
            558721431000-5587226ff000 rw-p 00000000 00:00 0                          [heap]
            7f4d13abd000-7f4d13abe000 r-xp 00000000 00:00 0
            7f4d19200000-7f4d19244000 r--p 00000000 08:01 77                         /usr/lib/libc.so.6
            7f4d19244000-7f4d1939a000 r-xp 00044000 08:01 77                         /usr/lib/with space/libc.so.6 (deleted)
            7f4d193aa000-7f4d193ab000 rwxp 00044000 08:01 77                         /usr/lib/odd.so
            7f4d193ac000-7f4d193ad000 r-xp 00000000 00:01 9                          /memfd:jit (deleted)
            7f4d193ad000-7f4d193ae000 r-xp 00000000 00:05 9                          /dev/zero (deleted)
            7ffd0b1f0000-7ffd0b1f2000 r-xp 00000000 00:00 0                          [vdso]
            x-y r-xp 00000000 08:01 1 /odd
            """
        #expect(ProcessMemory.code(maps) == [0x5586_f4e6_5000..<0x5586_f6a3_b000, 0x7f4d_1924_4000..<0x7f4d_1939_a000])
    }

    /// Blocks of 64 KiB, 8 MiB of them, freed by the thread that made them, and its heap asked before the thread ends. Where threads
    /// share a heap another's block may lie behind them: that is no fault, and the next thread may have another heap.
    @Test func aThreadsHeapGivesBackWhatItFreed() {
        ProcessMemory.keepLittle()
        // Else this would let 32 MiB be kept.
        free(malloc(16 << 20))
        #expect((0..<8).contains { _ in Self.isGivenBack() })
    }

    private static func isGivenBack() -> Bool {
        let given = Mutex(false)
        let ended = DispatchSemaphore(value: 0)
        Thread {
            defer { ended.signal() }
            // What Swift makes once, when something is first used, must not come to lie at the heap's end.
            _ = isInHeap(afterFreeing: 2)
            given.withLock { $0 = !isInHeap(afterFreeing: 128) }
        }.start()
        ended.wait()
        return given.withLock { $0 }
    }

    /// Whether a page in the midst of so many blocks still takes memory (mincore(2)) after they are freed.
    private static func isInHeap(afterFreeing count: Int) -> Bool {
        let size = 64 << 10
        var blocks: [UnsafeMutableRawPointer] = []
        blocks.reserveCapacity(count)
        while blocks.count < count, let block = malloc(size) { blocks.append(memset(block, 1, size)) }
        let page = UnsafeMutableRawPointer(bitPattern: UInt(bitPattern: blocks[count / 2]) & ~4095)
        while let block = blocks.popLast() { free(block) }
        var isThere: UInt8 = 1
        guard let page, mincore(page, 4096, &isThere) == 0 else { return true }
        return isThere & 1 != 0
    }
}
