// SPDX-License-Identifier: MIT
/*
 * Unusual process environments and small limits: closed standard streams, locked memory, limited
 * file sizes, callers that execute another program.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ipc/memory.h>
#include <ipc/raw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

enum { ECHO = 1, GIVE_FILE, KEEP };

#define METADATA_MAX 65536

/* --- The server ------------------------------------------------------------------- */

static struct ipc_call *kept;

static int give_file(struct ipc_call *call)
{
	struct ipc_raw_entry entry = { .type = IPC_RAW_FD };
	int r;

	entry.fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	r = ipc_raw_reply(call, &(struct ipc_raw_message){ .entries = &entry, .n_entries = 1 });
	close(entry.fd);
	return r;
}

static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	(void)userdata;
	if (request->method == GIVE_FILE)
		return give_file(call);
	if (request->method == KEEP) {
		kept = ipc_call_ref(call);
		return 0;
	}
	return ipc_raw_reply(call, &(struct ipc_raw_message){ .data = request->data,
							      .size = request->size });
}

static const struct ipc_raw_ops ops = { .serve = serve };

static int prepare(struct ipc *ipc)
{
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	int r = ipc_raw_object_new(ipc, &ops, NULL, &object);

	return r < 0 ? r : ipc_set_manager(ipc, object);
}

static int weigh(struct ipc_call *call, const E2e__Parcel *parcel, void *userdata)
{
	E2e__AddReply reply = E2E__ADD_REPLY__INIT;

	(void)parcel, (void)userdata;
	return counter_reply_weigh(call, &reply);
}

static const struct counter_ops counter_handlers = { .weigh = weigh };

static int prepare_counter(struct ipc *ipc)
{
	ipc_auto(ipc_object_unref) struct ipc_object *object = NULL;
	int r = counter_object_new(ipc, &counter_handlers, NULL, NULL, &object);

	return r < 0 ? r : ipc_set_manager(ipc, object);
}

/* --- The client ------------------------------------------------------------------- */

static pid_t pid;
static struct ipc *ipc;
static struct ipc_proxy *proxy;

static void connect_client(void)
{
	ck_assert_int_eq(ipc_open(&ipc, NULL), 0);
	ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
}

static void begin(int (*how)(struct ipc *ipc))
{
	pid = start_serving(how);
	connect_client();
}

static void end(void)
{
	ipc_proxy_unref(proxy);
	ipc_unref(ipc);
	kill_server(pid);
}

static int echo_with(const struct ipc_options *options)
{
	const struct ipc_raw_message request = { .method = ECHO, .data = "four", .size = 4 };

	return ipc_raw_call(proxy, &request, options, NULL, NULL);
}

/* --- Standard streams ---------------------------------------------------------------- */

static bool streams_are_closed(void)
{
	for (int i = 0; i <= STDERR_FILENO; i++)
		if (fcntl(i, F_GETFD) >= 0)
			return false;
	return true;
}

static int take_file(void)
{
	const struct ipc_raw_message request = { .method = GIVE_FILE, .flags = IPC_RAW_ACCEPT_FDS };
	struct ipc_raw_message *reply;
	int r = ipc_raw_call(proxy, &request, NULL, &reply, NULL);

	if (r < 0)
		return r;
	r = reply->entries[0].fd > STDERR_FILENO && streams_are_closed() ? 0 : -EBADF;
	ipc_raw_free(reply);
	return r;
}

/* Uses every function of the library that creates a lasting descriptor. */
static int use_all(void)
{
	struct ipc_memory *memory;
	int r;

	if (ipc_open(&ipc, NULL) < 0 || ipc_get_manager(ipc, &proxy) < 0 || ipc_get_fd(ipc) < 0)
		return 2;
	if (ipc_memory_new(1, 0, &memory) < 0 || take_file() < 0)
		return 3;
	if (!streams_are_closed() || ipc_get_fd(ipc) <= STDERR_FILENO)
		return 4;
	/* Output of the program must not go to the bus. */
	if (write(STDOUT_FILENO, "x", 1) >= 0 || write(STDERR_FILENO, "x", 1) >= 0)
		return 5;
	r = echo_with(NULL) < 0 ? 6 : 0;
	ipc_memory_unref(memory);
	ipc_proxy_unref(proxy);
	ipc_unref(ipc);
	return r;
}

static int use_without_streams(void *data)
{
	(void)data;
	for (int i = 0; i <= STDERR_FILENO; i++)
		close(i);
	return use_all();
}

START_TEST(descriptors_of_the_library_stay_above_closed_streams)
{
	pid = start_serving(prepare);
	run_child(use_without_streams, NULL);
	kill_server(pid);
}
END_TEST

/* --- Memory and files ------------------------------------------------------------------ */

static long resident_kib(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[128];
	long kib = -1;

	ck_assert_ptr_nonnull(status);
	while (fgets(line, sizeof(line), status))
		if (sscanf(line, "VmRSS: %ld", &kib) == 1)
			break;
	fclose(status);
	return kib;
}

static int open_locked(void *data)
{
	long before;

	(void)data;
	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		return errno == EPERM || errno == ENOMEM ? 0 : 1;
	before = resident_kib();
	connect_client();
	ck_assert_int_eq(echo_with(NULL), 0);
	/* The region alone has 16 MiB, which must not be resident. */
	ck_assert_int_lt(resident_kib() - before, 4096);
	ipc_proxy_unref(proxy);
	ipc_unref(ipc);
	return 0;
}

START_TEST(a_connection_is_not_locked_into_memory)
{
	pid = start_serving(prepare);
	run_child(open_locked, NULL);
	kill_server(pid);
}
END_TEST

static void limit_files(rlim_t size)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = size;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* All bytes are zero and not resident. */
static int send_bytes(size_t size, const struct ipc_options *options)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *data = mmap(NULL, size, PROT_READ, flags, -1, 0);
	E2e__Parcel parcel = E2E__PARCEL__INIT;
	int r;

	ck_assert_ptr_ne(data, MAP_FAILED);
	parcel.data = (ProtobufCBinaryData){ .len = size, .data = data };
	r = counter_weigh_with(counter_from_proxy(proxy), options, &parcel, NULL, NULL);
	munmap(data, size);
	return r;
}

/* Larger than a region, so it is sent as a file. */
#define LARGE ((size_t)20 << 20)

/* SIGXFSZ would kill the test. */
START_TEST(a_file_beyond_the_limit_of_sizes_fails)
{
	struct ipc_memory *memory;

	begin(prepare_counter);
	limit_files(LARGE);
	ck_assert_int_eq(ipc_memory_new(LARGE + 1, 0, &memory), -EFBIG);
	ck_assert_int_eq(send_bytes(LARGE, NULL), -EFBIG);
	ck_assert_int_eq(send_bytes(LARGE - 4096, NULL), 0);
	limit_files(RLIM_INFINITY);
	end();
}
END_TEST

/* A file would fail with -EFBIG. */
START_TEST(bytes_without_a_receiver_are_refused_before_copying)
{
	begin(prepare_counter);
	limit_files(LARGE);
	ck_assert_int_eq(send_bytes(IPC_MESSAGE_MAX + 1, NULL), -EMSGSIZE);
	ck_assert_int_eq(send_bytes(4 * IPC_MESSAGE_MAX, NULL), -EMSGSIZE);
	limit_files(RLIM_INFINITY);
	end();
}
END_TEST

START_TEST(the_time_limit_ends_the_copy_of_bytes)
{
	const struct ipc_options options = { .timeout_usec = 1 };

	begin(prepare_counter);
	ck_assert_int_eq(send_bytes(IPC_MESSAGE_MAX / 2, &options), -ETIMEDOUT);
	end();
}
END_TEST

/* --- Metadata ----------------------------------------------------------------------- */

START_TEST(metadata_beyond_its_limit_is_refused)
{
	static char value[METADATA_MAX];
	const char *const metadata[] = { "name", value, NULL };
	const struct ipc_options options = { .metadata = metadata };
	const struct ipc_raw_message oneway = { .method = ECHO };
	struct ipc_stream *stream;

	begin(prepare);
	memset(value, 'x', METADATA_MAX - sizeof("name") - 1);
	ck_assert_int_eq(echo_with(&options), 0);
	value[METADATA_MAX - sizeof("name") - 1] = 'x';
	ck_assert_int_eq(echo_with(&options), -EMSGSIZE);
	ck_assert_int_eq(ipc_raw_oneway(proxy, &oneway, &options), -EMSGSIZE);
	ck_assert_int_eq(ipc_raw_stream_open(proxy, ECHO, &options, &stream, NULL), -EMSGSIZE);
	ck_assert_int_eq(echo_with(NULL), 0);
	end();
}
END_TEST

/* --- Callers ------------------------------------------------------------------------- */

/* Its other end is closed by exec(). */
static int leave[2];

static void ignore(int result, struct ipc_raw_message *reply, const struct ipc_error *error,
		   void *userdata)
{
	(void)result, (void)reply, (void)error, (void)userdata;
}

/* Makes a call, and executes another program, which waits to be killed. */
static void call_and_execute(void)
{
	char byte;

	if (ipc_open(&ipc, NULL) < 0 || ipc_get_manager(ipc, &proxy) < 0 ||
	    ipc_raw_call_async(proxy, &(struct ipc_raw_message){ .method = KEEP }, NULL, ignore,
			       NULL, NULL) < 0 ||
	    read(leave[0], &byte, 1) != 1)
		_exit(1);
	execlp("sleep", "sleep", "600", (char *)NULL);
	_exit(1);
}

static void serve_until(struct ipc *server, bool (*is_done)(void))
{
	while (!is_done()) {
		ck_assert_int_ge(ipc_wait_event(server, 100000), 0);
		ck_assert_int_ge(ipc_process(server), 0);
	}
}

static bool has_call(void)
{
	return kept;
}

static bool caller_has_left(void)
{
	return ipc_call_is_canceled(kept) == 1;
}

static void assert_pidfd(void)
{
	int fd = ipc_call_pidfd(kept);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

START_TEST(a_caller_exists_after_exec_and_as_a_zombie)
{
	struct ipc *server;
	siginfo_t info;

	ck_assert_int_eq(ipc_open(&server, NULL), 0);
	ck_assert_int_eq(prepare(server), 0);
	ck_assert_int_eq(pipe2(leave, O_CLOEXEC), 0);
	pid = fork();
	if (!pid)
		call_and_execute();
	serve_until(server, has_call);
	assert_pidfd();
	ck_assert_int_eq(write(leave[1], "x", 1), 1);
	serve_until(server, caller_has_left);
	assert_pidfd();
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_pidfd();
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(ipc_call_pidfd(kept), -ESRCH);
	ipc_call_unref(kept);
	ipc_unref(server);
}
END_TEST

int main(void)
{
	return RUN_TESTS("surroundings", descriptors_of_the_library_stay_above_closed_streams,
			 a_connection_is_not_locked_into_memory,
			 a_file_beyond_the_limit_of_sizes_fails,
			 bytes_without_a_receiver_are_refused_before_copying,
			 the_time_limit_ends_the_copy_of_bytes,
			 metadata_beyond_its_limit_is_refused,
			 a_caller_exists_after_exec_and_as_a_zombie);
}
