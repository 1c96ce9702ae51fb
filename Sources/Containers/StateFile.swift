import CLinux
import Foundation
import Glibc

/// Files other programs own: read whole, but never more than their reader can want.
enum StateFile {
    /// Container engines keep kilobytes in a file; Podman's list of all containers may reach megabytes.
    static let limit = 16 << 20

    /// `nil`: absent, unreadable, not a regular file, or larger than `limit`.
    static func read(_ path: String) -> Data? {
        // A FIFO in its place must not hang us, and a link to a device, which opening alone may set going, not be opened.
        let place = flightrec_open_place(path)
        guard place >= 0 else { return nil }
        defer { close(place) }
        var info = stat()
        guard fstat(place, &info) == 0, info.st_mode & S_IFMT == S_IFREG, info.st_size <= limit else { return nil }
        let descriptor = open("/proc/self/fd/\(place)", O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var data = Data()
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while data.count <= limit {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count == 0 { return data }
            if count < 0 {
                if errno == EINTR { continue }
                return nil
            }
            data.append(contentsOf: buffer[..<count])
        }
        return nil
    }

    /// The beginning of a file of /proc, which has no size; `nil`: its process is gone, or it can't be read.
    static func readStream(_ path: String, limit: Int) -> Data? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = Glibc.read(descriptor, &buffer, limit)
        return count >= 0 ? Data(buffer[..<count]) : nil
    }

    static func decode<T: Decodable>(_ type: T.Type, _ path: String) -> T? {
        // A file half-written or of another version is one that knows nothing.
        read(path).flatMap { try? JSONDecoder().decode(type, from: $0) }
    }

    /// Names in a directory, `[]` when it is absent.
    static func list(_ path: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    }
}
