/* SPDX-License-Identifier: MIT */
/* User copies that fail on request: see fail.h. */
#pragma once

#include "../fail.h"
#include "../kernel.h"

static inline bool should_fail_usercopy(void)
{
	return shim_fail_now(SHIM_FAIL_COPY);
}
