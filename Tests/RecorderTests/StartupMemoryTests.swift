import Testing

@testable import Recorder

@Suite struct StartupMemoryTests {
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
        #expect(StartupMemory.code(maps) == [0x5586_f4e6_5000..<0x5586_f6a3_b000, 0x7f4d_1924_4000..<0x7f4d_1939_a000])
    }
}
