// SPDX-License-Identifier: MIT
/*
 * The loop of libsystemd.
 */
#include <ipc/sd-event.h>

#include "loops.h"

/* The loop owns a floating source, which keeps the connection until the loop ends. */
static int attach_and_forget(struct ipc *ipc)
{
	sd_event *event;
	int r;

	r = sd_event_new(&event);
	if (r < 0)
		return r;
	r = ipc_attach_event(ipc, event, SD_EVENT_PRIORITY_NORMAL, /* ret_source= */ NULL);
	sd_event_unref(event);
	return r;
}

static int run(struct ipc *ipc, bool (*done)(void *userdata), void *userdata)
{
	sd_event_source *source;
	sd_event *event;
	int r;

	r = attach_and_forget(ipc);
	if (r < 0)
		return r;
	r = sd_event_new(&event);
	if (r < 0)
		return r;
	r = ipc_attach_event(ipc, event, SD_EVENT_PRIORITY_NORMAL, &source);
	if (r < 0)
		return r;

	while (r >= 0 && !done(userdata))
		r = sd_event_run(event, 20000000);
	sd_event_source_unref(source);
	sd_event_unref(event);
	return r < 0 ? r : 0;
}

static int run_to_end(struct ipc *ipc)
{
	sd_event *event;
	int r;

	r = sd_event_new(&event);
	if (r == 0)
		r = ipc_attach_event(ipc, event, SD_EVENT_PRIORITY_NORMAL, /* ret_source= */ NULL);
	if (r == 0)
		r = sd_event_loop(event);
	sd_event_unref(event);
	return r;
}

int main(void)
{
	return test_loop("loop-sd-event", run, run_to_end);
}
