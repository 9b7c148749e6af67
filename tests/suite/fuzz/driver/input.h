/* SPDX-License-Identifier: MIT */
/*
 * An input of the driver's fuzzer: a header, then operations (fuzz.c). Mutations are in mutate.c.
 */
#ifndef FUZZ_DRIVER_INPUT_H
#define FUZZ_DRIVER_INPUT_H

#include <stddef.h>
#include <stdint.h>

#define HEADER	8
#define OP	8
#define MAX_OPS	200

/* libFuzzer's function, and the functions that it calls. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
				 uint8_t *out, size_t out_max, unsigned int seed);

#endif
