// SPDX-License-Identifier: MIT
/*
 * Mutations of the driver fuzzer's inputs: mostly whole operations, so that working sequences are
 * kept. libFuzzer and fast.c call it. The same seed gives the same mutation. Each function returns
 * the size of the result, which is at most the given maximum.
 */
#include <string.h>

#include "input.h"

static size_t at_most(size_t n, size_t most)
{
	return n < most ? n : most;
}

/* Returns a random number below n. */
static uint32_t some(uint32_t *seed, uint32_t n)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 12) % n;
}

/* Writes a random operation. Numbers 0 to 39 are as in ops.c; 0 to 11 are exchanges, and are filled
 * so that they often work. */
static void op_invent(uint8_t *op, uint32_t *seed)
{
	static const uint8_t kinds[] = { 0, 1, 1, 2, 2, 3, 3, 4 };

	for (int i = 0; i < 8; i++)
		op[i] = some(seed, 256);
	op[1] = some(seed, 40);
	if (op[1] >= 12)
		return;
	op[2] = kinds[op[2] % 8];
	op[3] = some(seed, 4);
	op[5] = some(seed, 3) ? op[5] & 3 : op[5];
	op[6] = some(seed, 3) ? 0 : op[6];
	if (op[2] == 1)
		op[7] |= 1;
}

static size_t ops_change(uint8_t *data, size_t n, size_t max, uint32_t *seed)
{
	size_t at = n ? some(seed, n) : 0, from = n ? some(seed, n) : 0;

	switch (some(seed, n ? 6 : 1)) {
	case 0:
	case 1:
		if (n >= max)
			break;
		memmove(data + OP * (at + 1), data + OP * at, OP * (n - at));
		op_invent(data + OP * at, seed);
		return n + 1;
	case 2:
		memmove(data + OP * at, data + OP * (at + 1), OP * (n - at - 1));
		return n - 1;
	case 3:
		if (n >= max)
			break;
		memmove(data + OP * (at + 1), data + OP * at, OP * (n - at));
		memmove(data + OP * at, data + OP * (from + (from >= at)), OP);
		return n + 1;
	case 4:
		data[OP * at + some(seed, 8)] = some(seed, 256);
		break;
	default:
		data[OP * at] = some(seed, 256); /* the same operation by another thread */
	}
	return n;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	size_t n, max_ops = at_most((max_size - HEADER) / OP, MAX_OPS);
	uint32_t state = seed;

	if (max_size < HEADER + OP)
		return LLVMFuzzerMutate(data, size, max_size);
	if (size < HEADER) {
		memset(data + size, 0, HEADER - size);
		size = HEADER;
	}
	if (!some(&state, 8))
		return LLVMFuzzerMutate(data, size, max_size);
	if (!some(&state, 6))
		data[some(&state, HEADER)] = some(&state, 256);
	n = (size - HEADER) / OP;
	for (uint32_t times = some(&state, 5) + 1; times; times--)
		n = ops_change(data + HEADER, n, max_ops, &state);
	return HEADER + OP * n;
}

/* The header and start of the first input, and the end of the second. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
				 uint8_t *out, size_t out_max, unsigned int seed)
{
	size_t n_a, n_b, keep, skip;
	uint32_t state = seed;

	if (a_size < HEADER || b_size < HEADER || out_max < HEADER)
		return 0;
	n_a = (a_size - HEADER) / OP;
	n_b = (b_size - HEADER) / OP;
	keep = at_most(some(&state, n_a + 1), (out_max - HEADER) / OP);
	skip = some(&state, n_b + 1);
	n_b = at_most(n_b - skip, (out_max - HEADER) / OP - keep);
	memcpy(out, a, HEADER + OP * keep);
	memcpy(out + HEADER + OP * keep, b + HEADER + OP * skip, OP * n_b);
	return HEADER + OP * (keep + n_b);
}
