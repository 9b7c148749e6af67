// SPDX-License-Identifier: MIT
/*
 * Status notifications to systemd: see systemd.h. One that cannot be sent is no reason to
 * exit: systemd acts when the watchdog stays silent.
 */
#include <stdint.h>
#include <systemd/sd-daemon.h>

#include "clock.h"
#include "systemd.h"

void systemd_ready(void)
{
	sd_notify(/* unset_environment= */ 0, "READY=1\nSTATUS=Names can be registered.");
}

void systemd_reloading(void)
{
	sd_notifyf(/* unset_environment= */ 0, "RELOADING=1\nMONOTONIC_USEC=%llu",
		   (unsigned long long)now_usec());
}

void systemd_stopping(void)
{
	sd_notify(/* unset_environment= */ 0, "STOPPING=1");
}

/* Three times in each period of the watchdog. */
int systemd_watchdog(void)
{
	static uint64_t interval, due;
	static int checked;
	uint64_t now, period;

	if (!checked) {
		checked = 1;
		if (sd_watchdog_enabled(/* unset_environment= */ 0, &period) > 0)
			interval = period / 3;
	}
	if (!interval)
		return -1;

	now = now_usec();
	if (now >= due) {
		sd_notify(/* unset_environment= */ 0, "WATCHDOG=1");
		due = now + interval;
	}
	return timeout_until(due);
}
