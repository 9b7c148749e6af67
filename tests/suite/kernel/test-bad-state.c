// SPDX-License-Identifier: MIT
/*
 * Requests in a wrong state, a row per case: the working requests of requests.h, from and to
 * procs in states in which they fail, and the error that the contract names. A request without
 * a row for a state must work in that state.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/wait.h>

#include "mount.h"
#include "requests.h"

/* --- States --------------------------------------------------------------------- */

/* cli has a file and no region, and never received anything. */
static void enter_no_region(void)
{
	raw_close(&cli);
	raw_open(&cli, 0);
	there.node = raw_node(&cli, 0, 1);
	there.objects[0] = object_node(there.node);
	there.objects[1] = object_handle(0);
	/* These must not refer to the manager, which the request would watch. */
	there.handle = there.watched = NOT_THERE;
}

static void enter_receiver_without_region(void)
{
	raw_close(&srv);
	raw_open(&srv, 0);
	assert_ok(raw_claim(&srv, raw_node(&srv, IPCBUS_NODE_ACCEPT_FDS, 1)));
}

static void enter_no_manager(void)
{
	assert_ok(raw_destroy(&srv, srv_node, 0));
}

/* Messages go to a destroyed node, or carry a handle for it. */
static void enter_node_destroyed(void)
{
	there.target = there.handle;
		assert_ok(raw_destroy(&oth, there.oth_node, 0));
}

static void enter_owner_closed(void)
{
	enter_node_destroyed();
	raw_close(&oth);
}

/* All procs are frozen, because they belong to the same process. */
static void enter_frozen(void)
{
	struct ipcbus_freeze f;
	int r = raw_freeze(&srv, 0, getpid(), 0, &f);

	/* Calls taken before the freeze are waited for. */
	assert_result(r, -EAGAIN);
	ck_assert_uint_eq(f.pending, 2);
	raw_error(&srv, there.call, EIO, NULL, 0);
	raw_error(&srv, there.async_call, EIO, NULL, 0);
	assert_ok(raw_freeze(&srv, 0, getpid(), 0, &f));
}

/* The threads of cli and srv wait for replies. srv waits while it serves a call. */
static void enter_in_a_call(void)
{
	struct ipcbus_event ev;

	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_call(&srv, there.back, 1, NULL, 0);
}

/* The manager's region has no space left. */
static void enter_full(void)
{
	static char large[REGION / 4];
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC, .data = PTR64(large),
	};
	int r = 0;

	for (size_t size = sizeof(large); size >= 8; size /= 2) {
		send.data_size = size;
		do
			r = raw_send(&oth, &send, NULL);
		while (!r);
	}
	assert_result(r, -ENOSPC);
}

/* The threads announced their end and came back. */
static void enter_threads_gone(void)
{
	const struct raw *all[] = { &srv, &cli, &oth };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		assert_ok(dev_ioctl(all[i]->fd, IPCBUS_IOC_THREAD_EXIT, NULL));
}

/* The file system is unmounted, but the bus lives for the procs that have it open. */
static void enter_unmounted(void)
{
	struct place place;

	raw_close(&oth);
	raw_close(&cli);
	raw_close(&srv);
	mount_bus(&place, NULL);
	raw_open_at(&srv, place.bus, REGION);
	raw_open_at(&cli, place.bus, REGION);
	raw_open_at(&oth, place.bus, REGION);
	srv_node = raw_node(&srv, IPCBUS_NODE_ACCEPT_FDS, SRV_COOKIE);
	assert_ok(raw_claim(&srv, srv_node));
	make_there();
	assert_ok(try_umount(&place, MNT_DETACH));
	place_remove(&place);
}

enum state {
	NO_REGION, RECEIVER_WITHOUT_REGION, NO_MANAGER, NODE_DESTROYED, OWNER_CLOSED, FROZEN,
	IN_A_CALL, FULL, THREADS_GONE, UNMOUNTED, STATES,
};

static const struct {
	const char *name;
	void (*enter)(void);
} states[STATES] = {
	[NO_REGION] = { "without a region", enter_no_region },
	[RECEIVER_WITHOUT_REGION] = { "to a proc without a region", enter_receiver_without_region },
	[NO_MANAGER] = { "without a manager", enter_no_manager },
	[NODE_DESTROYED] = { "to a dead node", enter_node_destroyed },
	[OWNER_CLOSED] = { "to a closed proc", enter_owner_closed },
	[FROZEN] = { "while all are frozen", enter_frozen },
	[IN_A_CALL] = { "by a thread in a call", enter_in_a_call },
	[FULL] = { "to a full region", enter_full },
	[THREADS_GONE] = { "by a thread that had gone", enter_threads_gone },
	[UNMOUNTED] = { "on an unmounted bus", enter_unmounted },
};

/* --- Requests that fail in a state ------------------------------------------------ */

static const struct row {
	enum state state;
	enum request request;
	int result;
	uint32_t stage;
} rows[] = {
#define SENT_TO(state, error, stage) \
	{ state, CALL, -(error), IPCBUS_STAGE_##stage }, \
	{ state, PARTS, -(error), IPCBUS_STAGE_##stage }, \
	{ state, ONEWAY, -(error), IPCBUS_STAGE_##stage }
/* The call that srv had taken has ended. */
#define NO_CALL(state) \
	{ state, REPLY, -ESRCH, IPCBUS_STAGE_TARGET }, \
	{ state, ERROR, -ESRCH, IPCBUS_STAGE_TARGET }, \
	{ state, CALL_INFO, -ESRCH, 0 }, \
	{ state, CALLER, -ESRCH, 0 }, \
	{ state, CANCEL, -ENOENT, 0 }

	{ NO_REGION, CALL, -ENOBUFS, 0 },
	{ NO_REGION, PARTS, -ENOBUFS, 0 },
	{ NO_REGION, HANDLE_PUT, -EBADF, 0 },
	{ NO_REGION, WATCH, -EBADF, 0 },
	{ NO_REGION, UNWATCH, -EBADF, 0 },
	{ NO_REGION, CANCEL, -ENOENT, 0 },

	SENT_TO(RECEIVER_WITHOUT_REGION, ENOBUFS, TARGET),
	NO_CALL(RECEIVER_WITHOUT_REGION),
	{ RECEIVER_WITHOUT_REGION, GIVE_ONE, -ENOENT, IPCBUS_STAGE_RELEASE },
	{ RECEIVER_WITHOUT_REGION, GIVE_ARRAY, -ENOENT, IPCBUS_STAGE_RELEASE },
	{ RECEIVER_WITHOUT_REGION, SENDER, -ENOENT, 0 },

	/* Calls that were taken before stay open. */
	SENT_TO(NO_MANAGER, ENOTCONN, TARGET),
	{ NO_MANAGER, SET_MANAGER, 0, 0 },

	/* Handles for a destroyed node stay valid handles. */
	SENT_TO(NODE_DESTROYED, EOWNERDEAD, TARGET),
	SENT_TO(OWNER_CLOSED, EOWNERDEAD, TARGET),
	{ OWNER_CLOSED, MONITOR, -EBADF, 0 }, /* the proc's own handle, through a closed file */

	/* A frozen proc may still send oneways and replies, and release. */
	{ FROZEN, CALL, -EHOSTDOWN, IPCBUS_STAGE_QUEUE },
	{ FROZEN, PARTS, -EHOSTDOWN, IPCBUS_STAGE_QUEUE },
	NO_CALL(FROZEN),

	SENT_TO(FULL, ENOSPC, BUFFER),
};

static const struct row *find_row(enum state state, enum request request)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].state == state && rows[i].request == request)
			return &rows[i];
	return NULL;
}

static void check_stage(const struct row *row, const union any *a)
{
	uint32_t stage = a->exchange.event.stage;

	ck_assert_msg(!row->stage || stage == row->stage, "%s %s: stage %u",
		      requests[row->request].name, states[row->state].name, stage);
}

static void try_request(enum state state, enum request request)
{
	const struct row *row = find_row(state, request);
	int want = row ? row->result : requests[request].result;
	union any a;
	int r;

	make(request, &a);
	r = issue(request, &a);
	ck_assert_msg(r == want, "%s %s: %s, wanted %s", requests[request].name,
		      states[state].name, errname(r), errname(want));
	if (row)
		check_stage(row, &a);
}

static bool is_refused(enum state state, enum request request)
{
	const struct row *row = find_row(state, request);

	return row && row->result;
}

/* Events of the state change. From now on the driver knows the sender as a thread. */
static void skip_events(const struct raw *r)
{
	struct ipcbus_event ev;

	if (r->fd < 0)
		return;
	do
		assert_ok(raw_next(r, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev));
	while (ev.kind != IPCBUS_EVENT_NONE);
}

/* Runs the failing requests in sequence. They change no state. */
static void refused_in(enum state state)
{
	setup_there();
	states[state].enter();
	skip_events(&srv);
	skip_events(&cli);
	skip_events(&oth);
	for (size_t i = 0; i < REQUESTS; i++) {
		if (!is_refused(state, i))
			continue;
		count_all();
		try_request(state, i);
		expect_untouched(requests[i].name);
	}
}

START_TEST(refused)
{
	refused_in(_i);
}
END_TEST

/* Runs the working requests in sequence, and then the last two each on a fresh setup. */
START_TEST(accepted)
{
	enum state state = _i / 2;

	setup_there();
	states[state].enter();
	for (size_t i = _i % 2 ? ERROR : 0; i < (_i % 2 ? REQUESTS : ERROR); i++)
		if (!is_refused(state, i))
			try_request(state, i);
}
END_TEST

/* --- By another process ------------------------------------------------------------ */

static int child_of_the_opener(void)
{
	void *map;
	union any a;

	for (size_t i = 0; i < REQUESTS; i++) {
		make(i, &a);
		if (issue(i, &a) != -ECHILD)
			return 1 + i;
	}
	if (dev_ioctl(cli.fd, IPCBUS_IOC_THREAD_EXIT, NULL) != -ECHILD)
		return 100;
	if (dev_map(oth.fd, REGION, 1 /* PROT_READ */, 1 /* MAP_SHARED */, 0, &map) != -ECHILD)
		return 101;
	return dev_poll(srv.fd, 0) == 8 /* POLLERR */ ? 0 : 102;
}

START_TEST(requests_after_fork)
{
	int status;
	pid_t pid;

	setup_there();
	count_all();
	pid = fork();
	if (!pid)
		_exit(child_of_the_opener());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_msg(!WEXITSTATUS(status), "request %d (100: exit, map, poll)",
		      WEXITSTATUS(status) - 1);
	expect_untouched("a child");
	/* The refused requests had no effect on the opener either. */
	for (size_t i = 0; i < ERROR; i++) {
		union any a;

		make(i, &a);
		assert_result(issue(i, &a), requests[i].result);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bad-state");
	TCase *tc = add_case(s, "states", setup_bare);

	tcase_add_loop_test(tc, refused, 0, STATES);
	tcase_add_loop_test(tc, accepted, 0, 2 * STATES);
	tcase_add_test(tc, requests_after_fork);
	return suite_main(s);
}
