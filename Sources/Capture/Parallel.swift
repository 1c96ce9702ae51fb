import Dispatch
import Glibc
import Synchronization

/// Threads one capture is worked on with, at most: a publisher must not take a large host's CPUs from its containers.
private let mostThreads = 4

/// What `body` makes of each of `count` numbers from 0, in order; on several threads at once. Throws the first error by number.
func inParallel<Value: Sendable>(
    _ count: Int, _ body: @Sendable (Int) throws(CaptureError) -> Value
) throws(CaptureError) -> [Value] {
    let results = Mutex<[Int: Result<Value, CaptureError>]>([:])
    let next = Atomic<Int>(0)
    let threads = max(1, min(mostThreads, count, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    DispatchQueue.concurrentPerform(iterations: threads) { _ in
        while true {
            let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
            guard number < count else { return }
            let result = Result { () throws(CaptureError) in try body(number) }
            results.withLock { $0[number] = result }
        }
    }
    var found = results.withLock { results in
        defer { results = [:] }
        return results
    }
    var values: [Value] = []
    values.reserveCapacity(count)
    for number in 0..<count {
        guard let result = found.removeValue(forKey: number) else { preconditionFailure("\(number) was left out") }
        values.append(try result.get())
    }
    return values
}
