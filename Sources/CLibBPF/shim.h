#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

/* Both a macro and an enumerator of the same name in uapi/linux/btf.h: ambiguous to Swift. */
static const unsigned FLIGHTREC_BTF_KIND_FUNC = BTF_KIND_FUNC;
static const unsigned FLIGHTREC_BTF_KIND_DATASEC = BTF_KIND_DATASEC;
