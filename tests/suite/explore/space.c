// SPDX-License-Identifier: MIT
/*
 * Senders of oneways find no space and poll for it. SRV holds two messages, which fill the quota,
 * and releases the smaller. If a wakeup is lost, the scheduler finds no runnable thread and reports
 * a deadlock.
 */
#include "ends.h"
#include "world.h"

#define SMALL (2 * PAGE_SIZE)
#define LARGE (REGION / 2 - SMALL)

static char bytes[REGION];
static u64 held;		/* the smaller message */
static u32 other;		/* CLI's handle for OTH, or for another node of SRV's */
static u64 other_node;

static int send_bytes(u32 handle, size_t size)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .handle = handle, .code = 1,
		.data = (uintptr_t)bytes, .data_size = size,
	};

	return exchange(0, &send, 0, NULL);
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
	CHECK(shim_poll(sides[own_side()].fd, EPOLLOUT, -1) & EPOLLOUT);
}

void space_poll(void *unused)
{
	(void)unused;
	while (is_refused(send_bytes(0, SMALL)))
		poll_for_space();
}

/* A node whose destruction frees no space. */
void space_poll_other(void *unused)
{
	(void)unused;
	while (is_refused(send_bytes(other, SMALL)))
		poll_for_space();
}

void space_destroy_other(void *unused)
{
	(void)unused;
	CHECK(!ioctl_node(IPCBUS_IOC_NODE_DESTROY, other_node, 0));
}

/* Two receivers refused. The first frees space at some time, the second never. */
void space_poll_either(void *unused)
{
	bool refused = is_refused(send_bytes(0, SMALL));

	(void)unused;
	CHECK(is_refused(send_bytes(other, SMALL)));
	while (refused) {
		poll_for_space();
		refused = is_refused(send_bytes(0, SMALL));
	}
}

/* Requests more space than is ever freed. */
void space_try(void *unused)
{
	(void)unused;
	CHECK(is_refused(send_bytes(0, REGION / 2)));
}

/* The same, while another thread closes the file. */
void space_try_or_closed(void *unused)
{
	int r = send_bytes(0, REGION / 2);

	(void)unused;
	CHECK(r == -EBADF || is_refused(r));
}

void space_make(void *unused)
{
	(void)unused;
	CHECK(!release(held));
}

/* Until all have arrived: the large message, and a message from each sender. */
void space_make_and_serve(void *unused)
{
	struct ipcbus_event event;

	space_make(unused);
	for (int i = 0; i < 3; i++) {
		wait_event(&event);
		CHECK(event.kind == IPCBUS_EVENT_ONEWAY);
		CHECK(!release(event.buffer));
	}
}

/* --- Replacing ---------------------------------------------------------------- */

/* The newer oneway is a little smaller, which identifies it. */
#define NEWER (SMALL - 64)

static int send_replacing(size_t size)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .flags = IPCBUS_SEND_REPLACE, .code = 2,
		.data = (uintptr_t)bytes, .data_size = size,
	};

	return exchange(0, &send, 0, NULL);
}

void space_replace_poll(void *unused)
{
	(void)unused;
	while (is_refused(send_replacing(NEWER)))
		poll_for_space();
}

void space_serve_newer(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	do {
		wait_event(&event);
		CHECK(event.kind == IPCBUS_EVENT_ONEWAY);
		CHECK(!release(event.buffer));
	} while (event.data_size != NEWER);
}

/* --- Before ----------------------------------------------------------------- */

static u64 fill(u32 handle, enum side side, u64 node, size_t size)
{
	struct ipcbus_event event;

	be_side(CLI);
	CHECK(!send_bytes(handle, size));
	be_side(side);
	if (!node)
		return 0;
	next_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_ONEWAY);
	return event.buffer;
}

/* Messages not taken yet count as well. */
void space_prepare(void)
{
	held = fill(0, SRV, sides[SRV].node, SMALL);
	fill(0, SRV, 0, LARGE);
}

void space_prepare_other(void)
{
	be_side(SRV);
	other_node = node_create(9);
	other = hand_over(CLI, SRV, other_node);
	space_prepare();
}

void space_prepare_replace(void)
{
	be_side(CLI);
	CHECK(!send_replacing(SMALL));
	fill(0, SRV, 0, LARGE);
}

void space_prepare_two(void)
{
	other = hand_over(CLI, OTH, sides[OTH].node);
	space_prepare();
	fill(other, OTH, 0, REGION / 2);
}
