#pragma once
/* The compiled BPF programs (an ELF object with BTF), embedded at build time by the EmbedBPF plugin. */
extern const unsigned char *const flightrec_bpf_object_data;
extern const unsigned long flightrec_bpf_object_size;
