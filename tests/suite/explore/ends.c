// SPDX-License-Identifier: MIT
/*
 * Calls that end early: by the reply, a cancel, the deadline, or the death of either side,
 * whichever is first. Each call ends exactly once, and the caller gets the matching event. No
 * server serves an ended call without an event about its end. The caller's last message is a
 * oneway, so that servers know when to stop.
 */
#include <string.h>

#include <linux/ktime.h>

#include "ends.h"
#include "world.h"

#define COOKIE 7
#define THE_END 0xe4d

static u32 next;	/* SRV's handle for OTH */
static u64 taken;	/* a call that SRV took before the run */
static int canceled;	/* the number of calls that CANCEL ended, by its result */
static int ended;	/* the number of calls that ended as canceled */
static bool heard_the_end[SIDES];

/* --- Callers ---------------------------------------------------------------- */

static struct ipcbus_send call_to(u32 handle, u32 flags, u64 deadline)
{
	return (struct ipcbus_send){
		.kind = IPCBUS_SEND_CALL, .flags = flags, .handle = handle, .code = 1,
		.data = (uintptr_t)"p", .data_size = 1, .cookie = COOKIE, .deadline = deadline,
	};
}

static u64 soon(void)
{
	return ktime_get_ns() + 1000;
}

static void say_the_end(u32 handle)
{
	int r = oneway(handle, THE_END);

	CHECK(!r || r == -EOWNERDEAD || r == -ENOTCONN || r == -EBADF);
}

static void check_end(const struct ipcbus_event *event, u64 deadline)
{
	look_at(event);
	if (event->buffer)
		CHECK(!release(event->buffer));
	CHECK(event->cookie == COOKIE);
	if (event->kind == IPCBUS_EVENT_REPLY)
		return;
	CHECK(event->kind == IPCBUS_EVENT_FAILED);
	if (event->error == -EOWNERDEAD)
		return;
	CHECK(event->stage == IPCBUS_STAGE_REPLY);
	if (event->error == -ETIMEDOUT) {
		CHECK(deadline && ktime_get_ns() >= deadline);
	} else {
		CHECK(event->error == -ECANCELED);
		ended++;
	}
}

static void call_until_it_ends(u32 flags, u64 deadline, bool at_once)
{
	struct ipcbus_send send = call_to(0, flags, deadline);
	u32 wait = IPCBUS_WAIT | IPCBUS_SERVE;
	struct ipcbus_event event;
	int r;

	r = exchange(at_once ? wait : 0, &send, 0, &event);
	if (!r) {
		if (!at_once)
			wait_event(&event);
		check_end(&event, deadline);
		next_event(&event);
		CHECK(event.kind == IPCBUS_EVENT_NONE);
	} else {
		CHECK(r == -EOWNERDEAD || r == -ENOTCONN ||
		      (r == -ETIMEDOUT && deadline && ktime_get_ns() >= deadline));
	}
	say_the_end(0);
}

void ends_call(void *unused)
{
	(void)unused;
	call_until_it_ends(0, 0, true);
}

void ends_call_by_deadline(void *unused)
{
	(void)unused;
	call_until_it_ends(0, soon(), true);
}

void ends_call_async(void *unused)
{
	(void)unused;
	call_until_it_ends(IPCBUS_SEND_ASYNC, 0, false);
}

void ends_call_async_and_wait(void *unused)
{
	(void)unused;
	call_until_it_ends(IPCBUS_SEND_ASYNC, 0, true);
}

void ends_call_async_by_deadline(void *unused)
{
	(void)unused;
	call_until_it_ends(IPCBUS_SEND_ASYNC, soon(), false);
}

/* The thread does not sleep in its call, but in poll, where the call's end must wake it. */
void ends_call_and_poll(void *unused)
{
	u64 deadline = soon();
	struct ipcbus_send send = call_to(0, 0, deadline);
	struct ipcbus_event event;
	int r = exchange(0, &send, 0, NULL);

	(void)unused;
	if (!r) {
		CHECK(shim_poll(sides[CLI].fd, EPOLLIN, -1) & EPOLLIN);
		next_event(&event);
		check_end(&event, deadline);
	} else {
		CHECK(r == -ETIMEDOUT && ktime_get_ns() >= deadline);
	}
	say_the_end(0);
}

/* CANCEL ends only existing calls, each once. Both counters only increase. */
void ends_cancel(void *unused)
{
	struct ipcbus_cancel args = { .size = sizeof(args), .cookie = COOKIE };
	int r = shim_ioctl(sides[CLI].fd, IPCBUS_IOC_CANCEL, &args);

	(void)unused;
	CHECK(!r || r == -ENOENT || r == -EBADF);
	canceled += !r;
	CHECK(canceled <= 1 && (r || ended <= 1));
}

void ends_time(void *unused)
{
	(void)unused;
	shim_time_passes();
	shim_time_passes();
}

/* --- Servers ---------------------------------------------------------------- */

static int ask(u64 id, u32 *ret_flags)
{
	struct ipcbus_call_info info = { .size = sizeof(info), .call = id };
	int r = shim_ioctl(sides[own_side()].fd, IPCBUS_IOC_CALL_INFO, &info);

	*ret_flags = info.flags;
	return r;
}

/* The call is open in this proc: returns whether it is canceled. */
static bool is_canceled(u64 id)
{
	u32 flags;

	CHECK(!ask(id, &flags));
	return flags & IPCBUS_CALL_CANCELED;
}

/* After the reply, no further event about the call may arrive. */
static void reply_finally(u64 id)
{
	u32 flags;

	CHECK(!reply(id));
	CHECK(ask(id, &flags) == -ESRCH);
	CHECK(reply(id) == -ESRCH);
}

static void hear_the_end(const struct ipcbus_event *event)
{
	CHECK(event->code == THE_END);
	heard_the_end[own_side()] = true;
	CHECK(!release(event->buffer));
}

/* If an event about the call's end arrives in the meantime, the call must be canceled. */
static void look_up_from(u64 id)
{
	struct ipcbus_event event;

	next_event(&event);
	if (event.kind == IPCBUS_EVENT_CANCELED)
		CHECK(event.call == id && is_canceled(id));
	else if (event.kind == IPCBUS_EVENT_ONEWAY)
		hear_the_end(&event);
	else
		CHECK(event.kind == IPCBUS_EVENT_NONE);
}

static void serve_until_the_end(void (*serve)(u64 id))
{
	struct ipcbus_event event;

	heard_the_end[own_side()] = false;
	while (!heard_the_end[own_side()]) {
		wait_event(&event);
		look_at(&event);
		if (event.kind == IPCBUS_EVENT_ONEWAY) {
			hear_the_end(&event);
			continue;
		}
		CHECK(event.kind == IPCBUS_EVENT_CALL);
		CHECK(!release(event.buffer));
		serve(event.call);
	}
}

static void serve_slowly(u64 id)
{
	look_up_from(id);
	reply_finally(id);
}

void ends_serve(void *unused)
{
	(void)unused;
	serve_until_the_end(serve_slowly);
}

/* The first reply fails: the call is open again, and can be canceled like any other. */
static void serve_badly(u64 id)
{
	int r = reply_object(id, IPCBUS_OBJECT_HANDLE, 99);

	/* The reply of a canceled call is dropped without being checked. */
	if (r) {
		CHECK(r == -EBADF);
		look_up_from(id);
		reply_finally(id);
	}
}

void ends_serve_badly(void *unused)
{
	(void)unused;
	serve_until_the_end(serve_badly);
}

/* Makes a nested call. Its result must be consistent with the state of the outer call. */
static void serve_by_calling(u64 id)
{
	struct ipcbus_send send = call_to(next, 0, 0);
	struct ipcbus_event event;
	int r = exchange(IPCBUS_WAIT, &send, 0, &event);

	if (r == -ETIMEDOUT || event.kind == IPCBUS_EVENT_FAILED) {
		if (!r)
			CHECK(event.error == -ECANCELED || event.error == -ETIMEDOUT);
		if (!r && event.error == -ECANCELED)
			CHECK(is_canceled(id));
	} else {
		CHECK(!r && event.kind == IPCBUS_EVENT_REPLY);
		CHECK(!release(event.buffer));
	}
	reply_finally(id);
}

void ends_serve_by_chain(void *unused)
{
	(void)unused;
	serve_until_the_end(serve_by_calling);
	say_the_end(next);
}

/* --- Before ----------------------------------------------------------------- */

void ends_prepare(void)
{
	canceled = ended = 0;
}

void ends_prepare_chain(void)
{
	ends_prepare();
	next = hand_over(SRV, OTH, sides[OTH].node);
}

/* An async call with a deadline that SRV has taken. */
void ends_prepare_async(void)
{
	struct ipcbus_send send;
	struct ipcbus_event event;

	ends_prepare();
	be_side(CLI);
	send = call_to(0, IPCBUS_SEND_ASYNC, soon());
	CHECK(!exchange(0, &send, 0, NULL));
	be_side(SRV);
	next_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_CALL && event.deadline == send.deadline);
	CHECK(!release(event.buffer));
	taken = event.call;
}

void ends_reply(void *unused)
{
	(void)unused;
	reply_finally(taken);
}
