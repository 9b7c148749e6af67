// SPDX-License-Identifier: MIT
/*
 * A server makes a call with a file while it serves another call, and the other call ends in the
 * meantime. The caller, the server and the nested call's server race for the file: it is closed
 * once, and counted until then.
 */
#include <linux/ktime.h>

#include "scenarios.h"

static u32 to_other;	/* SRV's handle for OTH */
static u64 taken;	/* CLI's call */

static void prepare_call(u64 deadline)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL, .cookie = 5, .deadline = deadline };
	struct ipcbus_event event;

	be_side(OTH);
	to_other = hand_over(SRV, OTH, node_create(7));
	be(0);
	CHECK(!exchange(0, &send, 0, NULL));
	be(1);
	next_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_CALL);
	taken = event.call;
}

static void prepare(void)
{
	prepare_call(0);
}

static void prepare_deadline(void)
{
	prepare_call(ktime_get_ns() + 1000);
}

/* CLI is the only process of its user. SRV does not take its calls. */
static void prepare_stranger(void)
{
	world_estrange(CLI, 1000);
	to_other = 0;
}

static void call_with_file(u32 flags)
{
	struct ipcbus_object object = { .type = IPCBUS_OBJECT_FD };
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = flags, .handle = to_other, .cookie = 6,
		.objects = (uintptr_t)&object, .object_count = 1,
	};
	struct ipcbus_event event;
	int fd = shim_plain_file(), r;

	object.value = fd;
	if (flags & IPCBUS_SEND_ASYNC)
		send.deadline = ktime_get_ns() + 1000;
	r = exchange(0, &send, 0, NULL);
	CHECK(!shim_close(fd));
	CHECK(!r || r == -EOWNERDEAD || r == -ETIMEDOUT || r == -EBADF);
	if (r || flags & IPCBUS_SEND_ASYNC)
		return;
	do
		wait_event(&event);
	while (event.kind != IPCBUS_EVENT_REPLY && event.kind != IPCBUS_EVENT_FAILED);
}

static void serve_by_calling(void *unused)
{
	int r;

	(void)unused;
	call_with_file(0);
	r = reply(taken);
	CHECK(!r);
}

static void call_and_leave(void *unused)
{
	(void)unused;
	call_with_file(IPCBUS_SEND_ASYNC);
}

static void cancel(void *unused)
{
	struct ipcbus_cancel cancel = { .size = sizeof(cancel), .cookie = 5 };
	int r = shim_ioctl(sides[CLI].fd, IPCBUS_IOC_CANCEL, &cancel);

	(void)unused;
	CHECK(!r || r == -ENOENT);
}

static void wait_for_end(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	wait_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_REPLY || event.kind == IPCBUS_EVENT_FAILED);
}

/* The reply may come before, so this takes at most one event. */
static void take_and_close(void *unused)
{
	const struct ipcbus_object *object;
	struct ipcbus_event event;

	(void)unused;
	next_event(&event);
	if (event.kind != IPCBUS_EVENT_CALL)
		return;
	CHECK(event.object_count == 1);
	object = shim_touch(sides[OTH].map, event.objects);
	CHECK(!shim_close(object->value));
	reply_to(&event);
}

const struct scenario close_scenarios[] = {
	{ "close_cancel", "a call is canceled while its server sends a file in a nested call", prepare,
	  { { "wait", CLI, wait_for_end }, { "serve", SRV, serve_by_calling },
	    { "take", OTH, take_and_close }, { "cancel", CLI, cancel } }, 1U << OTH },
	{ "close_deadline", "the same with a deadline", prepare_deadline,
	  { { "wait", CLI, wait_for_end }, { "serve", SRV, serve_by_calling },
	    { "take", OTH, take_and_close } }, 1U << OTH },
	{ "close_expire", "two async calls with files expire", prepare,
	  { { "wait", CLI, leave }, { "call", SRV, call_and_leave },
	    { "call2", SRV, call_and_leave }, { "take", OTH, take_and_close } }, 0 },
	{ "close_die", "the same while the sender dies, with which its user ends", prepare_stranger,
	  { { "call", CLI, call_and_leave }, { "call2", CLI, call_and_leave },
	    { "call3", CLI, call_and_leave } }, 1U << CLI },
};

const size_t n_close_scenarios = ARRAY_SIZE(close_scenarios);
