// SPDX-License-Identifier: MIT
/*
 * The region, and access to the file: mapped once, read-only, in the address space that opened
 * it, and containing only messages.
 *
 * With --after-exec FD, the program reports which operations an inherited fd permits.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

static sigjmp_buf after_fault;

static void on_fault(int sig)
{
	siglongjmp(after_fault, sig);
}

/* The signal that reading this byte raises, or 0. */
static int fault_of(const volatile uint8_t *byte)
{
	struct sigaction act = { .sa_handler = on_fault }, bus, segv;
	int sig;

	sigaction(SIGBUS, &act, &bus);
	sigaction(SIGSEGV, &act, &segv);
	sig = sigsetjmp(after_fault, 1);
	if (!sig)
		(void)*byte;
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	return sig;
}

static int map(const struct raw *r, size_t size, int prot, int flags, off_t offset)
{
	void *m;
	int e = dev_map(r->fd, size, prot, flags, offset, &m);

	if (!e)
		dev_unmap(m, size);
	return e;
}

START_TEST(second_mapping)
{
	assert_result(map(&cli, REGION, PROT_READ, MAP_SHARED, 0), -EBUSY);
	assert_result(map(&cli, 4096, PROT_READ, MAP_SHARED, 0), -EBUSY);
	/* Nor after the first mapping was unmapped. */
	assert_ok(dev_unmap((void *)(uintptr_t)oth.map, oth.size));
	oth.map = NULL;
	assert_result(map(&oth, REGION, PROT_READ, MAP_SHARED, 0), -EBUSY);
	raw_round_trip(&cli, 0, &srv, "x", 1);
}
END_TEST

/* Each is refused, and a correct mapping works afterwards. */
static const struct {
	size_t size;
	int prot, flags;
	off_t offset;
} bad_maps[] = {
	{ REGION, PROT_READ | PROT_WRITE, MAP_SHARED, 0 },
	{ REGION, PROT_WRITE, MAP_SHARED, 0 },
	{ REGION, PROT_READ | PROT_EXEC, MAP_SHARED, 0 },
	{ REGION, PROT_READ, MAP_PRIVATE, 0 },
	{ REGION, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0 },
	{ REGION, PROT_READ, MAP_SHARED, 4096 },
	{ REGION, PROT_READ, MAP_SHARED, 1ULL << 40 },
	{ 0, PROT_READ, MAP_SHARED, 0 },
	{ (size_t)IPCBUS_MAX_REGION + 4096, PROT_READ, MAP_SHARED, 0 },
	{ (size_t)IPCBUS_MAX_REGION * 8, PROT_READ, MAP_SHARED, 0 },
};

START_TEST(bad_mapping)
{
	int r;

	raw_open(&cli, 0);
	r = map(&cli, bad_maps[_i].size, bad_maps[_i].prot, bad_maps[_i].flags,
		bad_maps[_i].offset);
	ck_assert_msg(r < 0, "it was mapped");
	ck_assert_uint_eq(raw_info(&cli).region_size, 0);
	assert_ok(map(&cli, REGION, PROT_READ, MAP_SHARED, 0));
}
END_TEST

static const size_t region_sizes[] = { 4096, 8192, 65536, 4096 * 17, IPCBUS_MAX_REGION };

START_TEST(region_of_any_size)
{
	size_t size = region_sizes[_i];

	raw_open(&srv, size);
	ck_assert_uint_eq(raw_info(&srv).region_size, size);
	raw_open(&cli, 4096);
	assert_ok(raw_claim(&srv, raw_node(&srv, 0, 1)));
	for (int i = 0; i < 3; i++)
		raw_round_trip(&cli, 0, &srv, "some bytes", 10);
}
END_TEST

/* A bus's file that was opened only for reading or only for writing is useless. */
START_TEST(file_opened_for_less_than_both)
{
	static const int flags[] = { O_RDONLY, O_WRONLY, O_ACCMODE };

	assert_result(dev_open(flags[_i]), -EINVAL);
	assert_result(dev_open(flags[_i] | O_NONBLOCK), -EINVAL);
}
END_TEST

START_TEST(protection_cannot_be_raised)
{
	void *at = (void *)(uintptr_t)cli.map;

	assert_result(dev_protect(at, REGION, PROT_READ | PROT_WRITE), -EACCES);
	assert_result(dev_protect(at, 4096, PROT_WRITE), -EACCES);
	assert_result(dev_protect(at, REGION, PROT_READ | PROT_EXEC), -EACCES);
	assert_ok(dev_protect(at, REGION, PROT_NONE));
	assert_ok(dev_protect(at, REGION, PROT_READ));
	raw_round_trip(&cli, 0, &srv, "x", 1);
}
END_TEST

/* The protection cannot be changed from read-only to writable either. */
START_TEST(no_way_around_the_protection)
{
	struct ipcbus_event ev;
	struct iovec from = { "X", 1 }, to;
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	raw_call(&cli, 0, 1, "genuine", 7);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	to = (struct iovec){ (void *)(uintptr_t)raw_payload(&srv, &ev), 1 };
	ck_assert_int_eq(process_vm_writev(getpid(), &from, 1, &to, 1, 0), -1);
	ck_assert_int_ge(mem, 0);
	ck_assert_int_eq(pwrite(mem, "X", 1, (uintptr_t)to.iov_base), -1);
	raw_holds(&srv, &ev, "genuine", 7);
	raw_release(&srv, &ev);
	close(mem);
}
END_TEST

/* A second mapping made by other means than mmap of the fd. */
START_TEST(mapping_is_not_duplicated)
{
	void *at = (void *)(uintptr_t)cli.map;

	ck_assert_ptr_eq(mremap(at, 0, REGION, MREMAP_MAYMOVE), MAP_FAILED);
	ck_assert_ptr_eq(mremap(at, REGION, 2 * REGION, MREMAP_MAYMOVE), MAP_FAILED);
	ck_assert_ptr_eq(mremap(at, REGION, REGION, MREMAP_MAYMOVE | MREMAP_DONTUNMAP), MAP_FAILED);
	raw_round_trip(&cli, 0, &srv, "x", 1);
}
END_TEST

/* Messages are readable wherever the mapping was moved to. */
START_TEST(mapping_may_move)
{
	uint8_t *to = mmap(NULL, REGION, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct raw moved = cli;
	struct ipcbus_event ev;
	void *m;

	raw_round_trip(&cli, 0, &srv, "before", 6);
	m = mremap((void *)(uintptr_t)cli.map, REGION, REGION, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	if (m == MAP_FAILED)
		return; /* refusing to move it is also correct */
	moved.map = cli.map = m;
	raw_call(&moved, 0, 1, "x", 1);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_release(&srv, &ev);
	raw_reply(&srv, ev.call, "after", 5);
	raw_take(&moved, IPCBUS_EVENT_REPLY, &ev);
	raw_holds(&moved, &ev, "after", 5);
	raw_release(&moved, &ev);
}
END_TEST

START_TEST(advice_does_no_harm)
{
	static const int advices[] = { MADV_DONTNEED, MADV_WILLNEED, MADV_REMOVE, MADV_FREE,
				       MADV_COLD, MADV_PAGEOUT, MADV_HUGEPAGE, MADV_MERGEABLE,
				       MADV_POPULATE_READ };
	void *at = (void *)(uintptr_t)srv.map;
	char data[10000];
	struct ipcbus_event ev;

	pattern_fill(data, sizeof(data), 6);
	raw_call(&cli, 0, 1, data, sizeof(data));
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_holds(&srv, &ev, data, sizeof(data));
	for (size_t i = 0; i < ARRAY_SIZE(advices); i++) {
		madvise(at, REGION, advices[i]);
		raw_holds(&srv, &ev, data, sizeof(data));
	}
	raw_release(&srv, &ev);
}
END_TEST

/* As in realtime programs, which lock all mappings into memory at once. */
static int receive_locked(struct peer *self, void *arg)
{
	char data[20000];

	(void)self, (void)arg;
	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		return 98;
	memset(data, 'l', sizeof(data));
	raw_open(&srv, REGION);
	raw_open(&cli, REGION);
	assert_ok(raw_claim(&srv, raw_node(&srv, 0, 1)));
	raw_round_trip(&cli, 0, &srv, data, sizeof(data));
	return 0;
}

START_TEST(locked_memory)
{
	struct peer p;

	peer_start(&p, receive_locked, NULL);
	peer_end(&p);
}
END_TEST

/* Pages of the region may stay in a pipe. They belong to this proc only. */
START_TEST(pages_in_a_pipe)
{
	struct ipcbus_event ev;
	char text[8] = "";
	struct iovec part;
	int p[2];

	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	raw_call(&cli, 0, 1, "spliced", 7);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	part = (struct iovec){ (void *)(uintptr_t)raw_payload(&srv, &ev), 7 };
	ck_assert_int_eq(vmsplice(p[1], &part, 1, 0), 7);
	raw_close(&srv);
	ck_assert_int_eq(read(p[0], text, 7), 7);
	ck_assert_str_eq(text, "spliced");
	close(p[0]);
	close(p[1]);
}
END_TEST

START_TEST(no_other_file_operations)
{
	char c = 0;

	ck_assert_int_lt(read(cli.fd, &c, 1), 0);
	ck_assert_int_lt(write(cli.fd, &c, 1), 0);
	ck_assert_int_lt(pread(cli.fd, &c, 1, 0), 0);
	ck_assert_int_lt(ftruncate(cli.fd, 4096), 0);
	ck_assert_int_lt(lseek(cli.fd, 1, SEEK_SET), 0);
	raw_round_trip(&cli, 0, &srv, "x", 1);
}
END_TEST

START_TEST(reading_pages_without_messages)
{
	struct ipcbus_event ev;
	int seen = 0;

	ck_assert_int_eq(fault_of(cli.map), SIGBUS);
	ck_assert_int_eq(fault_of(cli.map + REGION - 1), SIGBUS);
	raw_call(&oth, 0, 1, "x", 1);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	ck_assert_int_eq(fault_of(raw_payload(&srv, &ev)), 0);
	for (size_t i = 0; i < REGION; i += 4096)
		seen += !fault_of(srv.map + i);
	ck_assert_int_lt(seen, REGION / 4096 / 2);
	raw_release(&srv, &ev);
}
END_TEST

/* The bytes around the payload are zero, or from earlier messages to this proc. */
START_TEST(no_foreign_bytes_beside_a_message)
{
	struct ipcbus_event ev;
	uintptr_t page, at;

	raw_call(&oth, 0, 1, "abc", 3);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	at = (uintptr_t)raw_payload(&srv, &ev);
	page = at & ~4095UL;
	for (const uint8_t *p = (void *)page; p < (uint8_t *)page + 4096; p++)
		if ((uintptr_t)p < at || (uintptr_t)p >= at + 3)
			ck_assert_msg(!*p, "byte %#lx of the page is %#x",
				      (unsigned long)((uintptr_t)p - page), *p);
	raw_release(&srv, &ev);
}
END_TEST

/* Fills a proc's pages, closes it, and examines the pages that the next proc gets. */
START_TEST(no_bytes_of_the_former_owner)
{
	static char secret[200000];
	struct ipcbus_event ev;
	struct raw next;

	memset(secret, 'S', sizeof(secret));
	raw_round_trip(&cli, 0, &srv, secret, sizeof(secret));
	raw_close(&cli);
	raw_open(&next, REGION);
	for (size_t size = 1; size < 40000; size = size * 3 + 5) {
		raw_call(&next, 0, 1, NULL, 0);
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
		raw_release(&srv, &ev);
		memset(secret, 'n', size);
		raw_reply(&srv, ev.call, secret, size);
		raw_take(&next, IPCBUS_EVENT_REPLY, &ev);
		raw_payload(&next, &ev);
		/* kept, so that the next message needs fresh pages */
	}
	for (size_t i = 0; i < REGION; i++) {
		if (i % 4096 == 0 && fault_of(next.map + i)) {
			i += 4095;
			continue;
		}
		ck_assert_msg(next.map[i] != 'S', "another's byte at %#zx", i);
	}
	raw_close(&next);
}
END_TEST

START_TEST(messages_to_an_unmapped_region)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL, .data = PTR64("x"), .data_size = 1 };
	struct ipcbus_event ev;
	int r;

	raw_round_trip(&cli, 0, &srv, "x", 1);
	assert_ok(dev_unmap((void *)(uintptr_t)srv.map, REGION));
	srv.map = NULL;
	r = raw_send(&cli, &send, &ev);
	ck_assert_msg(!r || r == -ENOBUFS, "%s", errname(r));
	if (r)
		return;
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_release(&srv, &ev);
}
END_TEST

START_TEST(half_unmapped_region)
{
	struct ipcbus_event ev;
	static char data[700000];

	assert_ok(dev_unmap((void *)(uintptr_t)(srv.map + REGION / 4), REGION / 2));
	raw_call(&cli, 0, 1, data, sizeof(data));
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_release(&srv, &ev);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	raw_release(&cli, &ev);
	/* Unmap around the hole: the hole may already belong to another mapping. */
	assert_ok(dev_unmap((void *)(uintptr_t)srv.map, REGION / 4));
	assert_ok(dev_unmap((void *)(uintptr_t)(srv.map + REGION / 4 * 3), REGION / 4));
	srv.map = NULL;
}
END_TEST

/* Other address spaces */

/* Every request on the fd fails with ECHILD. */
static int everything_is_echild(int fd)
{
	struct ipcbus_exchange x = { .size = sizeof(x), .flags = IPCBUS_WAIT | IPCBUS_SERVE };
	struct ipcbus_info info = { .size = sizeof(info) };
	struct ipcbus_node n = { .size = sizeof(n) };
	struct ipcbus_handle h = { .size = sizeof(h) };
	void *m;

	if (dev_ioctl(fd, IPCBUS_IOC_INFO, &info) != -ECHILD)
		return 10;
	if (dev_ioctl(fd, IPCBUS_IOC_EXCHANGE, &x) != -ECHILD)
		return 11;
	if (dev_ioctl(fd, IPCBUS_IOC_NODE_CREATE, &n) != -ECHILD)
		return 12;
	if (dev_ioctl(fd, IPCBUS_IOC_WATCH, &h) != -ECHILD)
		return 13;
	if (dev_ioctl(fd, IPCBUS_IOC_THREAD_EXIT, NULL) != -ECHILD)
		return 16;
	if (dev_map(fd, 4096, PROT_READ, MAP_SHARED, 0, &m) != -ECHILD)
		return 17;
	return 0;
}

static void expect_exit(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "signal %d", WTERMSIG(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}

START_TEST(use_after_fork)
{
	pid_t pid = fork();

	if (!pid)
		_exit(everything_is_echild(cli.fd));
	expect_exit(pid);
	raw_round_trip(&cli, 0, &srv, "x", 1);
}
END_TEST

START_TEST(unmapped_file_after_fork)
{
	struct raw r;
	pid_t pid;

	raw_open(&r, 0);
	pid = fork();
	if (!pid)
		_exit(everything_is_echild(r.fd));
	expect_exit(pid);
	raw_close(&r);
}
END_TEST

START_TEST(mapping_is_not_inherited)
{
	pid_t pid;

	raw_round_trip(&cli, 0, &srv, "secret", 6);
	pid = fork();
	if (!pid)
		_exit(fault_of(srv.map) == SIGSEGV && fault_of(srv.map + REGION - 1) == SIGSEGV ?
			      0 : 1);
	expect_exit(pid);
}
END_TEST

/* madvise() that undoes "not inherited" is refused, or at least the child cannot read messages. */
START_TEST(mapping_is_not_inherited_on_request)
{
	pid_t pid;

	raw_round_trip(&cli, 0, &srv, "secret", 6);
	if (madvise((void *)(uintptr_t)srv.map, REGION, MADV_DOFORK) < 0)
		return;
	pid = fork();
	if (!pid)
		_exit(fault_of(srv.map) ? 0 : 1);
	expect_exit(pid);
}
END_TEST

START_TEST(use_after_exec)
{
	char self[256], number[16];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	pid_t pid;

	ck_assert_int_gt(n, 0);
	self[n] = 0;
	snprintf(number, sizeof(number), "%d", cli.fd);
	pid = fork();
	if (!pid) {
		fcntl(cli.fd, F_SETFD, 0);
		execl(self, self, "--after-exec", number, NULL);
		_exit(99);
	}
	expect_exit(pid);
}
END_TEST

/* exec without fork: the process that opened the file, in a new address space. */
static int exec_myself(struct peer *self, void *arg)
{
	char number[16];

	(void)self;
	raw_open(&oth, REGION);
	fcntl(oth.fd, F_SETFD, 0);
	snprintf(number, sizeof(number), "%d", oth.fd);
	execl(arg, arg, "--after-exec", number, NULL);
	return 99;
}

START_TEST(exec_of_the_opener)
{
	char self[256];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	struct peer p;

	ck_assert_int_gt(n, 0);
	self[n] = 0;
	peer_start(&p, exec_myself, self);
	peer_end(&p);
}
END_TEST

static int receive_fd(int socket)
{
	char space[CMSG_SPACE(sizeof(int))] = "", byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space,
			    .msg_controllen = sizeof(space) };
	int fd = -1;

	if (recvmsg(socket, &m, 0) == 1 && CMSG_FIRSTHDR(&m))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

static int try_received_fd(struct peer *self, void *arg)
{
	int fd = receive_fd(*(int *)arg);

	(void)self;
	return fd < 0 ? 98 : everything_is_echild(fd);
}

START_TEST(use_through_a_passed_fd)
{
	struct peer p;
	int s[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	peer_start(&p, try_received_fd, &s[1]);
	send_fd(s[0], cli.fd);
	peer_end(&p);
	raw_round_trip(&cli, 0, &srv, "x", 1);
	close(s[0]);
	close(s[1]);
}
END_TEST

/* A dup refers to the same file, and thus to the same proc. */
START_TEST(use_through_a_dup)
{
	struct raw twin = cli;

	twin.fd = dup(cli.fd);
	raw_round_trip(&twin, 0, &srv, "x", 1);
	assert_result(map(&twin, 4096, PROT_READ, MAP_SHARED, 0), -EBUSY);
	dev_close(twin.fd);
	raw_round_trip(&cli, 0, &srv, "x", 1);
}
END_TEST

/* The mapping keeps the memory, not the proc. The process decides when to unmap it. */
START_TEST(closed_while_mapped)
{
	struct ipcbus_event ev;
	const uint8_t *at;

	raw_call(&cli, 0, 1, "kept", 4);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	at = raw_payload(&srv, &ev);
	ck_assert_int_eq(memcmp(at, "kept", 4), 0);
	dev_close(srv.fd);
	if (!fault_of(at))
		ck_assert_int_eq(memcmp(at, "kept", 4), 0);
	fault_of(srv.map + REGION - 1);
	dev_unmap((void *)(uintptr_t)srv.map, REGION);
	srv.fd = -1;
	raw_take(&cli, IPCBUS_EVENT_FAILED, &ev);
	ck_assert_int_eq(ev.error, -EOWNERDEAD);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s = suite_create("map");
	TCase *tc;

	if (argc == 3 && !strcmp(argv[1], "--after-exec"))
		return everything_is_echild(atoi(argv[2]));

	tc = add_case(s, "mapping", setup_bus);
	tcase_add_test(tc, second_mapping);
	tcase_add_loop_test(tc, file_opened_for_less_than_both, 0, 3);
	tcase_add_test(tc, protection_cannot_be_raised);
	tcase_add_test(tc, no_way_around_the_protection);
	tcase_add_test(tc, mapping_is_not_duplicated);
	tcase_add_test(tc, mapping_may_move);
	tcase_add_test(tc, advice_does_no_harm);
	tcase_add_test(tc, pages_in_a_pipe);
	tcase_add_test(tc, no_other_file_operations);
	tcase_add_test(tc, messages_to_an_unmapped_region);
	tcase_add_test(tc, half_unmapped_region);
	tcase_add_test(tc, closed_while_mapped);

	tc = add_case(s, "size", setup_bare);
	tcase_add_loop_test(tc, bad_mapping, 0, ARRAY_SIZE(bad_maps));
	tcase_add_loop_test(tc, region_of_any_size, 0, ARRAY_SIZE(region_sizes));
	tcase_add_test(tc, locked_memory);

	tc = add_case(s, "content", setup_bus);
	tcase_add_test(tc, reading_pages_without_messages);
	tcase_add_test(tc, no_foreign_bytes_beside_a_message);
	tcase_add_test(tc, no_bytes_of_the_former_owner);

	tc = add_case(s, "address space", setup_bus);
	tcase_add_test(tc, use_after_fork);
	tcase_add_test(tc, unmapped_file_after_fork);
	tcase_add_test(tc, mapping_is_not_inherited);
	tcase_add_test(tc, mapping_is_not_inherited_on_request);
	tcase_add_test(tc, use_after_exec);
	tcase_add_test(tc, exec_of_the_opener);
	tcase_add_test(tc, use_through_a_passed_fd);
	tcase_add_test(tc, use_through_a_dup);
	return suite_main(s);
}
