// SPDX-License-Identifier: MIT
/*
 * Connections that survive their bus: ipcbusd is killed and restarted at the same path, during
 * calls, streams, watches and names.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test-run.h"

#include <ipc/raw.h>

#define RESTARTS	10
#define NAME		"some.name"
#define LIMIT_MSEC	20000

/* Methods of the server. */
enum { ECHO = 1, HANG, KEEP, BACK };

static char folder[] = "/tmp/ipcbus-reconnect-XXXXXX";
static char path[sizeof(folder) + 8], lock[sizeof(folder) + 16];
static pid_t bus;

static struct ipc *server, *client;
static struct ipc_object *object;
static pthread_t serving;
static struct ipc_call *_Atomic kept;	/* a call that its handler keeps */
/* Number of events: calls and streams at the server; cancellations there; ends and returns of the
 * bus; and at the client names, deaths, failed calls and ended streams. */
static atomic_uint arrived, canceled, down, up, present, gone, died, failed, ended;

static void until(atomic_uint *count, unsigned int n)
{
	for (int i = 0; atomic_load(count) < n; i++) {
		ck_assert_int_lt(i, LIMIT_MSEC);
		usleep(1000);
	}
}

/* --- The bus ------------------------------------------------------------------------------ */

static void start_bus(void)
{
	const char *build = getenv("B") ?: "build";
	char daemon[256], manager[256], byte;
	int fds[2];

	snprintf(daemon, sizeof(daemon), "%s/daemon/ipcbusd", build);
	snprintf(manager, sizeof(manager), "%s/servicemanager/servicemanager", build);
	ck_assert_int_eq(pipe(fds), 0);
	bus = fork();
	ck_assert_int_ge(bus, 0);
	if (!bus) {
		char option[32];

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		snprintf(option, sizeof(option), "--print-path=%d", fds[1]);
		execl(daemon, daemon, "--bus", path, option, "--", manager, NULL);
		_exit(1);
	}
	close(fds[1]);
	ck_assert_int_eq(read(fds[0], &byte, 1), 1);
	close(fds[0]);
}

static void stop_bus(void)
{
	ck_assert_int_eq(kill(bus, SIGKILL), 0);
	ck_assert_int_eq(waitpid(bus, NULL, 0), bus);
}

/* --- The server --------------------------------------------------------------------------- */

static void on_cancel(struct ipc_call *call, void *userdata)
{
	(void)call, (void)userdata;
	atomic_fetch_add(&canceled, 1);
}

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	struct ipc_raw_message reply = { .data = request->data, .size = request->size };

	(void)userdata;
	switch (request->method) {
	case HANG:
		ck_assert_int_eq(ipc_call_on_cancel(call, on_cancel, NULL, NULL), 0);
		/* fall through */
	case KEEP:
		ck_assert_ptr_null(atomic_exchange(&kept, ipc_call_ref(call)));
		atomic_fetch_add(&arrived, 1);
		return 0;
	case BACK:
		/* The call ends with the bus, and its handler continues with the next bus. */
		atomic_fetch_add(&arrived, 1);
		until(&up, 1);
		break;
	}
	return ipc_raw_reply(call, &reply);
}

static int serve_stream(struct ipc_stream *stream, uint32_t method, void *userdata)
{
	const struct ipc_raw_message *message;

	(void)method, (void)userdata;
	atomic_fetch_add(&arrived, 1);
	ck_assert_int_eq(ipc_raw_stream_receive(stream, IPC_NEVER, &message, NULL), -ECONNRESET);
	atomic_fetch_add(&canceled, 1);
	return 0;
}

static const struct ipc_raw_ops ops = { .serve = serve, .stream = serve_stream };

static void *run(void *ipc)
{
	ck_assert_int_eq(ipc_run(ipc), 0);
	return NULL;
}

static void on_bus(struct ipc *ipc, enum ipc_bus_event event, void *userdata)
{
	(void)ipc, (void)userdata;
	atomic_fetch_add(event == IPC_BUS_DOWN ? &down : &up, 1);
}

static void begin(void)
{
	arrived = canceled = down = up = present = gone = died = failed = ended = 0;
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/bus", folder);
	snprintf(lock, sizeof(lock), "%s/bus.lock", folder);
	start_bus();
	ck_assert_int_eq(ipc_wait_manager(path, IPC_NEVER), 1);
	ck_assert_int_eq(ipc_open(&server, path), 0);
	ck_assert_int_eq(ipc_set_reconnect(server, on_bus, NULL, NULL), 0);
	ck_assert_int_eq(ipc_set_threads(server, 4), 0);
	ck_assert_int_eq(ipc_raw_object_new(server, &ops, NULL, &object), 0);
	ck_assert_int_eq(ipc_register_name(server, NAME, object, NULL), 0);
	ck_assert_int_eq(pthread_create(&serving, NULL, run, server), 0);
	ck_assert_int_eq(ipc_open(&client, path), 0);
	ck_assert_int_eq(ipc_set_reconnect(client, NULL, NULL, NULL), 0);
}

static void end(void)
{
	ipc_stop(server);
	pthread_join(serving, NULL);
	ipc_call_unref(atomic_exchange(&kept, NULL));
	ipc_unref(client);
	ipc_object_unref(object);
	ipc_unref(server);
	stop_bus();
	unlink(path);
	unlink(lock);
	ck_assert_int_eq(rmdir(folder), 0);
}

static int echo(struct ipc_proxy *proxy, const char *text)
{
	const struct ipc_raw_message request = { .method = ECHO,
						 .data = text,
						 .size = strlen(text) };
	struct ipc_raw_message *reply;
	int r = ipc_raw_call(proxy, &request, NULL, &reply, NULL);

	if (r < 0)
		return r;
	ck_assert_uint_eq(reply->size, strlen(text));
	ck_assert_mem_eq(reply->data, text, reply->size);
	ipc_raw_free(reply);
	return 0;
}

/* Calls until the name is registered again. */
static void echo_again(struct ipc_proxy *proxy)
{
	int r;

	for (int i = 0; (r = echo(proxy, "again")) < 0; i++) {
		ck_assert(r == -ECONNRESET || r == -ENOTCONN || r == -ENOENT);
		ck_assert_int_lt(i, LIMIT_MSEC);
		usleep(1000);
	}
}

/* Returns the number of regions that this process has mapped. */
static unsigned int regions(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long from, to;
	unsigned int n = 0;
	char line[256];

	ck_assert_ptr_nonnull(maps);
	while (fgets(line, sizeof(line), maps))
		n += sscanf(line, "%lx-%lx r--s", &from, &to) == 2 && strstr(line, " r--s ") &&
		     to - from == IPC_REGION_DEFAULT;
	fclose(maps);
	return n;
}

/* A thread of the server may still be about to release a message. */
static void until_regions(unsigned int n)
{
	for (int i = 0; regions() != n && i < LIMIT_MSEC; i++)
		usleep(1000);
	ck_assert_uint_eq(regions(), n);
}

/* --- Cases --------------------------------------------------------------------------------- */

START_TEST(a_client_that_only_calls_finds_the_name_again)
{
	struct ipc_proxy *proxy;

	begin();
	ck_assert_int_eq(ipc_proxy_get(client, NAME, NULL, &proxy), 0);
	for (int i = 0; i < RESTARTS; i++) {
		ck_assert_int_eq(echo(proxy, "before"), 0);
		stop_bus();
		ck_assert_int_eq(echo(proxy, "away"), -ECONNRESET);
		ck_assert_int_eq(echo(proxy, "away"), -ECONNRESET);
		start_bus();
		echo_again(proxy);
	}
	until(&down, RESTARTS);
	until(&up, RESTARTS);
	ipc_proxy_unref(proxy);
	end();
}
END_TEST

static void on_reply(int r, struct ipc_raw_message *reply, const struct ipc_error *error,
		     void *userdata)
{
	(void)reply, (void)error, (void)userdata;
	/* The last call is canceled by the end of its connection. */
	ck_assert(r == -ECONNRESET || r == -ECANCELED);
	atomic_fetch_add(&failed, 1);
}

/* The client's region and the server's, and those of earlier buses with a reply or a kept call. */
START_TEST(a_region_stays_while_a_message_in_it_is_used)
{
	struct ipc_raw_message *replies[RESTARTS], request = { .size = sizeof(path), .data = path };
	struct ipc_proxy *proxy;

	begin();
	ck_assert_int_eq(ipc_proxy_get(client, NAME, NULL, &proxy), 0);
	for (int i = 0; i < RESTARTS; i++) {
		echo_again(proxy);
		request.method = ECHO;
		ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &replies[i], NULL), 0);
		if (i == 0) {
			request.method = KEEP;
			ck_assert_int_eq(ipc_raw_call_async(proxy, &request, NULL, on_reply, NULL,
							    NULL), 0);
			until(&arrived, 1);
		}
		stop_bus();
		ck_assert_int_eq(echo(proxy, "away"), -ECONNRESET);
		start_bus();
		echo_again(proxy);
		/* The server's region of the first bus has the kept call. */
		until_regions(2 + i + 1 + 1);
	}
	for (int i = 0; i < RESTARTS; i++) {
		ck_assert_mem_eq(replies[i]->data, path, sizeof(path));
		ipc_raw_free(replies[i]);
		until_regions(2 + RESTARTS - i);
	}
	ipc_call_unref(atomic_exchange(&kept, NULL));
	until_regions(2);
	ipc_proxy_unref(proxy);
	end();
}
END_TEST

static void on_death(struct ipc_proxy *proxy, void *userdata)
{
	ck_assert_ptr_eq(proxy, userdata);
	atomic_fetch_add(&died, 1);
}

static void on_end(struct ipc_stream *stream, int r, const struct ipc_error *error, void *userdata)
{
	(void)stream, (void)error, (void)userdata;
	ck_assert_int_eq(r, -ECONNRESET);
	atomic_fetch_add(&ended, 1);
}

static void on_name(struct ipc *ipc, enum ipc_name_change change, const struct ipc_name_info *info,
		    struct ipc_proxy *proxy, void *userdata)
{
	(void)ipc, (void)info, (void)proxy, (void)userdata;
	if (change == IPC_NAME_PRESENT)
		atomic_fetch_add(&present, 1);
	else if (change == IPC_NAME_GONE)
		atomic_fetch_add(&gone, 1);
}

/* Starts operations that are pending when the bus ends. */
static void begin_waiting(struct ipc_proxy *proxy)
{
	static const struct ipc_stream_ops callbacks = {
		.size = sizeof(callbacks), .on_end = on_end,
	};
	const struct ipc_raw_message hang = { .method = HANG };
	struct ipc_stream *stream;

	ck_assert_int_eq(ipc_proxy_on_death(proxy, on_death, proxy, NULL), 0);
	ck_assert_int_eq(ipc_raw_call_async(proxy, &hang, NULL, on_reply, NULL, NULL), 0);
	ck_assert_int_eq(ipc_raw_stream_open(proxy, 1, NULL, &stream, NULL), 0);
	ck_assert_int_eq(ipc_stream_set_ops(stream, &callbacks, NULL), 0);
	ipc_stream_unref(stream);
}

static void check_ended(unsigned int n)
{
	until(&died, n);
	until(&failed, n);
	until(&ended, n);
	until(&gone, n);
	/* The kept call, and the stream at the server. */
	until(&canceled, 2 * n);
	until(&down, n);
}

START_TEST(everything_ends_and_begins_again)
{
	struct ipc_proxy *proxy;
	pthread_t thread;

	begin();
	ck_assert_int_eq(ipc_set_threads(client, 2), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, run, client), 0);
	ck_assert_int_eq(ipc_watch_names(client, NAME, on_name, NULL, NULL), 0);
	ck_assert_int_eq(ipc_proxy_get(client, NAME, NULL, &proxy), 0);
	for (unsigned int i = 1; i <= RESTARTS; i++) {
		until(&present, i);
		echo_again(proxy);
		begin_waiting(proxy);
		until(&arrived, 2 * i);
		stop_bus();
		check_ended(i);
		ipc_call_unref(atomic_exchange(&kept, NULL));
		start_bus();
	}
	until(&present, RESTARTS + 1);
	ipc_proxy_unref(proxy);
	ipc_stop(client);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(died, RESTARTS);
	ck_assert_uint_eq(failed, RESTARTS);
	ck_assert_uint_eq(ended, RESTARTS);
	ck_assert_uint_eq(gone, RESTARTS);
	until_regions(2);
	end();
}
END_TEST

/* Serves as an event loop does. Returns the number of wakeups. */
static unsigned int loop_until(int epoll, atomic_uint *count, unsigned int n)
{
	struct epoll_event event;
	unsigned int turns = 0;

	for (uint64_t i = 0; atomic_load(count) < n; i++) {
		ck_assert_uint_lt(i, LIMIT_MSEC);
		turns += epoll_wait(epoll, &event, 1, 20) == 1;
		while (ipc_process(client) > 0)
			;
	}
	return turns;
}

START_TEST(an_event_loop_keeps_its_fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC), fd;
	struct ipc_proxy *proxy;

	begin();
	ck_assert_int_eq(ipc_set_reconnect(client, on_bus, NULL, NULL), 0);
	fd = ipc_get_fd(client);
	ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
	ck_assert_int_eq(ipc_watch_names(client, NAME, on_name, NULL, NULL), 0);
	for (unsigned int i = 1; i <= RESTARTS; i++) {
		loop_until(epoll, &present, i);
		ck_assert_int_eq(ipc_proxy_get(client, NAME, NULL, &proxy), 0);
		ck_assert_int_eq(ipc_proxy_on_death(proxy, on_death, proxy, NULL), 0);
		stop_bus();
		loop_until(epoll, &died, i);
		loop_until(epoll, &gone, i);
		if (i == 1) {
			/* It does not spin while there is no bus. */
			usleep(300000);
			ck_assert_uint_lt(loop_until(epoll, &down, 2), 20);
		}
		start_bus();
		ipc_proxy_unref(proxy);
	}
	loop_until(epoll, &present, RESTARTS + 1);
	ck_assert_int_eq(ipc_get_fd(client), fd);
	close(epoll);
	end();
}
END_TEST

START_TEST(threads_stop_while_the_bus_is_away)
{
	begin();
	stop_bus();
	until(&down, 1);
	ipc_stop(server);
	pthread_join(serving, NULL);
	/* Another thread can serve, and stop again. */
	ck_assert_int_eq(pthread_create(&serving, NULL, run, server), 0);
	usleep(100000);
	start_bus();
	until(&up, 1);
	end();
}
END_TEST

START_TEST(a_connection_closes_while_the_bus_is_away)
{
	struct ipc_proxy *proxy;
	pid_t child;
	int status;

	begin();
	ck_assert_int_eq(ipc_proxy_get(client, NAME, NULL, &proxy), 0);
	stop_bus();
	ck_assert_int_eq(echo(proxy, "away"), -ECONNRESET);
	ck_assert_int_eq(echo(proxy, "away"), -ECONNRESET);
	until(&down, 1);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (!child) {
		int r = echo(proxy, "child");

		ipc_proxy_unref(proxy);
		ipc_unref(client);
		_exit(r == -ECHILD && ipc_run(server) == -ECHILD ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	/* The proxy is released last. */
	client = ipc_unref(client);
	ck_assert_int_eq(echo(proxy, "closed"), -EINVAL);
	ipc_proxy_unref(proxy);
	start_bus();
	end();
}
END_TEST

/* A call, its request and a reply of the old bus stay valid, and do not affect the new bus. */
START_TEST(objects_of_the_old_bus_do_not_affect_the_new_bus)
{
	struct ipc_raw_message request = { .method = ECHO, .data = "old", .size = 3 }, *old;
	struct ipc_raw_message keep = { .method = KEEP, .data = "kept", .size = 4 };
	struct ipc_call *call;
	struct ipc_proxy *proxy;
	size_t size;

	begin();
	ck_assert_int_eq(ipc_proxy_get(client, NAME, NULL, &proxy), 0);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &old, NULL), 0);
	ck_assert_int_eq(ipc_raw_call_async(proxy, &keep, NULL, on_reply, NULL, NULL), 0);
	until(&arrived, 1);
	call = atomic_exchange(&kept, NULL);
	stop_bus();
	start_bus();
	until(&up, 1);
	echo_again(proxy);
	/* The first call on the new bus has the same number as the old call. */
	keep.data = "next";
	ck_assert_int_eq(ipc_raw_call_async(proxy, &keep, NULL, on_reply, NULL, NULL), 0);
	until(&arrived, 2);

	ck_assert_mem_eq(old->data, "old", 3);
	ck_assert_mem_eq(ipc_call_payload(call, &size), "kept", 4);
	ck_assert_uint_eq(size, 4);
	ck_assert_int_eq(ipc_call_is_canceled(call), 1);
	ck_assert_int_eq(ipc_call_is_canceled(kept), 0);
	ck_assert_int_eq(ipc_raw_reply(call, &(struct ipc_raw_message){ .size = 0 }), -ECONNRESET);
	ipc_raw_free(old);
	ipc_call_unref(call);
	ck_assert_mem_eq(ipc_call_payload(kept, NULL), "next", 4);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(echo(proxy, "new"), 0);
	ck_assert_mem_eq(ipc_call_payload(kept, NULL), "next", 4);
	ipc_proxy_unref(proxy);
	end();
}
END_TEST

static void *call_back_later(void *proxy)
{
	const struct ipc_raw_message request = { .method = BACK };
	struct ipc_raw_message *reply;

	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &reply, NULL), -ECONNRESET);
	return NULL;
}

START_TEST(the_reply_of_a_handler_that_runs_meanwhile_is_discarded)
{
	struct ipc_proxy *proxy;
	pthread_t thread;

	begin();
	ck_assert_int_eq(ipc_proxy_get(client, NAME, NULL, &proxy), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, call_back_later, proxy), 0);
	until(&arrived, 1);
	stop_bus();
	pthread_join(thread, NULL);
	start_bus();
	until(&up, 1);
	echo_again(proxy);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(echo(proxy, "new"), 0);
	ipc_proxy_unref(proxy);
	end();
}
END_TEST

START_TEST(a_connection_that_was_used_cannot_reconnect)
{
	struct ipc_proxy *proxy, *named;
	struct ipc *other;

	begin();
	ck_assert_int_eq(ipc_proxy_get(client, NAME, NULL, &named), 0);
	ck_assert_int_eq(ipc_open(&other, path), 0);
	ck_assert_int_eq(ipc_proxy_get(other, NAME, NULL, &proxy), 0);
	/* Too late to look up the proxy's name again. A server's objects may be known. */
	ck_assert_int_eq(ipc_set_reconnect(other, NULL, NULL, NULL), -EBUSY);
	ipc_proxy_unref(proxy);
	ck_assert_int_eq(ipc_set_reconnect(other, NULL, NULL, NULL), 0);
	ck_assert_int_eq(ipc_proxy_get(other, NAME, NULL, &proxy), 0);
	/* Once it is set, callbacks can be added at any time. */
	ck_assert_int_eq(ipc_set_reconnect(other, on_bus, NULL, NULL), 0);
	ck_assert_int_eq(ipc_set_reconnect(server, NULL, NULL, NULL), 0);
	stop_bus();
	start_bus();
	echo_again(named);
	ipc_proxy_unref(proxy);
	ipc_unref(other);
	ipc_proxy_unref(named);
	end();
}
END_TEST

START_TEST(a_name_that_is_missing_after_a_restart_is_enoent)
{
	struct ipc_error error = IPC_ERROR_INIT;
	const struct ipc_raw_message request = { .method = ECHO };
	struct ipc_raw_message *reply;
	struct ipc_proxy *proxy;

	begin();
	ck_assert_int_eq(ipc_proxy_get(client, NAME, NULL, &proxy), 0);
	ck_assert_int_eq(ipc_unregister_name(server, NAME), 0);
	stop_bus();
	start_bus();
	ck_assert_int_eq(ipc_wait_manager(path, IPC_NEVER), 1);
	until(&up, 1);
	while (echo(proxy, "missing") == -ECONNRESET)
		usleep(1000);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &reply, &error), -ENOENT);
	ck_assert_int_eq(error.origin, IPC_ORIGIN_HERE);
	ipc_error_done(&error);
	ck_assert_int_eq(ipc_proxy_on_death(proxy, on_death, proxy, NULL), -ENOENT);
	ipc_proxy_unref(proxy);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("reconnect", a_client_that_only_calls_finds_the_name_again,
			 a_region_stays_while_a_message_in_it_is_used,
			 everything_ends_and_begins_again, an_event_loop_keeps_its_fd,
			 threads_stop_while_the_bus_is_away,
			 a_connection_closes_while_the_bus_is_away,
			 objects_of_the_old_bus_do_not_affect_the_new_bus,
			 the_reply_of_a_handler_that_runs_meanwhile_is_discarded,
			 a_connection_that_was_used_cannot_reconnect,
			 a_name_that_is_missing_after_a_restart_is_enoent);
}
