/* SPDX-License-Identifier: MIT */
/* Numbers that differ between runs, but not under the deterministic scheduler. */
#pragma once

#include "../kernel.h"

u32 get_random_u32(void);
