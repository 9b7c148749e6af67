// SPDX-License-Identifier: MIT
/*
 * Oneways that arrive together (core/more.c), on a fake device: they are handled as if each had
 * arrived alone, whatever their handlers do in between.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <ipc/raw.h>

#include "core/object.h"
#include "conn/thread.h"
#include "fake-device.h"
#include "test-run.h"

static struct ipc *ipc;
static struct ipc_object *object, *other;
static uint64_t cookie, other_cookie;
static char served[64];			/* the first byte of each message */
static unsigned int n_served;
static void (*on_serve)(struct ipc_call *call, char name);
static struct ipc_call *kept;
static unsigned int exchanges_then;	/* number of exchanges up to the newest message */

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	char name = *(const char *)request->data;

	(void)userdata;
	served[n_served++] = name;
	served[n_served] = 0;
	exchanges_then = fake.exchanges;
	if (on_serve)
		on_serve(call, name);
	return ipc_call_is_oneway(call) ? 0 : ipc_call_fail(call, EIO, NULL, NULL);
}

static const struct ipc_raw_ops ops = { .flags = IPC_RAW_ACCEPT_FDS, .serve = serve };

static void make(struct ipc_object **ret_object, uint64_t *ret_cookie)
{
	ck_assert_int_eq(ipc_raw_object_new(ipc, &ops, NULL, ret_object), 0);
	object_id(*ret_object);
	*ret_cookie = fake.cookie;
}

/* All queued events were served: ends the loop instead of sleeping. */
static void stop(void)
{
	ipc_stop(ipc);
}

static void push_sized(uint32_t kind, uint64_t to, char name, size_t size)
{
	static uint64_t buffer = 50;
	static char payload[128 << 10];
	struct ipcbus_event event = {
		.kind = kind,
		.cookie = to,
		.code = 7,
		.call = kind == IPCBUS_EVENT_CALL ? 100 : 0,
		.buffer = buffer++,
	};

	payload[0] = name;
	fake_push(event, payload, size, NULL, 0);
}

static void push(uint64_t to, const char *names)
{
	for (; *names; names++)
		push_sized(IPCBUS_EVENT_ONEWAY, to, *names, 1);
}

static void run(void)
{
	fake.on_empty = stop;
	ck_assert_int_eq(ipc_run(ipc), 0);
}

/* The thread has received oneways, so its next exchange requests several. */
static void begin(void)
{
	fake_reset();
	n_served = 0;
	on_serve = NULL;
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	make(&object, &cookie);
	make(&other, &other_cookie);
	push(cookie, "0");
	run();
	n_served = 0;
	served[0] = 0;
}

static void end(void)
{
	ipc_object_unref(object);
	ipc_object_unref(other);
	ipc_unref(ipc);
}

START_TEST(they_use_a_single_exchange)
{
	unsigned int before, released;

	begin();
	push(cookie, "abcde");
	before = fake.exchanges;
	released = fake.n_released;
	run();
	ck_assert_str_eq(served, "abcde");
	ck_assert_uint_eq(exchanges_then, before + 1);
	/* In their order, by the next exchange. */
	ck_assert_uint_eq(fake.n_released, released + 5);
	for (unsigned int i = 1; i < 5; i++)
		ck_assert_uint_eq(fake.released[released + i], fake.released[released] + i);
	end();
}
END_TEST

START_TEST(there_may_be_more_of_them)
{
	begin();
	push(cookie, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN");
	run();
	ck_assert_str_eq(served, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN");
	end();
}
END_TEST

/*
 * A thread requests several while that is useful. A call is never useful, and after a call the
 * thread does not request several for some time.
 */
START_TEST(the_thread_asks_while_it_pays)
{
	unsigned int before;

	begin();
	push(cookie, "abc");
	push_sized(IPCBUS_EVENT_CALL, cookie, 'd', 1);
	run();
	ck_assert_str_eq(served, "abcd");
	before = fake.n_more;
	for (int i = 0; i < 10; i++)
		push_sized(IPCBUS_EVENT_CALL, cookie, 'e', 1);
	n_served = 0;
	run();
	ck_assert_uint_eq(n_served, 10);
	ck_assert_uint_eq(fake.n_more, before);

	/* Oneways that arrive separately, for two objects. */
	for (int i = 0; i < 200; i++) {
		push(i % 2 ? cookie : other_cookie, "f");
		if (i % 50 == 49) {
			n_served = 0;
			run();
			ck_assert_uint_eq(n_served, 50);
		}
	}
	ck_assert_uint_gt(fake.n_more, before);
	ck_assert_uint_lt(fake.n_more, before + 10);
	end();
}
END_TEST

/* --- Kept calls ----------------------------------------------------------------------- */

static void keep_b(struct ipc_call *call, char name)
{
	if (name == 'b')
		kept = ipc_call_ref(call);
}

START_TEST(kept_oneway_delays_the_rest)
{
	begin();
	on_serve = keep_b;
	push(cookie, "abcde");
	push(other_cookie, "xy");
	run();
	ck_assert_str_eq(served, "abxy");
	ck_assert_int_eq(ipc_process(ipc), 0);
	ck_assert_int_eq(ipc_wait_event(ipc, 0), 0);

	ipc_call_unref(kept);
	ck_assert_int_eq(ipc_wait_event(ipc, 0), 1);
	run();
	ck_assert_str_eq(served, "abxycde");
	end();
}
END_TEST

START_TEST(each_may_be_kept)
{
	begin();
	on_serve = keep_b;
	push(cookie, "abbbe");
	run();
	ck_assert_str_eq(served, "ab");
	for (unsigned int i = 3; i <= 4; i++) {
		ipc_call_unref(kept);
		/* A program with its own loop serves the rest as well. */
		ck_assert_int_eq(ipc_process(ipc), 0);
		ck_assert_uint_eq(n_served, i);
	}
	ipc_call_unref(kept);
	ck_assert_int_eq(ipc_process(ipc), 0);
	ck_assert_str_eq(served, "abbbe");
	end();
}
END_TEST

static void keep_shortly(struct ipc_call *call, char name)
{
	(void)name;
	ipc_call_unref(ipc_call_ref(call));
}

START_TEST(oneway_that_is_no_longer_kept)
{
	begin();
	on_serve = keep_shortly;
	push(cookie, "abc");
	run();
	ck_assert_str_eq(served, "abc");
	end();
}
END_TEST

/* Detects a message that was not released: its file would stay open. */
static void push_file(char name)
{
	struct ipcbus_object file = { .type = IPCBUS_OBJECT_FD };
	struct ipcbus_event event = {
		.kind = IPCBUS_EVENT_ONEWAY, .cookie = cookie, .code = 7, .buffer = 40,
	};

	file.value = (uint64_t)open("/dev/null", O_RDONLY | O_CLOEXEC);
	fake_push(event, &name, 1, &file, 1);
}

START_TEST(the_connection_closes_before_they_are_served)
{
	begin();
	on_serve = keep_b;
	push_file('b');
	push_file('c');
	push_file('d');
	run();
	ck_assert_str_eq(served, "b");
	/* The call holds the last reference to the connection. */
	ipc_object_unref(object);
	ipc_object_unref(other);
	ipc_unref(ipc);
	ipc_call_unref(kept);
	ck_assert_str_eq(served, "b");
}
END_TEST

START_TEST(the_object_ends_before_they_are_served)
{
	begin();
	on_serve = keep_b;
	push_file('b');
	push_file('c');
	run();
	ipc_object_end(object);
	ipc_call_unref(kept);
	ck_assert_int_eq(ipc_process(ipc), 0);
	ck_assert_str_eq(served, "b");
	end();
}
END_TEST

/* --- Actions of handlers ----------------------------------------------------------------- */

static void end_object(struct ipc_call *call, char name)
{
	(void)call;
	if (name == 'b')
		ipc_object_end(object);
}

START_TEST(the_object_ends_in_a_handler)
{
	begin();
	on_serve = end_object;
	push_file('a');
	push_file('b');
	push_file('c');
	push(other_cookie, "x");
	run();
	ck_assert_str_eq(served, "abx");
	end();
}
END_TEST

static void stop_in_b(struct ipc_call *call, char name)
{
	if (name == 'b')
		ipc_stop(ipc_call_ipc(call));
}

START_TEST(a_stop_leaves_the_rest)
{
	begin();
	on_serve = stop_in_b;
	push(cookie, "abcd");
	ck_assert_int_eq(ipc_run(ipc), 0);
	ck_assert_str_eq(served, "ab");
	ck_assert_int_eq(ipc_wait_event(ipc, 0), 1);
	run();
	ck_assert_str_eq(served, "abcd");
	end();
}
END_TEST

/* A stop that no ipc_run() has noticed yet does not prevent other serving. */
START_TEST(the_rest_is_served_after_a_stop)
{
	begin();
	on_serve = stop_in_b;
	push(cookie, "abcd");
	ck_assert_int_eq(ipc_run(ipc), 0);
	ipc_stop(ipc);
	for (int i = 0; i < 10 && ipc_process(ipc) > 0; i++)
		;
	ck_assert_str_eq(served, "abcd");
	end();
}
END_TEST

/* Takes longer than a tick of the coarse clock. */
static void take_long(struct ipc_call *call, char name)
{
	const struct timespec time = { .tv_nsec = 15000000 };

	(void)call;
	if (name == 'b')
		nanosleep(&time, NULL);
}

START_TEST(other_work_is_served_after_a_tick)
{
	begin();
	on_serve = take_long;
	push(cookie, "abcd");
	push_sized(IPCBUS_EVENT_CALL, other_cookie, 'x', 1);
	run();
	ck_assert_str_eq(served, "abxcd");
	ck_assert_uint_eq(fake_last()->send.call, 100);
	end();
}
END_TEST

static void serve_more_in_b(struct ipc_call *call, char name)
{
	if (name == 'b')
		ck_assert_int_eq(ipc_process(ipc_call_ipc(call)), 1);
	if (name == 'x')
		kept = ipc_call_ref(call);
}

/* Calls kept in the nested loop are independent of the rest. */
START_TEST(a_handler_serves_in_between)
{
	begin();
	on_serve = serve_more_in_b;
	push(cookie, "abcd");
	push(other_cookie, "x");
	run();
	ck_assert_str_eq(served, "abxcd");
	ipc_call_unref(kept);
	ck_assert_int_eq(ipc_process(ipc), 0);
	end();
}
END_TEST

static void run_in_b(struct ipc_call *call, char name)
{
	if (name == 'b')
		ck_assert_int_eq(ipc_run(ipc_call_ipc(call)), -EDEADLK);
}

START_TEST(a_handler_cannot_run_the_loop)
{
	begin();
	on_serve = run_in_b;
	push(cookie, "abc");
	run();
	ck_assert_str_eq(served, "abc");
	end();
}
END_TEST

static void fork_in_b(struct ipc_call *call, char name)
{
	int status;
	pid_t pid;

	(void)call;
	if (name != 'b')
		return;
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		on_serve = NULL;
		return;
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

/* The rest belongs to the parent. */
START_TEST(a_handler_forks)
{
	pid_t parent = getpid();
	int r;

	begin();
	on_serve = fork_in_b;
	push_file('a');
	push_file('b');
	push_file('c');
	fake.on_empty = stop;
	r = ipc_run(ipc);
	if (getpid() != parent)
		_exit(r == -ECHILD && !strcmp(served, "ab") ? 0 : 1);
	ck_assert_int_eq(r, 0);
	ck_assert_str_eq(served, "abc");
	end();
}
END_TEST

static void fork_and_keep_b(struct ipc_call *call, char name)
{
	if (name == 'b')
		kept = ipc_call_ref(call);
}

START_TEST(child_releases_a_kept_oneway)
{
	int status;
	pid_t pid;

	begin();
	on_serve = fork_and_keep_b;
	push(cookie, "abc");
	run();
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		ipc_call_unref(kept);
		_exit(ipc_process(ipc) == -ECHILD && n_served == 2 ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ipc_call_unref(kept);
	run();
	ck_assert_str_eq(served, "abc");
	end();
}
END_TEST

static void leave_in_b(struct ipc_call *call, char name)
{
	(void)call;
	if (name == 'b')
		pthread_exit(NULL);
}

static void *run_elsewhere(void *unused)
{
	push(cookie, "0");
	run();
	push(cookie, "abcd");
	ipc_run(ipc);
	return unused;
}

/* A thread that ends in a handler stays in ipc_run() forever. Other threads serve the rest. */
START_TEST(a_thread_ends_in_a_handler)
{
	pthread_t id;

	begin();
	on_serve = leave_in_b;
	ck_assert_int_eq(pthread_create(&id, NULL, run_elsewhere, NULL), 0);
	ck_assert_int_eq(pthread_join(id, NULL), 0);
	ck_assert_str_eq(served, "0ab");
	on_serve = NULL;
	ck_assert_int_eq(ipc_process(ipc), 0);
	ck_assert_str_eq(served, "0abcd");
	/* Its connection never closes. */
	_exit(0);
}
END_TEST

/* --- Buffers ---------------------------------------------------------------------- */

static unsigned int released_then[8];

static void note_released(struct ipc_call *call, char name)
{
	(void)call;
	released_then[name - 'a'] = fake.n_released;
}

/* The sender's quota must not be held by a large oneway while small oneways are served. */
START_TEST(large_oneways_are_released_early)
{
	unsigned int released;

	begin();
	on_serve = note_released;
	push(cookie, "ab");
	push_sized(IPCBUS_EVENT_ONEWAY, cookie, 'c', 65 << 10);
	push_sized(IPCBUS_EVENT_ONEWAY, cookie, 'd', 65 << 10);
	push(cookie, "e");
	released = fake.n_released;
	run();
	ck_assert_uint_eq(released_then[1], released);
	ck_assert_uint_ge(released_then[3], released + 3);
	ck_assert_str_eq(served, "abcde");
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("more", they_use_a_single_exchange, there_may_be_more_of_them,
			 the_thread_asks_while_it_pays, kept_oneway_delays_the_rest,
			 each_may_be_kept, oneway_that_is_no_longer_kept,
			 the_connection_closes_before_they_are_served,
			 the_object_ends_before_they_are_served, the_object_ends_in_a_handler,
			 a_stop_leaves_the_rest, the_rest_is_served_after_a_stop,
			 other_work_is_served_after_a_tick, a_handler_serves_in_between,
			 a_handler_cannot_run_the_loop, a_handler_forks,
			 child_releases_a_kept_oneway, a_thread_ends_in_a_handler,
			 large_oneways_are_released_early);
}
