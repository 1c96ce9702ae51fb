import CLibBPF
import Glibc
import Testing

@testable import Kernel

/// One walk finds what libbpf finds. Needs this kernel's BTF, and no permission.
@Suite(.enabled(if: access("/sys/kernel/btf/vmlinux", R_OK) == 0)) struct BTFIndexTests {
    @Test func findsWhatLibbpfFinds() throws {
        let btf = try #require(btf__load_vmlinux_btf())
        defer { btf__free(btf) }
        let names =
            ["tcp_sendmsg", "tcp_v4_do_rcv", "no_such_function"].map {
                BTFIndex.Name(kind: FLIGHTREC_BTF_KIND_FUNC, text: $0)
            }
            + ["btf_trace_tcp_probe", "u64", "tcp_sendmsg"].map {
                BTFIndex.Name(kind: UInt32(BTF_KIND_TYPEDEF), text: $0)
            }
            + ["sock", "task_struct"].map { BTFIndex.Name(kind: UInt32(BTF_KIND_STRUCT), text: $0) }
            + [BTFIndex.Name(kind: FLIGHTREC_BTF_KIND_DATASEC, text: ".data..percpu")]
        let index = BTFIndex(of: btf, Set(names))
        for name in names {
            let id = btf__find_by_name_kind(btf, name.text, name.kind)
            #expect(index.id(name) == (id > 0 ? UInt32(id) : nil), "\(name)")
        }
        #expect(index.id(names[0]) != nil && index.id(names[2]) == nil)
    }
}
