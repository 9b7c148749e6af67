// SPDX-License-Identifier: MIT
/*
 * Async calls through direct channels: replies, errors, deadlines, cancellation, and the end of the
 * server or of the channel, with a client that serves in ipc_run() and one that polls.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ipc/test.h>

#include "channel-run.h"
#include "channels/channel-client.h"
#include "channels/channel-opened.h"
#include "conn/private.h"
#include "conn/thread.h"

/* What the callbacks saw. Several threads may run them. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int n_ended, n_by_channel;
static int last_error;
static size_t last_size;
static unsigned int last_entries;

static void on_end(int code, struct ipc_raw_message *reply, const struct ipc_error *error,
		   void *userdata)
{
	uint32_t number = 0;

	(void)error;
	pthread_mutex_lock(&lock);
	n_ended++;
	last_error = code;
	last_size = reply ? reply->size : 0;
	last_entries = reply ? reply->n_entries : 0;
	if (reply && reply->size == 4)
		memcpy(&number, reply->data, 4);
	n_by_channel += number == 1;
	if (userdata && n_ended == *(unsigned int *)userdata)
		ipc_stop(ipc);
	pthread_mutex_unlock(&lock);
}

static int start(uint32_t code, size_t size, const struct ipc_options *options, void *userdata,
		 struct ipc_slot **ret_slot)
{
	static const uint8_t data[CHANNEL_DATA_MAX];

	return ipc_raw_call_async(proxy,
				  &(struct ipc_raw_message){
					  .method = code, .data = data, .size = size,
				  },
				  options, on_end, userdata, ret_slot);
}

static void reset(void)
{
	n_ended = n_by_channel = last_entries = 0;
	last_error = 1;
	last_size = 0;
}

/* Serves as an event loop, until so many calls have ended. */
static void loop(unsigned int n)
{
	struct pollfd fd = { .fd = ipc_get_fd(ipc), .events = POLLIN };
	int r;

	ck_assert_int_ge(fd.fd, 0);
	while (n_ended < n) {
		ck_assert_int_ge(poll(&fd, 1, -1), 1);
		do
			r = ipc_process(ipc);
		while (r > 0);
		ck_assert_int_eq(r, 0);
	}
}

/* The same in ipc_run(). */
static void run(unsigned int n)
{
	(void)n;
	ck_assert_int_eq(ipc_run(ipc), 0);
}

static void wait_event(unsigned int n)
{
	int r;

	while (n_ended < n) {
		r = ipc_process(ipc);
		if (r == 0)
			r = ipc_wait_event(ipc, IPC_NEVER);
		ck_assert_int_ge(r, 0);
	}
}

/* A client without a channel gets one by its async calls. */
static void calls_get_a_channel(void (*serve)(unsigned int n))
{
	unsigned int n = 100;

	begin_with(1, "1");
	reset();
	for (unsigned int i = 1; i <= n; i++) {
		ck_assert_int_eq(start(WHERE, 0, NULL, &i, NULL), 0);
		serve(i);
		ck_assert_uint_eq(n_ended, i);
		ck_assert_int_eq(last_error, 0);
	}
	ck_assert_uint_gt(n_by_channel, 50);
	ck_assert_uint_lt(n_by_channel, 90);
	end();
}

START_TEST(calls_get_a_channel_in_ipc_run)
{
	calls_get_a_channel(run);
}
END_TEST

START_TEST(calls_get_a_channel_in_an_event_loop)
{
	calls_get_a_channel(loop);
}
END_TEST

START_TEST(calls_get_a_channel_with_ipc_wait_event)
{
	calls_get_a_channel(wait_event);
}
END_TEST

/* More calls than cells. */
static void many_calls_end_once(void (*serve)(unsigned int n))
{
	unsigned int n = 200;

	begin(4);
	reset();
	for (unsigned int i = 0; i < n; i++)
		ck_assert_int_eq(start(WHERE, i % 3 ? 0 : 2000, NULL, &n, NULL), 0);
	serve(n);
	ck_assert_uint_eq(n_ended, n);
	ck_assert_int_eq(last_error, 0);
	ck_assert_uint_ge(n_by_channel, 23);
	end();
}

START_TEST(many_calls_end_once_in_ipc_run)
{
	many_calls_end_once(run);
}
END_TEST

START_TEST(many_calls_end_once_in_an_event_loop)
{
	many_calls_end_once(loop);
}
END_TEST

/* Serving threads complete them concurrently. */
START_TEST(many_threads_end_calls)
{
	begin(2);
	ck_assert_int_eq(ipc_set_threads(ipc, 4), 0);
	for (unsigned int round = 0; round < 200; round++) {
		unsigned int n = 16;

		reset();
		for (unsigned int i = 0; i < n; i++)
			ck_assert_int_eq(start(WHERE, 0, NULL, &n, NULL), 0);
		run(n);
		ck_assert_uint_eq(n_ended, n);
	}
	end();
}
END_TEST

static void end_with(uint32_t code, void (*serve)(unsigned int n))
{
	unsigned int n = 1;

	reset();
	ck_assert_int_eq(start(code, 0, NULL, &n, NULL), 0);
	serve(1);
}

static void results_are_those_of_the_bus(void (*serve)(unsigned int n))
{
	begin(1);
	end_with(FAIL, serve);
	ck_assert_int_eq(last_error, -EREMOTEIO);
	end_with(FAIL_LARGE, serve);
	ck_assert_int_eq(last_error, -EDOM);
	end_with(REPLY_LARGE, serve);
	ck_assert_int_eq(last_error, 0);
	ck_assert_uint_eq(last_size, LARGE);
	end_with(GIVE_OBJECT, serve);
	ck_assert_int_eq(last_error, 0);
	ck_assert_uint_eq(last_entries, 1);
	end_with(GIVE_FILE, serve);
	ck_assert_int_lt(last_error, 0);
	end_with(9999, serve);
	ck_assert_int_eq(last_error, -EOPNOTSUPP);
	/* The channel still works. */
	end_with(WHERE, serve);
	ck_assert_uint_eq(n_by_channel, 1);
	end();
}

START_TEST(results_are_those_of_the_bus_in_ipc_run)
{
	results_are_those_of_the_bus(run);
}
END_TEST

START_TEST(results_are_those_of_the_bus_in_an_event_loop)
{
	results_are_those_of_the_bus(loop);
}
END_TEST

/* The second call has a later deadline. */
static void deadlines_end_calls_and_cancel_them(void (*serve)(unsigned int n))
{
	const struct ipc_options soon = { .timeout_usec = 100000 };
	const struct ipc_options later = { .timeout_usec = 200000 };
	unsigned int n = 2;

	begin(3);
	/* The program polls already, if it does. */
	end_with(WHERE, serve);
	reset();
	ck_assert_int_eq(start(CANCELS, 1, &soon, &n, NULL), 0);
	ck_assert_int_eq(start(CANCELS, 1, &later, &n, NULL), 0);
	serve(n);
	ck_assert_uint_eq(n_ended, n);
	ck_assert_int_eq(last_error, -ETIMEDOUT);
	/* The test fails if this never ends. */
	while (get(CANCELS) != 2)
		usleep(1000);
	end();
}

START_TEST(deadlines_end_calls_in_ipc_run)
{
	deadlines_end_calls_and_cancel_them(run);
}
END_TEST

START_TEST(deadlines_end_calls_in_an_event_loop)
{
	deadlines_end_calls_and_cancel_them(loop);
}
END_TEST

START_TEST(deadlines_end_calls_with_ipc_wait_event)
{
	deadlines_end_calls_and_cancel_them(wait_event);
}
END_TEST

START_TEST(ended_slot_cancels_the_call)
{
	struct ipc_slot *slot = NULL;

	begin(2);
	reset();
	ck_assert_int_eq(start(CANCELS, 1, NULL, NULL, &slot), 0);
	usleep(10000);
	ipc_slot_end(slot);
	while (!get(CANCELS))
		usleep(1000);
	ck_assert_uint_eq(n_ended, 0);
	/* Its cell is free again. */
	for (unsigned int i = 0; i < 100; i++) {
		ck_assert_int_eq(start(WHERE, 0, NULL, NULL, &slot), 0);
		ipc_slot_end(slot);
	}
	end_with(WHERE, loop);
	ck_assert_int_eq(last_error, 0);
	end();
}
END_TEST

static void death_ends_calls(void (*serve)(unsigned int n))
{
	unsigned int n = 2;

	begin(2);
	reset();
	ck_assert_int_eq(start(CANCELS, 1, NULL, &n, NULL), 0);
	ck_assert_int_eq(start(DIE, 0, NULL, &n, NULL), 0);
	serve(2);
	ck_assert_uint_eq(n_ended, 2);
	ck_assert_int_eq(last_error, -EOWNERDEAD);
	ck_assert_int_lt(start(WHERE, 0, NULL, NULL, NULL), 1);
	end();
}

START_TEST(death_ends_calls_in_ipc_run)
{
	death_ends_calls(run);
}
END_TEST

START_TEST(death_ends_calls_in_an_event_loop)
{
	death_ends_calls(loop);
}
END_TEST

START_TEST(ended_channel_refuses_calls_and_the_bus_takes_them)
{
	unsigned int n = 40;

	begin(1);
	reset();
	/* ipc_run() of the server returns, and ends its channels. */
	ck_assert_int_eq(start(STOP, 0, NULL, &n, NULL), 0);
	for (unsigned int i = 1; i < n; i++)
		ck_assert_int_eq(start(WHERE, 0, NULL, &n, NULL), 0);
	run(n);
	ck_assert_uint_eq(n_ended, n);
	ck_assert_int_eq(last_error, 0);
	end();
}
END_TEST

/* The program starts calls first, and begins to poll later. */
START_TEST(replies_before_the_first_poll_are_reported)
{
	begin(1);
	reset();
	ck_assert_int_eq(start(WHERE, 0, NULL, NULL, NULL), 0);
	usleep(20000);
	loop(1);
	ck_assert_int_eq(last_error, 0);
	reset();
	ck_assert_int_eq(start(WHERE, 0, NULL, NULL, NULL), 0);
	usleep(20000);
	loop(1);
	ck_assert_uint_eq(n_by_channel, 1);
	end();
}
END_TEST

/* A page whose first access blocks, unless the kernel forbids that. */
static void *blocking_page(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	area.range.start = (uintptr_t)page;
	area.range.len = 4096;
	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0)
		ioctl(fd, UFFDIO_REGISTER, &area);
	return page;
}

/* A client that gives the server a pipe as its bell, and keeps the pipe's lock. */
START_TEST(locked_pipe_does_not_block_the_server)
{
	struct ipc_raw_entry entry = { .type = IPC_RAW_FD };
	struct channel_ref ref = { 0 };
	struct channel *channel;
	int fds[2];
	pid_t pid;

	begin(1);
	channel = atomic_load(&proxy->channel);
	ref.id = channel->id;
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	entry.fd = fds[1];
	ck_assert_int_eq(ipc_raw_oneway(channel->door,
					&(struct ipc_raw_message){ .method = CHANNEL_BELL,
								   .data = &ref,
								   .size = sizeof(ref),
								   .entries = &entry,
								   .n_entries = 1 },
					NULL),
			 0);
	pid = fork();
	if (!pid) {
		ck_assert_int_eq(write(fds[1], blocking_page(), 1), 1);
		_exit(0);
	}
	usleep(50000);
	reset();
	for (unsigned int i = 1; i <= 4; i++) {
		ck_assert_int_eq(start(WHERE, 0, NULL, NULL, NULL), 0);
		loop(i);
	}
	ck_assert_uint_eq(n_by_channel, 4);
	kill(pid, SIGKILL);
	close(fds[0]);
	close(fds[1]);
	end();
}
END_TEST

START_TEST(killed_client_does_not_end_the_server)
{
	pid_t pid;

	begin(2);
	pid = fork();
	if (!pid) {
		connect_again();
		for (unsigned int i = 0; i < CHANNEL_AFTER; i++)
			get(WHERE);
		reset();
		start(WHERE, 0, NULL, NULL, NULL);
		loop(1);
		start(SLEEP, 0, NULL, NULL, NULL);
		while (ipc_process(ipc) > 0)
			;
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	usleep(60000);
	ck_assert_uint_eq(get(WHERE), 1);
	ck_assert_int_eq(waitpid(server, NULL, WNOHANG), 0);
	end();
}
END_TEST

static atomic_bool returned;

static void *run_and_end(void *unused)
{
	(void)unused;
	ck_assert_int_eq(ipc_run(ipc), 0);
	atomic_store(&returned, true);
	return NULL;
}

/* A thread that sleeps in ipc_run() does not know the deadline of another thread's call. */
START_TEST(deadline_of_another_thread_is_kept)
{
	const struct ipc_options options = { .timeout_usec = 20000 };
	unsigned int n = 1;
	pthread_t thread;

	begin(2);
	end_with(WHERE, run);
	reset();
	ck_assert_int_eq(pthread_create(&thread, NULL, run_and_end, NULL), 0);
	usleep(50000);
	ck_assert_int_eq(start(CANCELS, 1, &options, &n, NULL), 0);
	pthread_join(thread, NULL);
	ck_assert_int_eq(last_error, -ETIMEDOUT);
	end();
}
END_TEST

START_TEST(deadline_from_before_the_first_poll_is_kept)
{
	const struct ipc_options options = { .timeout_usec = 20000 };

	begin(2);
	/* If the program polls late, the handler ends first. */
	for (useconds_t usec = 0; usec <= 300000; usec += 300000) {
		reset();
		ck_assert_int_eq(start(CANCELS, usec ? 2 : 1, &options, NULL, NULL), 0);
		usleep(usec);
		loop(1);
		ck_assert_int_eq(last_error, -ETIMEDOUT);
	}
	end();
}
END_TEST

static struct ipc_raw_message *kept;

static void keep(int code, struct ipc_raw_message *reply, const struct ipc_error *error,
		 void *userdata)
{
	(void)error, (void)userdata;
	ck_assert_int_eq(code, 0);
	if (!kept) {
		ipc_raw_keep(reply);
		kept = reply;
	}
	n_ended++;
}

/* Large replies are oneways of the bus, which delivers one at a time. */
START_TEST(kept_reply_does_not_delay_the_next_one)
{
	begin(1);
	reset();
	for (unsigned int i = 0; i < 2; i++)
		ck_assert_int_eq(ipc_raw_call_async(
					 proxy, &(struct ipc_raw_message){ .method = REPLY_LARGE },
					 NULL, keep, NULL, NULL),
				 0);
	loop(2);
	ck_assert_uint_eq(kept->size, LARGE);
	ipc_raw_free(kept);
	end();
}
END_TEST

static atomic_uint n_inside;

static void meet(int code, struct ipc_raw_message *reply, const struct ipc_error *error,
		 void *userdata)
{
	(void)reply, (void)error, (void)userdata;
	ck_assert_int_eq(code, 0);
	atomic_fetch_add(&n_inside, 1);
	/* The test fails if the other callback never comes. */
	while (atomic_load(&n_inside) < 2)
		usleep(1000);
	ipc_stop(ipc);
}

START_TEST(callbacks_run_on_several_threads)
{
	begin(1);
	ck_assert_int_eq(ipc_set_threads(ipc, 2), 0);
	for (unsigned int i = 0; i < 2; i++)
		ck_assert_int_eq(ipc_raw_call_async(proxy,
						    &(struct ipc_raw_message){ .method = WHERE },
						    NULL, meet, NULL, NULL),
				 0);
	run(2);
	end();
}
END_TEST

START_TEST(forked_child_may_close_its_copy)
{
	int status;
	pid_t pid;

	begin(1);
	end_with(WHERE, loop);
	pid = fork();
	if (!pid) {
		ipc_unref(ipc);
		ipc_proxy_unref(proxy);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	end_with(WHERE, loop);
	ck_assert_uint_eq(n_by_channel, 1);
	end();
}
END_TEST

START_TEST(closed_connection_ends_calls)
{
	begin(2);
	reset();
	ck_assert_int_eq(start(CANCELS, 1, NULL, NULL, NULL), 0);
	ck_assert_int_eq(start(WHERE, 0, NULL, NULL, NULL), 0);
	connect_again();
	ck_assert_uint_eq(n_ended, 2);
	ck_assert_int_eq(last_error, -ECANCELED);
	end();
}
END_TEST

/* The last reference of the proxy is dropped while calls are on their way. */
START_TEST(proxy_may_be_dropped)
{
	unsigned int n = 10;

	begin(1);
	reset();
	for (unsigned int i = 0; i < n; i++)
		ck_assert_int_eq(start(SLEEP, 0, NULL, &n, NULL), 0);
	proxy = ipc_proxy_unref(proxy);
	run(n);
	ck_assert_uint_eq(n_ended, n);
	ck_assert_int_eq(last_error, 0);
	ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
	end();
}
END_TEST

static unsigned int n_first;
static struct ipc_raw_message message;

static void next(int code, struct ipc_raw_message *reply, const struct ipc_error *error,
		 void *userdata)
{
	(void)reply, (void)error;
	n_ended++;
	n_first += !!userdata;
	usleep(message.method == WHERE ? 1000 : 0);
	if (n_first == CHANNEL_CELLS - CHANNEL_LARGE)
		ipc_stop(ipc);
	else if (code == 0)
		ipc_raw_call_async(proxy, &message, NULL, next, NULL, NULL);
}

/* After each call that ends, another call uses the free cell. */
START_TEST(later_calls_do_not_delay_earlier_ones_for_long)
{
	for (message.method = WHERE; message.method <= SLEEP; message.method += SLEEP - WHERE) {
		begin(1);
		reset();
		n_first = 0;
		for (unsigned int i = CHANNEL_LARGE; i < CHANNEL_CELLS; i++)
			ck_assert(!ipc_raw_call_async(proxy, &message, NULL, next, &n_first, NULL));
		run(0);
		ck_assert_uint_lt(n_ended, 2 * (CHANNEL_CELLS - CHANNEL_LARGE));
		end();
	}
}
END_TEST

START_TEST(thread_keeps_no_large_buffer)
{
	begin(1);
	end_with(REPLY_LARGE, loop);
	ck_assert_uint_eq(last_size, LARGE);
	ck_assert_uint_lt(malloc_usable_size(thread_last->channel_buffer), LARGE);
	end();
}
END_TEST

/* The same error as without a channel. */
START_TEST(reply_without_space_is_an_error)
{
	unsigned int failed = 0;

	begin(1);
	ipc_proxy_unref(proxy);
	ipc_unref(ipc);
	ck_assert_int_eq(ipc_open_sized(&ipc, ipc_test_bus_path(bus), 65536), 0);
	ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
	for (unsigned int i = 0; i < CHANNEL_AFTER; i++)
		get(WHERE);
	/* If the call takes long, this thread asks the bus, and receives the replies meanwhile. */
	for (unsigned int tries = 0; tries < 100 && !failed; tries++) {
		reset();
		for (unsigned int i = 0; i < 10; i++)
			ck_assert_int_eq(start(REPLY_LARGE, 0, NULL, NULL, NULL), 0);
		get(WHERE);
		for (unsigned int i = 1; i <= 10; i++) {
			loop(i);
			ck_assert(last_error == 0 || last_error == -ENOSPC);
			failed += last_error < 0;
		}
	}
	ck_assert_uint_gt(failed, 0);
	end();
}
END_TEST

static atomic_uint n_reset;

static void on_reset(int code, struct ipc_raw_message *reply, const struct ipc_error *error,
		     void *userdata)
{
	(void)reply, (void)error, (void)userdata;
	n_reset += code == -ECONNRESET;
}

static void end_of_the_bus(bool later)
{
	pid_t pid = 0;

	begin(4);
	ck_assert_int_eq(ipc_set_threads(ipc, 4), 0);
	for (unsigned int i = 0; i < 20; i++)
		ck_assert_int_eq(ipc_raw_call_async(
					 proxy, &(struct ipc_raw_message){ .method = SLEEP }, NULL,
					 on_reset, NULL, NULL),
				 0);
	stop_server();
	if (later)
		pid = fork();
	if (!pid) {
		usleep(later ? 100000 : 0);
		kill(ipc_test_bus_pid(bus), SIGKILL);
		if (later)
			_exit(0);
	}
	ck_assert_int_eq(ipc_run(ipc), -ECONNRESET);
	ck_assert_uint_eq(n_reset, 20);
	end();
}

START_TEST(end_of_the_bus_resets_calls)
{
	end_of_the_bus(/* later= */ true);
}
END_TEST

START_TEST(end_of_the_bus_before_ipc_run_resets_calls)
{
	end_of_the_bus(/* later= */ false);
}
END_TEST

static void set_one(void *userdata)
{
	*(unsigned int *)userdata = 1;
}

START_TEST(forked_child_frees_calls)
{
	struct ipc_slot *slot;
	unsigned int ended = 0;
	int status;
	pid_t pid;

	begin(2);
	reset();
	ck_assert_int_eq(start(SLEEP, 0, NULL, &ended, &slot), 0);
	ipc_slot_set_destroy(slot, set_one);
	ipc_slot_detach(slot);
	pid = fork();
	if (!pid) {
		ipc_unref(ipc);
		_exit(!ended || n_ended || atomic_load(&proxy->refs) != 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	loop(1);
	ck_assert(ended);
	end();
}
END_TEST

START_TEST(thread_may_end_while_the_connection_closes)
{
	unsigned int n = 3;
	pthread_t thread;

	begin(1);
	for (unsigned int i = 0; i < 200; i++) {
		connect_again();
		for (unsigned int j = 0; j <= CHANNEL_AFTER; j++)
			get(WHERE);
		reset();
		atomic_store(&returned, false);
		for (unsigned int j = 0; j < n; j++)
			ck_assert_int_eq(start(WHERE, 0, NULL, &n, NULL), 0);
		ck_assert_int_eq(pthread_create(&thread, NULL, run_and_end, NULL), 0);
		while (!atomic_load(&returned))
			;
		proxy = ipc_proxy_unref(proxy);
		ipc = ipc_unref(ipc);
		pthread_join(thread, NULL);
	}
	connect_again();
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("channel-async", calls_get_a_channel_in_ipc_run,
			 calls_get_a_channel_in_an_event_loop,
			 calls_get_a_channel_with_ipc_wait_event, many_calls_end_once_in_ipc_run,
			 many_calls_end_once_in_an_event_loop, many_threads_end_calls,
			 results_are_those_of_the_bus_in_ipc_run,
			 results_are_those_of_the_bus_in_an_event_loop,
			 deadlines_end_calls_in_ipc_run, deadlines_end_calls_in_an_event_loop,
			 deadlines_end_calls_with_ipc_wait_event, ended_slot_cancels_the_call,
			 death_ends_calls_in_ipc_run, death_ends_calls_in_an_event_loop,
			 ended_channel_refuses_calls_and_the_bus_takes_them,
			 replies_before_the_first_poll_are_reported,
			 locked_pipe_does_not_block_the_server,
			 killed_client_does_not_end_the_server,
			 deadline_of_another_thread_is_kept,
			 deadline_from_before_the_first_poll_is_kept,
			 kept_reply_does_not_delay_the_next_one, callbacks_run_on_several_threads,
			 forked_child_may_close_its_copy, closed_connection_ends_calls,
			 proxy_may_be_dropped, later_calls_do_not_delay_earlier_ones_for_long,
			 thread_keeps_no_large_buffer, reply_without_space_is_an_error,
			 end_of_the_bus_resets_calls,
			 end_of_the_bus_before_ipc_run_resets_calls, forked_child_frees_calls,
			 thread_may_end_while_the_connection_closes);
}
