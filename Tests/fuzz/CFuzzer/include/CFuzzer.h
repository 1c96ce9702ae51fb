#pragma once
#include <stddef.h>
#include <stdint.h>
/* libFuzzer's own main, as a function (compiler-rt/lib/fuzzer/FuzzerInterface.h). */
int LLVMFuzzerRunDriver(int *count, char ***arguments, int (*one)(const uint8_t *data, size_t size));
