import Analysis
import Capture
import CaptureFixtures
import Foundation
import FuzzSupport
import Glibc
import Report

// A whole file that claims to be a capture.
private let path = "/dev/shm/flightrec-fuzz-\(getpid()).flightrec"
private let limits = CaptureLimits(events: 100_000, bytes: 64 << 20)

@c(LLVMFuzzerTestOneInput)
public func one(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let file = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0o600)
    precondition(file >= 0, "no room for the input")
    precondition(size == 0 || write(file, data, size) == size, "no room for the input")
    close(file)
    // Whoever forges a capture forges its seal.
    do { try reseal(path) } catch { preconditionFailure("no room for the seal: \(error)") }
    do throws(CaptureError) {
        let reader = try CaptureReader.open(path)
        let summary = try reader.summary()
        guard let listed = CaptureStore.inspect(path) else { preconditionFailure("the file is there") }
        precondition(listed.summary == summary, "list and show differ")
        if var stored = try reader.incident(limits: limits) {
            let span = timelineSpan(stored, style)
            stored.inView = try reader.briefs(overlapping: span, of: stored.evidence)
            present(stored, bytes: UInt64(size))
        }
        present(analyze(try reader.evidence(limits: limits)), bytes: UInt64(size))
    } catch {
        precondition(!error.description.isEmpty)
    }
    return 0
}
