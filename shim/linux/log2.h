/* SPDX-License-Identifier: MIT */
/* Logarithms. */
#pragma once

#include "bitops.h"

/* n must not be 0. Rounds down. */
#define ilog2(n) (fls(n) - 1)
#define is_power_of_2(n) ((n) && !((n) & ((n) - 1)))
