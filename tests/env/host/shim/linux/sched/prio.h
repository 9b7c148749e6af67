/* SPDX-License-Identifier: MIT */
/* The scheduler's scale. */
#pragma once

#include "../../kernel.h"

#define MAX_NICE		19
#define MIN_NICE		-20
#define MAX_RT_PRIO		100
#define MAX_PRIO		140
#define DEFAULT_PRIO		120
#define NICE_TO_PRIO(nice)	((nice) + DEFAULT_PRIO)
#define nice_to_rlimit(nice)	(MAX_NICE - (nice) + 1)
#define PRIO_TO_NICE(prio)	((prio) - DEFAULT_PRIO)
