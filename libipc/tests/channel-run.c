// SPDX-License-Identifier: MIT
/*
 * The server and the connection for tests of direct channels; see channel-run.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "channel-run.h"
#include "core/call.h"
#include "channels/channel-client.h"
#include "channels/channel-server.h"
#include "daemon-run.h"

struct ipc_test_bus *bus;
struct ipc *ipc;
struct ipc_proxy *proxy;
pid_t server;
int server_is_clear;
uint32_t server_window;

/* --- The server -------------------------------------------------------------------------- */

static atomic_uint added;
static atomic_uint cancels;

static void on_cancel(struct ipc_call *call, void *userdata)
{
	atomic_store((atomic_bool *)userdata, ipc_run(call->ipc) == -EDEADLK);
}

int reply_number(struct ipc_call *call, uint32_t number)
{
	return ipc_raw_reply(call, &(struct ipc_raw_message){ .data = &number, .size = 4 });
}

static int sleep_until_canceled(struct ipc_call *call)
{
	atomic_bool told = false;
	struct ipc_slot *slot;

	if (ipc_call_on_cancel(call, on_cancel, &told, &slot) < 0)
		return -EINVAL;
	for (int i = 0; i < 2000 && !atomic_load(&told); i++)
		usleep(1000);
	ipc_slot_end(slot);
	cancels += atomic_load(&told) && ipc_call_is_canceled(call) == 1;
	return reply_number(call, 0);
}

/* Does not reply. */
static int look_until_canceled(struct ipc_call *call)
{
	while (!ipc_call_is_canceled(call))
		usleep(1000);
	return 0;
}

static int reply_who(struct ipc_call *call)
{
	int fd = ipc_call_pidfd(call);
	uint32_t who[] = { ipc_call_uid(call), ipc_call_gid(call), (uint32_t)ipc_call_pid(call),
			   fd >= 0 };

	if (fd >= 0)
		close(fd);
	return ipc_raw_reply(call, &(struct ipc_raw_message){ .data = who, .size = sizeof(who) });
}

/* The client's object. */
static struct ipc_proxy *back;

static int set_back(const struct ipc_raw_message *request)
{
	if (request->n_entries != 1 || request->entries[0].type != IPC_RAW_PROXY)
		return -EINVAL;
	back = ipc_proxy_ref(request->entries[0].proxy);
	return 0;
}

/* Replies with the client's number, plus 1000 if that call came through a channel. */
static int call_back(struct ipc_call *call, uint32_t flags)
{
	const struct ipc_options options = { .flags = flags };
	const struct ipc_raw_message request = { .method = WHERE };
	uint32_t number = 0;

	for (int i = 0; i < 2; i++) {
		struct ipc_raw_message *reply;
		int r = ipc_raw_call(back, &request, &options, &reply, NULL);

		if (r < 0)
			return r;
		memcpy(&number, reply->data, 4);
		ipc_raw_free(reply);
	}
	return reply_number(call, number + (is_route_call(call->number) ? 1000 : 0));
}

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata);

const struct ipc_raw_ops server_ops = { .serve = serve };

static int give_back(struct ipc_call *call)
{
	struct ipc_raw_entry entry = { .type = IPC_RAW_PROXY, .proxy = back };

	return ipc_raw_reply(call, &(struct ipc_raw_message){ .entries = &entry, .n_entries = 1 });
}

static int give_object(struct ipc_call *call)
{
	struct ipc_raw_entry entry = { .type = IPC_RAW_OBJECT };
	int r = ipc_raw_object_new(ipc_call_ipc(call), &server_ops, NULL, &entry.object);

	if (r == 0)
		r = ipc_raw_reply(call, &(struct ipc_raw_message){ .data = "with", .size = 4,
								   .entries = &entry,
								   .n_entries = 1 });
	ipc_object_unref(entry.object);
	return r;
}

/* Replies with a file that the caller does not accept. */
static int give_file(struct ipc_call *call)
{
	struct ipc_raw_entry entry = { .type = IPC_RAW_FD, .fd = STDIN_FILENO };

	return ipc_raw_reply(call, &(struct ipc_raw_message){ .entries = &entry, .n_entries = 1 });
}

/* The child returns to ipc_run(), which fails. Replies with the child's status. */
static int fork_inside(struct ipc_call *call)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (!pid) {
		if (ipc_call_is_canceled(call) != 1 || reply_number(call, 0) >= 0)
			_exit(2);
		return 0;
	}
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	return reply_number(call, (uint32_t)status);
}

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	static uint8_t large[LARGE];
	int error;

	(void)userdata;
	switch (request->method) {
	case WHERE:
		return reply_number(call, is_route_call(call->number));
	case ECHO:
		return ipc_raw_reply(call, &(struct ipc_raw_message){ .data = request->data,
								      .size = request->size });
	case REPLY_LARGE:
		memset(large, 'x', sizeof(large));
		return ipc_raw_reply(call, &(struct ipc_raw_message){ .data = large,
								      .size = sizeof(large) });
	case FAIL:
		if (request->size == sizeof(error)) {
			memcpy(&error, request->data, sizeof(error));
			return error;
		}
		return ipc_call_fail(call, 0, "test.Failed", "as %s", "asked");
	case FAIL_LARGE:
		return ipc_raw_fail(call, EDOM, large, sizeof(large));
	case SLEEP:
		usleep(30000);
		return reply_number(call, is_route_call(call->number));
	case CANCELS:
		if (request->size == 2)
			return look_until_canceled(call);
		if (request->size)
			return sleep_until_canceled(call);
		return reply_number(call, cancels);
	case ADD:
		if (request->size)
			usleep(2000);
		added++;
		return 0;
	case GET_ADDED:
		return reply_number(call, added);
	case WHO:
		return reply_who(call);
	case DIE:
		_exit(0);
	case STOP:
		ipc_stop(call->ipc);
		return reply_number(call, is_route_call(call->number));
	case GIVE_OBJECT:
		return give_object(call);
	case GIVE_FILE:
		return give_file(call);
	case SET_BACK:
		return set_back(request) ?: reply_number(call, 0);
	case GET_BACK:
		return give_back(call);
	case FORK:
		return fork_inside(call);
	case CALL_BACK_LATE:
		usleep(30000);
		return call_back(call, 0);
	case CALL_BACK:
		return call_back(call, 0);
	case CALL_BACK_DETACHED:
		return call_back(call, IPC_DETACHED);
	case NUDGE:
		return ipc_raw_oneway(back, &(struct ipc_raw_message){ .method = ADD }, NULL) ?:
			       reply_number(call, 0);
	default:
		return -EOPNOTSUPP;
	}
}

static void run_server(unsigned int threads, const struct ipc_raw_ops *ops)
{
	const struct ipc_object_limits limits = { .size = sizeof(limits),
						  .window = server_window };
	struct ipc_object *object;
	struct ipc *own;

	if (ipc_open(&own, ipc_test_bus_path(bus)) < 0 ||
	    ipc_raw_object_new(own, ops, NULL, &object) < 0 ||
	    ipc_object_set_limits(object, &limits) < 0 ||
	    ipc_set_manager(own, object) < 0 || ipc_set_threads(own, threads) < 0 ||
	    ipc_set_clear(own, server_is_clear) < 0)
		_exit(1);
	/* After each ipc_stop() it serves again. */
	while (ipc_run(own) == 0)
		;
	_exit(0);
}

static void connect_server(void)
{
	ck_assert_int_eq(ipc_open(&ipc, ipc_test_bus_path(bus)), 0);
	ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
}

void connect_again(void)
{
	ipc_proxy_unref(proxy);
	ipc_unref(ipc);
	connect_server();
}

void begin_ops(unsigned int threads, const char *channels, const struct ipc_raw_ops *ops)
{
	setenv("IPC_CHANNELS", channels, 1);
	bus = bus_new();
	server = fork();
	ck_assert_int_ge(server, 0);
	if (!server)
		run_server(threads, ops);
	ck_assert_int_eq(ipc_wait_manager(ipc_test_bus_path(bus), 10000000), 1);
	connect_server();
}

void begin_with(unsigned int threads, const char *channels)
{
	begin_ops(threads, channels, &server_ops);
}

void stop_server(void)
{
	int status;

	ck_assert_int_eq(kill(server, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(server, &status, WUNTRACED), server);
	ck_assert(WIFSTOPPED(status));
}

void end(void)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	ipc_proxy_unref(proxy);
	ipc_unref(ipc);
	ipc_test_bus_free(bus);
}

/* --- The client --------------------------------------------------------------------------- */

int call_for(uint32_t code, const void *data, size_t size, uint32_t *ret_number)
{
	const struct ipc_raw_message request = { .method = code, .data = data, .size = size };
	struct ipc_raw_message *reply;
	int r;

	r = ipc_raw_call(proxy, &request, NULL, &reply, NULL);
	if (r < 0)
		return r;
	ck_assert_uint_eq(reply->size, 4);
	memcpy(ret_number, reply->data, 4);
	ipc_raw_free(reply);
	return 0;
}

uint32_t get(uint32_t code)
{
	uint32_t number;

	ck_assert_int_eq(call_for(code, NULL, 0, &number), 0);
	return number;
}

/* Calls until the proxy has a channel. */
void begin(unsigned int threads)
{
	begin_with(threads, "1");
	for (unsigned int i = 0; i < CHANNEL_AFTER - 1; i++)
		ck_assert_uint_eq(get(WHERE), 0);
	/* A thread of the server may set the channel up beside the thread that serves the calls. */
	while (!get(WHERE))
		;
}

unsigned int count_parts(void)
{
	char path[64], line[500];
	unsigned int n = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)server);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file))
		n += !!strstr(line, "memfd:ipc (");
	fclose(file);
	return n;
}

uint64_t now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int call_within(uint32_t code, uint64_t usec)
{
	const struct ipc_options options = { .timeout_usec = usec };

	return ipc_raw_call(proxy, &(struct ipc_raw_message){ .method = code, .data = "", .size = 1 },
			    &options, NULL, NULL);
}
