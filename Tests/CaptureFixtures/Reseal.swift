import Capture
import Foundation
import Glibc

/// Gives a changed capture a seal that holds, as whoever forges one would: what is behind the seal is to be tested. Leaves alone
/// what is no SQLite file, or shorter than it says.
public func reseal(_ path: String) throws {
    let file = open(path, O_RDWR | O_CLOEXEC)
    guard file >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    defer { close(file) }
    var header = [UInt8](repeating: 0, count: 100)
    var status = stat()
    guard pread(file, &header, header.count, 0) == header.count, fstat(file, &status) == 0 else { return }
    let field = UInt64(header[16]) << 8 | UInt64(header[17])
    let pages = header[28..<32].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let length = pages * (field == 1 ? 65536 : field)
    guard length > 0, length <= UInt64(status.st_size) else { return }
    guard ftruncate(file, off_t(length)) == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    try CaptureSeal.append(to: file, length: length, path: path)
}
