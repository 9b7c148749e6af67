// SPDX-License-Identifier: MIT
/*
 * Limits of direct channels for each user and each client.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ipc/test.h>

#include "channel-run.h"
#include "channels/channel-client.h"
#include "core/proxy.h"

static uint32_t get_many(unsigned int n)
{
	uint32_t last = 0;

	while (n--)
		last = get(WHERE);
	return last;
}

/* Calls until the proxy has a channel, or must have been refused. Returns whether it has. A thread
 * of the server may set the channel up beside the thread that serves the calls. */
static unsigned int get_direct(void)
{
	for (unsigned int i = 0; i < 3 * CHANNEL_AFTER; i++)
		if (get(WHERE))
			return 1;
	return 0;
}

#define MANY 60

static struct ipc *others[MANY];
static struct ipc_proxy *proxies[MANY];

/* Opens connections, and returns how many have a channel. */
static unsigned int open_many(unsigned int n)
{
	struct ipc_proxy *first_proxy = proxy;
	struct ipc *first = ipc;
	unsigned int direct = 0;

	for (unsigned int i = 0; i < n; i++) {
		ck_assert_int_eq(ipc_open(&ipc, ipc_test_bus_path(bus)), 0);
		ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
		direct += get_direct();
		others[i] = ipc;
		proxies[i] = proxy;
	}
	ipc = first;
	proxy = first_proxy;
	return direct;
}

static void close_many(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		ipc_proxy_unref(proxies[i]);
		ipc_unref(others[i]);
	}
}

/* Returns how many of these connections have a channel. */
static unsigned int count_direct(unsigned int n)
{
	struct ipc_proxy *first = proxy;
	unsigned int direct = 0;

	for (unsigned int i = 0; i < n; i++) {
		proxy = proxies[i];
		direct += get(WHERE);
	}
	proxy = first;
	return direct;
}

/* A user leaves places to other users, and no more than that. */
START_TEST(channels_of_a_user_are_limited)
{
	begin(1);
	ck_assert_uint_eq(open_many(MANY), 48 - 1);
	close_many(MANY);
	end();
}
END_TEST

static pid_t start_as(uid_t uid, void (*run)(void))
{
	pid_t pid = fork();

	if (pid)
		return pid;
	ck_assert_int_eq(setuid(uid), 0);
	run();
	_exit(0);
}

static void wait_end(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

static int opened[2];

static void begin_other_users(void)
{
	char folder[256];

	snprintf(folder, sizeof(folder), "%s", ipc_test_bus_path(bus));
	ck_assert_int_eq(chmod(folder, 0666), 0);
	*strrchr(folder, '/') = '\0';
	ck_assert_int_eq(chmod(folder, 0711), 0);
	ck_assert_int_eq(pipe(opened), 0);
}

static void end_other_users(void)
{
	close(opened[0]);
	close(opened[1]);
	end();
}

/* Starts a client that opens channels and keeps them until end_opened(). */
static pid_t start_opened(uid_t uid, void (*run)(void))
{
	pid_t pid = start_as(uid, run);
	char byte;

	ck_assert_int_eq(read(opened[0], &byte, 1), 1);
	return pid;
}

static void end_opened(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* In the client of start_opened(). */
static void keep_opened(void)
{
	ck_assert_int_eq(write(opened[1], "", 1), 1);
	pause();
}

static void open_share(void)
{
	ck_assert_uint_eq(open_many(20), 16);
	keep_opened();
}

/* The first request ends a channel of the user with most channels, and the second request gets its
 * place. */
static void open_late(void)
{
	connect_again();
	ck_assert_uint_eq(get_direct(), 0);
	usleep(1100000);
	ck_assert_uint_eq(get_many(4096), 1);
}

START_TEST(users_get_their_share_of_channels)
{
	pid_t second;

	/* Another user needs root. */
	if (getuid())
		return;
	begin(1);
	begin_other_users();
	ck_assert_uint_eq(open_many(MANY), 48 - 1);
	second = start_opened(65533, open_share);
	wait_end(start_as(65532, open_late));
	ck_assert_uint_ge(count_direct(MANY), 48 - 2);
	end_opened(second);
	close_many(MANY);
	end_other_users();
}
END_TEST

/* The server keeps a reply of an ended channel. */
static void open_and_keep(void)
{
	struct channel_caller *caller;
	struct channel_call call = { .code = REPLY_LARGE };
	int cell;

	connect_again();
	ck_assert_uint_eq(get_direct(), 1);
	caller = (void *)atomic_load(&proxy->channel);
	cell = channel_take_cell(caller, 0);
	ck_assert_int_ge(cell, 0);
	channel_post(caller, (unsigned int)cell, &call);
	while (channel_await(caller, (unsigned int)cell, 0) < 0)
		;
	call.size = CHANNEL_DATA_MAX + 1;
	cell = channel_take_cell(caller, 0);
	ck_assert_int_ge(cell, 0);
	channel_post(caller, (unsigned int)cell, &call);
	ck_assert_uint_eq(open_many(MANY), 48 - 1);
	keep_opened();
}

START_TEST(client_cannot_keep_the_places_of_its_user)
{
	pid_t first, second;

	if (getuid())
		return;
	begin_with(1, "1");
	begin_other_users();
	first = start_opened(65533, open_and_keep);
	second = start_opened(65532, open_share);
	wait_end(start_as(65531, open_late));
	end_opened(first);
	end_opened(second);
	end_other_users();
}
END_TEST

#define USERS 15
#define KEPT  4

static void open_few(void)
{
	connect_again();
	ck_assert_uint_eq(open_many(KEPT), KEPT);
	keep_opened();
}

static void open_in_vain(void)
{
	connect_again();
	ck_assert_uint_eq(get_direct(), 0);
	usleep(1100000);
	ck_assert_uint_eq(get_many(4096), 0);
}

/* Each other uid may belong to the same hostile user. */
START_TEST(user_keeps_few_channels_against_many_uids)
{
	pid_t pids[USERS];

	if (getuid())
		return;
	begin_with(1, "1");
	begin_other_users();
	ck_assert_uint_eq(open_many(KEPT), KEPT);
	for (uid_t i = 0; i < USERS; i++) {
		pids[i] = start_opened(65500 + i, open_few);
		ck_assert_uint_eq(count_direct(KEPT), KEPT);
	}
	wait_end(start_as(65532, open_in_vain));
	ck_assert_uint_eq(count_direct(KEPT), KEPT);
	for (unsigned int i = 0; i < USERS; i++)
		end_opened(pids[i]);
	close_many(KEPT);
	end_other_users();
}
END_TEST

/* Calls until the server asks the client to join, and leaves the handler waiting for a second. */
static void never_join(void)
{
	struct channel_call call = { .code = REPLY_LARGE };
	struct channel_caller *caller;
	uint32_t thread;
	int cell;

	connect_again();
	ck_assert_uint_eq(get_direct(), 1);
	caller = (void *)atomic_load(&proxy->channel);
	do {
		cell = channel_take_async_cell(caller, 0);
		ck_assert_int_ge(cell, 0);
		channel_post(caller, (unsigned int)cell, &call);
		ck_assert_int_eq(channel_await(caller, (unsigned int)cell, 0), 0);
	} while (!channel_must_join(caller, (unsigned int)cell, &thread));
	usleep(1200000);
}

/* After the wait for the second client, the server opens no more channels. */
START_TEST(clients_that_do_not_join_end_no_channels_of_others)
{
	if (getuid())
		return;
	begin(1);
	begin_other_users();
	wait_end(start_as(65531, never_join));
	wait_end(start_as(65532, never_join));
	ck_assert_uint_eq(get(WHERE), 1);
	wait_end(start_as(65533, open_in_vain));
	ck_assert_uint_eq(get(WHERE), 1);
	end_other_users();
}
END_TEST

#define ROUNDS	 8
#define CHANNELS 16

/* Handlers return. */
static atomic_bool *go;

static int serve_long(struct ipc_call *call, const struct ipc_raw_message *request,
		      void *userdata)
{
	if (request->method != SLEEP)
		return server_ops.serve(call, request, userdata);
	while (!atomic_load(go))
		usleep(1000);
	return reply_number(call, 0);
}

/* Opens channels, and ends while a thread of the server, which looks at them, is in a handler.
 * Returns their number. uid: 0 for this process's. */
static int open_and_end(uid_t uid)
{
	pid_t pid = fork();
	int status, n = 0;

	if (!pid) {
		ck_assert(!uid || setuid(uid) == 0);
		for (unsigned int i = 0; i < CHANNELS; i++) {
			ck_assert_int_eq(ipc_open(&ipc, ipc_test_bus_path(bus)), 0);
			ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
			n += get_direct();
		}
		call_within(SLEEP, 50000);
		_exit(n);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	/* The server learns of the end. */
	usleep(100000);
	return WEXITSTATUS(status);
}

/* Threads in handlers refer to the channels that they had. */
START_TEST(ended_channels_of_a_user_are_limited)
{
	static const struct ipc_raw_ops ops = { .serve = serve_long };
	int n = 0;

	go = mmap(NULL, sizeof(*go), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(go, MAP_FAILED);
	begin_ops(4 * ROUNDS, "1", &ops);
	for (unsigned int i = 0; i < ROUNDS; i++)
		n += open_and_end(0);
	ck_assert_int_ge(n, CHANNELS);
	ck_assert_int_le(n, 64 + CHANNELS);
	ck_assert_uint_le(count_parts(), 2 * (64 + CHANNELS));
	atomic_store(go, true);
	/* The test fails if this never ends. */
	while (count_parts())
		usleep(10000);
	ck_assert_int_gt(open_and_end(0), 0);
	end();
	munmap(go, sizeof(*go));
}
END_TEST

/* 10 s pass. */
START_TEST(idle_channel_ends_if_another_client_needs_one)
{
	struct ipc_proxy *first;

	begin(1);
	first = proxy;
	ck_assert_uint_eq(open_many(48), 47);
	/* Asks again, but too early. */
	proxy = proxies[47];
	ck_assert_uint_eq(get_many(4096), 0);
	proxy = first;
	for (int i = 0; i < 105; i++) {
		ck_assert_uint_eq(get(WHERE), 1);
		usleep(100000);
	}
	/* The first request ends the channel, and the second request gets its place. */
	proxy = proxies[47];
	ck_assert_uint_eq(get_many(4 * 4096), 0);
	usleep(1100000);
	ck_assert_uint_eq(get_many(16 * 4096), 1);
	proxy = first;
	ck_assert_uint_eq(count_direct(48), 47);
	close_many(48);
	ck_assert_uint_eq(get(WHERE), 1);
	end();
}
END_TEST

START_TEST(unfetched_replies_are_limited)
{
	struct channel_call call = { .code = REPLY_LARGE };
	struct channel_caller *caller;
	unsigned int joins = 0;
	uint32_t thread;
	int cell;

	begin(1);
	caller = (void *)atomic_load(&proxy->channel);
	for (unsigned int i = 0; i < CHANNEL_HUGE && !joins; i++) {
		cell = i < CHANNEL_LARGE ? channel_take_cell(caller, 0) :
					   channel_take_async_cell(caller, 0);
		ck_assert_int_ge(cell, 0);
		channel_post(caller, (unsigned int)cell, &call);
		ck_assert_int_eq(channel_await(caller, (unsigned int)cell, 0), 0);
		joins += channel_must_join(caller, (unsigned int)cell, &thread);
	}
	ck_assert_uint_eq(joins, 1);
	end();
}
END_TEST

#define UIDS	    5
#define UIDS_ROUNDS 4

/* They may belong to the same user. */
START_TEST(ended_channels_of_many_uids_are_limited)
{
	static const struct ipc_raw_ops ops = { .serve = serve_long };
	int n = 0;

	if (getuid())
		return;
	go = mmap(NULL, sizeof(*go), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(go, MAP_FAILED);
	begin_ops(2 * UIDS * UIDS_ROUNDS, "1", &ops);
	begin_other_users();
	for (unsigned int i = 0; i < UIDS * UIDS_ROUNDS; i++)
		n += open_and_end(65500 + i / UIDS_ROUNDS);
	ck_assert_int_le(n, 256 + CHANNELS);
	ck_assert_uint_le(count_parts(), 2 * (256 + CHANNELS));
	atomic_store(go, true);
	/* The test fails if this never ends. */
	while (count_parts())
		usleep(10000);
	end_other_users();
	munmap(go, sizeof(*go));
}
END_TEST

int main(void)
{
	return RUN_TESTS("channel-limits", channels_of_a_user_are_limited,
			 users_get_their_share_of_channels,
			 client_cannot_keep_the_places_of_its_user,
			 user_keeps_few_channels_against_many_uids,
			 clients_that_do_not_join_end_no_channels_of_others,
			 ended_channels_of_a_user_are_limited,
			 ended_channels_of_many_uids_are_limited,
			 idle_channel_ends_if_another_client_needs_one,
			 unfetched_replies_are_limited);
}
