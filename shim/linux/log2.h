/* SPDX-License-Identifier: MIT */
/* Logarithms. */
#pragma once

#include "bitops.h"

/* Of what is not 0, rounded down. */
#define ilog2(n) (fls(n) - 1)
