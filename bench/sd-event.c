// SPDX-License-Identifier: MIT
/* A server in sd-event, as programs use it. */
#include "typed.h"

#include <ipc/admin.h>
#include <ipc/sd-event.h>

struct sd_event_state {
	struct ipc *ipc;
	struct sink *sink; /* only in the client */
};

static int event_serve(struct bench_case *c)
{
	struct sd_event_state *s = c->state;
	sd_event *event;
	int r;

	r = ipc_open(&s->ipc, NULL);
	if (r == 0)
		r = bench_become_manager(s->ipc);
	if (r == 0)
		r = sd_event_new(&event);
	if (r >= 0)
		r = ipc_attach_event(s->ipc, event, SD_EVENT_PRIORITY_NORMAL, NULL);
	if (r >= 0)
		r = bench_ready(c);
	return r < 0 ? r : sd_event_loop(event);
}

static int event_connect(struct bench_case *c)
{
	struct sd_event_state *s = c->state;
	struct ipc_proxy *proxy;
	int r;

	r = ipc_open(&s->ipc, NULL);
	if (r == 0)
		r = ipc_get_manager(s->ipc, &proxy);
	if (r == 0)
		s->sink = sink_from_proxy(proxy);
	return r;
}

static int event_round(struct bench_case *c)
{
	struct sd_event_state *s = c->state;

	return bench_sink_round(s->sink, c);
}

const struct bench_transport bench_channels_sd_event = {
	.name = "channels-sd-event",
	.call = "typed",
	.state_size = sizeof(struct sd_event_state),
	.many = true,
	.exists = bench_daemon_exists,
	.create = bench_channels_start,
	.serve = event_serve,
	.connect = event_connect,
	.round = event_round,
};
