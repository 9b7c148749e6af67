/* SPDX-License-Identifier: MIT */
/* Random numbers; under the deterministic scheduler each run has the same. */
#pragma once

#include "../kernel.h"

u32 get_random_u32(void);
