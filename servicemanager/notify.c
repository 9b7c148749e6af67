// SPDX-License-Identifier: MIT
/*
 * What systemd is told: see notify.h. That it cannot be told is no reason to end:
 * it will act on what it does not hear.
 */
#include <stdint.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "notify.h"

static uint64_t now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void notify_ready(void)
{
	sd_notify(/* unset_environment= */ 0, "READY=1\nSTATUS=Names can be added.");
}

void notify_reloading(void)
{
	sd_notifyf(/* unset_environment= */ 0, "RELOADING=1\nMONOTONIC_USEC=%llu",
		   (unsigned long long)now_usec());
}

void notify_stopping(void)
{
	sd_notify(/* unset_environment= */ 0, "STOPPING=1");
}

/* Three times in the time after which systemd loses patience. */
int notify_watchdog(void)
{
	static uint64_t interval, due;
	static int asked;
	uint64_t now, patience;

	if (!asked) {
		asked = 1;
		if (sd_watchdog_enabled(/* unset_environment= */ 0, &patience) > 0)
			interval = patience / 3;
	}
	if (!interval)
		return -1;

	now = now_usec();
	if (now >= due) {
		sd_notify(/* unset_environment= */ 0, "WATCHDOG=1");
		due = now + interval;
	}
	return (int)((due - now) / 1000) + 1;
}
