/* SPDX-License-Identifier: MIT */
/* Ranges of priorities. */
#pragma once

#include "../../kernel.h"

#define MAX_NICE		19
#define MIN_NICE		-20
#define NICE_WIDTH		40
#define MAX_RT_PRIO		100
#define MAX_PRIO		140
#define DEFAULT_PRIO		120
#define NICE_TO_PRIO(nice)	((nice) + DEFAULT_PRIO)
#define rlimit_to_nice(limit)	(MAX_NICE - (limit) + 1)
#define PRIO_TO_NICE(prio)	((prio) - DEFAULT_PRIO)
