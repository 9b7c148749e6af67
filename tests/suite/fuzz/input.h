/* SPDX-License-Identifier: MIT */
/*
 * A fuzzer's input as a source of decisions: bytes are taken from the front. When none are left,
 * every decision is 0. Used by all fuzzers.
 */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct input {
	const uint8_t *data;
	size_t size;
};

static inline bool input_ended(const struct input *input)
{
	return !input->size;
}

static inline uint8_t input_byte(struct input *input)
{
	if (!input->size)
		return 0;
	input->size--;
	return *input->data++;
}

static inline uint16_t input_short(struct input *input)
{
	uint16_t low = input_byte(input);

	return (uint16_t)(low | input_byte(input) << 8);
}

/* Returns a number from 0 to n - 1. */
static inline uint32_t input_below(struct input *input, uint32_t n)
{
	return (n > 256 ? input_short(input) : input_byte(input)) % n;
}

/* Returns a part of the input itself, which is shorter than @size at the end. */
static inline size_t input_bytes(struct input *input, size_t size, const uint8_t **ret_data)
{
	if (size > input->size)
		size = input->size;
	*ret_data = input->data;
	input->data += size;
	input->size -= size;
	return size;
}

#endif /* FUZZ_INPUT_H */
