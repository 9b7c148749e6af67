/* SPDX-License-Identifier: MIT */
/* Sleeping until a time, and timers: see time.c. */
#pragma once

#include "ktime.h"
#include "workqueue.h"

#define CLOCK_MONOTONIC 1

enum hrtimer_mode { HRTIMER_MODE_ABS, HRTIMER_MODE_ABS_HARD };
enum hrtimer_restart { HRTIMER_NORESTART };

/* Delayed work, which begins up to a tick late. */
struct hrtimer {
	struct delayed_work work;
	enum hrtimer_restart (*function)(struct hrtimer *timer);
};

void hrtimer_init(struct hrtimer *timer, int clock, enum hrtimer_mode mode);
void hrtimer_start(struct hrtimer *timer, ktime_t at, enum hrtimer_mode mode);
bool hrtimer_cancel(struct hrtimer *timer);

int schedule_hrtimeout_range(ktime_t *expires, u64 delta, enum hrtimer_mode mode);
