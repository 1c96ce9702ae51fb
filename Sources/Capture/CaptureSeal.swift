import CLinux
import Glibc
import Window

/// The last bytes of a capture, after SQLite's last page, which SQLite does not look at: `FLTRSEAL` and the CRC-32 of all before
/// them, little-endian. Blocks have checksums of their own; this one is for the plain tables, where a flipped bit would be
/// another number.
package enum CaptureSeal {
    static let magic = Array("FLTRSEAL".utf8)
    package static let size: UInt64 = 12
    private static let piece = 1 << 18

    /// Seals `length` bytes of an open file. Throws `CaptureError.writing`'s errors.
    package static func append(to file: Int32, length: UInt64, path: String) throws(CaptureError) {
        let seal = try bytes(file, length: length, path: path)
        let written = pwrite(file, seal, seal.count, off_t(length))
        guard written == seal.count else { throw .writing(path, errno: written < 0 ? errno : ENOSPC) }
    }

    /// Whether the seal after `length` bytes is theirs. Throws `CaptureError.read`.
    static func holds(_ file: Int32, length: UInt64, path: String) throws(CaptureError) -> Bool {
        var found = [UInt8](repeating: 0, count: Int(size))
        guard pread(file, &found, found.count, off_t(length)) == found.count else { return false }
        return try found == bytes(file, length: length, path: path)
    }

    private static func bytes(_ file: Int32, length: UInt64, path: String) throws(CaptureError) -> [UInt8] {
        var checksum: UInt32 = 0
        var at: UInt64 = 0
        var buffer = [UInt8](repeating: 0, count: piece)
        while at < length {
            let data = try nextData(file, from: at, before: length, path: path)
            checksum = CRC32.zeros(data.lowerBound - at, continuing: checksum)
            at = data.lowerBound
            while at < data.upperBound {
                let wanted = Int(min(UInt64(piece), data.upperBound - at))
                let got = pread(file, &buffer, wanted, off_t(at))
                guard got > 0 else {
                    throw .read(path: path, why: got < 0 ? CaptureError.words(errno) : "it ended while it was read")
                }
                checksum = buffer.withUnsafeBytes {
                    CRC32.checksum(UnsafeRawBufferPointer(rebasing: $0[..<got]), continuing: checksum)
                }
                at += UInt64(got)
            }
        }
        return magic + (0..<4).map { UInt8(truncatingIfNeeded: checksum >> (8 * $0)) }
    }

    /// The first bytes from `at` on that are not a hole, which are zeros that lie nowhere: a file of a few KiB may claim many
    /// TiB of them. Empty at `length` when only a hole is left; everything, where the file system can't tell.
    private static func nextData(
        _ file: Int32, from at: UInt64, before length: UInt64, path: String
    ) throws(CaptureError) -> Range<UInt64> {
        let data = flightrec_next_data(file, off_t(at))
        guard data >= 0 else {
            switch errno {
            case ENXIO: return length..<length
            case EINVAL: return at..<length
            default: throw .read(path: path, why: CaptureError.words(errno))
            }
        }
        let hole = flightrec_next_hole(file, data)
        guard hole >= 0 else { throw .read(path: path, why: CaptureError.words(errno)) }
        let from = min(max(UInt64(data), at), length)
        return from..<min(max(UInt64(hole), from), length)
    }
}
