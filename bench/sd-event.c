// SPDX-License-Identifier: MIT
/* A server in sd-event, as programs use it. */
#include "typed.h"

#include <ipc/sd-event.h>

static int event_serve(struct bench_case *c)
{
	struct typed_state *s = c->state;
	sd_event *event;
	int r;

	r = typed_listen(s);
	if (r == 0)
		r = sd_event_new(&event);
	if (r >= 0)
		r = ipc_attach_event(s->ipc, event, SD_EVENT_PRIORITY_NORMAL, NULL);
	if (r >= 0)
		r = bench_ready(c);
	return r < 0 ? r : sd_event_loop(event);
}

const struct bench_transport bench_channels_sd_event = {
	.name = "channels-sd-event",
	.call = "typed",
	.state_size = sizeof(struct typed_state),
	.many = true,
	.exists = bench_daemon_exists,
	.create = bench_channels_start,
	.serve = event_serve,
	.connect = typed_connect,
	.round = typed_round,
};
