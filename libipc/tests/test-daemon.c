// SPDX-License-Identifier: MIT
/*
 * A bus of ipcbusd, as a program uses it: calls, large and simultaneous messages, streams, threads
 * that end, forks, and the rules of ipcbus.h for failing ioctls. There is no fake device here: each
 * case starts a daemon.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device/device-daemon.h"
#include "device/device-socket.h"
#include "conn/thread.h"
#include "daemon-run.h"
#include "ipcbus-daemon.h"
#include "ipcbus.h"
#include "test-run.h"

#include <ipc/raw.h>

#define TIMEOUT	  10000000		/* microseconds; every operation is faster */
#define SEND_AREA ((size_t)256 << 20) /* shared by the threads of a client */

/* Methods. All others are streams. */
enum { ECHO = 1, ADD, RESUME, MEET, GET_FILES, TAKE_TIME, BOUNCE, REFUSE, CALL_BACK };

static struct ipc_test_bus *bus;
static struct ipc *server, *client;
static struct ipc_object *object;
static struct ipc_proxy *proxy;
static pthread_t server_threads[2];
static int n_threads;
static struct ipc_stream *kept;
static _Atomic unsigned int added, left, taken, echoed, destroyed;

/* Leaves the first message until the stream is resumed. */
static void on_message(struct ipc_stream *stream, void *userdata)
{
	const struct ipc_raw_message *message;

	(void)userdata;
	if (left++)
		taken += ipc_raw_stream_receive(stream, 0, &message, NULL) == 1;
}

static void on_destroy(void *userdata)
{
	(void)userdata;
	destroyed++;
}

/* Continues when another thread has taken the message. */
static int resume(void)
{
	int r;

	while (!left)
		usleep(1000);
	/* Usually the other thread sleeps by then. */
	usleep(50000);
	r = ipc_stream_resume(kept);
	while (r == 0 && !taken)
		usleep(1000);
	return r;
}

static int reply_files(struct ipc_call *call)
{
	struct ipc_raw_entry files[] = {
		{ .type = IPC_RAW_FD, .fd = STDIN_FILENO },
		{ .type = IPC_RAW_FD, .fd = STDIN_FILENO },
	};

	return ipc_raw_reply(call, &(struct ipc_raw_message){ .entries = files, .n_entries = 2 });
}

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	const struct ipc_raw_message reply = { .data = request->data, .size = request->size };

	(void)userdata;
	if (request->method == ADD) {
		added++;
		return 0;
	}
	if (request->method == GET_FILES)
		return reply_files(call);
	if (request->method == TAKE_TIME)
		usleep(200000);
	if (request->method == RESUME)
		ck_assert_int_eq(resume(), 0);
	if (request->method == MEET) {
		while (!echoed)
			usleep(1000);
		return 0;
	}
	echoed++;
	return ipc_raw_reply(call, &reply);
}

/* --- Streams ------------------------------------------------------------------------- */

/* Sends all messages back. */
static int bounce(struct ipc_stream *stream)
{
	const struct ipc_raw_message *message;
	int r;

	while ((r = ipc_raw_stream_receive(stream, TIMEOUT, &message, NULL)) > 0) {
		r = ipc_raw_stream_send(stream, message, TIMEOUT);
		if (r < 0)
			break;
	}
	return r;
}

static int serve_stream(struct ipc_stream *stream, uint32_t method, void *userdata)
{
	static const struct ipc_stream_ops callbacks = {
		.size = sizeof(callbacks),
		.on_message = on_message,
		.destroy = on_destroy,
	};

	(void)userdata;
	if (method == BOUNCE)
		return bounce(stream);
	/* Its objects are kept. */
	kept = ipc_stream_ref(stream);
	if (method == CALL_BACK)
		return ipc_stream_set_ops(stream, &callbacks, NULL);
	usleep(200000);
	return ipc_stream_fail(stream, -EREMOTEIO, NULL, "no more");
}

static const struct ipc_raw_ops ops = { .serve = serve, .stream = serve_stream };

static void *run(void *data)
{
	ck_assert_int_eq(ipc_run(data), 0);
	return NULL;
}

static void begin_with(int n)
{
	bus = bus_new();
	ck_assert_int_eq(ipc_open(&server, ipc_test_bus_path(bus)), 0);
	ck_assert_int_eq(ipc_raw_object_new(server, &ops, NULL, &object), 0);
	ck_assert_int_eq(ipc_set_manager(server, object), 0);
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(pthread_create(&server_threads[i], NULL, run, server), 0);
	ck_assert_int_eq(ipc_open(&client, ipc_test_bus_path(bus)), 0);
	ck_assert_int_eq(ipc_get_manager(client, &proxy), 0);
	n_threads = n;
}

static void begin(void)
{
	begin_with(1);
}

static void end(void)
{
	ipc_proxy_unref(proxy);
	ipc_unref(client);
	for (int i = 0; i < n_threads; i++)
		ipc_stop(server);
	for (int i = 0; i < n_threads; i++)
		pthread_join(server_threads[i], NULL);
	ipc_stream_unref(kept);
	ipc_object_unref(object);
	ipc_unref(server);
	ipc_test_bus_free(bus);
}

/* --- Listeners that are not daemons ---------------------------------------------------- */

/* A message that a listener sends to a client, with a file, and the expected error. */
static const struct lie {
	size_t size;
	struct ipcbusd_message message;
	int result;
} lies[] = {
	{ 0, { .error = 0 }, -ECONNRESET },
	{ 5, { .magic = IPCBUSD_MAGIC }, -EPROTO },
	{ sizeof(struct ipcbusd_message), { .magic = 1, .version = IPCBUSD_VERSION }, -EPROTO },
	{ sizeof(struct ipcbusd_message), { .magic = IPCBUSD_MAGIC }, -EPROTO },
	{ sizeof(struct ipcbusd_message),
	  { .magic = IPCBUSD_MAGIC, .version = IPCBUSD_VERSION, .error = 1 }, -EPROTO },
	{ sizeof(struct ipcbusd_message),
	  { .magic = IPCBUSD_MAGIC, .version = IPCBUSD_VERSION, .error = -EACCES }, -EACCES },
};

static void lie_to(int listener, const struct lie *lie)
{
	const int file = STDIN_FILENO;
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
				  .cmsg_len = CMSG_LEN(sizeof(int)) } };
	struct iovec part = { (void *)&lie->message, lie->size };
	const struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
				    .msg_controllen = sizeof(control) };
	int fd = accept(listener, NULL, NULL);

	memcpy(CMSG_DATA(&control.header), &file, sizeof(file));
	if (lie->size)
		sendmsg(fd, &msg, MSG_NOSIGNAL);
	close(fd);
}

static void *lie_to_all(void *listener)
{
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		lie_to(*(const int *)listener, &lies[i]);
	return NULL;
}

START_TEST(listener_that_is_not_a_daemon)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct ipc *none;
	pthread_t thread;

	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/no-daemon.%d", getpid());
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, lie_to_all, &listener), 0);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		ck_assert_int_eq(ipc_open(&none, address.sun_path), lies[i].result);
	pthread_join(thread, NULL);
	unlink(address.sun_path);
	close(listener);
}
END_TEST

START_TEST(path_that_is_not_a_bus)
{
	char text[IPC_ERROR_TEXT_MAX];
	struct ipc *none;

	ck_assert_int_eq(ipc_open(&none, "/tmp"), -EISDIR);
	ck_assert_ptr_nonnull(strstr(ipc_open_error_text(text, sizeof(text), "/tmp", -EISDIR),
				     "the path is a folder, not a bus"));
	ck_assert_int_eq(ipc_open(&none, "/dev/null"), -ENOTTY);
	ck_assert_int_eq(ipc_open(&none, "/nowhere"), -ENOENT);
}
END_TEST

/* --- Calls --------------------------------------------------------------------------- */

/* Checks that the bytes are returned. */
static void echo(const void *data, size_t size)
{
	const struct ipc_raw_message request = { .method = ECHO, .data = data, .size = size };
	struct ipc_raw_message *reply;

	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &reply, NULL), 0);
	ck_assert_uint_eq(reply->size, size);
	ck_assert(!size || !memcmp(reply->data, data, size));
	ipc_raw_free(reply);
}

/* Two threads must serve: each call waits until the other was replied to. */
static void begin_with_two(void)
{
	const struct ipc_raw_message message = { .method = MEET };

	begin_with(2);
	ck_assert_int_eq(ipc_raw_oneway(proxy, &message, NULL), 0);
	echo("x", 1);
}

START_TEST(calls_of_all_sizes)
{
	static const size_t sizes[] = { 0, 1, 4095, 65535, 65536, 65537, 300000, 200 };
	uint8_t *data = malloc(300000);

	begin();
	for (size_t i = 0; i < 300000; i++)
		data[i] = (uint8_t)(i * 7 + i / 256);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		echo(data, sizes[i]);
	free(data);
	end();
}
END_TEST

/* There is space for the first of two fds only. */
START_TEST(files_without_a_place_are_closed)
{
	const struct ipc_raw_message request = { .method = GET_FILES, .flags = IPC_RAW_ACCEPT_FDS };
	struct ipc_raw_message *reply;
	struct rlimit limit, before;

	begin();
	echo("x", 1);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = (rlim_t)dup(STDIN_FILENO);
	close((int)limit.rlim_cur);
	limit.rlim_cur++;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &reply, NULL), -EMFILE);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &reply, NULL), 0);
	ck_assert_uint_eq(reply->n_entries, 2);
	ipc_raw_free(reply);
	end();
}
END_TEST

/* --- Interruptions ---------------------------------------------------------------------- */

static void on_signal(int number)
{
	(void)number;
	taken++;
}

static void *signal_often(void *to)
{
	for (int i = 0; i < 10; i++) {
		usleep(10000);
		pthread_kill(*(const pthread_t *)to, SIGUSR1);
	}
	return NULL;
}

START_TEST(signals_do_not_end_a_call)
{
	const struct ipc_raw_message request = { .method = TAKE_TIME, .data = "late", .size = 4 };
	pthread_t own = pthread_self(), thread;
	struct ipc_raw_message *reply;

	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_signal }, NULL);
	begin();
	ck_assert_int_eq(pthread_create(&thread, NULL, signal_often, &own), 0);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &reply, NULL), 0);
	ck_assert_mem_eq(reply->data, "late", 4);
	ipc_raw_free(reply);
	pthread_join(thread, NULL);
	ck_assert_uint_gt(taken, 0);
	echo("x", 1);
	end();
}
END_TEST

static void *kill_daemon(void *unused)
{
	struct ucred daemon;
	socklen_t size = sizeof(daemon);
	int fd = socket_connect(ipc_test_bus_path(bus));

	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &daemon, &size), 0);
	close(fd);
	usleep(50000);
	ck_assert_int_eq(kill(daemon.pid, SIGKILL), 0);
	return unused;
}

/* The call is never served. */
START_TEST(the_end_of_the_daemon_ends_calls)
{
	const struct ipc_raw_message request = { .method = ECHO };
	pthread_t thread;

	begin_with(0);
	ck_assert_int_eq(pthread_create(&thread, NULL, kill_daemon, NULL), 0);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, NULL, NULL), -ECONNRESET);
	pthread_join(thread, NULL);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, NULL, NULL), -ECONNRESET);
	end();
}
END_TEST

START_TEST(parts_form_a_single_message)
{
	const struct iovec parts[] = { { "par", 3 }, { "", 0 }, { "ts", 2 } };
	const struct iovec empty[] = { { "", 0 }, { "", 0 } };
	const struct ipc_raw_message request = { .method = ECHO, .parts = parts, .n_parts = 3 };
	const struct ipc_raw_message none = { .method = ECHO, .parts = empty, .n_parts = 2 };
	struct ipc_raw_message *reply;

	begin();
	ck_assert_int_eq(ipc_raw_call(proxy, &none, NULL, &reply, NULL), 0);
	ck_assert_uint_eq(reply->size, 0);
	ipc_raw_free(reply);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &reply, NULL), 0);
	ck_assert_uint_eq(reply->size, 5);
	ck_assert_mem_eq(reply->data, "parts", 5);
	ipc_raw_free(reply);
	end();
}
END_TEST

static pthread_barrier_t barrier;

/* Sends its own bytes once, and again while the daemon is stopped. */
static void *echo_twice(void *letter)
{
	uint8_t bytes[50000];

	memset(bytes, *(char *)letter, sizeof(bytes));
	echo(bytes, sizeof(bytes));
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	echo(bytes, sizeof(bytes));
	return NULL;
}

/* The daemon is stopped, and reads both messages after it continues. */
START_TEST(messages_of_two_threads_do_not_mix)
{
	static char letters[] = "ab";
	pthread_t threads[2];

	begin();
	pthread_barrier_init(&barrier, NULL, 3);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, echo_twice, &letters[i]), 0);
	pthread_barrier_wait(&barrier);
	ck_assert_int_eq(kill(ipc_test_bus_pid(bus), SIGSTOP), 0);
	pthread_barrier_wait(&barrier);
	/* Usually long enough for both to wait. A shorter time would only test less. */
	usleep(200000);
	ck_assert_int_eq(kill(ipc_test_bus_pid(bus), SIGCONT), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	end();
}
END_TEST

static struct daemon_link *link_of(struct ipc *ipc)
{
	ck_assert_ptr_nonnull(ipc->device.link);
	return ipc->device.link;
}

/* Returns -EINVAL if there is space for a message of that size: its parts do not add up. */
static int fill_area(void)
{
	const struct ipcbus_iovec part = { .base = (uintptr_t) "x", .size = SEND_AREA + 1 };
	struct ipcbus_exchange x = {
		.size = sizeof(x),
		.send = {
			.kind = IPCBUS_SEND_ONEWAY,
			.flags = IPCBUS_SEND_IOV,
			.data = (uintptr_t)&part,
			.data_size = SEND_AREA,
			.iov_count = 1,
		},
	};

	return daemon_ioctl_of(link_of(client), 0, IPCBUS_IOC_EXCHANGE, &x);
}

static void *send_and_stay(void *data)
{
	(void)data;
	echo("x", 1);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return NULL;
}

START_TEST(a_thread_that_ends_gives_its_space_back)
{
	pthread_t thread;

	begin();
	pthread_barrier_init(&barrier, NULL, 2);
	echo("x", 1);
	ck_assert_int_eq(pthread_create(&thread, NULL, send_and_stay, NULL), 0);
	pthread_barrier_wait(&barrier);
	ck_assert_int_eq(fill_area(), -ENOMEM);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	ck_assert_int_eq(fill_area(), -EINVAL);
	/* The thread itself continues. */
	echo("x", 1);
	end();
}
END_TEST

START_TEST(an_exchange_that_fails_early_has_no_event)
{
	struct ipcbus_exchange x = { .size = 8 };
	struct ipcbus_event before;

	begin();
	memset(&x.event, 0x5a, sizeof(x.event));
	before = x.event;
	echo("x", 1);
	ck_assert_int_lt(daemon_ioctl_of(link_of(client), 0, IPCBUS_IOC_EXCHANGE, &x), 0);
	ck_assert_mem_eq(&x.event, &before, sizeof(before));
	end();
}
END_TEST

/* Opens connections to a stopped daemon until its backlog is full. */
static int fill_backlog(const char *path, int *sockets, int n)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, path);
	for (int i = 0; i < n; i++) {
		sockets[i] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (connect(sockets[i], (struct sockaddr *)&address, sizeof(address)) < 0)
			return i + 1;
	}
	ck_abort_msg("the queue is not full");
}

static atomic_uint alarms;

static void count_alarm(int signal)
{
	(void)signal;
	alarms++;
}

static void *go_on_after_alarms(void *daemon)
{
	while (alarms < 3)
		usleep(1000);
	kill(*(pid_t *)daemon, SIGCONT);
	return NULL;
}

START_TEST(signals_do_not_end_the_wait_for_a_busy_daemon)
{
	const struct itimerval often = { .it_interval = { 0, 20000 }, .it_value = { 0, 20000 } };
	const struct itimerval never = { .it_value = { 0, 0 } };
	/* Without SA_RESTART. */
	const struct sigaction action = { .sa_handler = count_alarm };
	struct ipc *another;
	int sockets[1024], n;
	sigset_t alarm;
	pthread_t thread;
	pid_t daemon;

	/* Only for this thread. */
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarm, NULL);
	begin();
	daemon = ipc_test_bus_pid(bus);
	kill(daemon, SIGSTOP);
	n = fill_backlog(ipc_test_bus_path(bus), sockets, 1024);
	ck_assert_int_eq(pthread_create(&thread, NULL, go_on_after_alarms, &daemon), 0);
	pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	ck_assert_int_eq(ipc_open(&another, ipc_test_bus_path(bus)), 0);
	setitimer(ITIMER_REAL, &never, NULL);
	pthread_join(thread, NULL);
	ipc_unref(another);
	while (n)
		close(sockets[--n]);
	end();
}
END_TEST

/* In a child, the connection's memory is unmapped and may be reused. */
static int close_in_child(const void *region)
{
	char *own =
		mmap((void *)((uintptr_t)region & ~(uintptr_t)4095), 4096, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (own == MAP_FAILED)
		return 1;
	ipc_proxy_unref(proxy);
	ipc_unref(client);
	*own = 1;
	return 0;
}

START_TEST(a_child_that_closes_leaves_its_own_memory)
{
	const struct ipc_raw_message request = { .method = ECHO, .data = "hello", .size = 5 };
	struct ipc_raw_message *reply;
	const void *region;
	int status;
	pid_t pid;

	begin();
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, &reply, NULL), 0);
	/* Otherwise the message would keep the connection open. */
	region = reply->data;
	ipc_raw_free(reply);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid)
		_exit(close_in_child(region));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	/* The parent's connection is not affected. */
	echo("x", 1);
	end();
}
END_TEST

/* The handler is already waiting when a message arrives. */
START_TEST(a_handler_waits_for_messages)
{
	const struct ipc_raw_message message = { .data = "there", .size = 5 };
	const struct ipc_raw_message *received;
	struct ipc_stream *stream;

	begin_with_two();
	ck_assert_int_eq(ipc_raw_stream_open(proxy, BOUNCE, NULL, &stream, NULL), 0);
	for (int i = 0; i < 3; i++) {
		usleep(50000);
		ck_assert_int_eq(ipc_raw_stream_send(stream, &message, TIMEOUT), 0);
		ck_assert_int_eq(ipc_raw_stream_receive(stream, TIMEOUT, &received, NULL), 1);
		ck_assert_mem_eq(received->data, "there", 5);
	}
	ck_assert_int_eq(ipc_stream_end(stream), 0);
	ck_assert_int_eq(ipc_raw_stream_receive(stream, TIMEOUT, &received, NULL), 0);
	ipc_stream_unref(stream);
	end();
}
END_TEST

/* Another thread notices the end. */
START_TEST(a_sender_without_credit_learns_of_the_end)
{
	const struct ipc_raw_message message = { .data = "more", .size = 4 };
	struct ipc_stream *stream;
	pthread_t thread;
	int r;

	begin_with_two();
	ck_assert_int_eq(pthread_create(&thread, NULL, run, client), 0);
	ck_assert_int_eq(ipc_raw_stream_open(proxy, REFUSE, NULL, &stream, NULL), 0);
	do {
		r = ipc_raw_stream_send(stream, &message, IPC_NEVER);
	} while (r == 0);
	ck_assert_int_eq(r, -EREMOTEIO);
	ipc_stream_unref(stream);
	ipc_stop(client);
	pthread_join(thread, NULL);
	end();
}
END_TEST

/* A handler may wait for an effect of a callback. */
START_TEST(callbacks_run_beside_handlers)
{
	const struct ipc_raw_message message = { .data = "there", .size = 5 };
	const struct ipc_raw_message request = { .method = RESUME };
	struct ipc_stream *stream;

	begin_with_two();
	ck_assert_int_eq(ipc_raw_stream_open(proxy, CALL_BACK, NULL, &stream, NULL), 0);
	ck_assert_int_eq(ipc_raw_stream_send(stream, &message, TIMEOUT), 0);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, NULL, NULL), 0);
	ck_assert_uint_eq(taken, 1);
	ipc_stream_unref(stream);
	/* The stream keeps the server's connection open until then. */
	while (!destroyed)
		usleep(1000);
	end();
}
END_TEST

static atomic_bool over;

static void *run_again(void *ipc)
{
	while (!atomic_load(&over))
		ck_assert_int_eq(ipc_run(ipc), 0);
	return NULL;
}

/* While the last thread leaves ipc_run(), another enters. */
START_TEST(threads_that_enter_ipc_run_at_its_end_are_counted)
{
	pthread_t threads[3];
	struct ipc *ipc;

	bus = bus_new();
	ck_assert_int_eq(ipc_open(&ipc, ipc_test_bus_path(bus)), 0);
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, run_again, ipc);
	for (int i = 0; i < 200000; i++) {
		ipc_stop(ipc);
		ck_assert_uint_le(atomic_load_explicit(&ipc->pool.runners, memory_order_relaxed),
				  3);
	}
	atomic_store(&over, true);
	for (int i = 0; i < 3; i++)
		while (pthread_tryjoin_np(threads[i], NULL))
			ipc_stop(ipc);
	ck_assert_uint_eq(ipc->pool.runners, 0);
	ipc_unref(ipc);
	ipc_test_bus_free(bus);
}
END_TEST

int main(void)
{
	return RUN_TESTS("daemon", listener_that_is_not_a_daemon, path_that_is_not_a_bus, calls_of_all_sizes,
			 files_without_a_place_are_closed, signals_do_not_end_a_call,
			 signals_do_not_end_the_wait_for_a_busy_daemon,
			 the_end_of_the_daemon_ends_calls,
			 parts_form_a_single_message,
			 messages_of_two_threads_do_not_mix,
			 a_thread_that_ends_gives_its_space_back,
			 an_exchange_that_fails_early_has_no_event,
			 a_child_that_closes_leaves_its_own_memory, a_handler_waits_for_messages,
			 a_sender_without_credit_learns_of_the_end, callbacks_run_beside_handlers,
			 threads_that_enter_ipc_run_at_its_end_are_counted);
}
