// SPDX-License-Identifier: MIT
/*
 * Timeouts and deadlines of calls that use, or set up, direct channels. Timers of a server with
 * channels, and its senders that wait for space.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ipc/test.h>

#include "channel-run.h"
#include "channels/channel-client.h"
#include "channels/channel-server.h"
#include "core/call.h"
#include "base/deadline.h"
#include "conn/private.h"

/* Methods of this file's server, beside those of channel-run.h. */
enum {
	BLOCK = 100,	/* serves no call until the test calls unblock() */
	REMAIN,		/* -> ipc_call_remaining(), and whether it came through a channel */
	SET_TIMERS,	/* two timers; writes how late the earlier one expires to blocked */
	FILL,		/* sends oneways to the client until it has no space; writes a byte to
			 * blocked when there is space */
	HOLD,		/* from now on, no thread answers the set-up of a channel, */
	LET_GO,		/* until now */
};

struct remain {
	uint64_t usec;
	uint64_t by_channel;
};

/* The server tells that it is blocked, and waits for a byte. */
static int blocked[2], go_on[2];

static void expired(struct timer *timer)
{
	uint64_t late = time_now() - timer->deadline;

	if (write(blocked[1], &late, sizeof(late)) != sizeof(late))
		_exit(1);
}

static int set_timers(struct ipc_call *call)
{
	static struct timer timers[2] = { { .expired = expired }, { .expired = expired } };

	if (timer_set(call->ipc, &timers[0], time_now() + 1000000000000) < 0 ||
	    timer_set(call->ipc, &timers[1], time_now() + 20000000) < 0)
		return -EIO;
	return reply_number(call, is_route_call(call->number));
}

static void has_space(struct ipc *own, void *userdata)
{
	(void)own, (void)userdata;
	if (write(blocked[1], "", 1) != 1)
		_exit(1);
}

static int fill(struct ipc_call *call, struct ipc_proxy *back)
{
	static const uint8_t data[60000];
	struct ipc_raw_message message = { .method = ADD, .data = data, .size = sizeof(data) };
	int r = 0;

	while (r == 0)
		r = ipc_raw_oneway(back, &message, NULL);
	if (r == -EAGAIN)
		r = ipc_on_writable(call->ipc, has_space, NULL, NULL);
	return r < 0 ? r : reply_number(call, 0);
}

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	struct remain remain = { ipc_call_remaining(call), is_route_call(call->number) };
	char byte = 0;

	switch (request->method) {
	case BLOCK:
		if (write(blocked[1], &byte, 1) != 1 || read(go_on[0], &byte, 1) != 1)
			return -EIO;
		return reply_number(call, 0);
	case SET_TIMERS:
		return set_timers(call);
	case FILL:
		return fill(call, request->entries[0].proxy);
	case HOLD:
		pthread_mutex_lock(&call->ipc->pool.lock);
		return reply_number(call, 0);
	case LET_GO:
		pthread_mutex_unlock(&call->ipc->pool.lock);
		return reply_number(call, 0);
	case REMAIN:
		return ipc_raw_reply(call, &(struct ipc_raw_message){ .data = &remain,
								      .size = sizeof(remain) });
	default:
		return server_ops.serve(call, request, userdata);
	}
}

/* Sends the time that remains. */
static int stream(struct ipc_stream *stream, uint32_t method, void *userdata)
{
	uint64_t usec = ipc_stream_remaining(stream);
	struct ipc_raw_message message = { .data = &usec, .size = sizeof(usec) };

	(void)method, (void)userdata;
	return ipc_raw_stream_send(stream, &message, IPC_NEVER);
}

static const struct ipc_raw_ops ops = { .serve = serve, .stream = stream };

static void begin_here_with(unsigned int threads)
{
	ck_assert_int_eq(pipe(blocked), 0);
	ck_assert_int_eq(pipe(go_on), 0);
	begin_ops(threads, "1", &ops);
}

static void begin_here(void)
{
	begin_here_with(1);
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

/* Makes a server that may have three threads start them all. */
static void start_threads(void)
{
	struct other others[2];
	char byte;

	block(&others[0]);
	block(&others[1]);
	get(WHERE);
	/* Each handler may take the byte of the other handler. */
	ck_assert_int_eq(write(go_on[1], "", 1), 1);
	unblock(&others[0]);
	unblock(&others[1]);
	ck_assert_int_eq(read(go_on[0], &byte, 1), 1);
}

/* A thread of the server blocks at the set-up. On a busy machine, a call may take long. */
START_TEST(no_call_waits_for_the_set_up)
{
	uint64_t longest = UINT64_MAX;

	begin_here_with(3);
	start_threads();
	for (int try = 0; try < 10 && longest > 500000; try++) {
		connect_again();
		get(HOLD);
		longest = 0;
		for (unsigned int i = 0; i < 3 * CHANNEL_AFTER; i++) {
			uint64_t start = now_usec(), time;

			ck_assert_uint_eq(get(WHERE), 0);
			time = now_usec() - start;
			longest = time > longest ? time : longest;
		}
		get(LET_GO);
	}
	ck_assert_uint_lt(longest, 500000);
	while (!get(WHERE))
		;
	end_here();
}
END_TEST

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

/* Returns what remains in the handler, through a channel. */
static uint64_t get_remaining(uint64_t timeout_usec)
{
	const struct ipc_options options = { .timeout_usec = timeout_usec };
	struct ipc_raw_message *reply;
	struct remain remain;

	ck_assert_int_eq(ipc_raw_call(proxy, &(struct ipc_raw_message){ .method = REMAIN },
				      &options, &reply, NULL), 0);
	memcpy(&remain, reply->data, sizeof(remain));
	ipc_raw_free(reply);
	ck_assert_uint_eq(remain.by_channel, 1);
	return remain.usec;
}

/* Returns the time that remains for the server's side of a stream. */
static uint64_t get_remaining_of_stream(uint64_t timeout_usec)
{
	const struct ipc_options options = { .timeout_usec = timeout_usec };
	const struct ipc_raw_message *message;
	struct ipc_stream *opened;
	uint64_t usec;

	ck_assert_int_eq(ipc_raw_stream_open(proxy, 1, &options, &opened, NULL), 0);
	ck_assert_int_eq(ipc_raw_stream_receive(opened, IPC_NEVER, &message, NULL), 1);
	memcpy(&usec, message->data, sizeof(usec));
	ipc_stream_unref(opened);
	return usec;
}

static void *unblock_later(void *other)
{
	usleep(200000);
	unblock(other);
	return NULL;
}

/* The call waits for at least 200 ms before the server takes it. */
START_TEST(time_in_the_queue_of_a_channel_counts)
{
	struct other other;
	pthread_t thread;
	uint64_t remaining;

	begin_here();
	while (!get(WHERE))
		;
	remaining = get_remaining(100000000);
	ck_assert_uint_le(remaining, 100000000);
	ck_assert_uint_gt(remaining, 40000000);
	block(&other);
	ck_assert_int_eq(pthread_create(&thread, NULL, unblock_later, &other), 0);
	remaining = get_remaining(100000000);
	ck_assert_uint_le(remaining, 100000000 - 150000);
	ck_assert_uint_gt(remaining, 40000000);
	pthread_join(thread, NULL);
	end_here();
}
END_TEST

/* A process of another time namespace has another clock. The daemon and the server are in this
 * one. */
static void call_from_namespace(const char *offset)
{
	FILE *file;
	int status;
	pid_t pid;

	begin_here();
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWTIME) < 0)
			_exit(77);
		file = fopen("/proc/self/timens_offsets", "we");
		if (!file || fprintf(file, "monotonic %s 0\n", offset) < 0 || fclose(file))
			_exit(77);
		/* Its children are in the namespace. */
		pid = fork();
		if (!pid) {
			uint64_t remaining, of_stream;

			connect_again();
			ck_assert_int_eq(call_within(SLEEP, 50000000), 0);
			while (!get(WHERE))
				;
			remaining = get_remaining(50000000);
			of_stream = get_remaining_of_stream(50000000);
			ck_assert_int_eq(call_within(CANCELS, 20000), -ETIMEDOUT);
			ck_assert(remaining > 20000000 && remaining <= 51000000);
			ck_assert(of_stream > 20000000 && of_stream <= 51000000);
			_exit(0);
		}
		waitpid(pid, &status, 0);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 3);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
	end_here();
}

START_TEST(timeouts_hold_between_time_namespaces)
{
	call_from_namespace("100000");
	call_from_namespace("-100");
}
END_TEST

/* The server does not poll for timers, so its channels stay. A thread that does not know the timer
 * looks after a second. On a busy machine, a thread may be late. */
START_TEST(timer_of_a_server_expires_beside_channels)
{
	uint64_t late = UINT64_MAX;

	begin_here();
	while (!get(WHERE))
		;
	for (int try = 0; try < 20 && late > 400000000; try++) {
		ck_assert_uint_eq(get(SET_TIMERS), 1);
		ck_assert_int_eq(read(blocked[0], &late, sizeof(late)), sizeof(late));
	}
	ck_assert_uint_le(late, 400000000);
	ck_assert_uint_eq(get(WHERE), 1);
	end_here();
}
END_TEST

static void *get_block(void *unused)
{
	ck_assert_uint_eq(get(BLOCK), 0);
	return unused;
}

/* The timer makes both threads poll before there are channels. Then only one of them takes the
 * messages that set the channel up. */
START_TEST(thread_that_polled_serves_the_first_channel)
{
	struct other others[2];
	pthread_t thread;
	uint64_t late;
	char byte;

	begin_here_with(2);
	block(&others[0]);
	block(&others[1]);
	/* Each handler may take the byte of the other one. */
	ck_assert_int_eq(write(go_on[1], "", 1), 1);
	unblock(&others[0]);
	unblock(&others[1]);
	ck_assert_int_eq(read(go_on[0], &byte, 1), 1);
	ck_assert_uint_eq(get(SET_TIMERS), 0);
	ck_assert_int_eq(read(blocked[0], &late, sizeof(late)), sizeof(late));
	while (!get(WHERE))
		;
	ck_assert_int_eq(pthread_create(&thread, NULL, get_block, NULL), 0);
	ck_assert_int_eq(read(blocked[0], &byte, 1), 1);
	ck_assert_uint_eq(get(WHERE), 1);
	ck_assert_int_eq(write(go_on[1], "", 1), 1);
	pthread_join(thread, NULL);
	end_here();
}
END_TEST

static atomic_uint taken;

static int take(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	(void)call, (void)request, (void)userdata;
	taken++;
	return 0;
}

/* A client that takes no messages does not end the channels of other clients. */
START_TEST(sender_of_a_server_waits_for_space_beside_channels)
{
	static const struct ipc_raw_ops take_ops = { .serve = take };
	struct ipc_raw_entry entry = { .type = IPC_RAW_OBJECT };
	const struct ipc_raw_message request = {
		.method = FILL, .entries = &entry, .n_entries = 1,
	};
	struct ipc_proxy *other_proxy;
	struct ipc *other;
	char byte;

	begin_here();
	while (!get(WHERE))
		;
	ck_assert_int_eq(ipc_open(&other, ipc_test_bus_path(bus)), 0);
	ck_assert_int_eq(ipc_get_manager(other, &other_proxy), 0);
	ck_assert_int_eq(ipc_raw_object_new(other, &take_ops, NULL, &entry.object), 0);
	ck_assert_int_eq(ipc_raw_call(other_proxy, &request, NULL, NULL, NULL), 0);
	for (int i = 0; i < 100; i++)
		ck_assert_uint_eq(get(WHERE), 1);
	/* The server sleeps. */
	usleep(50000);
	ck_assert_uint_eq(get(WHERE), 1);
	while (ipc_wait_event(other, 0) == 1)
		ck_assert_int_ge(ipc_process(other), 0);
	ck_assert_uint_gt(taken, 0);
	ck_assert_int_eq(read(blocked[0], &byte, 1), 1);
	ck_assert_uint_eq(get(WHERE), 1);
	ipc_object_unref(entry.object);
	ipc_proxy_unref(other_proxy);
	ipc_unref(other);
	end_here();
}
END_TEST

int main(void)
{
	return RUN_TESTS("channel-time", no_call_waits_for_the_set_up,
			 timeout_of_a_call_applies_while_a_channel_is_set_up,
			 timeout_of_a_large_call_applies_while_its_memory_is_set_up,
			 time_in_the_queue_of_a_channel_counts,
			 timeouts_hold_between_time_namespaces,
			 timer_of_a_server_expires_beside_channels,
			 thread_that_polled_serves_the_first_channel,
			 sender_of_a_server_waits_for_space_beside_channels);
}
