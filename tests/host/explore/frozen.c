// SPDX-License-Identifier: MIT
/*
 * What the scenarios of freezing are made of: OTH, or CLI, freezes and thaws SRV.
 */
#include "frozen.h"
#include "scenarios.h"

/* Who freezes SRV holds a handle of it that tells; it hears of each state it made. */
void prepare_freeze(void)
{
	struct ipcbus_handle watch = {
		.size = sizeof(watch), .flags = IPCBUS_WATCH_FROZEN, .cookie = 6,
	};

	be_side(OTH);
	CHECK(!shim_ioctl(sides[OTH].fd, IPCBUS_IOC_WATCH, &watch));
}

void prepare_freeze_taken(void)
{
	prepare_freeze();
	take_a_call(1);
}

/* The owner may die meanwhile. */
void freeze_and_thaw(void *unused)
{
	struct ipcbus_freeze f;
	struct ipcbus_event event;
	int r = ioctl_freeze(SRV, 0, &f);

	(void)unused;
	CHECK(!r || r == -EAGAIN || r == -ESRCH || r == -EBUSY);
	CHECK(r || !f.pending);
	r = ioctl_freeze(SRV, IPCBUS_FREEZE_THAW, &f);
	CHECK(!r || r == -ESRCH);
	next_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_NONE || event.kind == IPCBUS_EVENT_DEAD ||
	      event.kind == IPCBUS_EVENT_FROZEN || event.kind == IPCBUS_EVENT_THAWED);
}

void freeze_or_thaw(void *unused)
{
	struct ipcbus_freeze f;
	int r = ioctl_freeze(SRV, 0, &f);

	(void)unused;
	CHECK(!r || r == -EAGAIN || r == -EBUSY);
	CHECK(r || f.received & IPCBUS_FROZEN_NOW);
	if (!r)
		CHECK(!ioctl_freeze(SRV, IPCBUS_FREEZE_THAW, &f));
}

void wait_for_failure(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	wait_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_FAILED && event.error == -EOWNERDEAD);
}

static void call_while_freezing(void *unused)
{
	(void)unused;
	call_through(0, -EHOSTDOWN);
}

/* As many as the callers that got through need; the others were refused. */
void serve_while_freezing(void *unused)
{
	struct ipcbus_event event;
	int oneways = 0;

	(void)unused;
	do {
		wait_event(&event);
		oneways += event.kind == IPCBUS_EVENT_ONEWAY;
		answer(&event);
	} while (oneways < 2);
}

void call_and_two_oneways(void *unused)
{
	call_while_freezing(unused);
	CHECK(!oneway(0, 1));
	CHECK(!oneway(0, 2));
}

/* It is frozen for good: what it sends is no matter. */
void prepare_frozen(void)
{
	struct ipcbus_freeze f;

	be_side(CLI);
	CHECK(!oneway(0, 1));
	CHECK(!ioctl_freeze(SRV, 0, &f));
}

void thaw_it(void *unused)
{
	struct ipcbus_freeze f;

	(void)unused;
	CHECK(!ioctl_freeze(SRV, IPCBUS_FREEZE_THAW, &f));
	CHECK(!(f.received & IPCBUS_FROZEN_NOW));
}

void poll_and_take(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	CHECK(shim_poll(sides[SRV].fd, EPOLLIN, -1) & EPOLLIN);
	next_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_ONEWAY);
	answer(&event);
}
