// SPDX-License-Identifier: MIT
/*
 * Timeouts and deadlines of calls that use, or set up, direct channels.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <ipc/test.h>

#include "channel-run.h"
#include "channels/channel-client.h"
#include "channels/channel-server.h"
#include "core/call.h"

/* Methods of this file's server, beside those of channel-run.h. */
enum {
	BLOCK = 100,	/* serves no call until the test calls unblock() */
	REMAIN,		/* -> ipc_call_remaining(), and whether it came through a channel */
};

struct remain {
	uint64_t usec;
	uint64_t by_channel;
};

/* The server tells that it is blocked, and waits for a byte. */
static int blocked[2], go_on[2];

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	struct remain remain = { ipc_call_remaining(call), is_channel_call(call->number) };
	char byte = 0;

	switch (request->method) {
	case BLOCK:
		if (write(blocked[1], &byte, 1) != 1 || read(go_on[0], &byte, 1) != 1)
			return -EIO;
		return reply_number(call, 0);
	case REMAIN:
		return ipc_raw_reply(call, &(struct ipc_raw_message){ .data = &remain,
								      .size = sizeof(remain) });
	default:
		return server_ops.serve(call, request, userdata);
	}
}

static const struct ipc_raw_ops ops = { .serve = serve };

static void begin_here(void)
{
	ck_assert_int_eq(pipe(blocked), 0);
	ck_assert_int_eq(pipe(go_on), 0);
	begin_ops(1, "1", &ops);
}

static void end_here(void)
{
	end();
	for (int i = 0; i < 2; i++) {
		close(blocked[i]);
		close(go_on[i]);
	}
}

/* Another client, whose call blocks the server. */
struct other {
	struct ipc *ipc;
	struct ipc_proxy *proxy;
	pthread_t thread;
};

static void *call_block(void *userdata)
{
	struct other *other = userdata;

	ck_assert_int_eq(ipc_raw_call(other->proxy, &(struct ipc_raw_message){ .method = BLOCK },
				      NULL, NULL, NULL), 0);
	return NULL;
}

static void block(struct other *other)
{
	char byte;

	ck_assert_int_eq(ipc_open(&other->ipc, ipc_test_bus_path(bus)), 0);
	ck_assert_int_eq(ipc_get_manager(other->ipc, &other->proxy), 0);
	ck_assert_int_eq(pthread_create(&other->thread, NULL, call_block, other), 0);
	ck_assert_int_eq(read(blocked[0], &byte, 1), 1);
}

static void unblock(struct other *other)
{
	ck_assert_int_eq(write(go_on[1], "", 1), 1);
	pthread_join(other->thread, NULL);
	ipc_proxy_unref(other->proxy);
	ipc_unref(other->ipc);
}

/* Returns how long a call with a timeout of 20 ms takes while the server is blocked. */
static uint64_t call_in_vain(size_t size)
{
	static const uint8_t data[CHANNEL_HUGE_MAX];
	const struct ipc_raw_message request = { .method = ECHO, .data = data, .size = size };
	const struct ipc_options options = { .timeout_usec = 20000 };
	uint64_t start = now_usec();

	ck_assert_int_eq(ipc_raw_call(proxy, &request, &options, NULL, NULL), -ETIMEDOUT);
	return now_usec() - start;
}

/* The set-up may take a second. On a busy machine, a call may take longer than its timeout. */
START_TEST(timeout_of_a_call_applies_while_a_channel_is_set_up)
{
	uint64_t longest = UINT64_MAX;
	struct other other;

	begin_here();
	for (int try = 0; try < 10 && longest > 500000; try++) {
		connect_again();
		for (unsigned int i = 0; i < CHANNEL_AFTER - 2; i++)
			get(WHERE);
		block(&other);
		longest = 0;
		for (unsigned int i = 0; i < 4; i++) {
			uint64_t time = call_in_vain(1);

			longest = time > longest ? time : longest;
		}
		unblock(&other);
	}
	ck_assert_uint_lt(longest, 500000);
	end_here();
}
END_TEST

START_TEST(timeout_of_a_large_call_applies_while_its_memory_is_set_up)
{
	uint64_t longest = UINT64_MAX;
	struct other other;

	begin_here();
	for (int try = 0; try < 10 && longest > 500000; try++) {
		connect_again();
		while (!get(WHERE))
			;
		block(&other);
		longest = call_in_vain(CHANNEL_HUGE_MAX);
		unblock(&other);
	}
	ck_assert_uint_lt(longest, 500000);
	end_here();
}
END_TEST

int main(void)
{
	return RUN_TESTS("channel-time", timeout_of_a_call_applies_while_a_channel_is_set_up,
			 timeout_of_a_large_call_applies_while_its_memory_is_set_up);
}
