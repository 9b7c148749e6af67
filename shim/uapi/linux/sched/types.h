/* SPDX-License-Identifier: MIT */
/* The scheduling attributes of a thread that the driver uses. */
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
