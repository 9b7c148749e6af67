/* SPDX-License-Identifier: MIT */
/*
 * A quick checksum of n pixels, which depends on their order. Bytes in a received message may not
 * be aligned, so each pixel is copied out.
 */
#ifndef CHECKSUM_H
#define CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t checksum(const void *pixels, size_t n)
{
	uint64_t sum = n;

	for (size_t i = 0; i < n; i++) {
		uint32_t pixel;

		memcpy(&pixel, (const char *)pixels + i * sizeof(pixel), sizeof(pixel));
		sum = (sum ^ pixel) * 0x100000001b3;
	}
	return sum;
}

#endif /* CHECKSUM_H */
