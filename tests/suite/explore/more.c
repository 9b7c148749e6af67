// SPDX-License-Identifier: MIT
/*
 * Several oneways at a time (IPCBUS_MORE) to two threads of SRV: they arrive in order, and a
 * thread that has got some must release all before another thread gets any.
 */
#include "scenarios.h"

#define SENT 4

static u32 next_code;
static unsigned int held;

static void more_prepare(void)
{
	next_code = 0;
	held = 0;
}

static void more_send(void *unused)
{
	(void)unused;
	for (u32 code = 0; code < SENT; code++) {
		int r = oneway(0, code);

		CHECK(!r || r == -EOWNERDEAD || r == -ENOTCONN);
	}
}

/* Calls overtake oneways, so these calls may end both threads before all oneways are served. */
static void more_send_and_end(void *unused)
{
	more_send(unused);
	for (int i = 0; i < 2; i++)
		call_manager(NULL);
}

static void check_oneway(const struct ipcbus_event *event)
{
	CHECK(event->kind == IPCBUS_EVENT_ONEWAY && event->code == next_code);
	next_code++;
	held++;
}

static void release_oneway(const struct ipcbus_event *event)
{
	held--;
	reply_to(event);
}

/* Returns false if there was no oneway. */
static bool take(u32 flags)
{
	struct ipcbus_event more[2];
	struct ipcbus_exchange x = {
		.size = sizeof(x), .flags = IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_MORE | flags,
		.more = (uintptr_t)more, .more_count = 2,
	};
	int r;

	do
		r = shim_ioctl(sides[own_side()].fd, IPCBUS_IOC_EXCHANGE, &x);
	while (!r && x.event.kind == IPCBUS_EVENT_INTERRUPTED);
	if (r) {
		CHECK(r == -EBADF);
		return false;
	}
	if (x.event.kind != IPCBUS_EVENT_ONEWAY) {
		CHECK(!x.event.more);
		reply_to(&x.event);
		return false;
	}
	CHECK(!held);
	CHECK(x.event.more <= 2);
	check_oneway(&x.event);
	for (u32 i = 0; i < x.event.more; i++)
		check_oneway(&more[i]);
	for (u32 i = 0; i < x.event.more; i++)
		release_oneway(&more[i]);
	release_oneway(&x.event);
	return true;
}

static void more_serve(void *unused)
{
	(void)unused;
	while (take(0))
		;
}

static void more_serve_what_is_there(void *unused)
{
	(void)unused;
	for (int i = 0; i < 3; i++)
		take(IPCBUS_NONBLOCK);
}

static void more_destroy(void *unused)
{
	(void)unused;
	CHECK(!ioctl_node(IPCBUS_IOC_NODE_DESTROY, sides[SRV].node, 0));
}

static void more_freeze(void *unused)
{
	struct ipcbus_freeze freeze;

	(void)unused;
	CHECK(!ioctl_freeze(SRV, 0, &freeze));
	CHECK(!ioctl_freeze(SRV, IPCBUS_FREEZE_THAW, &freeze));
}

const struct scenario more_scenarios[] = {
	{ "more_take", "two threads take several oneways at once", more_prepare,
	  { { "serve", SRV, more_serve }, { "serve2", SRV, more_serve },
	    { "send", CLI, more_send_and_end } }, 0 },
	{ "more_destroy", "the node is destroyed while several oneways are taken", more_prepare,
	  { { "serve", SRV, more_serve_what_is_there }, { "destroy", SRV, more_destroy },
	    { "send", CLI, more_send } }, 0 },
	{ "more_close", "the file closes while several oneways are taken", more_prepare,
	  { { "serve", SRV, more_serve_what_is_there }, { "close", SRV, close_file },
	    { "send", CLI, more_send } }, 0 },
	{ "more_freeze", "the process is frozen while several oneways are taken", more_prepare,
	  { { "serve", SRV, more_serve_what_is_there }, { "freeze", OTH, more_freeze },
	    { "send", CLI, more_send } }, 0 },
	{ "more_spare", "transactions return to their user's cache while its file closes", more_prepare,
	  { { "serve", SRV, more_serve_what_is_there }, { "close", CLI, close_file },
	    { "send", OTH, more_send } }, 0 },
};

const size_t n_more_scenarios = ARRAY_SIZE(more_scenarios);
