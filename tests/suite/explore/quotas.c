// SPDX-License-Identifier: MIT
/*
 * Messages from procs of other users: quotas that are created, freed and waited for; floods; and
 * users that close their last proc while they open a new proc.
 */
#include "scenarios.h"

/* two of these use up the quota of another user's oneways */
#define PIECE (7 * PAGE_SIZE / 4)

static char bytes[PIECE] = { 'p' };
static u64 held;		/* the first of the oneways that fill a quota */

#define FLOOD	16		/* IPCBUS_FLOOD of the driver */
#define LATE	99		/* the code of the message after a flood */

static int send_piece(int fd)
{
	struct ipcbus_exchange x = {
		.size = sizeof(x),
		.send = {
			.kind = IPCBUS_SEND_ONEWAY, .data = (uintptr_t)bytes,
			.data_size = sizeof(bytes),
		},
	};

	return shim_ioctl(fd, IPCBUS_IOC_EXCHANGE, &x);
}

/* --- Threads ---------------------------------------------------------------- */

/* Each is the user's first message, and finds or creates the quota. */
static void quotas_send(void *unused)
{
	(void)unused;
	CHECK(!oneway(0, 1));
}

static void quotas_serve_two(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	for (int i = 0; i < 2; i++) {
		wait_event(&event);
		reply_to(&event);
	}
}

static void quotas_wait(void *unused)
{
	int fd = sides[own_side()].fd, r;

	(void)unused;
	while ((r = send_piece(fd)) == -EAGAIN)
		CHECK(shim_poll(fd, EPOLLOUT, -1) & EPOLLOUT);
	CHECK(!r);
}

/* Releases all buffers: space that the other sender took must not block the waiting sender. */
static void quotas_make_space(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	CHECK(!release(held));
	for (int i = 0; i < 3; i++) {
		wait_event(&event);
		CHECK(event.kind == IPCBUS_EVENT_ONEWAY);
		reply_to(&event);
	}
}

/* Another proc of CLI's user. All other procs of this user may be closed before or after. */
static void quotas_open_and_send(void *unused)
{
	int fd, r;

	(void)unused;
	fd = shim_open(O_RDWR);
	CHECK(fd >= 0);
	r = send_piece(fd);
	CHECK(!r || r == -ENOTCONN || r == -EOWNERDEAD);
	shim_close(fd);
}

static int send_empty(u64 cookie, u32 code)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC, .cookie = cookie,
		.code = code,
	};

	return exchange(0, &send, 0, NULL);
}

/* The first call ends here, and a new call is sent. Then only the new call is charged. */
static void quotas_cancel_and_send(void *unused)
{
	struct ipcbus_cancel args = { .size = sizeof(args), .cookie = 5 };
	int r;

	(void)unused;
	r = shim_ioctl(sides[CLI].fd, IPCBUS_IOC_CANCEL, &args);
	CHECK(!r || r == -ENOENT);
	r = send_empty(5, 0);
	CHECK(!r || r == -ENOTCONN || r == -EOWNERDEAD);
}

static void quotas_destroy(void *unused)
{
	(void)unused;
	CHECK(!ioctl_node(IPCBUS_IOC_NODE_DESTROY, sides[SRV].node, 0));
}

/* The flood ends at both ends of the queue. Messages behind it must be served in time. */
static void quotas_serve_flood(void *unused)
{
	struct ipcbus_event event;
	unsigned int before = 0;

	(void)unused;
	do {
		next_event(&event);
		CHECK(event.kind == IPCBUS_EVENT_CALL || event.kind == IPCBUS_EVENT_CANCELED);
		before += event.kind == IPCBUS_EVENT_CALL && event.code != LATE;
		reply_to(&event);
	} while (event.kind != IPCBUS_EVENT_CALL || event.code != LATE);
	CHECK(before <= FLOOD + 2);
	serve_what_is_there(NULL);
}

static void quotas_cancel_flood(void *unused)
{
	struct ipcbus_cancel args = { .size = sizeof(args) };
	int r;

	(void)unused;
	for (args.cookie = 1; args.cookie < 2 * FLOOD; args.cookie += 5) {
		r = shim_ioctl(sides[CLI].fd, IPCBUS_IOC_CANCEL, &args);
		CHECK(!r || r == -ENOENT);
	}
}

/* --- Before ----------------------------------------------------------------- */

static void quotas_prepare(void)
{
	world_estrange(CLI, 1000);
	world_estrange(OTH, 1001);
}

static void quotas_prepare_full(void)
{
	struct ipcbus_event event;

	quotas_prepare();
	be_side(CLI);
	for (int i = 0; i < 2; i++)
		CHECK(!send_piece(sides[CLI].fd));
	CHECK(send_piece(sides[CLI].fd) == -EAGAIN);
	be_side(SRV);
	next_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_ONEWAY);
	held = event.buffer;
}

/* OTH belongs to the same user. */
static void quotas_prepare_sent(void)
{
	world_estrange(CLI, 1000);
	world_estrange(OTH, 1000);
	be_side(CLI);
	CHECK(!send_piece(sides[CLI].fd));
}

/* An empty call is charged until it is delivered or ends. */
static void quotas_prepare_empty(void)
{
	quotas_prepare();
	be_side(CLI);
	CHECK(!send_empty(5, 0));
}

static void quotas_prepare_flood(void)
{
	quotas_prepare();
	be_side(CLI);
	for (u64 i = 1; i <= 3 * FLOOD; i++)
		CHECK(!send_empty(i, i));
	be_side(OTH);
	CHECK(!send_empty(1, LATE));
}

const struct scenario quota_scenarios[] = {
	{ "quota_first", "two threads of a user send for the first time", quotas_prepare,
	  { { "send", CLI, quotas_send }, { "send2", CLI, quotas_send },
	    { "serve", SRV, quotas_serve_two } }, 0 },
	{ "quota_close", "the same, while the receiver closes", quotas_prepare,
	  { { "send", CLI, two_oneways }, { "send2", OTH, two_oneways },
	    { "close", SRV, close_file }, { "serve", SRV, serve_what_is_there } }, 0 },
	{ "quota_space", "a sender waiting for its quota is not blocked by others", quotas_prepare_full,
	  { { "wait", CLI, quotas_wait }, { "other", OTH, quotas_wait },
	    { "free", SRV, quotas_make_space } }, 0 },
	{ "quota_empty", "an empty call of another user ends in all ways", quotas_prepare_empty,
	  { { "cancel", CLI, quotas_cancel_and_send }, { "serve", SRV, serve_what_is_there },
	    { "destroy", SRV, quotas_destroy } }, 0 },
	{ "quota_flood", "a flood is canceled while it is served", quotas_prepare_flood,
	  { { "cancel", CLI, quotas_cancel_flood }, { "serve", SRV, quotas_serve_flood } }, 0 },
	{ "user_last", "a user's last proc closes while a new one opens", quotas_prepare_sent,
	  { { "close", CLI, close_file }, { "close2", OTH, close_file },
	    { "open", OTH, quotas_open_and_send }, { "serve", SRV, serve_what_is_there } }, 0 },
};

const size_t n_quota_scenarios = ARRAY_SIZE(quota_scenarios);
