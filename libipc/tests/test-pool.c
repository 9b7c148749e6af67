// SPDX-License-Identifier: MIT
/*
 * The rule for starting threads, with channels and without: calls begin though the handlers of
 * other calls block, and the pool does not grow beyond the handlers that run at a time.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ipc/test.h>

#include "channel-run.h"
#include "channels/channel-opened.h"
#include "channels/channel-server.h"
#include "core/call.h"

enum { PASS = 1, BLOCK, RAISE };

static struct shared {
	atomic_uint begun;	/* handlers of BLOCK */
	atomic_uint go;		/* they may end */
	atomic_uint oneways;	/* that were handled */
} *shared;

static atomic_uint n_ended;

static int block(struct ipc_call *call)
{
	atomic_fetch_add(&shared->begun, 1);
	while (!atomic_load(&shared->go))
		usleep(1000);
	return reply_number(call, 0);
}

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	(void)userdata;
	if (ipc_call_is_oneway(call)) {
		atomic_fetch_add(&shared->oneways, 1);
		return 0;
	}
	switch (request->method) {
	case RAISE:
		ck_assert_int_eq(ipc_set_threads(call->ipc, 3), 0);
		return block(call);
	case BLOCK:
		return block(call);
	default:
		return reply_number(call, is_route_call(call->number));
	}
}

static const struct ipc_raw_ops ops = { .serve = serve };

static void begin_pool(unsigned int threads, const char *channels)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	ck_assert_ptr_ne(shared, MAP_FAILED);
	begin_ops(threads, channels, &ops);
	for (unsigned int i = 0; i < CHANNEL_AFTER; i++)
		get(PASS);
	/* A thread may set the channel up beside the thread that serves the calls. */
	while (get(PASS) != (channels[0] == '1'))
		;
}

static void end_pool(void)
{
	end();
	munmap(shared, sizeof(*shared));
}

static unsigned int server_threads(void)
{
	char path[64], line[200];
	unsigned int n = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)server);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	while (!n && fgets(line, sizeof(line), file))
		sscanf(line, "Threads: %u", &n);
	fclose(file);
	return n;
}

static void wait_begun(unsigned int n)
{
	for (unsigned int i = 0; i < 20000 && atomic_load(&shared->begun) < n; i++)
		usleep(1000);
	ck_assert_uint_eq(atomic_load(&shared->begun), n);
}

/* --- All calls begin --------------------------------------------------------------------- */

#define CALLS 32U

static void on_end(int code, struct ipc_raw_message *reply, const struct ipc_error *error,
		   void *userdata)
{
	(void)reply, (void)error, (void)userdata;
	ck_assert_int_eq(code, 0);
	atomic_fetch_add(&n_ended, 1);
}

static void call_async(uint32_t method)
{
	ck_assert_int_eq(ipc_raw_call_async(proxy, &(struct ipc_raw_message){ .method = method },
					    NULL, on_end, NULL, NULL), 0);
}

static void wait_ended(unsigned int n)
{
	while (atomic_load(&n_ended) < n)
		usleep(100);
}

static void *run(void *data)
{
	(void)data;
	ck_assert_int_eq(ipc_run(ipc), 0);
	return NULL;
}

/* More calls than a channel has cells, so that some use the bus. */
static void all_calls_begin(const char *channels)
{
	pthread_t thread;

	for (unsigned int round = 0; round < 8; round++) {
		begin_pool(CALLS + 1, channels);
		ck_assert_int_eq(pthread_create(&thread, NULL, run, NULL), 0);
		atomic_store(&n_ended, 0);
		for (unsigned int i = 1; i <= CHANNEL_AFTER; i++) {
			call_async(PASS);
			wait_ended(i);
		}
		for (unsigned int i = 0; i < CALLS; i++)
			call_async(BLOCK);
		wait_begun(CALLS);
		atomic_store(&shared->go, 1);
		wait_ended(CHANNEL_AFTER + CALLS);
		ipc_stop(ipc);
		pthread_join(thread, NULL);
		end_pool();
	}
}

START_TEST(all_calls_begin_though_handlers_block) { all_calls_begin("1"); } END_TEST
START_TEST(all_calls_begin_without_channels) { all_calls_begin("0"); } END_TEST

static void *call_block(void *method)
{
	ck_assert_uint_eq(get((uint32_t)(uintptr_t)method), 0);
	return NULL;
}

/* The limit is raised when all threads are in handlers already. */
static void raise_limit(const char *channels)
{
	pthread_t threads[3];

	begin_pool(1, channels);
	for (uintptr_t i = 0; i < 3; i++) {
		ck_assert_int_eq(pthread_create(&threads[i], NULL, call_block,
						(void *)(i ? (uintptr_t)BLOCK : RAISE)), 0);
		if (!i)
			wait_begun(1);
	}
	wait_begun(3);
	ck_assert_uint_eq(server_threads(), 3);
	atomic_store(&shared->go, 1);
	for (unsigned int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	end_pool();
}

START_TEST(raised_limit_starts_threads_for_waiting_calls) { raise_limit("1"); } END_TEST
START_TEST(raised_limit_starts_threads_without_channels) { raise_limit("0"); } END_TEST

/* --- The pool stays small ---------------------------------------------------------------- */

#define SENDERS 4U
#define ONEWAYS 3000U

/* A process that sends oneways; each eighth does not fit into the channel. */
static pid_t start_sender(void)
{
	static const uint8_t large[CHANNEL_DATA_MAX + 1];
	const struct ipc_options options = { .timeout_usec = 20000000 };
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid)
		return pid;
	if (ipc_open(&ipc, ipc_test_bus_path(bus)) < 0 || ipc_get_manager(ipc, &proxy) < 0)
		_exit(1);
	for (unsigned int i = 0; i < ONEWAYS; i++)
		if (ipc_raw_oneway(proxy,
				   &(struct ipc_raw_message){ .method = PASS, .data = large,
							      .size = i % 8 ? 8 : sizeof(large) },
				   &options) < 0)
			_exit(1);
	_exit(0);
}

/* At a time, handlers of a call and of a oneway may run, and other threads may look at further
 * messages for a moment. */
static void stay_small(const char *channels)
{
	pid_t pids[SENDERS];
	int status;

	begin_pool(IPC_MAX_THREADS, channels);
	for (unsigned int i = 0; i < SENDERS; i++)
		pids[i] = start_sender();
	while (atomic_load(&shared->oneways) < SENDERS * ONEWAYS)
		get(PASS);
	for (unsigned int i = 0; i < SENDERS; i++) {
		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_uint_le(server_threads(), SENDERS + 4);
	end_pool();
}

START_TEST(pool_stays_small_if_no_handler_blocks) { stay_small("1"); } END_TEST
START_TEST(pool_stays_small_without_channels) { stay_small("0"); } END_TEST

int main(void)
{
	return RUN_TESTS("pool", all_calls_begin_though_handlers_block,
			 all_calls_begin_without_channels,
			 raised_limit_starts_threads_for_waiting_calls,
			 raised_limit_starts_threads_without_channels,
			 pool_stays_small_if_no_handler_blocks, pool_stays_small_without_channels);
}
