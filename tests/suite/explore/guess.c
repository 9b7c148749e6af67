// SPDX-License-Identifier: MIT
/*
 * Ids count up, so a thread can guess the id of an object that another thread is still creating: a
 * node, or a call that is being delivered. The guess must either work completely or fail with
 * -ENOENT or -ESRCH. scenarios.c names the functions, which run as tasks of the scheduler.
 */
#include "guess.h"
#include "scenarios.h"

void guess_create_node(void *unused)
{
	(void)unused;
	CHECK(node_create(1));
}

void guess_destroy(void *unused)
{
	int r = ioctl_node(IPCBUS_IOC_NODE_DESTROY, sides[SRV].node + 1, 0);

	(void)unused;
	CHECK(!r || r == -ENOENT);
}

static u64 last; /* the call before the guessed call */

void guess_prepare(void)
{
	struct ipcbus_event event;

	be(1);
	CHECK(!call(0, 1));
	be_side(SRV);
	next_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_CALL);
	last = event.call;
	reply_to(&event);
	be(1);
	next_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_REPLY);
}

void guess_serve(void *unused)
{
	struct ipcbus_event event;
	int r;

	(void)unused;
	wait_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_CALL && event.call == last + 1);
	look_at(&event);
	if (event.buffer)
		CHECK(!release(event.buffer));
	r = reply(event.call);
	CHECK(!r || r == -ESRCH);
}

void guess_call_and_close(void *unused)
{
	(void)unused;
	call_through(0, -ENOTCONN);
	shim_munmap(sides[CLI].map, 0, REGION / PAGE_SIZE);
	shim_close(sides[CLI].fd);
}

void guess_reply(void *unused)
{
	int r = reply(last + 1);

	(void)unused;
	CHECK(!r || r == -ESRCH);
}
