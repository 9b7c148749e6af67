// SPDX-License-Identifier: MIT
/*
 * Messages from other users' procs: shares that come, go and are waited for, and
 * users whose last proc goes while the next one comes.
 */
#include "scenarios.h"

#define PIECE (2 * PAGE_SIZE)	/* two are all that a stranger's oneways may have */

static char bytes[PIECE] = { 'p' };
static u64 held;		/* the first one of those that fill a share */

static int send_piece(int fd, u64 deadline)
{
	struct ipcbus_exchange x = {
		.size = sizeof(x),
		.send = {
			.kind = IPCBUS_SEND_ONEWAY, .data = (uintptr_t)bytes,
			.data_size = sizeof(bytes), .deadline = deadline,
		},
	};

	return shim_ioctl(fd, IPCBUS_IOC_EXCHANGE, &x);
}

/* --- Threads ---------------------------------------------------------------- */

/* Each is the user's first, and finds or makes the share. */
static void shares_send(void *unused)
{
	(void)unused;
	CHECK(!oneway(0, 1));
}

static void shares_serve_two(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	for (int i = 0; i < 2; i++) {
		wait_event(&event);
		answer(&event);
	}
}

static void shares_wait(void *unused)
{
	(void)unused;
	CHECK(!send_piece(sides[own_side()].fd, ~0ULL));
}

/* Gives back all: what another one took in between must not keep who waits. */
static void shares_make_room(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	CHECK(!give_back(held));
	for (int i = 0; i < 3; i++) {
		wait_event(&event);
		CHECK(event.kind == IPCBUS_EVENT_ONEWAY);
		answer(&event);
	}
}

/* One more proc of CLI's user, which may have gone, and may be gone again. */
static void shares_open_and_send(void *unused)
{
	int fd, r;

	(void)unused;
	fd = shim_open(O_RDWR);
	CHECK(fd >= 0);
	r = send_piece(fd, 0);
	CHECK(!r || r == -ENOTCONN || r == -EOWNERDEAD);
	shim_close(fd);
}

/* --- Before ----------------------------------------------------------------- */

static void shares_prepare(void)
{
	world_estrange(CLI, 1000);
	world_estrange(OTH, 1001);
}

static void shares_prepare_full(void)
{
	struct ipcbus_event event;

	shares_prepare();
	be_side(CLI);
	for (int i = 0; i < 2; i++)
		CHECK(!send_piece(sides[CLI].fd, 0));
	CHECK(send_piece(sides[CLI].fd, 0) == -EAGAIN);
	be_side(SRV);
	next_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_ONEWAY);
	held = event.buffer;
}

/* OTH is one of the same user. */
static void shares_prepare_sent(void)
{
	world_estrange(CLI, 1000);
	world_estrange(OTH, 1000);
	be_side(CLI);
	CHECK(!send_piece(sides[CLI].fd, 0));
}

const struct scenario share_scenarios[] = {
	{ "share_first", "two of a user send for the first time", shares_prepare,
	  { { "send", CLI, shares_send }, { "send2", CLI, shares_send },
	    { "serve", SRV, shares_serve_two } }, 0 },
	{ "share_close", "the same, while the receiver closes", shares_prepare,
	  { { "send", CLI, two_oneways }, { "send2", OTH, two_oneways },
	    { "close", SRV, close_file }, { "serve", SRV, serve_what_is_there } }, 0 },
	{ "share_room", "who waits for its share is not kept by others", shares_prepare_full,
	  { { "wait", CLI, shares_wait }, { "other", OTH, shares_wait },
	    { "free", SRV, shares_make_room } }, 0 },
	{ "user_last", "the last of a user goes as the next one comes", shares_prepare_sent,
	  { { "close", CLI, close_file }, { "close2", OTH, close_file },
	    { "open", OTH, shares_open_and_send }, { "serve", SRV, serve_what_is_there } }, 0 },
};

const size_t n_share_scenarios = ARRAY_SIZE(share_scenarios);
