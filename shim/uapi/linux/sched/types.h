/* SPDX-License-Identifier: MIT */
/* What a thread can be scheduled by, as far as it is used. */
#pragma once

#include "../../../kernel.h"

struct sched_attr {
	u32 size;
	u32 sched_policy;
	u64 sched_flags;
	s32 sched_nice;
	u32 sched_priority;
	u64 sched_runtime;
};
