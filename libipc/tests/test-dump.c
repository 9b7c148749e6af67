// SPDX-License-Identifier: MIT
/*
 * Dumps through a bus of ipcbusd: neither a reader that is gone nor a reader that does not read can
 * end or block the server.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ipc/raw.h>
#include <ipc/rpc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "daemon-run.h"
#include "servicemanager.ipc.h"
#include "test-run.h"

#define LINES	20000
#define LINE	"a line of the state, which is rather long\n"
#define SIZE	(LINES * (sizeof(LINE) - 1))
#define MIB	(1U << 20)

static struct ipc_test_bus *bus;
static struct ipc *ipc;
static struct ipc_proxy *proxy;
static struct ipc_error error;
static pid_t server;

/* Without arguments: lines. "endless": writes until that fails. */
static int dump(struct ipc_call *call, int fd, char *const *args, size_t n_args, void *userdata)
{
	(void)call, (void)args, (void)userdata;
	for (unsigned int i = 0; n_args || i < LINES; i++)
		if (dprintf(fd, "%s", LINE) < 0)
			return -errno;
	return 0;
}

static void serve(rlim_t file_size)
{
	static const struct registrant_ops ops;
	struct rlimit limit = { file_size, file_size };
	struct ipc_object *object;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_DFL);
	if (ipc_open(&ipc, ipc_test_bus_path(bus)) < 0 ||
	    ipc_object_new(ipc, &registrant_interface, &ops, NULL, NULL, &object) < 0 ||
	    ipc_object_set_dump(object, dump) < 0 || ipc_set_manager(ipc, object) < 0 ||
	    setrlimit(RLIMIT_FSIZE, &limit) < 0)
		_exit(1);
	ipc_run(ipc);
	_exit(1);
}

static void begin(rlim_t file_size)
{
	error = (struct ipc_error)IPC_ERROR_INIT;
	signal(SIGPIPE, SIG_IGN);
	bus = bus_new();
	server = fork();
	if (!server)
		serve(file_size);
	ck_assert_int_eq(ipc_wait_manager(ipc_test_bus_path(bus), 60000000), 1);
	ck_assert_int_eq(ipc_open(&ipc, ipc_test_bus_path(bus)), 0);
	ck_assert_int_eq(ipc_get_manager(ipc, &proxy), 0);
}

static void end(void)
{
	ck_assert_int_eq(ipc_proxy_ping(proxy, NULL), 0);
	ipc_error_done(&error);
	ipc_proxy_unref(proxy);
	ipc_unref(ipc);
	kill(server, SIGKILL);
	ck_assert_int_eq(waitpid(server, NULL, 0), server);
	ipc_test_bus_free(bus);
}

START_TEST(text_is_copied_to_any_file)
{
	int fd = memfd_create("copy", MFD_CLOEXEC);
	char *text;

	begin(RLIM_INFINITY);
	ck_assert_int_eq(ipc_proxy_dump(proxy, fd, NULL, 0, &error), 0);
	ck_assert_int_eq(lseek(fd, 0, SEEK_END), SIZE);
	text = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(text, MAP_FAILED);
	for (size_t at = 0; at < SIZE; at += sizeof(LINE) - 1)
		ck_assert_int_eq(memcmp(text + at, LINE, sizeof(LINE) - 1), 0);
	munmap(text, SIZE);
	close(fd);
	ck_assert_int_eq(ipc_proxy_dump(proxy, -1, NULL, 0, &error), -EBADF);
	end();
}
END_TEST

START_TEST(reader_that_is_gone_does_not_end_the_server)
{
	int ends[2];

	begin(RLIM_INFINITY);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	ck_assert_int_eq(ipc_proxy_dump(proxy, ends[1], NULL, 0, &error), -EPIPE);
	ck_assert_int_eq(error.code, -EPIPE);
	close(ends[1]);
	end();
}
END_TEST

static int send_file(int fd)
{
	static const uint8_t data[] = { 0x0a, 0x02, 0x08, 0x0a }; /* fd { fd: 5 } */
	struct ipc_raw_entry entry = { .type = IPC_RAW_FD, .tag = 5, .fd = fd };
	const struct ipc_options options = { .timeout_usec = 60000000 };

	return ipc_raw_call(proxy,
			    &(struct ipc_raw_message){
				    .method = IPC_NUMBER_DUMP, .data = data, .size = sizeof(data),
				    .entries = &entry, .n_entries = 1,
			    },
			    &options, NULL, NULL);
}

START_TEST(dumps_go_to_memory_only)
{
	int ends[2], memory = memfd_create("dump", MFD_CLOEXEC);

	begin(RLIM_INFINITY);
	/* The test also shows that it sends the file in the right way. */
	ck_assert_int_eq(send_file(memory), 0);
	ck_assert_int_eq(lseek(memory, 0, SEEK_END), SIZE);
	close(memory);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	ck_assert_int_eq(send_file(ends[1]), -EBADF);	/* nobody reads */
	close(ends[0]);
	ck_assert_int_eq(send_file(ends[1]), -EBADF);
	close(ends[1]);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	ck_assert_int_eq(send_file(ends[1]), -EBADF);
	close(ends[0]);
	ck_assert_int_eq(send_file(ends[1]), -EBADF);
	close(ends[1]);
	end();
}
END_TEST

START_TEST(endless_dump_ends)
{
	const char *const args[] = { "endless" };
	int fd = memfd_create("copy", MFD_CLOEXEC);

	begin(RLIM_INFINITY);
	ck_assert_int_eq(ipc_proxy_dump(proxy, fd, args, 1, &error), -EPERM);
	ck_assert_int_gt(lseek(fd, 0, SEEK_END), 63 * MIB);
	ck_assert_int_le(lseek(fd, 0, SEEK_END), 64 * MIB);
	close(fd);
	end();
}
END_TEST

START_TEST(file_size_limit_does_not_end_the_server)
{
	int fd = memfd_create("copy", MFD_CLOEXEC);

	begin(4096);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(ipc_proxy_dump(proxy, fd, NULL, 0, &error), -EFBIG);
	/* The beginning of the text arrives also after an error. */
	ck_assert_int_eq(lseek(fd, 0, SEEK_END), 2 * 4096);
	close(fd);
	end();
}
END_TEST

int main(void)
{
	return RUN_TESTS("dump", text_is_copied_to_any_file,
			 reader_that_is_gone_does_not_end_the_server, dumps_go_to_memory_only,
			 endless_dump_ends, file_size_limit_does_not_end_the_server);
}
