// SPDX-License-Identifier: MIT
/*
 * Senders of oneways that find no space, and all that may end their wait. SRV holds
 * two messages which are all that it may hold, and releases the smaller one. No
 * wake-up may be lost: then the scheduler finds nobody who can run.
 */
#include <linux/ktime.h>

#include "ends.h"
#include "world.h"

#define SMALL (2 * PAGE_SIZE)
#define LARGE (REGION / 2 - SMALL)

static char bytes[REGION];
static u64 held;		/* the small one */
static u32 other;		/* CLI's handle for OTH */
static struct task_struct *sleeper;

static int send_bytes(u32 handle, size_t size, u64 deadline)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .handle = handle, .code = 1,
		.data = (uintptr_t)bytes, .data_size = size, .deadline = deadline,
	};

	return exchange(0, &send, 0, NULL);
}

/* --- Waiting ---------------------------------------------------------------- */

void space_wait(void *unused)
{
	int r = send_bytes(0, SMALL, ~0ULL);

	(void)unused;
	CHECK(!r || r == -EOWNERDEAD || r == -ENOTCONN);
}

void space_wait_until(void *unused)
{
	u64 deadline = ktime_get_ns() + 1000;
	int r = send_bytes(0, SMALL, deadline);

	(void)unused;
	CHECK(!r || (r == -ETIMEDOUT && ktime_get_ns() >= deadline));
}

void space_wait_signalled(void *unused)
{
	int r = send_bytes(0, SMALL, ~0ULL);

	(void)unused;
	CHECK(!r || r == -EINTR);
}

void space_signal(void *unused)
{
	(void)unused;
	if (sleeper) {
		shim_signal(sleeper);
		put_task_struct(sleeper);
	}
	sleeper = NULL;
}

/* --- Polling ---------------------------------------------------------------- */

static bool is_refused(int r)
{
	if (r == -EAGAIN)
		return true;
	CHECK(!r || r == -EOWNERDEAD || r == -ENOTCONN);
	return false;
}

static void poll_for_space(void)
{
	CHECK(shim_poll(sides[CLI].fd, EPOLLOUT, -1) & EPOLLOUT);
}

void space_poll(void *unused)
{
	(void)unused;
	while (is_refused(send_bytes(0, SMALL, 0)))
		poll_for_space();
}

/* Of two that refused, one makes space, whenever, and the other does not. */
void space_poll_either(void *unused)
{
	bool refused = is_refused(send_bytes(0, SMALL, 0));

	(void)unused;
	CHECK(is_refused(send_bytes(other, SMALL, 0)));
	while (refused) {
		poll_for_space();
		refused = is_refused(send_bytes(0, SMALL, 0));
	}
}

/* For more than there will be. */
void space_try(void *unused)
{
	(void)unused;
	CHECK(is_refused(send_bytes(0, REGION / 2, 0)));
}

/* The same, while another thread closes the file. */
void space_try_or_closed(void *unused)
{
	int r = send_bytes(0, REGION / 2, 0);

	(void)unused;
	CHECK(r == -EBADF || is_refused(r));
}

void space_make(void *unused)
{
	(void)unused;
	CHECK(!release(held));
}

/* --- Replacing ---------------------------------------------------------------- */

/* The newer one is a little smaller, so that it is known. */
#define NEWER (SMALL - 64)
#define LITTLE 1

static int send_replacing(size_t size, u64 deadline)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .flags = IPCBUS_SEND_REPLACE, .code = 2,
		.data = (uintptr_t)bytes, .data_size = size, .deadline = deadline,
	};

	return exchange(0, &send, 0, NULL);
}

void space_replace_wait(void *unused)
{
	(void)unused;
	CHECK(!send_replacing(NEWER, ~0ULL));
}

void space_replace_poll(void *unused)
{
	(void)unused;
	while (is_refused(send_replacing(NEWER, 0)))
		poll_for_space();
}

/* So little that it would do if a unit counted as free for it, but what it replaces has gone. */
void space_replace_little(void *unused)
{
	(void)unused;
	while (is_refused(send_replacing(LITTLE, 0)))
		poll_for_space();
}

/* Not replacing anything; it must have its turn, whatever others do. */
void space_wait_newer(void *unused)
{
	(void)unused;
	CHECK(!send_bytes(0, NEWER, ~0ULL));
}

void space_make_and_serve_newer(void *unused)
{
	space_make(unused);
	space_serve_newer(unused);
}

void space_serve_newer(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	do {
		wait_event(&event);
		CHECK(event.kind == IPCBUS_EVENT_ONEWAY);
		CHECK(!release(event.buffer));
	} while (event.data_size != NEWER && event.data_size != LITTLE);
}

/* --- Before ----------------------------------------------------------------- */

static u64 fill(u32 handle, enum side side, u64 node, size_t size)
{
	struct ipcbus_event event;

	be_side(CLI);
	CHECK(!send_bytes(handle, size, 0));
	be_side(side);
	if (!node)
		return 0;
	next_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_ONEWAY);
	return event.buffer;
}

/* What is not taken yet counts as well. */
void space_prepare(void)
{
	held = fill(0, SRV, sides[SRV].node, SMALL);
	fill(0, SRV, 0, LARGE);
}

/* The large one stays where it is. */
void space_prepare_line(void)
{
	u64 node;

	be_side(SRV);
	node = node_create(9);
	other = hand_over(CLI, SRV, node);
	held = fill(0, SRV, sides[SRV].node, SMALL);
	fill(other, SRV, node, LARGE);
}

void space_prepare_line_signal(void)
{
	space_prepare_line();
	be(0);
	sleeper = get_task_struct(current);
}

void space_prepare_replace(void)
{
	be_side(CLI);
	CHECK(!send_replacing(SMALL, 0));
	fill(0, SRV, 0, LARGE);
}

void space_prepare_two(void)
{
	other = hand_over(CLI, OTH, sides[OTH].node);
	space_prepare();
	fill(other, OTH, 0, REGION / 2);
}

void space_prepare_signal(void)
{
	space_prepare();
	be(0);
	sleeper = get_task_struct(current);
}
