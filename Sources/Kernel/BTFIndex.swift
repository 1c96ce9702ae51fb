import CLibBPF
import Glibc

/// The ids of some of a BTF's types, by kind and name, found in one walk of all: a kernel has some 130,000, and libbpf
/// (`btf__find_by_name_kind`) walks them at each asking.
struct BTFIndex {
    struct Name: Hashable {
        /// `BTF_KIND_FUNC` and so on.
        var kind: UInt32
        var text: String
    }

    private let wanted: Set<Name>
    private let found: [Name: UInt32]

    /// `nil` where nothing of that kind has the name.
    func id(_ name: Name) -> UInt32? {
        precondition(wanted.contains(name), "\(name.text) is not of those that were looked for")
        return found[name]
    }

    /// Of several types with one name, the first, as libbpf has it.
    init(of btf: OpaquePointer, _ names: Set<Name>) {
        let kinds = Set(names.map(\.kind))
        let hashed = Dictionary(grouping: names) { $0.text.withCString(Self.hash) }
        var found: [Name: UInt32] = [:]
        for id in 1..<btf__type_cnt(btf) {
            guard let type = btf__type_by_id(btf, id) else { continue }
            let kind = (type.pointee.info >> 24) & 0x1f
            guard kinds.contains(kind), let text = btf__name_by_offset(btf, type.pointee.name_off),
                let candidates = hashed[Self.hash(text)]
            else { continue }
            for name in candidates where name.kind == kind && found[name] == nil && strcmp(name.text, text) == 0 {
                found[name] = id
            }
        }
        wanted = names
        self.found = found
    }

    /// FNV-1a: most names are none of those wanted, and need not become a `String` to say so.
    private static func hash(_ text: UnsafePointer<CChar>) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        var byte = text
        while byte.pointee != 0 {
            hash = (hash ^ UInt64(UInt8(bitPattern: byte.pointee))) &* 0x100_0000_01b3
            byte += 1
        }
        return hash
    }
}
