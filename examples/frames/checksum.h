/* SPDX-License-Identifier: MIT */
/*
 * A quick checksum of pixels. It depends on their order.
 */
#ifndef CHECKSUM_H
#define CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t checksum(const uint32_t *pixels, size_t n)
{
	uint64_t sum = n;

	for (size_t i = 0; i < n; i++)
		sum = (sum ^ pixels[i]) * 0x100000001b3;
	return sum;
}

#endif /* CHECKSUM_H */
