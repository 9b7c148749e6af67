/* SPDX-License-Identifier: MIT */
/* Divisions that 32-bit machines find hard. */
#pragma once

#include "ktime.h"

static inline u64 div_u64_rem(u64 n, u32 d, u32 *rem)
{
	*rem = n % d;
	return n / d;
}
