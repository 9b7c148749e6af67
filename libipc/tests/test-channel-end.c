// SPDX-License-Identifier: MIT
/*
 * The end of the bus in direct channels, and errors that must not be taken for an end.
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
#include "channels/channel-server.h"
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
		ck_assert_int_ge(ipc_wait_event(ipc, 20000000), 0);
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
	kill(server, SIGSTOP);
	while (ipc_process(ipc) > 0)
		;
	kill(ipc_test_bus_pid(bus), SIGKILL);
	while (r >= 0 && rounds++ < 100) {
		ck_assert_int_eq(with_fd ? poll(&fd, 1, 20000) : ipc_wait_event(ipc, 20000000), 1);
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

int main(void)
{
	return RUN_TESTS("channel-end", end_of_the_bus_ends_an_event_loop,
			 end_of_the_bus_ends_a_loop_with_ipc_wait_event,
			 dead_owner_as_an_error_does_not_end_the_channel);
}
