// SPDX-License-Identifier: MIT
/*
 * What the scenarios of freezing are made of: OTH, or CLI, freezes and thaws SRV.
 */
#include "frozen.h"
#include "scenarios.h"

/* Who freezes SRV holds a handle of it that notifies; it hears of each state it made. */
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

/*
 * For so long that nobody wakes it but the end of what it waits for. A process that is
 * gone, or was thawed, is not frozen.
 */
void freeze_wait(void *unused)
{
	struct ipcbus_freeze f = {
		.size = sizeof(f), .pid = pid_nr(sides[SRV].process->pid), .timeout_ms = ~0U,
	};
	int r = shim_ioctl(sides[OTH].fd, IPCBUS_IOC_FREEZE, &f);

	(void)unused;
	CHECK(!r || r == -ESRCH || r == -EAGAIN);
}

static u64 own_node;
static u32 other;		/* CLI's handle for it */

/* A call, of the scenario's second thread, that nobody took, to a node that SRV may
 * destroy. */
void prepare_freeze_queued(void)
{
	be_side(SRV);
	own_node = node_create(9);
	other = hand_over(CLI, SRV, own_node);
	be(1);
	CHECK(!call(other, 1));
}

void freeze_destroy(void *unused)
{
	(void)unused;
	CHECK(!ioctl_node(IPCBUS_IOC_NODE_DESTROY, own_node, 0));
}

void freeze_caller_leaves(void *unused)
{
	(void)unused;
	CHECK(!shim_ioctl(sides[CLI].fd, IPCBUS_IOC_THREAD_EXIT, NULL));
}

void freeze_thaw(void *unused)
{
	struct ipcbus_freeze f;

	(void)unused;
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
		reply_to(&event);
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
	reply_to(&event);
}
