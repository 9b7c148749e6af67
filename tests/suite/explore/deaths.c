// SPDX-License-Identifier: MIT
/*
 * The remains of dead threads and procs, while other processes still use them.
 */
#include <stdlib.h>

#include "memory.h"
#include "scenarios.h"
#include "world.h"

static void read_all(void *unused)
{
	(void)unused;
	free(shim_debugfs_read("state"));
	free(shim_debugfs_read("transactions"));
}

/* --- Threads ----------------------------------------------------------------- */

/* The second thread has used the file, and ends without announcing it. */
static void prepare_second(void)
{
	struct ipcbus_event event;

	be(1);
	next_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_NONE);
}

/* --- Procs --------------------------------------------------------------------- */

/* OTH holds the only copy of SRV's file, and cannot use it. */
static int elsewhere;

static void prepare_elsewhere(void)
{
	be_side(SRV);
	elsewhere = shim_give(sides[SRV].fd, sides[OTH].process);
	shim_munmap(sides[SRV].map, 0, REGION / PAGE_SIZE);
	CHECK(!shim_close(sides[SRV].fd));
}

/* In addition, SRV's region has idle pages. */
static void prepare_filled(void)
{
	memory_prepare_idle();
	prepare_elsewhere();
}

/* CLI is waiting for a reply, and will die while SRV replies. */
static struct ipcbus_event waiting;

static void prepare_waiting(void)
{
	be_side(CLI);
	CHECK(!call(0, 7));
	be_side(SRV);
	next_event(&waiting);
	CHECK(waiting.kind == IPCBUS_EVENT_CALL);
}

static void reply_to_waiting(void *unused)
{
	(void)unused;
	CHECK(!reply(waiting.call));
	CHECK(!release(waiting.buffer));
}

/* CLI and OTH have a handle for a node of SRV's, and OTH has a handle for a node of CLI's. */
static u32 of_dead[SIDES], to_client;

static void prepare_handles(void)
{
	u64 node;

	be_side(SRV);
	node = node_create(7);
	of_dead[CLI] = hand_over(CLI, SRV, node);
	of_dead[OTH] = hand_over(OTH, SRV, node);
	be_side(CLI);
	to_client = hand_over(OTH, CLI, node_create(8));
}

static void watch_and_put(void *unused)
{
	(void)unused;
	CHECK(!ioctl_handle(IPCBUS_IOC_WATCH, of_dead[CLI], 0, 5));
	call_through(of_dead[CLI], -EOWNERDEAD);
	CHECK(!ioctl_handle(IPCBUS_IOC_HANDLE_PUT, of_dead[CLI], 1, 0));
}

/* A handle can be passed on whether or not its node is dead. */
static void hand_on(void *unused)
{
	struct ipcbus_object object = { .type = IPCBUS_OBJECT_HANDLE, .value = of_dead[OTH] };
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .handle = to_client,
		.objects = (uintptr_t)&object, .object_count = 1,
	};

	(void)unused;
	CHECK(!exchange(0, &send, 0, NULL));
	CHECK(!ioctl_handle(IPCBUS_IOC_HANDLE_PUT, of_dead[OTH], 1, 0));
}

static void prepare_copy(void)
{
	be_side(SRV);
	elsewhere = shim_give(sides[SRV].fd, sides[OTH].process);
}

static void prepare_watched_copy(void)
{
	prepare_copy();
	be_side(CLI);
	CHECK(!ioctl_handle(IPCBUS_IOC_WATCH, 0, 0, 5));
}

static void close_copy(void *unused)
{
	(void)unused;
	CHECK(!shim_close(elsewhere));
}

static void use_copy(void *unused)
{
	struct ipcbus_info info = { .size = sizeof(info) };

	(void)unused;
	CHECK(shim_ioctl(elsewhere, IPCBUS_IOC_INFO, &info) == -ECHILD);
}

static void execute(void *unused)
{
	struct ipcbus_info info = { .size = sizeof(info) };

	(void)unused;
	shim_exec();
	CHECK(shim_ioctl(sides[SRV].fd, IPCBUS_IOC_INFO, &info) == -ECHILD);
}

/* In every outcome, callers and watchers must be notified. Otherwise this loop does not end. */
static void call_and_hear(void *unused)
{
	struct ipcbus_event event;

	call_through(0, -ENOTCONN);
	do
		wait_event(&event);
	while (event.kind != IPCBUS_EVENT_DEAD);
	(void)unused;
}

/* Opens a second file while the address space of the first ends. */
static void open_and_die(void *unused)
{
	int fd = shim_open(O_RDWR);

	(void)unused;
	CHECK(fd >= 0);
	CHECK(!shim_close(fd));
}

const struct scenario death_scenarios[] = {
	{ "state_close", "debugfs state is read while a proc with a dead thread closes", prepare_second,
	  { { "close", SRV, close_file }, { "die", SRV, leave }, { "read", OTH, read_all } }, 0 },
	{ "death_elsewhere", "a process dies while another process holds its file", prepare_elsewhere,
	  { { "die", SRV, leave }, { "call", CLI, call_manager },
	    { "use", OTH, use_copy } }, 1U << SRV },
	{ "death_copy", "the same, while both close it", prepare_watched_copy,
	  { { "die", SRV, leave }, { "call", CLI, call_and_hear },
	    { "close", OTH, close_copy } }, 1U << SRV },
	{ "death_exec", "a process executes another program with its file", prepare_watched_copy,
	  { { "exec", SRV, execute }, { "call", CLI, call_and_hear },
	    { "close", OTH, close_copy } }, 1U << SRV },
	{ "death_open", "two threads of a process open the bus while the process ends", NULL,
	  { { "open", SRV, open_and_die }, { "open2", SRV, open_and_die },
	    { "call", CLI, call_manager } }, 1U << SRV },
	{ "death_fill", "a process dies while its region is filled and reclaimed", prepare_filled,
	  { { "die", SRV, leave }, { "send", CLI, memory_send }, { "send2", OTH, memory_send },
	    { "reclaim", CLI, memory_reclaim } }, 1U << SRV },
	{ "death_reply", "a caller dies while its reply is written", prepare_waiting,
	  { { "die", CLI, leave }, { "reply", SRV, reply_to_waiting },
	    { "reclaim", OTH, memory_reclaim } }, 1U << CLI },
	{ "death_handles", "a process dies while its nodes are watched, passed on and put",
	  prepare_handles,
	  { { "die", SRV, leave }, { "watch", CLI, watch_and_put }, { "hand on", OTH, hand_on },
	    { "read", OTH, read_all } }, 1U << SRV },
	{ "death_state", "state is read while a process dies while another process holds its file",
	  prepare_elsewhere,
	  { { "die", SRV, leave }, { "send", CLI, two_oneways },
	    { "read", OTH, read_all } }, 1U << SRV },
};

const size_t n_death_scenarios = ARRAY_SIZE(death_scenarios);
