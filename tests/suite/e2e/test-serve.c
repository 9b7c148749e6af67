// SPDX-License-Identifier: MIT
/*
 * Serving: the pool of threads, its end, and custom event loops.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

static int say(struct server *server)
{
	E2e__SayRequest request = E2E__SAY_REQUEST__INIT;
	ipc_auto(server_say_reply_free) E2e__SayReply *reply = NULL;
	int r;

	request.text = "x";
	r = server_say(server, &request, &reply, NULL);
	return r < 0 ? r : reply->text[0] == 'x' ? 0 : -EPROTO;
}

/* --- The pool ----------------------------------------------------------------------- */

#define CALLERS	8

static void *meet(void *data)
{
	ipc_auto(server_meet_reply_free) E2e__MeetReply *reply = NULL;
	E2e__MeetRequest request = E2E__MEET_REQUEST__INIT;
	struct server *server = data;

	request.count = CALLERS;
	if (server_meet(server, &request, &reply, NULL) < 0)
		return NULL;
	return (void *)(uintptr_t)reply->tid;
}

/* Calls that wait for each other can only end if each has its own thread. */
START_TEST(the_pool_grows)
{
	struct server_options pool = { .threads = CALLERS };
	pthread_t threads[CALLERS];
	void *tids[CALLERS];

	client_start(&pool);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < CALLERS; i++)
			pthread_create(&threads[i], NULL, meet, client.server);
		for (int i = 0; i < CALLERS; i++)
			pthread_join(threads[i], &tids[i]);
		for (int i = 0; i < CALLERS; i++) {
			ck_assert_ptr_nonnull(tids[i]);
			for (int j = 0; j < i; j++)
				ck_assert_ptr_ne(tids[i], tids[j]);
		}
	}
	ck_assert_int_eq(server_stop(client.server, NULL), 0);
	ck_assert_int_eq(wait_server(client.pid), 0);
	client.pid = 0;
}
END_TEST

/* The pool's threads do not exist in the child, which must not wait for them. */
START_TEST(a_handler_that_forks)
{
	struct server_options pool = { .threads = CALLERS };
	ipc_auto(server_fork_reply_free) E2e__ForkReply *reply = NULL;
	pthread_t threads[CALLERS];

	client_start(&pool);
	for (int i = 0; i < CALLERS; i++)
		pthread_create(&threads[i], NULL, meet, client.server);
	for (int i = 0; i < CALLERS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(server_fork(client.server, &reply, NULL), 0);
	ck_assert(WIFEXITED(reply->status));
	/* The child's ipc_run() failed, or the child was a pool thread, which ends alone. */
	ck_assert_int_le(WEXITSTATUS(reply->status), 1);
	ck_assert_int_eq(say(client.server), 0);
}
END_TEST

static void *call_often(void *data)
{
	struct server *server = data;

	for (int i = 0; i < 500; i++)
		if (say(server) < 0)
			return server;
	return NULL;
}

START_TEST(many_threads_on_both_sides)
{
	struct server_options pool = { .threads = 4 };
	pthread_t threads[CALLERS];
	void *failed;

	client_start(&pool);
	for (int i = 0; i < CALLERS; i++)
		pthread_create(&threads[i], NULL, call_often, client.server);
	for (int i = 0; i < CALLERS; i++) {
		pthread_join(threads[i], &failed);
		ck_assert_ptr_null(failed);
	}
}
END_TEST

/* --- The end of serving ---------------------------------------------------------------- */

static struct ipc *running;

static void *run(void *data)
{
	return (void *)(intptr_t)ipc_run(data);
}

static void join_soon(pthread_t thread)
{
	struct timespec end;
	void *result;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 20;
	ck_assert_int_eq(pthread_timedjoin_np(thread, &result, &end), 0);
	ck_assert_ptr_null(result);
}

/* Whenever the stop arrives: before the run, at its start, or during its waits. */
START_TEST(stop_is_never_missed)
{
	struct ipc *ipc;

	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	for (int i = 0; i < 300; i++) {
		pthread_t thread;

		pthread_create(&thread, NULL, run, ipc);
		if (i % 3)
			usleep((useconds_t)(i % 30) * 10);
		ipc_stop(ipc);
		join_soon(thread);
	}
	ipc_unref(ipc);
}
END_TEST

static pthread_barrier_t all_in;

static int be_there(struct ipc_call *call, const E2e__VisitRequest *request, void *userdata)
{
	E2e__VisitReply reply = E2E__VISIT_REPLY__INIT;

	(void)request;
	(void)userdata;
	pthread_barrier_wait(&all_in);
	return visitor_reply_visited(call, &reply);
}

static void *be_called(void *data)
{
	E2e__VisitRequest request = E2E__VISIT_REQUEST__INIT;

	return (void *)(intptr_t)visitor_visited(data, &request, NULL, NULL);
}

/* A single stop ends all ipc_run() calls, after they reply to the calls they serve. */
START_TEST(stop_ends_all_runs)
{
	static const struct visitor_ops handlers = { .visited = be_there };
	pthread_t servers[3], clients[3];
	struct ipc *server, *client;
	struct ipc_object *object;
	struct visitor *visitor;
	struct ipc_proxy *proxy;

	pthread_barrier_init(&all_in, NULL, 4);
	ck_assert_int_eq(ipc_open(&server, NULL), 0);
	ck_assert_int_eq(ipc_open(&client, NULL), 0);
	ck_assert_int_eq(visitor_object_new(server, &handlers, NULL, NULL, &object), 0);
	ck_assert_int_eq(ipc_set_manager(server, object), 0);
	ck_assert_int_eq(ipc_get_manager(client, &proxy), 0);
	visitor = visitor_from_proxy(proxy);
	for (int i = 0; i < 20; i++) {
		for (int t = 0; t < 3; t++) {
			pthread_create(&servers[t], NULL, run, server);
			pthread_create(&clients[t], NULL, be_called, visitor);
		}
		pthread_barrier_wait(&all_in);
		ipc_stop(server);
		for (int t = 0; t < 3; t++) {
			join_soon(servers[t]);
			join_soon(clients[t]);
		}
	}
	visitor_unref(visitor);
	ipc_object_unref(object);
	ipc_unref(client);
	ipc_unref(server);
}
END_TEST

static int ignore(struct ipc_call *call, const E2e__SayRequest *request, void *userdata)
{
	(void)call, (void)request, (void)userdata;
	return 0;
}

#define MEETING 3

static struct visitor *visited;

/* Both threads meet before the stop. */
static void *meet_and_stop(void *data)
{
	pthread_t threads[MEETING];

	for (int i = 0; i < MEETING; i++)
		pthread_create(&threads[i], NULL, be_called, visited);
	for (int i = 0; i < MEETING; i++)
		join_soon(threads[i]);
	ipc_stop(data);
	return NULL;
}

/* The event that requests a thread is handled before there is a pool, on the same thread. */
START_TEST(the_pool_grows_after_ipc_process)
{
	static const struct visitor_ops handlers = { .visited = be_there, .notify = ignore };
	E2e__SayRequest request = E2E__SAY_REQUEST__INIT;
	struct ipc *server, *client;
	struct ipc_object *object;
	struct ipc_proxy *proxy;
	pthread_t thread;

	request.text = "x";
	pthread_barrier_init(&all_in, NULL, MEETING);
	ck_assert_int_eq(ipc_open(&server, NULL), 0);
	ck_assert_int_eq(ipc_set_threads(server, MEETING), 0);
	ck_assert_int_eq(ipc_open(&client, NULL), 0);
	ck_assert_int_eq(visitor_object_new(server, &handlers, NULL, NULL, &object), 0);
	ck_assert_int_eq(ipc_set_manager(server, object), 0);
	ck_assert_int_eq(ipc_get_manager(client, &proxy), 0);
	visited = visitor_from_proxy(proxy);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(visitor_notify(visited, &request), 0);
		/* A oneway of a channel may come before the event of the bus that it waits for. */
		do
			ck_assert_int_eq(ipc_wait_event(server, IPC_NEVER), 1);
		while (!ipc_process(server));
		pthread_create(&thread, NULL, meet_and_stop, server);
		ck_assert_int_eq(ipc_run(server), 0);
		join_soon(thread);
	}
	visitor_unref(visited);
	ipc_object_unref(object);
	ipc_unref(client);
	ipc_unref(server);
}
END_TEST

static void on_signal(int number)
{
	(void)number;
	ipc_stop(running);
}

static void serve_until_signal(void)
{
	if (ipc_open(&running, NULL) < 0)
		_exit(2);
	signal(SIGTERM, on_signal);
	_exit(ipc_run(running) != 0);
}

START_TEST(stop_from_a_signal_handler)
{
	/* Replaces the handler of the test runner. */
	signal(SIGTERM, SIG_DFL);
	for (unsigned int i = 0; i < 20; i++) {
		int status;
		pid_t pid = fork();

		if (!pid)
			serve_until_signal();
		usleep(3000 + i * 500);
		/* Until the handler is installed, SIGTERM kills the child: retry with another. */
		kill(pid, SIGTERM);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(status == 0 || WTERMSIG(status) == SIGTERM);
	}
}
END_TEST

START_TEST(stop_from_a_handler)
{
	client_start(&one_thread);
	/* The reply of the last call still arrives. */
	ck_assert_int_eq(server_stop(client.server, NULL), 0);
	ck_assert_int_eq(wait_server(client.pid), 0);
	client.pid = 0;
	ck_assert_int_eq(say(client.server), -ENOTCONN);
}
END_TEST

/* --- Event loops ------------------------------------------------------------------------ */

START_TEST(a_server_with_epoll)
{
	struct server_options epoll = { .threads = 0 };
	E2e__LogRequest request = E2E__LOG_REQUEST__INIT;
	E2e__LoggedReply *reply;

	client_start(&epoll);
	for (uint32_t i = 0; i < 200; i++) {
		request.number = i;
		ck_assert_int_eq(say(client.server), 0);
		ck_assert_int_eq(server_log(client.server, &request), 0);
	}
	ck_assert_int_eq(server_logged(client.server, &reply, NULL), 0);
	ck_assert_uint_ge(reply->n_numbers, 199);
	for (uint32_t i = 0; i < reply->n_numbers; i++)
		ck_assert_uint_eq(reply->numbers[i], i);
	server_logged_reply_free(reply);
}
END_TEST

static int notified;

static int notify(struct ipc_call *call, const E2e__SayRequest *request, void *userdata)
{
	(void)call;
	(void)request;
	(void)userdata;
	notified++;
	return 0;
}

static const struct visitor_ops visitor_handlers = { .notify = notify };

/* Two connections in a single thread: the first sends to the second, which polls. */
START_TEST(fd_is_readable_when_there_is_work)
{
	struct ipc_object *object;
	struct ipc_proxy *proxy;
	struct visitor *visitor;
	struct ipc *server, *client;
	E2e__SayRequest request = E2E__SAY_REQUEST__INIT;
	struct pollfd pfd;

	ck_assert_int_eq(ipc_open(&server, NULL), 0);
	ck_assert_int_eq(ipc_open(&client, NULL), 0);
	ck_assert_int_eq(visitor_object_new(server, &visitor_handlers, NULL, NULL, &object), 0);
	ck_assert_int_eq(ipc_set_manager(server, object), 0);
	ck_assert_int_eq(ipc_get_manager(client, &proxy), 0);
	visitor = visitor_from_proxy(proxy);
	pfd = (struct pollfd){ .fd = ipc_get_fd(server), .events = POLLIN };

	request.text = "x";
	ck_assert_int_eq(ipc_process(server), 0);
	for (int i = 1; i < 50; i++) {
		ck_assert_int_eq(poll(&pfd, 1, 0), 0);
		ck_assert_int_eq(ipc_wait_event(server, 0), 0);
		ck_assert_int_eq(visitor_notify(visitor, &request), 0);
		ck_assert_int_eq(visitor_notify(visitor, &request), 0);
		ck_assert_int_eq(poll(&pfd, 1, -1), 1);
		ck_assert_int_eq(ipc_wait_event(server, UINT64_MAX), 1);
		/* An event of a channel is several oneways, and the set-up of a channel is an
		 * event, too. */
		while (notified < i * 2) {
			ck_assert_int_eq(poll(&pfd, 1, -1), 1);
			ck_assert_int_ge(ipc_process(server), 0);
		}
		while (ipc_process(server))
			;
		ck_assert_int_eq(notified, i * 2);
	}
	visitor_unref(visitor);
	ipc_object_unref(object);
	ipc_unref(client);
	ipc_unref(server);
}
END_TEST

static unsigned int n_space;

static void on_writable(struct ipc *ipc, void *userdata)
{
	ck_assert_ptr_eq(ipc, userdata);
	n_space++;
}

/* Sends until there is no space. */
static void notify_all(struct visitor *visitor)
{
	E2e__SayRequest request = E2E__SAY_REQUEST__INIT;
	static char text[20000];
	int r;

	memset(text, 'x', sizeof(text) - 1);
	request.text = text;
	while ((r = visitor_notify(visitor, &request)) == 0)
		;
	ck_assert_int_eq(r, -EAGAIN);
}

/* With IPC_CHANNELS=random, the set-up of a channel and its oneways are events too. */
static void process_all(struct ipc *ipc)
{
	int r;

	while ((r = ipc_process(ipc)) > 0)
		;
	ck_assert_int_eq(r, 0);
}

START_TEST(notified_of_space)
{
	struct ipc_slot *slot;
	struct ipc_object *object;
	struct ipc *server, *client;
	struct ipc_proxy *proxy;
	struct visitor *visitor;

	ck_assert_int_eq(ipc_open_sized(&server, NULL, 256 << 10), 0);
	ck_assert_int_eq(ipc_open(&client, NULL), 0);
	ck_assert_int_eq(visitor_object_new(server, &visitor_handlers, NULL, NULL, &object), 0);
	ck_assert_int_eq(ipc_set_manager(server, object), 0);
	ck_assert_int_eq(ipc_get_manager(client, &proxy), 0);
	visitor = visitor_from_proxy(proxy);
	for (unsigned int i = 1; i < 4; i++) {
		notify_all(visitor);
		ck_assert_int_eq(ipc_on_writable(client, on_writable, client,
				/* ret_slot= */ NULL), 0);
		/* An event loop may call ipc_process() at any time. */
		process_all(client);
		ck_assert_int_eq(ipc_wait_event(client, 20000), 0);
		ck_assert_uint_eq(n_space, i - 1);
		process_all(server);
		while (n_space < i) {
			ck_assert_int_eq(ipc_wait_event(client, IPC_NEVER), 1);
			ck_assert_int_ge(ipc_process(client), 0);
		}
		/* The callback runs exactly once. */
		process_all(client);
		ck_assert_uint_eq(n_space, i);
		ck_assert_int_eq(ipc_wait_event(client, 0), 0);
	}
	notify_all(visitor);
	ck_assert_int_eq(ipc_on_writable(client, on_writable, client, &slot), 0);
	ipc_slot_end(slot);
	process_all(server);
	process_all(client);
	ck_assert_int_eq(ipc_wait_event(client, 0), 0);
	ck_assert_int_eq(ipc_on_writable(NULL, on_writable, NULL, /* ret_slot= */ NULL), -EINVAL);
	ck_assert_uint_eq(n_space, 3);
	visitor_unref(visitor);
	ipc_object_unref(object);
	ipc_unref(client);
	ipc_unref(server);
}
END_TEST

static void nothing(int number)
{
	(void)number;
}

START_TEST(waiting_has_an_end)
{
	struct sigaction action = { .sa_handler = nothing };
	struct ipc *ipc;
	uint64_t begin = now_ms();

	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(ipc_wait_event(ipc, 50000), 0);
	ck_assert_uint_ge(now_ms() - begin, 49);
	sigaction(SIGALRM, &action, NULL);
	ualarm(20000, 0);
	ck_assert_int_eq(ipc_wait_event(ipc, UINT64_MAX), -EINTR);
	ipc_unref(ipc);
}
END_TEST

int main(void)
{
	return RUN_TESTS("serve", the_pool_grows, a_handler_that_forks, many_threads_on_both_sides,
			 the_pool_grows_after_ipc_process, stop_is_never_missed,
			 stop_ends_all_runs, stop_from_a_signal_handler, stop_from_a_handler,
			 a_server_with_epoll, fd_is_readable_when_there_is_work, notified_of_space,
			 waiting_has_an_end);
}
