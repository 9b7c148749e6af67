// SPDX-License-Identifier: MIT
/*
 * The end of a bus of ipcbusd, for all pending operations: calls, streams and watches complete with
 * -ECONNRESET, and served calls are canceled.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon-run.h"
#include "test-run.h"

#include <ipc/raw.h>

/* Methods of the server: HANG keeps its call, ASK polls whether it is canceled. */
enum { HANG = 1, ASK, ECHO };

static struct ipc_test_bus *bus;
static struct ipc *server, *client;
static struct ipc_object *object;
static struct ipc_proxy *proxy;
static pthread_t thread;
static struct ipc_call *kept[2];
static unsigned int n_kept;
static atomic_uint arrived, canceled, asked;

/* Results of the client's callbacks. */
static int result;
static unsigned int completed, died, ended, destroyed;

static void until(atomic_uint *count)
{
	while (!atomic_load(count))
		usleep(1000);
}

/* --- The server ------------------------------------------------------------------------- */

static void on_cancel(struct ipc_call *call, void *userdata)
{
	(void)userdata;
	ck_assert_int_eq(ipc_call_is_canceled(call), 1);
	atomic_fetch_add(&canceled, 1);
}

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	(void)userdata;
	if (request->method == ASK) {
		atomic_fetch_add(&arrived, 1);
		while (ipc_call_is_canceled(call) == 0)
			usleep(1000);
		ck_assert_int_eq(ipc_call_on_cancel(call, on_cancel, NULL, NULL), -ECANCELED);
		atomic_fetch_add(&asked, 1);
		return -ECANCELED;
	}
	if (request->method == ECHO) {
		atomic_fetch_add(&arrived, 1);
		return ipc_raw_reply(call, &(struct ipc_raw_message){ .size = 0 });
	}
	ck_assert_int_eq(ipc_call_on_cancel(call, on_cancel, NULL, NULL), 0);
	kept[n_kept++] = ipc_call_ref(call);
	/* The bus may end once all calls have arrived. */
	atomic_fetch_add(&arrived, 1);
	return 0;
}

/* Receives until the stream's end; the client sends no messages. */
static int serve_stream(struct ipc_stream *stream, uint32_t method, void *userdata)
{
	const struct ipc_raw_message *message;

	(void)method, (void)userdata;
	atomic_fetch_add(&arrived, 1);
	ck_assert_int_eq(ipc_raw_stream_receive(stream, IPC_NEVER, &message, NULL), -ECONNRESET);
	ck_assert_int_eq(ipc_stream_is_canceled(stream), 1);
	atomic_fetch_add(&canceled, 1);
	return 0;
}

static const struct ipc_raw_ops ops = { .serve = serve, .stream = serve_stream };

static void *run(void *ipc)
{
	ck_assert_int_eq(ipc_run(ipc), -ECONNRESET);
	return NULL;
}

static void begin(void)
{
	bus = bus_new();
	arrived = canceled = asked = 0;
	completed = died = ended = destroyed = 0;
	n_kept = 0;
	ck_assert_int_eq(ipc_open(&server, ipc_test_bus_path(bus)), 0);
	ck_assert_int_eq(ipc_set_threads(server, 4), 0);
	ck_assert_int_eq(ipc_raw_object_new(server, &ops, NULL, &object), 0);
	ck_assert_int_eq(ipc_set_manager(server, object), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, run, server), 0);
	ck_assert_int_eq(ipc_open(&client, ipc_test_bus_path(bus)), 0);
	ck_assert_int_eq(ipc_get_manager(client, &proxy), 0);
}

static void kill_bus(void)
{
	ck_assert_int_eq(kill(ipc_test_bus_pid(bus), SIGKILL), 0);
}

static void end_of_bus_is_known(void)
{
	while (ipc_proxy_ping(proxy, NULL) != -ECONNRESET)
		usleep(1000);
}

static void end(void)
{
	pthread_join(thread, NULL);
	while (n_kept)
		ipc_call_unref(kept[--n_kept]);
	ipc_proxy_unref(proxy);
	ipc_unref(client);
	ipc_object_unref(object);
	ipc_unref(server);
	ipc_test_bus_free(bus);
}

/* --- The client ------------------------------------------------------------------------- */

static void on_reply(int r, struct ipc_raw_message *reply, const struct ipc_error *error,
		     void *userdata)
{
	(void)userdata;
	ck_assert_ptr_null(reply);
	ck_assert_int_eq(error->code, r);
	ck_assert_int_eq(error->origin, IPC_ORIGIN_BUS);
	result = r;
	completed++;
}

static void on_death(struct ipc_proxy *dead, void *userdata)
{
	(void)dead, (void)userdata;
	died++;
}

static void on_end(struct ipc_stream *stream, int r, const struct ipc_error *error, void *userdata)
{
	(void)userdata;
	ck_assert_int_eq(r, -ECONNRESET);
	ck_assert_int_eq(error->origin, IPC_ORIGIN_BUS);
	ck_assert_int_eq(ipc_stream_is_canceled(stream), 1);
	ended++;
}

static void destroy(void *userdata)
{
	(void)userdata;
	destroyed++;
}

static void call(uint32_t code, const struct ipc_options *options)
{
	const struct ipc_raw_message request = { .method = code };

	ck_assert_int_eq(ipc_raw_call_async(proxy, &request, options, on_reply, NULL, NULL), 0);
}

static struct ipc_stream *open_stream(void)
{
	struct ipc_stream *stream;

	ck_assert_int_eq(ipc_raw_stream_open(proxy, 1, NULL, &stream, NULL), 0);
	return stream;
}

/* When a thread first serves after the end, everything completes. */
static void check_completed(int r)
{
	ck_assert_int_eq(r, -ECONNRESET);
	ck_assert_int_eq(result, -ECONNRESET);
	ck_assert_uint_eq(completed, 3);
	ck_assert_uint_eq(died, 1);
	ck_assert_uint_eq(ended, 1);
	ck_assert_uint_eq(destroyed, 1);
	ck_assert_int_eq(ipc_process(client), -ECONNRESET);
	ck_assert_uint_eq(completed, 3);
}

static void begin_waiting(void)
{
	static const struct ipc_stream_ops callbacks = {
		.size = sizeof(callbacks), .on_end = on_end, .destroy = destroy,
	};
	struct ipc_options options = { 0 };
	struct ipc_stream *stream;

	begin();
	stream = open_stream();
	ck_assert_int_eq(ipc_stream_set_ops(stream, &callbacks, NULL), 0);
	options.parent_stream = stream;
	call(HANG, &options);
	call(HANG, NULL);
	call(ASK, NULL);
	ipc_stream_unref(stream);
	ck_assert_int_eq(ipc_proxy_on_death(proxy, on_death, NULL, NULL), 0);
	while (arrived < 4)
		usleep(1000);
}

START_TEST(pending_operations_complete_in_ipc_run)
{
	begin_waiting();
	kill_bus();
	check_completed(ipc_run(client));
	until(&asked);
	end();
	/* Both kept calls, and the stream. */
	ck_assert_uint_eq(canceled, 3);
}
END_TEST

START_TEST(pending_operations_complete_in_an_event_loop)
{
	struct pollfd fd = { .events = POLLIN };
	int r;

	begin_waiting();
	fd.fd = ipc_get_fd(client);
	while (ipc_process(client) > 0)
		;
	kill_bus();
	ck_assert_int_eq(poll(&fd, 1, -1), 1);
	/* A message about the end of the server may come first. */
	ck_assert_int_eq(ipc_wait_event(client, IPC_NEVER), 1);
	do {
		r = ipc_process(client);
	} while (r >= 0);
	check_completed(r);
	ck_assert_int_eq(ipc_wait_event(client, IPC_NEVER), -ECONNRESET);
	end();
}
END_TEST

/* --- Without a serving thread ---------------------------------------------------------------- */

static void *kill_later(void *unused)
{
	usleep(50000);
	kill_bus();
	return unused;
}

static void check_receive(struct ipc_stream *stream)
{
	struct ipc_error error = IPC_ERROR_INIT;
	const struct ipc_raw_message *message;

	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(ipc_raw_stream_receive(stream, IPC_NEVER, &message, &error),
				 -ECONNRESET);
		ck_assert_int_eq(error.origin, IPC_ORIGIN_BUS);
		ipc_error_done(&error);
	}
	ck_assert_int_eq(ipc_stream_is_canceled(stream), 1);
	ipc_stream_unref(stream);
}

START_TEST(receiver_wakes_without_a_serving_thread)
{
	struct ipc_stream *stream;
	pthread_t killer;

	begin();
	stream = open_stream();
	ck_assert_int_eq(pthread_create(&killer, NULL, kill_later, NULL), 0);
	check_receive(stream);
	pthread_join(killer, NULL);
	end();
}
END_TEST

static void block(int r, struct ipc_raw_message *reply, const struct ipc_error *error,
		  void *userdata)
{
	(void)reply, (void)error;
	ck_assert_int_eq(r, 0);
	atomic_store(&asked, 1);
	until(userdata);
}

/* The only thread of ipc_run() is in a callback, and does not notice the end. */
START_TEST(a_receiver_wakes_while_callbacks_run)
{
	const struct ipc_raw_message request = { .method = ECHO };
	static atomic_uint go_on;
	struct ipc_stream *stream;
	pthread_t runner, killer;

	begin();
	stream = open_stream();
	ck_assert_int_eq(ipc_raw_call_async(proxy, &request, NULL, block, &go_on, NULL), 0);
	ck_assert_int_eq(pthread_create(&runner, NULL, run, client), 0);
	until(&asked);
	ck_assert_int_eq(pthread_create(&killer, NULL, kill_later, NULL), 0);
	check_receive(stream);
	atomic_store(&go_on, 1);
	pthread_join(killer, NULL);
	pthread_join(runner, NULL);
	end();
}
END_TEST

START_TEST(a_stream_is_canceled_without_a_serving_thread)
{
	struct ipc_stream *stream;

	begin();
	stream = open_stream();
	ck_assert_int_eq(ipc_stream_is_canceled(stream), 0);
	kill_bus();
	while (!ipc_stream_is_canceled(stream))
		usleep(1000);
	ipc_stream_unref(stream);
	end();
}
END_TEST

/* --- Names ------------------------------------------------------------------------------------ */

static unsigned int changes[IPC_NAME_SETTLED + 1];

static void on_name(struct ipc *ipc, enum ipc_name_change change, const struct ipc_name_info *info,
		    struct ipc_proxy *named, void *userdata)
{
	(void)ipc, (void)named, (void)userdata;
	if (info)
		ck_assert_str_eq(info->name, "some.name");
	changes[change]++;
}

START_TEST(watched_names_are_gone)
{
	int r = 0;

	memset(changes, 0, sizeof(changes));
	bus = bus_new_with(/* flags= */ 0);
	ck_assert_int_eq(ipc_open(&server, ipc_test_bus_path(bus)), 0);
	ck_assert_int_eq(ipc_raw_object_new(server, &ops, NULL, &object), 0);
	ck_assert_int_eq(ipc_register_name(server, "some.name", object, NULL), 0);
	ck_assert_int_eq(ipc_open(&client, ipc_test_bus_path(bus)), 0);
	ck_assert_int_eq(ipc_watch_names(client, "some.*", on_name, NULL, NULL), 0);
	while (!changes[IPC_NAME_SETTLED]) {
		ck_assert_int_eq(ipc_wait_event(client, IPC_NEVER), 1);
		ck_assert_int_ge(ipc_process(client), 0);
	}
	kill_bus();
	while (r >= 0)
		r = ipc_wait_event(client, IPC_NEVER) == 1 ? ipc_process(client) : -EPROTO;
	ck_assert_int_eq(r, -ECONNRESET);
	ck_assert_uint_eq(changes[IPC_NAME_PRESENT], 1);
	ck_assert_uint_eq(changes[IPC_NAME_GONE], 1);
	ipc_unref(client);
	ipc_object_unref(object);
	ipc_unref(server);
	ipc_test_bus_free(bus);
}
END_TEST

static int call_without_descriptors(void)
{
	const struct ipc_raw_message request = { .method = ECHO };
	struct ipc_proxy *manager;
	struct ipc *ipc;
	int r;

	if (ipc_open(&ipc, ipc_test_bus_path(bus)) < 0 || ipc_get_manager(ipc, &manager) < 0)
		return 1;
	/* As programs do that become daemons. */
	closefrom(STDERR_FILENO + 1);
	/* The daemon still serves calls until it notices. */
	do {
		r = ipc_raw_call(manager, &request, NULL, NULL, NULL);
	} while (r == 0);
	return r == -ECONNRESET ? 0 : 2;
}

START_TEST(a_call_fails_after_all_descriptors_were_closed)
{
	int status;
	pid_t child;

	begin();
	child = fork();
	if (!child)
		_exit(call_without_descriptors());
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	kill_bus();
	end();
}
END_TEST

static void *call_and_fail(void *unused)
{
	const struct ipc_raw_message request = { .method = HANG };
	struct ipc_error error = IPC_ERROR_INIT;

	(void)unused;
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, NULL, &error), -ECONNRESET);
	ck_assert_int_eq(error.origin, IPC_ORIGIN_BUS);
	ipc_error_done(&error);
	return NULL;
}

/* Before the end of the bus, and afterwards. */
START_TEST(a_call_fails_with_an_error_of_the_bus)
{
	pthread_t caller;

	begin();
	ck_assert_int_eq(pthread_create(&caller, NULL, call_and_fail, NULL), 0);
	until(&arrived);
	kill_bus();
	pthread_join(caller, NULL);
	call_and_fail(NULL);
	end();
}
END_TEST

START_TEST(an_event_loop_that_begins_after_the_end_learns_of_it)
{
	struct pollfd fd = { .events = POLLIN };

	begin();
	kill_bus();
	end_of_bus_is_known();
	fd.fd = ipc_get_fd(client);
	ck_assert_int_ge(fd.fd, 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(poll(&fd, 1, -1), 1);
		ck_assert_int_eq(ipc_process(client), -ECONNRESET);
	}
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("bus-end", a_call_fails_after_all_descriptors_were_closed,
			 pending_operations_complete_in_ipc_run,
			 pending_operations_complete_in_an_event_loop,
			 receiver_wakes_without_a_serving_thread,
			 a_receiver_wakes_while_callbacks_run,
			 a_stream_is_canceled_without_a_serving_thread, watched_names_are_gone,
			 a_call_fails_with_an_error_of_the_bus,
			 an_event_loop_that_begins_after_the_end_learns_of_it);
}
