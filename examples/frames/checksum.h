/* SPDX-License-Identifier: MIT */
/*
 * A checksum of pixels: quick, and different for any that are out of place.
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
