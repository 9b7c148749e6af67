// SPDX-License-Identifier: MIT
/*
 * Limits of direct channels for each user and each client.
 */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
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

START_TEST(channels_of_a_user_are_limited)
{
	struct ipc_proxy *proxies[40], *first;
	unsigned int direct = 0;
	struct ipc *others[40];

	begin(1);
	first = proxy;
	for (int i = 0; i < 40; i++) {
		ck_assert_int_eq(ipc_open(&others[i], ipc_test_bus_path(bus)), 0);
		ck_assert_int_eq(ipc_get_manager(others[i], &proxies[i]), 0);
		proxy = proxies[i];
		for (unsigned int j = 0; j < CHANNEL_AFTER; j++)
			get(WHERE);
		direct += get(WHERE);
	}
	ck_assert_uint_eq(direct, 15);
	for (int i = 0; i < 40; i++) {
		ipc_proxy_unref(proxies[i]);
		ipc_unref(others[i]);
	}
	proxy = first;
	end();
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
 * Returns their number. */
static int open_and_end(void)
{
	pid_t pid = fork();
	int status, n = 0;

	if (!pid) {
		for (unsigned int i = 0; i < CHANNELS; i++) {
			ck_assert_int_eq(ipc_open(&ipc, ipc_test_bus_path(bus)), 0);
			ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
			n += get_many(CHANNEL_AFTER + 1);
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
		n += open_and_end();
	ck_assert_int_ge(n, CHANNELS);
	ck_assert_int_le(n, 64 + CHANNELS);
	ck_assert_uint_le(count_parts(), 2 * (64 + CHANNELS));
	atomic_store(go, true);
	/* The test fails if this never ends. */
	while (count_parts())
		usleep(10000);
	ck_assert_int_gt(open_and_end(), 0);
	end();
	munmap(go, sizeof(*go));
}
END_TEST

/* 10 s pass. */
START_TEST(idle_channel_ends_if_another_client_needs_one)
{
	struct ipc_proxy *proxies[16], *first;
	struct ipc *others[16];
	unsigned int direct = 0;

	begin(1);
	first = proxy;
	for (int i = 0; i < 16; i++) {
		ck_assert_int_eq(ipc_open(&others[i], ipc_test_bus_path(bus)), 0);
		ck_assert_int_eq(ipc_get_manager(others[i], &proxies[i]), 0);
		proxy = proxies[i];
		ck_assert_uint_eq(get_many(CHANNEL_AFTER + 1), i < 15);
	}
	/* Asks again, but too early. */
	ck_assert_uint_eq(get_many(4096), 0);
	proxy = first;
	for (int i = 0; i < 105; i++) {
		ck_assert_uint_eq(get(WHERE), 1);
		usleep(100000);
	}
	/* The first request ends the channel, and the second request gets its place. */
	proxy = proxies[15];
	ck_assert_uint_eq(get_many(4 * 4096), 0);
	usleep(1100000);
	ck_assert_uint_eq(get_many(16 * 4096), 1);
	for (int i = 0; i < 16; i++) {
		proxy = proxies[i];
		direct += get(WHERE);
		ipc_proxy_unref(proxies[i]);
		ipc_unref(others[i]);
	}
	ck_assert_uint_eq(direct, 15);
	proxy = first;
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

int main(void)
{
	return RUN_TESTS("channel-limits", channels_of_a_user_are_limited,
			 ended_channels_of_a_user_are_limited,
			 idle_channel_ends_if_another_client_needs_one,
			 unfetched_replies_are_limited);
}
