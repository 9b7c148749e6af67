// SPDX-License-Identifier: MIT
/*
 * Calls directed to a thread that listens for a time: the thread takes the first call, or the call
 * fails. A call never waits for a thread that no longer listens.
 */
#include <linux/ktime.h>

#include "scenarios.h"

static u32 number;

static void directed_prepare(void)
{
	struct ipcbus_event event;

	be(0);
	next_event(&event);
	number = event.thread;
}

static void directed_listen(void *unused)
{
	struct ipcbus_send send = { .deadline = ktime_get_ns() + 1000 };
	struct ipcbus_event event;

	(void)unused;
	CHECK(!exchange(IPCBUS_WAIT, &send, 0, &event));
	if (event.kind == IPCBUS_EVENT_CALL) {
		CHECK(!release(event.buffer));
		reply(event.call);
	} else {
		CHECK(event.kind == IPCBUS_EVENT_INTERRUPTED);
	}
}

static void directed_call(void *unused)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL, .call = number, .cookie = 5 };
	struct ipcbus_event event;
	int r = exchange(IPCBUS_WAIT, &send, 0, &event);

	(void)unused;
	CHECK(!r || r == -ESRCH || r == -EOWNERDEAD || r == -ENOTCONN);
	CHECK(r || event.kind == IPCBUS_EVENT_REPLY ||
	      (event.kind == IPCBUS_EVENT_FAILED &&
	       (event.error == -ECANCELED || event.error == -EOWNERDEAD)));
}

static void directed_cancel(void *unused)
{
	struct ipcbus_cancel cancel = { .size = sizeof(cancel), .cookie = 5 };
	int r = shim_ioctl(sides[CLI].fd, IPCBUS_IOC_CANCEL, &cancel);

	(void)unused;
	CHECK(!r || r == -ENOENT);
}

const struct scenario directed_scenarios[] = {
	{ "directed", "a call is directed to a thread that stops listening", directed_prepare,
	  { { "listen", SRV, directed_listen }, { "call", CLI, directed_call } }, 0 },
	{ "directed_two", "two calls are directed to one thread", directed_prepare,
	  { { "listen", SRV, directed_listen }, { "call", CLI, directed_call },
	    { "call2", OTH, directed_call } }, 1 << SRV },
	{ "directed_cancel", "a directed call is canceled", directed_prepare,
	  { { "listen", SRV, directed_listen }, { "call", CLI, directed_call },
	    { "cancel", CLI, directed_cancel } }, 0 },
};

const size_t n_directed_scenarios = ARRAY_SIZE(directed_scenarios);
