extension Evidence {
    /// What the recording machine calls a syscall's number.
    public func syscallName(_ number: UInt32?) -> String {
        Syscalls.describe(number, machine: facts["machine"] ?? "x86_64").name
    }
}

/// Names of the syscalls threads wait in, and what kind of waiting that is.
enum Syscalls {
    enum Waiting {
        /// For time to pass.
        case timer
        /// For another thread.
        case lock
        /// For a file.
        case file
        /// For any of several descriptors, or for a while.
        case poll
        case other
    }

    /// Linux numbers (arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h).
    private static let known: [(name: String, x86: UInt32?, generic: UInt32?, waiting: Waiting)] = [
        ("nanosleep", 35, 101, .timer), ("clock_nanosleep", 230, 115, .timer), ("pause", 34, nil, .other),
        ("futex", 202, 98, .lock), ("futex_wait", 455, 455, .lock), ("futex_waitv", 449, 449, .lock),
        ("fsync", 74, 82, .file), ("fdatasync", 75, 83, .file), ("sync", 162, 81, .file), ("syncfs", 306, 267, .file),
        ("sync_file_range", 277, 84, .file), ("msync", 26, 227, .file), ("pread64", 17, 67, .file),
        ("pwrite64", 18, 68, .file), ("preadv", 295, 69, .file), ("pwritev", 296, 70, .file),
        ("openat", 257, 56, .file), ("unlink", 87, nil, .file), ("rename", 82, nil, .file),
        ("ftruncate", 77, 46, .file), ("fallocate", 285, 47, .file), ("io_getevents", 208, 4, .file),
        ("select", 23, nil, .poll), ("pselect6", 270, 72, .poll), ("poll", 7, nil, .poll), ("ppoll", 271, 73, .poll),
        ("epoll_wait", 232, nil, .poll), ("epoll_pwait", 281, 22, .poll), ("epoll_pwait2", 441, 441, .poll),
        ("io_uring_enter", 426, 426, .poll), ("read", 0, 63, .other), ("write", 1, 64, .other),
        ("readv", 19, 65, .other), ("writev", 20, 66, .other), ("recvfrom", 45, 207, .other),
        ("recvmsg", 47, 212, .other), ("sendto", 44, 206, .other), ("sendmsg", 46, 211, .other),
        ("sendfile", 40, 71, .other), ("sendmmsg", 307, 269, .other), ("splice", 275, 76, .other),
        ("accept", 43, 202, .other), ("accept4", 288, 242, .other),
        ("connect", 42, 203, .other), ("wait4", 61, 260, .other), ("waitid", 247, 95, .other),
        ("flock", 73, 32, .other), ("fcntl", 72, 25, .other), ("semop", 65, 193, .lock),
        ("semtimedop", 220, 192, .lock), ("rt_sigtimedwait", 128, 137, .other), ("mmap", 9, 222, .other),
        ("sched_yield", 24, 124, .other), ("clone", 56, 220, .other), ("clone3", 435, 435, .other),
        ("vfork", 58, nil, .other), ("execve", 59, 221, .file), ("munmap", 11, 215, .other),
        ("madvise", 28, 233, .other),
        ("open", 2, nil, .file), ("close", 3, 57, .other), ("stat", 4, nil, .file), ("newfstatat", 262, 79, .file),
        ("getdents64", 217, 61, .file), ("mkdir", 83, nil, .file), ("renameat2", 316, 276, .file),
        ("unlinkat", 263, 35, .file), ("io_submit", 209, 2, .file), ("ioctl", 16, 29, .other),
    ]

    /// Name and kind of a number on a machine as `uname -m` calls it.
    static func describe(_ number: UInt32?, machine: String) -> (name: String, waiting: Waiting) {
        guard let number else { return ("the kernel", .other) }
        let entry = known.first { (machine == "x86_64" ? $0.x86 : $0.generic) == number }
        return entry.map { ($0.name, $0.waiting) } ?? ("syscall \(number)", .other)
    }
}
