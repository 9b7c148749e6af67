/* SPDX-License-Identifier: MIT */
/* A hash of two words. */
#pragma once

#include "../kernel.h"

static inline u32 jhash_2words(u32 a, u32 b, u32 seed)
{
	u64 hash = ((u64)a << 32 | b) ^ seed;

	hash *= 0x9e3779b97f4a7c15ULL;
	return hash >> 32;
}
