/* SPDX-License-Identifier: MIT */
/* Positions of bits. */
#pragma once

#include "../kernel.h"

/* The number of the highest bit set, from 1; 0 for none. */
static inline int fls(unsigned int x)
{
	return x ? 32 - __builtin_clz(x) : 0;
}

static inline unsigned long __ffs(unsigned long x)
{
	return __builtin_ctzl(x);
}
