// SPDX-License-Identifier: MIT
/*
 * Threads, forks, and several connections used by a single thread.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake-device.h"
#include "core/object.h"
#include "core/proxy.h"
#include "test-run.h"
#include "test.ipc.h"

#include <ipc/raw.h>
#include "conn/thread.h"

static struct ipc *ipc;
static const struct test_ops no_ops;

static void begin(void)
{
	fake_reset();
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
}

START_TEST(opening)
{
	struct ipc *other;

	ck_assert_int_eq(ipc_open(NULL, NULL), -EINVAL);
	ck_assert_int_eq(ipc_open(&other, "/nonexistent"), -ENOENT);
	ck_assert_int_eq(ipc_open_sized(&other, NULL, 0), -EINVAL);
	ck_assert_int_eq(ipc_open_sized(&other, NULL, 1000), -EINVAL);
	ck_assert_int_eq(ipc_open_sized(&other, NULL, (1UL << 30) + 4096), -EINVAL);
	ck_assert_int_eq(ipc_open_sized(&other, NULL, 4096), 0);
	ck_assert_ptr_eq(ipc_ref(other), other);
	ck_assert_ptr_null(ipc_unref(other));
	ck_assert_ptr_null(ipc_unref(other));
	ck_assert_ptr_null(ipc_unref(NULL));
}
END_TEST

START_TEST(the_environment_names_the_device)
{
	setenv("IPCBUS_BUS", "/nonexistent", 1);
	ck_assert_int_eq(ipc_open(&ipc, NULL), -ENOENT);
	ck_assert_int_eq(ipc_open(&ipc, "/dev/other"), 0);
	ipc_unref(ipc);
	setenv("IPCBUS_BUS", "", 1);
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ipc_unref(ipc);
}
END_TEST

/* States for closed connections are freed when the thread uses another connection. */
START_TEST(states_do_not_pile_up)
{
	struct thread *t;

	for (int i = 0; i < 3; i++) {
		begin();
		ck_assert_int_eq(thread_get(ipc, &t), 0);
		ck_assert_ptr_null(t->next);
		ipc_unref(ipc);
	}
}
END_TEST

START_TEST(a_state_for_each_connection)
{
	struct thread *a, *b, *again;
	struct ipc *other;

	begin();
	ck_assert_int_eq(ipc_open(&other, NULL), 0);
	ck_assert_int_eq(thread_get(ipc, &a), 0);
	ck_assert_int_eq(thread_get(other, &b), 0);
	ck_assert_ptr_ne(a, b);
	ck_assert_int_eq(thread_get(ipc, &again), 0);
	ck_assert_ptr_eq(again, a);
	ipc_unref(other);
	ck_assert_int_eq(thread_get(ipc, &again), 0);
	ck_assert_ptr_eq(again, a);
	ipc_unref(ipc);
	/* The next connection may have the same address. */
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
		ck_assert_int_eq(thread_get(ipc, &a), 0);
		ck_assert_ptr_eq(a->ipc, ipc);
		ck_assert_uint_eq(a->n_release, 0);
		ipc_unref(ipc);
	}
}
END_TEST

static void *use_and_leave(void *data)
{
	struct thread *t;

	ck_assert_int_eq(thread_get(data, &t), 0);
	thread_release_next(t, 7);
	return NULL;
}

START_TEST(a_thread_that_ends_gives_back)
{
	pthread_t id;

	begin();
	pthread_create(&id, NULL, use_and_leave, ipc);
	pthread_join(id, NULL);
	ck_assert_uint_eq(fake.n_released, 1);
	ck_assert(LIST_EMPTY(&ipc->threads));
	ipc_unref(ipc);
}
END_TEST

static pthread_barrier_t barrier;

static void *outlive(void *data)
{
	struct thread *t;

	ck_assert_int_eq(thread_get(data, &t), 0);
	thread_release_next(t, 7);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return NULL;
}

START_TEST(a_thread_that_outlives_the_connection)
{
	pthread_t id;

	begin();
	pthread_barrier_init(&barrier, NULL, 2);
	pthread_create(&id, NULL, outlive, ipc);
	pthread_barrier_wait(&barrier);
	ipc_unref(ipc);
	pthread_barrier_wait(&barrier);
	pthread_join(id, NULL);
	ck_assert_uint_eq(fake.n_released, 0);
}
END_TEST

static void no_death(struct ipc_proxy *proxy, void *userdata)
{
	(void)proxy;
	(void)userdata;
}

static int child(struct ipc_object *object, struct test *test)
{
	Ipc__Test__EchoRequest request = IPC__TEST__ECHO_REQUEST__INIT;
	struct ipc_object *new;
	struct ipc_proxy *proxy;
	struct ipc *other;
	uint64_t id;
	struct ipc_cancellation *cancellation;

	if (test_echo(test, &request, NULL, NULL) != -ECHILD ||
	    test_log(test, &request) != -ECHILD || ipc_run(ipc) != -ECHILD ||
	    ipc_process(ipc) != -ECHILD || ipc_wait_event(ipc, 0) != -ECHILD ||
	    ipc_get_fd(ipc) != -ECHILD || ipc_set_threads(ipc, 2) != -ECHILD ||
	    ipc_set_clear(ipc, 1) != -ECHILD || ipc_set_timeout(ipc, 1) != -ECHILD ||
	    ipc_proxy_set_timeout(test_proxy(test), 1) != -ECHILD ||
	    ipc_cancellation_new(ipc, &cancellation) != -ECHILD ||
	    ipc_object_set_flags(object, 0) != -ECHILD ||
	    ipc_object_set_priority(object, 0, 0) != -ECHILD ||
	    ipc_set_manager(ipc, object) != -ECHILD || ipc_get_manager(ipc, &proxy) != -ECHILD ||
	    ipc_proxy_get(ipc, "a", NULL, &proxy) != -ECHILD ||
	    ipc_proxy_wait(ipc, "a", NULL, IPC_NEVER, &proxy) != -ECHILD ||
	    ipc_register_name(ipc, "a", object, /* ret_slot= */ NULL) != -ECHILD ||
	    ipc_unregister_name(ipc, "a") != -ECHILD ||
	    test_object_new(ipc, &no_ops, NULL, NULL, &new) != -ECHILD ||
	    test_on_death(test, no_death, NULL, NULL) != -ECHILD ||
	    ipc_object_id(object, &id) != -ECHILD)
		return 1;
	ipc_stop(ipc);
	test_unref(test);
	ipc_object_unref(object);
	ipc_unref(ipc);

	/* A new connection of the child works. */
	if (ipc_open(&other, NULL) < 0 || test_object_new(other, &no_ops, NULL, NULL, &new) < 0)
		return 2;
	if (ipc_object_id(new, &id) < 0)
		return 3;
	ipc_object_unref(new);
	ipc_unref(other);
	return 0;
}

START_TEST(a_child_has_no_part_in_it)
{
	struct ipc_object *object;
	struct ipc_proxy *proxy;
	struct thread *t;
	int status;
	pid_t pid;

	begin();
	ck_assert_int_eq(thread_get(ipc, &t), 0);
	ck_assert_int_eq(test_object_new(ipc, &no_ops, NULL, NULL, &object), 0);
	ck_assert_int_eq(proxy_arrived_at(ipc, 5, NULL, &proxy), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid)
		_exit(child(object, test_from_proxy(proxy)));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);

	/* The parent's connection is not affected. */
	object_id(object);
	ck_assert_int_eq(thread_get(ipc, &t), 0);
	ipc_proxy_unref(proxy);
	ipc_object_unref(object);
	ipc_unref(ipc);
}
END_TEST

static struct ipc_raw_message *reply_of(struct ipc_proxy *proxy, size_t size)
{
	static const struct ipc_raw_message request = { .method = 1 };
	static uint8_t bytes[(64 << 10) + 1];
	struct ipc_raw_message *reply;

	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY, .buffer = 70 }, bytes, size,
		  NULL, 0);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &reply, NULL), 0);
	return reply;
}

/* A thread may be idle for long. Only small buffers wait for its next exchange. */
START_TEST(large_replies_are_released_at_once)
{
	struct ipc_proxy *proxy;

	fake_reset();
	/* The largest region; threads of smaller regions keep less. */
	ck_assert_int_eq(ipc_open_sized(&ipc, NULL, 1UL << 30), 0);
	ck_assert_int_eq(proxy_arrived_at(ipc, 5, NULL, &proxy), 0);
	ipc_raw_free(reply_of(proxy, 100));
	ck_assert_uint_eq(fake.n_released, 0);
	ipc_raw_free(reply_of(proxy, (64 << 10) + 1));
	ck_assert_uint_eq(fake.n_released, 2);
	ipc_proxy_unref(proxy);
	ipc_unref(ipc);
}
END_TEST

/* The buffer belongs to the parent. */
START_TEST(child_releases_no_buffers)
{
	const struct ipc_raw_message request = { .method = 1 };
	struct ipc_raw_message *reply;
	struct ipc_proxy *proxy;
	unsigned int before;
	int status;
	pid_t pid;

	begin();
	ck_assert_int_eq(proxy_arrived_at(ipc, 5, NULL, &proxy), 0);
	reply = reply_of(proxy, (64 << 10) + 1);
	before = fake.exchanges;
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		ipc_raw_free(reply);
		if (ipc_raw_call(proxy, &request, NULL, NULL, NULL) != -ECHILD)
			_exit(1);
		_exit(fake.exchanges == before ? 0 : 2);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ipc_raw_free(reply);
	ipc_proxy_unref(proxy);
	ipc_unref(ipc);
}
END_TEST

/* As after the end of a daemon. */
START_TEST(the_end_of_the_bus_is_reported)
{
	begin();
	fake.send_error = -ECONNRESET;
	fake.send_error_kind = IPCBUS_SEND_NONE;
	ck_assert_int_eq(ipc_process(ipc), -ECONNRESET);
	ipc_unref(ipc);
}
END_TEST

START_TEST(limits_of_threads)
{
	begin();
	ck_assert_int_eq(ipc_set_threads(ipc, 0), -EINVAL);
	ck_assert_int_eq(ipc_set_threads(ipc, IPC_MAX_THREADS + 1), -EINVAL);
	ck_assert_int_eq(ipc_set_threads(ipc, IPC_MAX_THREADS), 0);
	ck_assert_int_eq(ipc_set_threads(ipc, 1), 0);
	ipc_unref(ipc);
}
END_TEST

START_TEST(bad_names)
{
	struct ipc_proxy *proxy;
	char name[130];

	begin();
	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = 'a';
	name[128] = 0;
	ck_assert_int_eq(ipc_proxy_get(ipc, name, NULL, &proxy), -EINVAL);
	ck_assert_int_eq(ipc_proxy_get(ipc, "", NULL, &proxy), -EINVAL);
	ck_assert_int_eq(ipc_proxy_get(ipc, NULL, NULL, &proxy), -EINVAL);
	ck_assert_int_eq(ipc_proxy_get(ipc, "a b", NULL, &proxy), -EINVAL);
	ck_assert_int_eq(ipc_proxy_wait(ipc, "a\n", NULL, IPC_NEVER, &proxy), -EINVAL);
	ck_assert_int_eq(ipc_unregister_name(ipc, "\xc3\xa4"), -EINVAL);
	ck_assert_uint_eq(fake.exchanges, 0);

	/* A missing manager, and a manager that dies. */
	name[127] = 0;
	fake.send_error = -ENOTCONN;
	fake.send_error_kind = IPCBUS_SEND_CALL;
	ck_assert_int_eq(ipc_proxy_get(ipc, name, NULL, &proxy), -ENOTCONN);
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_FAILED, .error = -EOWNERDEAD }, NULL,
		  0, NULL, 0);
	/* A waiting caller asks the next manager. An empty reply: no service has the name. */
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY }, NULL, 0, NULL, 0);
	ck_assert_int_eq(ipc_proxy_wait(ipc, "A-Z_a/z.0", NULL, IPC_NEVER, &proxy),
			 -ETIMEDOUT);
	fake_push((struct ipcbus_event){ .kind = IPCBUS_EVENT_REPLY }, NULL, 0, NULL, 0);
	ck_assert_int_eq(ipc_proxy_get(ipc, "a", NULL, &proxy), -ENOENT);
	ipc_unref(ipc);
}
END_TEST

START_TEST(a_stop_before_the_run_counts)
{
	begin();
	ipc_stop(ipc);
	ck_assert_int_eq(ipc_run(ipc), 0);
	ck_assert_uint_eq(fake.exchanges, 0);
	/* It is reported only once. */
	ck_assert_int_eq(ipc_run(ipc), -EPIPE);
	ipc_stop(NULL);
	ipc_unref(ipc);
}
END_TEST

int main(void)
{
	return RUN_TESTS("thread", opening, the_environment_names_the_device,
			 states_do_not_pile_up, a_state_for_each_connection,
			 a_thread_that_ends_gives_back,
			 a_thread_that_outlives_the_connection,
			 a_child_has_no_part_in_it, large_replies_are_released_at_once,
			 child_releases_no_buffers, the_end_of_the_bus_is_reported,
			 limits_of_threads, bad_names,
			 a_stop_before_the_run_counts);
}
