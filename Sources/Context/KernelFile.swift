import Glibc

/// Reads small files of /proc and /sys/fs/cgroup into one buffer. Nothing here allocates: it happens on the pump thread.
public final class ScratchBuffer {
    /// The longest of these files, /proc/net/netstat, has 4 to 5 KB; /proc/net/dev of a host with many interfaces more,
    /// of which the first (the oldest, and so the physical) are read.
    private let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 16384, alignment: 16)

    public init() {}

    deinit { bytes.deallocate() }

    /// The beginning of the file at `descriptor`; `nil` when it can't be read: its cgroup or process is gone.
    func read(_ descriptor: Int32) -> UnsafeRawBufferPointer? {
        var length = 0
        while length < bytes.count {
            let got = pread(descriptor, bytes.baseAddress! + length, bytes.count - length, off_t(length))
            guard got >= 0 else { return nil }
            length += got
            // Only /proc/net/dev comes in several pieces, of a page each: a shorter one is the last.
            if got < 3072 { break }
        }
        return UnsafeRawBufferPointer(rebasing: bytes[..<length])
    }

    /// Opens, reads and closes. `directory`: what a relative path starts from.
    func read(_ path: String, in directory: Int32 = AT_FDCWD) -> UnsafeRawBufferPointer? {
        let descriptor = openat(directory, path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return read(descriptor)
    }
}

/// A file kept open, so that each further look costs one system call. Only for files whose descriptor holds nothing else
/// alive: a cgroup can be removed under it.
final class KernelFile {
    private let descriptor: Int32

    init?(_ path: String) {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
    }

    deinit { close(descriptor) }

    func read(_ scratch: ScratchBuffer) -> UnsafeRawBufferPointer? { scratch.read(descriptor) }
}
