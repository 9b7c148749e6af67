// SPDX-License-Identifier: MIT
/*
 * Reclaim against all operations on a region at the same time. The payload of each message differs
 * from other messages and from the former content of the page. The reader thus detects a page that
 * was freed too early, or a mapping that stayed too long.
 */
#include <string.h>

#include "memory.h"
#include "world.h"

static char full[REGION];
static struct ipcbus_event held;

static int send_bytes(u32 kind, char byte, size_t size)
{
	struct ipcbus_send send = { .kind = kind, .data = (uintptr_t)full, .data_size = size };

	memset(full, byte, size);
	return exchange(0, &send, 0, NULL);
}

static void check_bytes(const struct ipcbus_event *event, char byte)
{
	for (u64 at = 0; at < event->data_size; at += PAGE_SIZE) {
		const char *seen = shim_touch(sides[own_side()].map, event->offset + at);

		CHECK(seen && *seen == byte);
	}
}

static void take(u32 kind)
{
	be_side(SRV);
	next_event(&held);
	CHECK(held.kind == kind);
}

void memory_prepare_held(void)
{
	be_side(CLI);
	CHECK(!send_bytes(IPCBUS_SEND_ONEWAY, 'a', 2 * PAGE_SIZE));
	take(IPCBUS_EVENT_ONEWAY);
}

void memory_prepare_idle(void)
{
	memory_prepare_held();
	CHECK(!release(held.buffer));
}

void memory_prepare_full(void)
{
	struct ipcbus_event event;

	be_side(CLI);
	CHECK(!send_bytes(IPCBUS_SEND_CALL, 'a', REGION));
	take(IPCBUS_EVENT_CALL);
	CHECK(!reply(held.call));
	CHECK(!release(held.buffer));
	be_side(CLI);
	next_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_REPLY);
	CHECK(!release(event.buffer));
}

void memory_reclaim(void *unused)
{
	(void)unused;
	shim_shrink(~0UL);
}

void memory_touch(void *unused)
{
	(void)unused;
	shim_touch(sides[SRV].map, 0);
	shim_touch(sides[SRV].map, PAGE_SIZE);
}

void memory_send(void *unused)
{
	int r = send_bytes(IPCBUS_SEND_ONEWAY, 'b', 2 * PAGE_SIZE);

	(void)unused;
	CHECK(!r || r == -EOWNERDEAD || r == -ENOTCONN);
}

void memory_call_full(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	/* The send must succeed, although reclaim makes space unavailable for a moment. */
	CHECK(!send_bytes(IPCBUS_SEND_CALL, 'b', REGION));
	wait_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_REPLY);
	CHECK(!release(event.buffer));
}

void memory_look_and_free(void *unused)
{
	(void)unused;
	check_bytes(&held, 'a');
	CHECK(!release(held.buffer));
}

void memory_serve(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	wait_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_ONEWAY);
	check_bytes(&event, 'b');
	CHECK(!release(event.buffer));
}

void memory_serve_full(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	wait_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_CALL);
	check_bytes(&event, 'b');
	CHECK(!reply(event.call));
	CHECK(!release(event.buffer));
}
