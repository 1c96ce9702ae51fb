import CSQLite
import Glibc
import Synchronization

/// Stops what a database does, from any thread or a signal handler.
public final class Interrupt: Sendable {
    /// SQLite's handle as an address; 0: closed.
    private let handle: Atomic<UInt>
    private let fired = Atomic<Bool>(false)

    init(_ handle: OpaquePointer) { self.handle = Atomic(UInt(bitPattern: handle)) }

    /// The statement that runs ends with `QueryError.interrupted`. Not while the database is being closed.
    public func fire() {
        fired.store(true, ordering: .sequentiallyConsistent)
        if let handle = OpaquePointer(bitPattern: handle.load(ordering: .sequentiallyConsistent)) {
            sqlite3_interrupt(handle)
        }
    }

    /// Since `forget`.
    public var isFired: Bool { fired.load(ordering: .sequentiallyConsistent) }

    /// What it was to stop is over.
    public func forget() { fired.store(false, ordering: .sequentiallyConsistent) }

    func close() { handle.store(0, ordering: .sequentiallyConsistent) }

    // MARK: Ctrl-C

    private static let atSignal = Atomic<UInt>(0)

    /// From now on SIGINT fires it, and calls that wait for the terminal end with EINTR. It is kept for good.
    public func catchSignal() {
        let address = Unmanaged.passRetained(self).toOpaque()
        Self.atSignal.store(UInt(bitPattern: address), ordering: .sequentiallyConsistent)
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in
            let address = Interrupt.atSignal.load(ordering: .sequentiallyConsistent)
            guard let address = UnsafeRawPointer(bitPattern: address) else { return }
            Unmanaged<Interrupt>.fromOpaque(address).takeUnretainedValue().fire()
        }
        sigaction(SIGINT, &action, nil)
    }
}
