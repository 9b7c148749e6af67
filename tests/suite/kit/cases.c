// SPDX-License-Identifier: MIT
/*
 * Each sentence of <ipc/test.h>.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <ipc/test.h>

#include "../../run-cases.h"
#include "shop.ipc.h"

#define SECOND	1000000ULL
#define NAME	"demo.stock"

static struct ipc_test_options manual = {
	.size = sizeof(manual),
	.flags = IPC_TEST_MANUAL_CLOCK,
};

static struct ipc_test_bus *bus_new(const struct ipc_test_options *options)
{
	struct ipc_test_bus *bus = NULL;

	ck_assert_int_eq(ipc_test_bus_new(options, &bus), 0);
	return bus;
}

static struct ipc *open_bus(const struct ipc_test_bus *bus)
{
	struct ipc *ipc = NULL;

	ck_assert_int_eq(ipc_open(&ipc, ipc_test_bus_path(bus)), 0);
	return ipc;
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* Returns the folder of the bus. */
static char *folder_of(const struct ipc_test_bus *bus)
{
	char *path = strdup(ipc_test_bus_path(bus));

	*strrchr(path, '/') = 0;
	return path;
}

static int pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* Waits until the process has ended, which must be soon. */
static void await_end(int fd)
{
	struct pollfd ended = { .fd = fd, .events = POLLIN };

	ck_assert_int_eq(poll(&ended, 1, -1), 1);
	close(fd);
}

static void await_gone(const char *path)
{
	struct timespec pause = { .tv_nsec = 10000000 };

	for (int i = 0; i < 3000 && exists(path); i++)
		nanosleep(&pause, NULL);
	ck_assert(!exists(path));
}

/* --- A service ------------------------------------------------------------------------- */

static struct ipc_call *kept;

static int count(struct ipc_call *call, const Shop__CountRequest *request, void *userdata)
{
	Shop__CountReply reply = SHOP__COUNT_REPLY__INIT;

	(void)userdata;
	if (!*request->article) {
		kept = ipc_call_ref(call);
		return 0;
	}
	reply.pieces = (uint32_t)strlen(request->article);
	return shop_stock_reply_count(call, &reply);
}

static const struct shop_stock_ops ops = { .count = count };

struct result {
	bool done;
	int result;
	uint32_t pieces;
};

static void completed(int result, Shop__CountReply *reply, const struct ipc_error *error,
		      void *userdata)
{
	struct result *to = userdata;

	(void)error;
	to->done = true;
	to->result = result;
	to->pieces = reply ? reply->pieces : 0;
}

struct pair {
	struct ipc *server;
	struct ipc *client;
	struct shop_stock *stock;
};

static struct pair pair_new(const struct ipc_test_bus *bus)
{
	struct pair pair = { open_bus(bus), open_bus(bus), NULL };

	ck_assert_int_eq(shop_stock_register(pair.server, NAME, &ops, NULL), 0);
	ck_assert_int_eq(shop_stock_get(pair.client, NAME, &pair.stock), 0);
	return pair;
}

static void pair_free(struct pair *pair)
{
	kept = ipc_call_unref(kept);
	shop_stock_unref(pair->stock);
	ipc_unref(pair->client);
	ipc_unref(pair->server);
}

static void call(struct pair *pair, const char *article, uint64_t timeout_usec,
		 struct result *result)
{
	struct ipc_options options = { .timeout_usec = timeout_usec };
	Shop__CountRequest request = SHOP__COUNT_REQUEST__INIT;

	*result = (struct result){ 0 };
	request.article = (char *)article;
	ck_assert_int_eq(shop_stock_count_async(pair->stock, &options, &request, completed, result,
					   NULL), 0);
}

static void process_all(struct ipc *ipc)
{
	while (ipc_process(ipc) > 0)
		;
}

static void await(struct pair *pair, struct result *result)
{
	struct pollfd fds[2] = {
		{ .fd = ipc_get_fd(pair->client), .events = POLLIN },
		{ .fd = ipc_get_fd(pair->server), .events = POLLIN },
	};

	while (!result->done) {
		ck_assert_int_gt(poll(fds, 2, -1), 0);
		process_all(pair->client);
		process_all(pair->server);
	}
}

static void await_kept(struct pair *pair)
{
	struct pollfd readable = { .fd = ipc_get_fd(pair->server), .events = POLLIN };

	while (!kept) {
		ck_assert_int_gt(poll(&readable, 1, -1), 0);
		process_all(pair->server);
	}
}

/* --- Buses ------------------------------------------------------------------------------ */

START_TEST(a_bus_serves)
{
	struct ipc_test_bus *bus = bus_new(NULL);
	struct pair pair = pair_new(bus);
	struct result result;

	call(&pair, "nails", 0, &result);
	await(&pair, &result);
	ck_assert_int_eq(result.result, 0);
	ck_assert_uint_eq(result.pieces, 5);
	pair_free(&pair);
	ck_assert_ptr_null(ipc_test_bus_free(bus));
}
END_TEST

START_TEST(it_is_gone_with_free)
{
	struct ipc_test_bus *bus = bus_new(NULL);
	struct ipc *ipc = open_bus(bus);
	int fd = pidfd(ipc_test_bus_pid(bus));
	struct pollfd ended = { .fd = fd, .events = POLLIN };
	char *folder = folder_of(bus);
	struct shop_stock *stock;

	ck_assert(exists(folder));
	ipc_test_bus_free(bus);
	ck_assert_int_eq(poll(&ended, 1, 0), 1);
	close(fd);
	ck_assert(!exists(folder));
	ck_assert_int_eq(shop_stock_get(ipc, NAME, &stock), -ECONNRESET);
	ipc_unref(ipc);
	free(folder);
	ck_assert_ptr_null(ipc_test_bus_free(NULL));
}
END_TEST

START_TEST(two_are_apart)
{
	struct ipc_test_bus *one = bus_new(NULL), *two = bus_new(NULL);
	struct pair pair = pair_new(one);
	struct ipc *other = open_bus(two);
	struct shop_stock *stock;

	ck_assert_str_ne(ipc_test_bus_path(one), ipc_test_bus_path(two));
	ck_assert_int_eq(shop_stock_get(other, NAME, &stock), -ENOENT);
	ipc_unref(other);
	pair_free(&pair);
	ipc_test_bus_free(one);
	ipc_test_bus_free(two);
}
END_TEST

START_TEST(handle_0_is_free)
{
	struct ipc_test_options options = {
		.size = sizeof(options),
		.flags = IPC_TEST_NO_MANAGER,
	};
	struct ipc_test_bus *bus = bus_new(&options);
	struct ipc *ipc = open_bus(bus);
	struct shop_stock *stock;

	ck_assert_int_eq(shop_stock_get(ipc, NAME, &stock), -ENOTCONN);
	ipc_unref(ipc);
	ipc_test_bus_free(bus);
}
END_TEST

/* Written by a process that creates a bus and then ends by a signal. */
struct orphan {
	pid_t pid;
	char folder[128];
};

static void orphan_make(int to)
{
	struct ipc_test_bus *bus = bus_new(NULL);
	struct orphan orphan = { .pid = ipc_test_bus_pid(bus) };
	char *folder = folder_of(bus);

	memcpy(orphan.folder, folder, strlen(folder));
	if (write(to, &orphan, sizeof(orphan)) == (ssize_t)sizeof(orphan))
		pause();
	_exit(1);
}

START_TEST(it_ends_with_its_owner)
{
	struct orphan orphan;
	int fds[2], fd;
	pid_t owner;

	ck_assert_int_eq(pipe(fds), 0);
	owner = fork();
	if (owner == 0)
		orphan_make(fds[1]);
	ck_assert_int_eq(read(fds[0], &orphan, sizeof(orphan)), (ssize_t)sizeof(orphan));
	fd = pidfd(orphan.pid);
	ck_assert_int_ge(fd, 0);
	ck_assert(exists(orphan.folder));
	kill(owner, SIGKILL);
	waitpid(owner, NULL, 0);
	await_end(fd);
	await_gone(orphan.folder);
}
END_TEST

START_TEST(a_child_does_not_end_it)
{
	struct ipc_test_bus *bus = bus_new(&manual);
	int status;
	pid_t child = fork();

	if (child == 0) {
		if (ipc_test_bus_advance(bus, SECOND))
			_exit(1);
		ipc_test_bus_free(bus);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(ipc_test_bus_advance(bus, 0), 0);
	ipc_test_bus_free(bus);
}
END_TEST

START_TEST(a_daemon_may_be_killed)
{
	struct ipc_test_bus *bus = bus_new(&manual);
	int fd = pidfd(ipc_test_bus_pid(bus));
	char *folder = folder_of(bus);

	kill(ipc_test_bus_pid(bus), SIGKILL);
	await_end(fd);
	ck_assert_int_eq(ipc_test_bus_advance(bus, 1), -ECONNREFUSED);
	ck_assert_int_eq(ipc_test_bus_wait_calls(bus, 1), -ECONNREFUSED);
	ipc_test_bus_free(bus);
	ck_assert(!exists(folder));
	free(folder);
}
END_TEST

START_TEST(a_stopped_daemon_ends_too)
{
	struct ipc_test_bus *bus = bus_new(NULL);

	kill(ipc_test_bus_pid(bus), SIGSTOP);
	ipc_test_bus_free(bus);
}
END_TEST

START_TEST(invalid_arguments)
{
	static const char *const bad[] = { "no_such_parameter=1", NULL };
	static const char *const good[] = { "user_files=100", NULL };
	static const char *const strange[] = { "--strange", NULL };
	struct ipc_test_options options = { .size = sizeof(options) };
	struct {
		struct ipc_test_options options;
		int more;
	} longer = { .options.size = sizeof(longer), .more = 1 };
	struct ipc_test_bus *bus = NULL;

	ck_assert_int_eq(ipc_test_bus_new(NULL, NULL), -EINVAL);
	ck_assert_int_eq(ipc_test_bus_new(&longer.options, &bus), -E2BIG);
	options.size--;
	ck_assert_int_eq(ipc_test_bus_new(&options, &bus), -EINVAL);
	options.size++;
	options.flags = 4;
	ck_assert_int_eq(ipc_test_bus_new(&options, &bus), -EINVAL);
	options.flags = 0;
	options.ipcbusd = "/nowhere/ipcbusd";
	ck_assert_int_eq(ipc_test_bus_new(&options, &bus), -ENOENT);
	options.ipcbusd = "/bin/false";
	ck_assert_int_eq(ipc_test_bus_new(&options, &bus), -EPIPE);
	options.ipcbusd = NULL;
	options.servicemanager = "/nowhere/servicemanager";
	ck_assert_int_eq(ipc_test_bus_new(&options, &bus), -ENOENT);
	options.servicemanager = "/bin/false";
	ck_assert_int_eq(ipc_test_bus_new(&options, &bus), -EPIPE);
	options.servicemanager = NULL;
	options.manager_arguments = strange;
	ck_assert_int_eq(ipc_test_bus_new(&options, &bus), -EPIPE);
	options.manager_arguments = NULL;
	options.parameters = bad;
	ck_assert_int_eq(ipc_test_bus_new(&options, &bus), -EPIPE);
	ck_assert_ptr_null(bus);
	options.parameters = good;
	ipc_test_bus_free(bus_new(&options));
}
END_TEST

/* --- Time ------------------------------------------------------------------------------- */

START_TEST(time_stands_still)
{
	struct ipc_test_bus *bus = bus_new(&manual);
	struct pair pair = pair_new(bus);
	struct result result;
	uint64_t left;

	call(&pair, "", 60 * 1000000, &result);
	await_kept(&pair);
	ck_assert_int_eq(ipc_test_bus_advance(bus, 30 * SECOND), 0);
	process_all(pair.client);
	ck_assert(!result.done);
	/* The call has the remaining half, minus the time until it was made. */
	left = ipc_call_remaining(kept);
	ck_assert_uint_le(left, 60 * 1000000);
	ck_assert_int_eq(ipc_call_is_canceled(kept), 0);
	ck_assert_int_eq(ipc_test_bus_advance(bus, 30 * SECOND), 0);
	await(&pair, &result);
	ck_assert_int_eq(result.result, -ETIMEDOUT);
	ck_assert_int_eq(ipc_call_is_canceled(kept), 1);
	pair_free(&pair);
	ipc_test_bus_free(bus);
}
END_TEST

/* Only timers that are due expire. */
START_TEST(in_order)
{
	struct ipc_test_bus *bus = bus_new(&manual);
	struct pair pair = pair_new(bus);
	struct result result[3];

	for (int i = 0; i < 3; i++)
		call(&pair, "", (uint64_t)(i + 1) * 3600 * 1000000, &result[i]);
	for (int i = 0; i < 3; i++) {
		for (int j = i; j < 3; j++)
			ck_assert(!result[j].done);
		ck_assert_int_eq(ipc_test_bus_advance(bus, 3600 * SECOND), 0);
		await(&pair, &result[i]);
		ck_assert_int_eq(result[i].result, -ETIMEDOUT);
	}
	pair_free(&pair);
	ipc_test_bus_free(bus);
}
END_TEST

/* A server in another process: injected failures affect only the client. */
static pid_t serve(const struct ipc_test_bus *bus)
{
	struct ipc *ipc;
	pid_t pid = fork();

	if (pid)
		return pid;
	ipc = open_bus(bus);
	ck_assert_int_eq(shop_stock_register(ipc, NAME, &ops, NULL), 0);
	ipc_run(ipc);
	_exit(1);
}

struct caller {
	struct shop_stock *stock;
	const char *article;
	int result;
};

/* Calls with a timeout of an hour. */
static void *call_for_an_hour(void *data)
{
	struct ipc_options options = { .timeout_usec = 3600 * SECOND };
	Shop__CountRequest request = SHOP__COUNT_REQUEST__INIT;
	struct caller *caller = data;
	Shop__CountReply *reply = NULL;

	request.article = (char *)caller->article;
	caller->result = shop_stock_count_with(caller->stock, &options, &request, &reply, NULL);
	shop_stock_count_reply_free(reply);
	return NULL;
}

/* The server has received so many calls that a bus with a running clock would use a channel. */
START_TEST(calls_of_other_threads_are_awaited)
{
	struct ipc_test_bus *bus = bus_new(&manual);
	pid_t server = serve(bus);
	struct ipc *ipc = open_bus(bus);
	struct caller callers[2] = { { .article = "nails" }, { .article = "" } };
	struct shop_stock *stock = NULL;
	pthread_t threads[2];

	ck_assert_int_eq(shop_stock_wait(ipc, NAME, IPC_NEVER, &stock), 0);
	callers[0].stock = callers[1].stock = stock;
	for (int i = 0; i < 100; i++) {
		call_for_an_hour(&callers[0]);
		ck_assert_int_eq(callers[0].result, 0);
	}
	ck_assert_int_eq(ipc_test_bus_wait_calls(bus, 0), 0);
	callers[0].article = "";
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, call_for_an_hour, &callers[i]),
				 0);
	ck_assert_int_eq(ipc_test_bus_wait_calls(bus, 2), 0);
	ck_assert_int_eq(ipc_test_bus_advance(bus, 3600 * SECOND), 0);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_int_eq(callers[i].result, -ETIMEDOUT);
	}
	shop_stock_unref(stock);
	ipc_unref(ipc);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	ipc_test_bus_free(bus);
}
END_TEST

/* Calls that no thread serves count until they expire. */
START_TEST(queued_calls_are_awaited)
{
	struct ipc_test_bus *bus = bus_new(&manual);
	struct pair pair = pair_new(bus);
	struct result result[3];
	pid_t child;
	int status;

	for (int i = 0; i < 3; i++) {
		call(&pair, "", (uint64_t)(i + 1) * 3600 * SECOND, &result[i]);
		ck_assert_int_eq(ipc_test_bus_wait_calls(bus, (unsigned int)i + 1), 0);
	}
	ck_assert_int_eq(ipc_test_bus_advance(bus, 2 * 3600 * SECOND), 0);
	child = fork();
	if (child == 0) {
		/* Not the handler of Check. */
		signal(SIGALRM, SIG_DFL);
		alarm(1);
		_exit(ipc_test_bus_wait_calls(bus, 1) || ipc_test_bus_wait_calls(bus, 2));
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status));
	pair_free(&pair);
	ipc_test_bus_free(bus);
}
END_TEST

START_TEST(time_that_goes_is_not_moved)
{
	struct ipc_test_bus *bus = bus_new(NULL);

	ck_assert_int_eq(ipc_test_bus_advance(bus, SECOND), -EOPNOTSUPP);
	ck_assert_int_eq(ipc_test_bus_advance(NULL, SECOND), -EINVAL);
	ck_assert_int_eq(ipc_test_bus_wait_calls(bus, 0), -EOPNOTSUPP);
	ck_assert_int_eq(ipc_test_bus_wait_calls(NULL, 0), -EINVAL);
	ck_assert_int_eq(ipc_test_bus_wait_calls(bus, 65), -EINVAL);
	ipc_test_bus_free(bus);
	bus = bus_new(&manual);
	ck_assert_int_eq(ipc_test_bus_advance(bus, UINT64_MAX), -ERANGE);
	ipc_test_bus_free(bus);
}
END_TEST

/* --- Failures --------------------------------------------------------------------------- */

/* As a starting client does. */
static int connect_and_call(const struct ipc_test_bus *bus)
{
	ipc_auto(ipc_unref) struct ipc *ipc = NULL;
	ipc_auto(shop_stock_unref) struct shop_stock *stock = NULL;
	Shop__CountRequest request = SHOP__COUNT_REQUEST__INIT;
	int r;

	r = ipc_open(&ipc, ipc_test_bus_path(bus));
	if (r == 0)
		r = shop_stock_get(ipc, NAME, &stock);
	if (r < 0)
		return r;
	request.article = (char *)"nails";
	return shop_stock_count(stock, &request, NULL, NULL);
}

START_TEST(each_allocation_fails)
{
	struct ipc_test_bus *bus = bus_new(NULL);
	pid_t server = serve(bus);
	struct ipc *ipc = open_bus(bus);
	struct shop_stock *stock = NULL;
	int r, failures = 0;

	ck_assert_int_eq(shop_stock_wait(ipc, NAME, 30000000, &stock), 0);
	shop_stock_unref(stock);
	ipc_unref(ipc);
	for (uint64_t n = 1; ; n++) {
		ck_assert_int_eq(ipc_test_bus_fail_memory(bus, getpid(), n), 0);
		r = connect_and_call(bus);
		if (ipc_test_bus_fail_memory(bus, 0, 0) == 1)
			break;
		ck_assert_int_eq(r, -ENOMEM);
		failures++;
	}
	ck_assert_int_eq(r, 0);
	ck_assert_int_gt(failures, 3);
	/* Only objects of the current process can fail. */
	ck_assert_int_eq(ipc_test_bus_fail_memory(bus, server, 1), 0);
	ck_assert_int_eq(ipc_test_bus_fail_memory(bus, -1, 1), -EINVAL);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	ipc_test_bus_free(bus);
}
END_TEST

START_TEST(a_bus_ends_although_SIGCHLD_is_ignored)
{
	struct ipc_test_bus *bus;
	int daemon;

	signal(SIGCHLD, SIG_IGN);
	bus = bus_new(NULL);
	daemon = pidfd(ipc_test_bus_pid(bus));
	ck_assert_int_ge(daemon, 0);
	ipc_test_bus_free(bus);
	signal(SIGCHLD, SIG_DFL);
	await_end(daemon);
}
END_TEST

int main(void)
{
	return RUN_CASES("kit", NULL, NULL, a_bus_serves, it_is_gone_with_free, two_are_apart,
			 handle_0_is_free, it_ends_with_its_owner, a_child_does_not_end_it,
			 a_daemon_may_be_killed, a_stopped_daemon_ends_too,
			 a_bus_ends_although_SIGCHLD_is_ignored, invalid_arguments,
			 time_stands_still, in_order, calls_of_other_threads_are_awaited,
			 queued_calls_are_awaited, time_that_goes_is_not_moved,
			 each_allocation_fails);
}
