import Events

/// The stagings used last, one for each of 32 hashes. It does not hold them: who lets go of one must `clear` it before.
final class RecentStagings {
    private static let slots = 32
    private let places: UnsafeMutablePointer<Unmanaged<Staging>?>

    init() {
        places = .allocate(capacity: Self.slots)
        places.initialize(repeating: nil, count: Self.slots)
    }

    deinit { places.deallocate() }

    @inline(__always)
    private static func slot(_ kind: EventKind, _ container: ContainerKey) -> Int {
        Int(truncatingIfNeeded: container &* 5 &+ UInt64(kind.rawValue)) & (slots - 1)
    }

    @inline(__always)
    func find(_ kind: EventKind, _ container: ContainerKey) -> Unmanaged<Staging>? {
        guard let hit = places[Self.slot(kind, container)] else { return nil }
        return hit._withUnsafeGuaranteedRef { $0.kind == kind && $0.container == container } ? hit : nil
    }

    func set(_ staging: Staging) -> Unmanaged<Staging> {
        let unmanaged = Unmanaged.passUnretained(staging)
        places[Self.slot(staging.kind, staging.container)] = unmanaged
        return unmanaged
    }

    func clear() { places.update(repeating: nil, count: Self.slots) }
}
