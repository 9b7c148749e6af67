// SPDX-License-Identifier: MIT
/*
 * Direct channels of a process that may not call futex_waitv(): it has no channels. If it installs
 * the seccomp filter later, its channels end, and no message is lost.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "channel-run.h"
#include "channels/channel-client.h"
#include "channels/channel-server.h"
#include "core/call.h"

/* Of this file's server, beside those of channel-run.h. */
enum { FILTER = 100, NAP };

#define NAP_USEC 400000U

/* For all threads of this process: futex_waitv() fails. Ends the case if that is not possible. */
static void refuse_waitv(int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex_waitv, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned int)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { .len = 4, .filter = filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program))
		abort();
	if (syscall(SYS_futex_waitv, NULL, 0, 0, NULL, 0) != -1 || errno != error)
		abort();
}

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	switch (request->method) {
	case FILTER:
		refuse_waitv(EPERM);
		return reply_number(call, is_route_call(call->number));
	case NAP:
		usleep(NAP_USEC);
		return reply_number(call, is_route_call(call->number));
	default:
		return server_ops.serve(call, request, userdata);
	}
}

static const struct ipc_raw_ops ops = { .serve = serve };

static void begin_here(unsigned int threads)
{
	begin_ops(threads, "1", &ops);
}

static void open_channel(void)
{
	while (!get(WHERE))
		;
}

static void send_oneways(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		ck_assert_int_eq(ipc_raw_oneway(proxy, &(struct ipc_raw_message){ .method = ADD },
						NULL), 0);
}

/* A call may overtake oneways. */
static void await_added(uint32_t n)
{
	while (get(GET_ADDED) < n)
		usleep(1000);
}

static uint64_t used_usec(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

/* A call of NAP_USEC, in which a thread that spins would use the CPU all the time. */
static uint32_t nap(void)
{
	uint64_t used = used_usec();
	uint32_t by_channel = get(NAP);

	ck_assert_uint_lt(used_usec() - used, NAP_USEC / 2);
	return by_channel;
}

START_TEST(filtered_client_asks_for_no_channel)
{
	begin_here(1);
	refuse_waitv(ENOSYS);
	for (unsigned int i = 0; i < 3 * CHANNEL_AFTER; i++)
		ck_assert_uint_eq(get(WHERE), 0);
	ck_assert_uint_eq(count_parts(), 0);
	ck_assert_uint_eq(nap(), 0);
	send_oneways(100);
	await_added(100);
	end();
}
END_TEST

START_TEST(filtered_server_refuses_channels)
{
	begin_here(1);
	ck_assert_uint_eq(get(FILTER), 0);
	for (unsigned int i = 0; i < 3 * CHANNEL_AFTER; i++)
		ck_assert_uint_eq(get(WHERE), 0);
	ck_assert_uint_eq(count_parts(), 0);
	send_oneways(100);
	await_added(100);
	end();
}
END_TEST

static void filter_server_later(unsigned int threads)
{
	begin_here(threads);
	open_channel();
	send_oneways(100);
	ck_assert_uint_eq(get(FILTER), 1);
	send_oneways(100);
	/* A serving thread notices it when it waits. */
	usleep(10000);
	while (get(WHERE))
		;
	for (unsigned int i = 0; i < 3 * CHANNEL_AFTER; i++)
		ck_assert_uint_eq(get(WHERE), 0);
	await_added(200);
	end();
}

START_TEST(server_that_is_filtered_later_ends_its_channels)
{
	filter_server_later(1);
	filter_server_later(4);
}
END_TEST

START_TEST(client_that_is_filtered_later_ends_its_channels)
{
	begin_here(1);
	open_channel();
	send_oneways(100);
	refuse_waitv(EPERM);
	ck_assert_uint_eq(nap(), 1);
	ck_assert_uint_eq(get(WHERE), 0);
	ck_assert_uint_eq(nap(), 0);
	send_oneways(100);
	await_added(200);
	end();
}
END_TEST

static void *run(void *unused)
{
	(void)unused;
	ck_assert_int_eq(ipc_run(ipc), 0);
	return NULL;
}

static atomic_uint replies;

static void count_reply(int result, struct ipc_raw_message *reply, const struct ipc_error *error,
			void *userdata)
{
	(void)reply, (void)error, (void)userdata;
	ck_assert_int_eq(result, 0);
	atomic_fetch_add(&replies, 1);
}

static void call_async(uint32_t method, unsigned int n)
{
	const struct ipc_raw_message request = { .method = method };

	for (unsigned int i = 0; i < n; i++)
		ck_assert_int_eq(ipc_raw_call_async(proxy, &request, NULL, count_reply, NULL, NULL),
				 0);
}

static void await_replies(unsigned int n)
{
	while (atomic_load(&replies) < n)
		usleep(1000);
}

/* The thread in ipc_run() sleeps in the kernel when the filter comes, with calls in the channel. */
START_TEST(async_calls_end_after_the_client_is_filtered)
{
	pthread_t thread;
	uint64_t used;

	begin_here(1);
	open_channel();
	ck_assert_int_eq(pthread_create(&thread, NULL, run, NULL), 0);
	call_async(WHERE, 1);
	await_replies(1);
	call_async(NAP, 3);
	refuse_waitv(ENOSYS);
	used = used_usec();
	await_replies(4);
	ck_assert_uint_lt(used_usec() - used, NAP_USEC);
	call_async(WHERE, 100);
	await_replies(104);
	used = used_usec();
	usleep(NAP_USEC);
	ck_assert_uint_lt(used_usec() - used, NAP_USEC / 2);
	ipc_stop(ipc);
	pthread_join(thread, NULL);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("channel-filters", filtered_client_asks_for_no_channel,
			 filtered_server_refuses_channels,
			 server_that_is_filtered_later_ends_its_channels,
			 client_that_is_filtered_later_ends_its_channels,
			 async_calls_end_after_the_client_is_filtered);
}
