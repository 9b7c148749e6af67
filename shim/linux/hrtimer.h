/* SPDX-License-Identifier: MIT */
/* Sleeping until a time: see time.c. */
#pragma once

#include "ktime.h"

enum hrtimer_mode { HRTIMER_MODE_ABS };

int schedule_hrtimeout_range(ktime_t *expires, u64 delta, enum hrtimer_mode mode);
