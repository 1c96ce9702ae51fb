#pragma once
/* The compiled BPF programs (an ELF object with BTF), embedded at build time by the EmbedBPF plugin. */
extern const unsigned char *const flightrec_bpf_object_data;
extern const unsigned long flightrec_bpf_object_size;
/* The same for kernels before 5.13. */
extern const unsigned char *const flightrec_bpf_object_before_5_13_data;
extern const unsigned long flightrec_bpf_object_before_5_13_size;
