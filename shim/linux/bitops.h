/* SPDX-License-Identifier: MIT */
/* Bit positions. */
#pragma once

#include "../kernel.h"

/* Number of the highest set bit, from 1; 0 if no bit is set. */
static inline int fls(unsigned int x)
{
	return x ? 32 - __builtin_clz(x) : 0;
}

static inline unsigned long __ffs(unsigned long x)
{
	return __builtin_ctzl(x);
}
