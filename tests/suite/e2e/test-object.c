// SPDX-License-Identifier: MIT
/*
 * Objects and files in messages, callbacks, and the lifetime of objects on the other side.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

/* --- Callbacks ------------------------------------------------------------------ */

struct visits {
	struct client *client;
	unsigned int count;
	pid_t tid;
	uint64_t notified;
};

static int call_visit(struct client *client, uint64_t visitor, uint32_t depth,
		      E2e__VisitReply **ret_reply, struct ipc_error *error)
{
	E2e__VisitRequest request = E2E__VISIT_REQUEST__INIT;
	Ipc__Object id = IPC__OBJECT__INIT;

	id.id = visitor;
	request.visitor = &id;
	request.depth = depth;
	return server_visit(client->server, &request, ret_reply, error);
}

/* Our own object returns with each visit, and is sent out again. */
static int visited(struct ipc_call *call, const E2e__VisitRequest *request, void *userdata)
{
	ipc_auto(ipc_object_unref) struct ipc_object *self = NULL;
	ipc_auto(server_visit_reply_free) E2e__VisitReply *inner = NULL;
	E2e__VisitReply reply = E2E__VISIT_REPLY__INIT;
	struct visits *visits = userdata;
	int r;

	visits->count++;
	ck_assert_int_eq(gettid(), visits->tid);
	r = ipc_take_object(ipc_call_ipc(call), &request->visitor->id, &self);
	if (r < 0)
		return r;

	reply.tid = (uint32_t)gettid();
	if (request->depth) {
		r = call_visit(visits->client, object_id(self), request->depth - 1, &inner,
			       NULL);
		if (r < 0)
			return r;
		reply.depth = inner->depth;
		reply.tid = inner->tid;
	}
	reply.depth++;
	return visitor_reply_visited(call, &reply);
}

static int notify(struct ipc_call *call, const E2e__SayRequest *request, void *userdata)
{
	struct visits *visits = userdata;

	(void)call;
	(void)request;
	visits->notified++;
	return 0;
}

static const struct visitor_ops visitor_handlers = { .visited = visited, .notify = notify };

START_TEST(callbacks_come_on_the_thread_that_waits)
{
	struct visits visits = { .tid = gettid() };
	struct ipc_object *object;
	E2e__VisitReply *reply;

	client_start(&one_thread);
	visits.client = &client;
	ck_assert_int_eq(visitor_object_new(client.ipc, &visitor_handlers, &visits, NULL, &object),
			 0);
	for (uint32_t depth = 0; depth < 20; depth++) {
		visits.count = 0;
		ck_assert_int_eq(call_visit(&client, object_id(object), depth, &reply, NULL),
				 0);
		ck_assert_uint_eq(reply->depth, depth + 1);
		ck_assert_uint_eq(visits.count, (depth + 1) / 2);
		/* The server's only thread serves all nested calls, too. */
		ck_assert_uint_eq(reply->tid, (uint32_t)(depth % 2 ? gettid() : client.pid));
		server_visit_reply_free(reply);
	}
	/* Deeper than the driver allows: the call fails with -ELOOP, and later calls succeed. */
	ck_assert_int_eq(call_visit(&client, object_id(object), 100, &reply, NULL), -ELOOP);
	ck_assert_int_eq(call_visit(&client, object_id(object), 3, &reply, NULL), 0);
	server_visit_reply_free(reply);
	ipc_object_unref(object);
}
END_TEST

START_TEST(a_missing_visitor)
{
	ipc_auto(ipc_error_done) struct ipc_error error = IPC_ERROR_INIT;
	E2e__VisitRequest request = E2E__VISIT_REQUEST__INIT;
	struct ipc_object *object;
	uint64_t id;

	client_start(&one_thread);
	ck_assert_int_eq(server_visit(client.server, &request, NULL, &error), -EINVAL);
	ck_assert_str_eq(error.text, "no visitor: there is no such name, bus or object");
	ck_assert_int_eq(call_visit(&client, 0, 1, NULL, NULL), -EINVAL);
	/* Ids without an object. */
	ck_assert_int_eq(call_visit(&client, 1000001, 1, NULL, NULL), -EBADF);
	ck_assert_int_eq(call_visit(&client, 1000000, 1, NULL, NULL), -EBADF);
	ck_assert_int_eq(call_visit(&client, UINT64_MAX - 1, 1, NULL, NULL), -EBADF);
	/* The id of a destroyed object. */
	ck_assert_int_eq(visitor_object_new(client.ipc, &visitor_handlers, NULL, NULL, &object), 0);
	id = object_id(object);
	ipc_object_unref(object);
	ck_assert_int_eq(call_visit(&client, id, 1, NULL, NULL), -EBADF);
}
END_TEST

/* --- Objects of the server --------------------------------------------------------- */

static struct counter *new_counter(struct client *client)
{
	ipc_auto(server_new_counter_reply_free) E2e__NewCounterReply *reply = NULL;
	struct counter *counter;

	ck_assert_int_eq(server_new_counter(client->server, &reply, NULL), 0);
	ck_assert_int_eq(counter_take(client->ipc, reply->counter, &counter), 0);
	ck_assert_int_eq(counter_take(client->ipc, reply->counter, &counter), -ENOENT);
	return counter;
}

static uint32_t add(struct counter *counter, uint32_t number)
{
	ipc_auto(counter_add_reply_free) E2e__AddReply *reply = NULL;
	E2e__AddRequest request = E2E__ADD_REQUEST__INIT;

	request.number = number;
	ck_assert_int_eq(counter_add(counter, &request, &reply, NULL), 0);
	return reply->sum;
}

static uint32_t count_alive(struct client *client)
{
	ipc_auto(server_alive_reply_free) E2e__AliveReply *reply = NULL;

	ck_assert_int_eq(server_alive(client->server, &reply, NULL), 0);
	return reply->counters;
}

static void wait_alive(struct client *client, uint32_t count)
{
	while (count_alive(client) != count)
		sleep_ms(5);
}

START_TEST(objects_live_while_they_are_referenced)
{
	struct counter *a, *b;

	client_start(&one_thread);
	a = new_counter(&client);
	b = new_counter(&client);
	ck_assert_ptr_ne(a, b);
	ck_assert_uint_eq(count_alive(&client), 2);
	ck_assert_uint_eq(add(a, 3), 3);
	ck_assert_uint_eq(add(a, 4), 7);
	ck_assert_uint_eq(add(b, 1), 1);
	counter_unref(a);
	wait_alive(&client, 1);
	ck_assert_uint_eq(add(b, 1), 2);
	counter_unref(b);
	wait_alive(&client, 0);
}
END_TEST

START_TEST(objects_in_untaken_messages)
{
	E2e__NewCounterReply *reply;

	client_start(&one_thread);
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(server_new_counter(client.server, &reply, NULL), 0);
		server_new_counter_reply_free(reply);
		ck_assert_int_eq(server_new_counter(client.server, NULL, NULL), 0);
	}
	wait_alive(&client, 0);
}
END_TEST

/* Messages sent before the last reference was dropped are handled before the object ends. */
static void no_counter(int result, E2e__NewCounterReply *reply, const struct ipc_error *error,
		       void *userdata)
{
	(void)result, (void)reply, (void)error, (void)userdata;
}

static void *serve_client(void *arg)
{
	struct client *client = arg;

	ck_assert_int_eq(ipc_run(client->ipc), 0);
	return NULL;
}

/* Canceled at any moment of the call: some replies have no receiver. */
START_TEST(objects_for_a_canceled_caller)
{
	struct ipc_slot *slot;
	pthread_t thread;

	client_start(&one_thread);
	ck_assert_int_eq(pthread_create(&thread, NULL, serve_client, &client), 0);
	for (unsigned int i = 0; i < 500; i++) {
		slot = NULL;
		ck_assert_int_eq(server_new_counter_async(client.server, NULL, no_counter, NULL,
							  &slot), 0);
		usleep(i);
		ipc_slot_end(slot);
	}
	wait_alive(&client, 0);
	ipc_stop(client.ipc);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

START_TEST(oneways_to_an_object_that_is_let_go)
{
	struct server_options pool = { .threads = 3 };
	ipc_auto(server_alive_reply_free) E2e__AliveReply *reply = NULL;
	E2e__AddRequest request = E2E__ADD_REQUEST__INIT;

	client_start(&pool);
	request.number = 1;
	for (int i = 0; i < 20; i++) {
		struct counter *counter = new_counter(&client);

		for (int j = 0; j < 5; j++)
			ck_assert_int_eq(counter_bump(counter, &request), 0);
		counter_unref(counter);
	}
	wait_alive(&client, 0);
	ck_assert_int_eq(server_alive(client.server, &reply, NULL), 0);
	ck_assert_uint_eq(reply->gone_sum, 100);
}
END_TEST

static int take_and_exit(void *data)
{
	struct client client;

	(void)data;
	client_open(&client);
	for (int i = 0; i < 10; i++)
		new_counter(&client);
	return count_alive(&client) != 10;
}

START_TEST(objects_of_dead_processes)
{
	client_start(&one_thread);
	run_child(take_and_exit, NULL);
	wait_alive(&client, 0);
}
END_TEST

START_TEST(objects_that_come_home)
{
	E2e__SumRequest request = E2E__SUM_REQUEST__INIT;
	Ipc__Object ids[3] = { IPC__OBJECT__INIT, IPC__OBJECT__INIT, IPC__OBJECT__INIT };
	Ipc__Object *list[3] = { &ids[0], &ids[1], &ids[2] };
	struct counter *a, *b;
	E2e__SumReply *reply;

	client_start(&one_thread);
	a = new_counter(&client);
	b = new_counter(&client);
	add(a, 20);
	add(b, 3);
	ids[0].id = ids[2].id = ipc_proxy_id(counter_proxy(a));
	ids[1].id = ipc_proxy_id(counter_proxy(b));
	request.counters = list;
	request.n_counters = 3;
	ck_assert_int_eq(server_sum(client.server, &request, &reply, NULL), 0);
	ck_assert_uint_eq(reply->sum, 43);
	server_sum_reply_free(reply);
	counter_unref(a);
	counter_unref(b);
	wait_alive(&client, 0);
}
END_TEST

START_TEST(equal_objects_have_equal_proxies)
{
	struct ipc_proxy *manager;

	client_start(&one_thread);
	ck_assert_int_eq(ipc_get_manager(client.ipc, &manager), 0);
	ck_assert_ptr_eq(manager, server_proxy(client.server));
	ipc_proxy_unref(manager);
}
END_TEST

/* --- Files ------------------------------------------------------------------------ */

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

START_TEST(a_file_from_the_server)
{
	E2e__SayRequest request = E2E__SAY_REQUEST__INIT;
	E2e__OpenReply *reply;
	char text[32] = "";
	int fd, before;

	client_start(&one_thread);
	request.text = "through a pipe";
	before = count_fds();
	ck_assert_int_eq(server_open(client.server, &request, &reply, NULL), 0);
	fd = ipc_take_fd(&reply->fd->fd);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ipc_take_fd(&reply->fd->fd), -ENOENT);
	server_open_reply_free(reply);
	ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	ck_assert_int_eq(read(fd, text, sizeof(text)), (ssize_t)strlen(request.text));
	ck_assert_str_eq(text, request.text);
	close(fd);

	for (int i = 0; i < 300; i++) {
		ck_assert_int_eq(server_open(client.server, &request, &reply, NULL), 0);
		server_open_reply_free(reply);
		ck_assert_int_eq(server_open(client.server, &request, NULL, NULL), 0);
	}
	ck_assert_int_eq(count_fds(), before);
}
END_TEST

START_TEST(a_file_for_the_server)
{
	E2e__ReadRequest request = E2E__READ_REQUEST__INIT;
	Ipc__Fd fd = IPC__FD__INIT;
	E2e__SayReply *reply;
	int ends[2];

	client_start(&one_thread);
	request.fd = &fd;
	for (int i = 0; i < 2000; i++) {
		ck_assert_int_eq(pipe(ends), 0);
		ck_assert_int_eq(write(ends[1], "notice", 6), 6);
		close(ends[1]);
		fd.fd = ends[0];
		ck_assert_int_eq(server_read(client.server, &request, &reply, NULL), 0);
		ck_assert_str_eq(reply->text, "notice");
		server_read_reply_free(reply);
		/* The sender's own fd stays open. */
		ck_assert_int_eq(close(ends[0]), 0);
	}
	fd.fd = -1;
	ck_assert_int_eq(server_read(client.server, &request, NULL, NULL), -EBADF);
	fd.fd = 250;
	ck_assert_int_eq(server_read(client.server, &request, NULL, NULL), -EBADF);
	/* A file of the bus itself. */
	fd.fd = open(getenv("IPCBUS_BUS") ?: "/dev/ipcbus", O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(server_read(client.server, &request, NULL, NULL), -ELOOP);
	close(fd.fd);
	request.fd = NULL;
	ck_assert_int_eq(server_read(client.server, &request, NULL, NULL), -EINVAL);
}
END_TEST

/*
 * The server sends a oneway before its reply. If the reply had to wait for the oneway's handler,
 * the call would never return: no thread serves the connection, and the handler takes a lock that
 * the waiting thread holds.
 */
static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

static int notify_locked(struct ipc_call *call, const E2e__SayRequest *request, void *userdata)
{
	pthread_mutex_lock(&held);
	notify(call, request, userdata);
	pthread_mutex_unlock(&held);
	return 0;
}

START_TEST(a_reply_does_not_wait_for_oneways)
{
	static const struct visitor_ops handlers = { .notify = notify_locked };
	E2e__VisitRequest request = E2E__VISIT_REQUEST__INIT;
	Ipc__Object id = IPC__OBJECT__INIT;
	struct visits visits = { 0 };
	struct ipc_object *object;
	E2e__VisitReply *reply;

	client_start(&one_thread);
	ck_assert_int_eq(visitor_object_new(client.ipc, &handlers, &visits, NULL, &object), 0);
	id.id = object_id(object);
	request.visitor = &id;
	request.notify = true;
	pthread_mutex_lock(&held);
	ck_assert_int_eq(server_visit(client.server, &request, &reply, NULL), 0);
	ck_assert_uint_eq(visits.notified, 0);
	pthread_mutex_unlock(&held);
	ck_assert_int_eq(ipc_wait_event(client.ipc, IPC_NEVER), 1);
	ck_assert_int_eq(ipc_process(client.ipc), 1);
	ck_assert_uint_eq(visits.notified, 1);
	server_visit_reply_free(reply);
	ipc_object_unref(object);
}
END_TEST

int main(void)
{
	return RUN_TESTS("object", callbacks_come_on_the_thread_that_waits,
			 a_reply_does_not_wait_for_oneways, a_missing_visitor,
			 objects_live_while_they_are_referenced, objects_in_untaken_messages,
			 objects_for_a_canceled_caller,
			 oneways_to_an_object_that_is_let_go, objects_of_dead_processes,
			 objects_that_come_home, equal_objects_have_equal_proxies,
			 a_file_from_the_server, a_file_for_the_server);
}
