/* SPDX-License-Identifier: MIT */
/* The clock: see time.c. */
#pragma once

#include "../kernel.h"

typedef s64 ktime_t;

#define NSEC_PER_SEC 1000000000L
#define NSEC_PER_MSEC 1000000L
#define KTIME_MAX INT64_MAX

u64 ktime_get_ns(void);
