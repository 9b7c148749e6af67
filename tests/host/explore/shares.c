// SPDX-License-Identifier: MIT
/*
 * Messages from other users' procs: shares that come, go and are waited for, and
 * users whose last proc goes while the next one comes.
 */
#include "scenarios.h"
#include "shares.h"

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
void shares_send(void *unused)
{
	(void)unused;
	CHECK(!oneway(0, 1));
}

void shares_serve_two(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	for (int i = 0; i < 2; i++) {
		wait_event(&event);
		answer(&event);
	}
}

void shares_wait(void *unused)
{
	(void)unused;
	CHECK(!send_piece(sides[own_side()].fd, ~0ULL));
}

/* Gives back all: what another one took in between must not keep who waits. */
void shares_make_room(void *unused)
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
void shares_open_and_send(void *unused)
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

void shares_prepare(void)
{
	world_estrange(CLI, 1000);
	world_estrange(OTH, 1001);
}

void shares_prepare_full(void)
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
void shares_prepare_sent(void)
{
	world_estrange(CLI, 1000);
	world_estrange(OTH, 1000);
	be_side(CLI);
	CHECK(!send_piece(sides[CLI].fd, 0));
}
