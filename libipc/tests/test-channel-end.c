// SPDX-License-Identifier: MIT
/*
 * The end of the bus or of a client, in direct channels, and errors that must not be taken for an
 * end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel-run.h"
#include "channels/channel-client.h"
#include "channels/channel-opened.h"
#include "channels/channel-served.h"
#include "core/call.h"

#include <ipc/test.h>

static unsigned int n_ended;
static int last_error;
static uint32_t last_number;

static void on_end(int code, struct ipc_raw_message *reply, const struct ipc_error *error,
		   void *userdata)
{
	(void)error, (void)userdata;
	n_ended++;
	last_error = code;
	if (reply && reply->size == sizeof(last_number))
		memcpy(&last_number, reply->data, sizeof(last_number));
}

static void reset(void)
{
	n_ended = 0;
	last_error = 1;
	last_number = 0;
}

static void until(unsigned int n)
{
	while (n_ended < n) {
		ck_assert_int_ge(ipc_wait_event(ipc, IPC_NEVER), 0);
		while (ipc_process(ipc) > 0)
			;
	}
}

/* --- The end of the bus ------------------------------------------------------------------ */

/* An event loop calls ipc_process() again while the fd is readable. */
static void end_in_an_event_loop(bool with_fd)
{
	struct pollfd fd = { .events = POLLIN };
	unsigned int rounds = 0;
	int r = 0;

	reset();
	begin(4);
	if (with_fd)
		fd.fd = ipc_get_fd(ipc);
	for (unsigned int i = 0; i < 20; i++)
		ck_assert_int_eq(ipc_raw_call_async(
					 proxy,
					 &(struct ipc_raw_message){ .method = CANCELS, .data = "x",
								    .size = 1 },
					 NULL, on_end, NULL, NULL),
				 0);
	stop_server();
	while (ipc_process(ipc) > 0)
		;
	kill(ipc_test_bus_pid(bus), SIGKILL);
	while (r >= 0 && rounds++ < 100) {
		ck_assert_int_eq(with_fd ? poll(&fd, 1, -1) : ipc_wait_event(ipc, IPC_NEVER), 1);
		while ((r = ipc_process(ipc)) > 0)
			;
	}
	ck_assert_uint_eq(n_ended, 20);
	ck_assert_int_eq(last_error, -ECONNRESET);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_int_eq(ipc_process(ipc), -ECONNRESET);
	end();
}

START_TEST(end_of_the_bus_ends_an_event_loop)
{
	end_in_an_event_loop(/* with_fd= */ true);
}
END_TEST

START_TEST(end_of_the_bus_ends_a_loop_with_ipc_wait_event)
{
	end_in_an_event_loop(/* with_fd= */ false);
}
END_TEST

/* --- Errors of handlers ------------------------------------------------------------------- */


START_TEST(dead_owner_as_an_error_does_not_end_the_channel)
{
	const int code = -EOWNERDEAD;

	reset();
	begin(1);
	ck_assert_int_eq(ipc_raw_call_async(proxy,
					    &(struct ipc_raw_message){
						    .method = FAIL, .data = &code,
						    .size = sizeof(code),
					    },
					    NULL, on_end, NULL, NULL), 0);
	until(1);
	ck_assert_int_eq(last_error, -EREMOTEIO);
	ck_assert_int_eq(ipc_raw_call_async(proxy, &(struct ipc_raw_message){ .method = WHERE },
					    NULL, on_end, NULL, NULL), 0);
	until(2);
	ck_assert_uint_eq(last_number, 1);
	end();
}
END_TEST

/* --- The death of a client --------------------------------------------------------------- */

enum { HOLD = 100, COUNT, PIDFD_FLAGS, SPIN, POLL, KEEP, REPEAT_ID, FINISH };

static atomic_uint n_held, n_canceled;

static void on_cancel(struct ipc_call *call, void *userdata)
{
	(void)userdata;
	ck_assert_int_eq(ipc_call_is_canceled(call), 1);
	atomic_fetch_add(&n_canceled, 1);
	ipc_call_unref(call);
}

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	static struct ipc_call *kept[2];
	static unsigned int n_kept, n_finished;
	uint32_t counts[2];
	int fd, flags;

	switch (request->method) {
	case HOLD:
		if (!is_route_call(call->number))
			return -EXDEV;
		ipc_call_ref(call);
		atomic_fetch_add(&n_held, 1);
		return ipc_call_on_cancel(call, on_cancel, NULL, NULL);
	case COUNT:
		counts[0] = atomic_load(&n_held);
		counts[1] = atomic_load(&n_canceled);
		return ipc_raw_reply(call, &(struct ipc_raw_message){ .data = counts,
								      .size = sizeof(counts) });
	case PIDFD_FLAGS:
		fd = ipc_call_pidfd(call);
		flags = fcntl(fd, F_GETFD);
		close(fd);
		return reply_number(call, (uint32_t)flags | is_route_call(call->number) << 8);
	case KEEP:
		if (!is_route_call(call->number))
			return -EXDEV;
		kept[n_kept++] = ipc_call_ref(call);
		return 0;
	case REPEAT_ID:
		/* As if 2^26 channels had been opened. */
		if (n_kept)
			atomic_load(&call->ipc->channels)->last_id = ID_OF(kept[0]->number) - 1;
		return reply_number(call, n_kept);
	case FINISH:
		reply_number(kept[n_finished], n_finished);
		ipc_call_unref(kept[n_finished++]);
		return reply_number(call, 0);
	case POLL:
		return reply_number(call, ipc_get_fd(call->ipc) >= 0);
	case SPIN:
		return reply_number(call, atomic_load(&call->ipc->channels)->spin.budget_ns);
	default:
		return server_ops.serve(call, request, userdata);
	}
}

static const struct ipc_raw_ops ops = { .serve = serve };

static void get_a_channel(void)
{
	while (!get(WHERE))
		;
}

static void *hold(void *size)
{
	static const uint8_t data[CHANNEL_DATA_MAX + 1];

	ipc_raw_call(proxy,
		     &(struct ipc_raw_message){ .method = HOLD, .data = data,
						.size = (size_t)(uintptr_t)size },
		     NULL, NULL, NULL);
	_exit(1);
}

static void count(uint32_t counts[2])
{
	struct ipc_raw_message *reply;

	ck_assert_int_eq(ipc_raw_call(proxy, &(struct ipc_raw_message){ .method = COUNT }, NULL,
				      &reply, NULL), 0);
	memcpy(counts, reply->data, 2 * sizeof(counts[0]));
	ipc_raw_free(reply);
}

/* Makes calls of that size until one uses the channel. */
static void get_an_extension(size_t size)
{
	static const uint8_t data[CHANNEL_HUGE_MAX];
	const struct ipc_raw_message request = { .method = ECHO, .data = data, .size = size };
	const struct channel_caller *caller = (void *)atomic_load(&proxy->channel);

	while (!caller->posted[CHANNEL_HUGE])
		ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, NULL, NULL), 0);
}

/* Begins n blocking calls of that size, and m async calls. */
static void be_client(unsigned int n, size_t size, unsigned int m)
{
	pthread_t thread;

	connect_again();
	get_a_channel();
	if (size > CHANNEL_DATA_MAX)
		get_an_extension(size);
	for (unsigned int i = 0; i < m; i++)
		ipc_raw_call_async(proxy, &(struct ipc_raw_message){ .method = HOLD }, NULL, on_end,
				   NULL, NULL);
	for (unsigned int i = 0; i < n; i++)
		pthread_create(&thread, NULL, hold, (void *)(uintptr_t)size);
	pause();
}

/* Each kind of cell: the calls end, however many other cells of the channel have one. */
static void client_dies(unsigned int n, size_t size, unsigned int m)
{
	uint32_t before[2], counts[2];
	pid_t pid;

	count(before);
	pid = fork();
	if (!pid)
		be_client(n, size, m);
	do {
		usleep(1000);
		count(counts);
		ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
	} while (counts[0] - before[0] < n + m);
	ck_assert_uint_eq(counts[1], before[1]);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	do {
		usleep(1000);
		count(counts);
	} while (counts[1] - before[1] < n + m);
}

/* The server leaves ipc_run(), and enters it again. */
static void stop_and_come_back(unsigned int messages, uint32_t by)
{
	uint32_t noted = get(GET_ADDED);

	ck_assert_uint_eq(get(STOP), 1);
	for (unsigned int i = 0; i < messages; i++) {
		if (by == ADD)
			ck_assert_int_eq(ipc_raw_oneway(proxy, &(struct ipc_raw_message){
							       .method = ADD }, NULL), 0);
		else
			ck_assert_uint_eq(get(WHERE), 0);
	}
	while (get(WHERE) == 0)
		;
	if (by == ADD)
		ck_assert_uint_eq(get(GET_ADDED), noted + messages);
}

START_TEST(channel_comes_back_when_the_server_serves_again)
{
	begin(1);
	stop_and_come_back(4000, WHERE);
	stop_and_come_back(4000, ADD);
	/* The server has one channel of this client. */
	ck_assert_uint_eq(count_parts(), 2);
	end();
}
END_TEST

/* The first call of a channel, which the server keeps. */
static void *be_kept(void *number)
{
	struct ipc *own;
	struct ipc_proxy *own_proxy;
	struct ipc_raw_message *reply;

	ck_assert_int_eq(ipc_open(&own, ipc_test_bus_path(bus)), 0);
	ck_assert_int_eq(ipc_get_manager(own, &own_proxy), 0);
	for (unsigned int i = 1; i <= CHANNEL_AFTER; i++) {
		ck_assert_int_eq(ipc_raw_call(own_proxy, &(struct ipc_raw_message){
						      .method = i < CHANNEL_AFTER ? WHERE : KEEP },
					      NULL, &reply, NULL), 0);
		memcpy(number, reply->data, 4);
		ipc_raw_free(reply);
	}
	ipc_proxy_unref(own_proxy);
	ipc_unref(own);
	return NULL;
}

START_TEST(reply_to_a_dead_client_reaches_no_channel_with_its_id)
{
	uint32_t number = 99;
	pthread_t thread;
	pid_t pid;

	begin_ops(1, "1", &ops);
	get_a_channel();
	pid = fork();
	if (!pid)
		be_kept(&number);
	while (get(REPEAT_ID) < 1)
		usleep(1000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, be_kept, &number), 0);
	while (get(REPEAT_ID) < 2)
		usleep(1000);
	get(FINISH);
	get(FINISH);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(number, 1);
	end();
}
END_TEST

START_TEST(server_that_has_polled_gets_channels)
{
	begin_ops(1, "1", &ops);
	ck_assert_uint_eq(get(POLL), 1);
	get_a_channel();
	end();
}
END_TEST

START_TEST(calls_of_a_dead_client_are_canceled)
{
	begin_ops(2, "1", &ops);
	client_dies(1, 0, 0);
	client_dies(0, 0, 1);
	client_dies(1, CHANNEL_DATA_MAX + 1, 0);
	client_dies(CHANNEL_LARGE, 0, CHANNEL_HUGE - CHANNEL_LARGE);
	end();
}
END_TEST

/* --- Files ------------------------------------------------------------------------------- */

START_TEST(pidfd_of_a_caller_is_closed_by_exec)
{
	begin_ops(2, "1", &ops);
	get_a_channel();
	ck_assert_uint_eq(get(PIDFD_FLAGS), FD_CLOEXEC | 1 << 8);
	end();
	begin_ops(2, "0", &ops);
	ck_assert_uint_eq(get(PIDFD_FLAGS), FD_CLOEXEC);
	end();
}
END_TEST

/* --- Waiting ------------------------------------------------------------------------------ */

/* See waits_spin_for_50_microseconds of test-channel. */
START_TEST(both_sides_spin_for_50_microseconds)
{
	begin_ops(1, "1", &ops);
	get_a_channel();
	ck_assert_uint_eq(get(SPIN), 50000);
	ck_assert_uint_eq(atomic_load(&proxy->channel)->caller.spin.budget_ns, 50000);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("channel-end", end_of_the_bus_ends_an_event_loop,
			 end_of_the_bus_ends_a_loop_with_ipc_wait_event,
			 dead_owner_as_an_error_does_not_end_the_channel,
			 channel_comes_back_when_the_server_serves_again,
			 reply_to_a_dead_client_reaches_no_channel_with_its_id,
			 server_that_has_polled_gets_channels,
			 calls_of_a_dead_client_are_canceled,
			 pidfd_of_a_caller_is_closed_by_exec,
			 both_sides_spin_for_50_microseconds);
}
