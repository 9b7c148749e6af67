// SPDX-License-Identifier: MIT
/*
 * File descriptors of all kinds and numbers in messages, and their fate on the way: closed,
 * replaced, canceled, or in a reply without a receiver. Permissions, and receivers without
 * space for fds, are in test-fd.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "fixture.h"

static struct ipcbus_object objects[IPCBUS_MAX_OBJECTS + 1];

static struct ipcbus_send fd_send(uint32_t kind, uint32_t n)
{
	return (struct ipcbus_send){ .kind = kind, .objects = PTR64(objects), .object_count = n };
}

/* If the kernel has no kcmp, compare the results of fstat. */
static void assert_same_file(int a, int b)
{
	long r = syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a, b);
	struct stat sa, sb;

	ck_assert_msg(r <= 0, "fds %d and %d are not of the same open file", a, b);
	ck_assert_int_ge(a, 0);
	ck_assert_int_ge(b, 0);
	ck_assert_int_eq(fstat(a, &sa), 0);
	ck_assert_int_eq(fstat(b, &sb), 0);
	ck_assert_uint_eq(sa.st_dev, sb.st_dev);
	ck_assert_uint_eq(sa.st_ino, sb.st_ino);
	ck_assert_int_eq(fcntl(a, F_GETFL), fcntl(b, F_GETFL));
}

/* cli sends it in a oneway, srv takes it. Returns the new number. */
static int pass(int fd)
{
	struct ipcbus_send send = fd_send(IPCBUS_SEND_ONEWAY, 1);
	struct ipcbus_event ev;
	int got;

	objects[0] = object_fd(fd);
	assert_ok(raw_send(&cli, &send, NULL));
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	got = raw_objects(&srv, &ev)[0].value;
	raw_release(&srv, &ev);
	ck_assert_int_eq(fcntl(got, F_GETFD), FD_CLOEXEC);
	return got;
}

/* --- Numbers of fds ----------------------------------------------------------------- */

static int sent[IPCBUS_MAX_OBJECTS + 1];

static void make_files(int n)
{
	for (int i = 0; i < n; i++) {
		sent[i] = memfd_create("one of many", MFD_CLOEXEC);
		objects[i] = object_fd(sent[i]);
		objects[i].tag = i;
	}
}

static void close_files(int n)
{
	for (int i = 0; i < n; i++)
		close(sent[i]);
}

static void expect_files(const struct raw *r, const struct ipcbus_event *ev, int n)
{
	const struct ipcbus_object *o = n ? raw_objects(r, ev) : NULL;

	ck_assert_uint_eq(ev->object_count, n);
	for (int i = 0; i < n; i++) {
		ck_assert_uint_eq(o[i].type, IPCBUS_OBJECT_FD);
		ck_assert_uint_eq(o[i].tag, i);
		assert_same_file(o[i].value, sent[i]);
		close(o[i].value);
	}
	raw_release(r, ev);
}

static const int numbers[] = { 0, 1, 2, IPCBUS_MAX_OBJECTS - 1, IPCBUS_MAX_OBJECTS };

/* There and back, each a separate open file. */
START_TEST(any_number)
{
	int n = numbers[_i], before = count_fds();
	struct ipcbus_send send;
	struct ipcbus_event ev;

	make_files(n);
	send = fd_send(IPCBUS_SEND_CALL, n);
	send.flags = IPCBUS_SEND_ACCEPT_FDS;
	assert_ok(raw_send(&cli, &send, NULL));
	ck_assert_int_eq(count_fds(), before + n); /* not installed before delivery */
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	ck_assert_int_eq(count_fds(), before + 2 * n);
	expect_files(&srv, &ev, n);
	send = fd_send(IPCBUS_SEND_REPLY, n);
	send.call = ev.call;
	assert_ok(raw_send(&srv, &send, NULL));
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	expect_files(&cli, &ev, n);
	close_files(n);
	ck_assert_int_eq(count_fds(), before);
}
END_TEST

START_TEST(too_many_fds_are_refused)
{
	struct ipcbus_send send = fd_send(IPCBUS_SEND_CALL, IPCBUS_MAX_OBJECTS + 1);
	int before = count_fds();

	make_files(IPCBUS_MAX_OBJECTS + 1);
	assert_result(raw_send(&cli, &send, NULL), -E2BIG);
	raw_none(&srv);
	close_files(IPCBUS_MAX_OBJECTS + 1);
	ck_assert_int_eq(count_fds(), before);
}
END_TEST

/* The receiver's fd limit is reached at each entry of the table. */
START_TEST(limit_in_the_middle)
{
	struct ipcbus_send send = fd_send(IPCBUS_SEND_CALL, 6);
	struct ipcbus_event ev;
	int before = count_fds();

	make_files(6);
	assert_ok(raw_send(&cli, &send, NULL));
	limit_fds(_i);
	if (_i < 6) {
		raw_none(&srv);
		limit_fds(50);
		raw_failed(&cli, -EMFILE, IPCBUS_STAGE_DELIVER, _i);
	} else {
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
		limit_fds(50);
		expect_files(&srv, &ev, 6);
		raw_reply(&srv, ev.call, NULL, 0);
		raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	}
	close_files(6);
	ck_assert_int_eq(count_fds(), before);
}
END_TEST

/* --- Kinds of fds --------------------------------------------------------------------- */

static int make_directory(void)
{
	return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int make_device(void)
{
	return open("/dev/zero", O_RDWR | O_CLOEXEC);
}

static int make_proc(void)
{
	return open("/proc/self/status", O_RDONLY | O_CLOEXEC);
}

static int make_nameless(void)
{
	return open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static int make_write_only(void)
{
	return open("/dev/null", O_WRONLY | O_APPEND | O_CLOEXEC);
}

static int make_eventfd(void)
{
	return eventfd(3, EFD_CLOEXEC | EFD_NONBLOCK);
}

static int make_timer(void)
{
	return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
}

static int make_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int make_epoll(void)
{
	return epoll_create1(EPOLL_CLOEXEC);
}

static int make_process(void)
{
	return syscall(SYS_pidfd_open, getpid(), 0);
}

static int make_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int make_listener(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr name = { .sa_family = AF_UNIX };

	/* An abstract name that the kernel chooses. */
	if (fd < 0 || bind(fd, &name, sizeof(name.sa_family)) || listen(fd, 1))
		return -1;
	return fd;
}

static const struct {
	const char *name;
	int (*make)(void);
} kinds[] = {
	{ "a directory", make_directory }, { "a device", make_device },
	{ "a file of /proc", make_proc }, { "a file without a name", make_nameless },
	{ "a file for writing", make_write_only }, { "an eventfd", make_eventfd },
	{ "a timer", make_timer }, { "a signalfd", make_signals }, { "an epoll", make_epoll },
	{ "a process", make_process }, { "a socket", make_socket },
	{ "a listening socket", make_listener },
};

START_TEST(any_kind)
{
	int fd = kinds[_i].make(), got;

	ck_assert_msg(fd >= 0, "%s: %s", kinds[_i].name, strerror(errno));
	got = pass(fd);
	assert_same_file(fd, got);
	close(fd);
	ck_assert_int_ne(fcntl(got, F_GETFL), -1);
	close(got);
}
END_TEST

START_TEST(seals_are_kept)
{
	int fd = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING), got;

	ck_assert_int_eq(ftruncate(fd, 4096), 0);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_SEAL), 0);
	got = pass(fd);
	close(fd);
	ck_assert_int_eq(fcntl(got, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_SEAL);
	ck_assert_int_eq(write(got, "x", 1), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(ftruncate(got, 0), -1);
	ck_assert_ptr_eq(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, got, 0), MAP_FAILED);
	close(got);
}
END_TEST

/* The receiver has exactly the sender's access mode. */
START_TEST(modes_are_kept)
{
	int p[2], reader, writer;
	char c;

	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	reader = pass(p[0]);
	writer = pass(p[1]);
	ck_assert_int_eq(write(reader, "x", 1), -1);
	ck_assert_int_eq(errno, EBADF);
	ck_assert_int_eq(read(writer, &c, 1), -1);
	ck_assert_int_eq(errno, EBADF);
	ck_assert_int_eq(write(writer, "x", 1), 1);
	ck_assert_int_eq(read(reader, &c, 1), 1);
	close(reader);
	close(writer);
	close(p[0]);
	close(p[1]);
}
END_TEST

/* Locks, offsets and O_NONBLOCK belong to the open file, not to the process that sets them. */
START_TEST(flags_are_shared)
{
	int p[2], got;

	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	got = pass(p[0]);
	ck_assert_int_eq(fcntl(got, F_SETFL, O_NONBLOCK), 0);
	ck_assert_int_eq(fcntl(p[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	ck_assert_int_eq(fcntl(p[0], F_GETFD), FD_CLOEXEC);
	close(got);
	close(p[0]);
	close(p[1]);
}
END_TEST

/* --- In flight --------------------------------------------------------------------- */

static int pipe_is_closed(int fd)
{
	char c;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	return read(fd, &c, 1) == 0;
}

static void expect_closed(int read_end)
{
	for (int i = 0; i < 400 && !pipe_is_closed(read_end); i++)
		usleep(5000);
	ck_assert_int_eq(pipe_is_closed(read_end), 1);
	close(read_end);
}

/* Puts the writing end into objects[0]. After the send, no other fd for it exists. */
static int send_pipe_end(const struct raw *r, const struct ipcbus_send *send)
{
	int p[2];

	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	objects[0] = object_fd(p[1]);
	assert_ok(raw_send(r, send, NULL));
	close(p[1]);
	ck_assert_int_eq(pipe_is_closed(p[0]), 0);
	return p[0];
}

/* The message carries the file, not the number. */
START_TEST(fd_number_is_reused_before_delivery)
{
	struct ipcbus_send send = fd_send(IPCBUS_SEND_ONEWAY, 1);
	int fd = memfd_create("sent", MFD_CLOEXEC), keep = dup(fd), other = open("/dev/null", O_RDWR);
	struct ipcbus_event ev;

	ck_assert_int_ge(other, 0);
	objects[0] = object_fd(fd);
	assert_ok(raw_send(&cli, &send, NULL));
	ck_assert_int_eq(dup2(other, fd), fd);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	assert_same_file(raw_objects(&srv, &ev)[0].value, keep);
	close(raw_objects(&srv, &ev)[0].value);
	raw_release(&srv, &ev);
	close(fd);
	close(keep);
	close(other);
}
END_TEST

START_TEST(canceled_call)
{
	struct ipcbus_send send = fd_send(IPCBUS_SEND_CALL, 1);
	int end;

	send.cookie = 5;
	end = send_pipe_end(&cli, &send);
	assert_ok(raw_cancel(&cli, 5));
	expect_closed(end);
	raw_failed(&cli, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
	raw_none(&srv);
}
END_TEST

START_TEST(expired_call)
{
	struct ipcbus_send send = fd_send(IPCBUS_SEND_CALL, 1);
	struct ipcbus_event ev;
	int end;

	send.deadline = deadline_in(1000);
	end = send_pipe_end(&cli, &send);
	raw_wait(&cli, IPCBUS_EVENT_FAILED, &ev);
	ck_assert_int_eq(ev.error, -ETIMEDOUT);
	expect_closed(end);
	raw_none(&srv);
}
END_TEST

/* The caller left before it took the reply. */
START_TEST(reply_without_a_receiver)
{
	struct ipcbus_send send = fd_send(IPCBUS_SEND_REPLY, 1);
	struct ipcbus_event ev;
	int p[2];

	assert_ok(raw_send(&cli, &(struct ipcbus_send){ .kind = IPCBUS_SEND_CALL,
							.flags = IPCBUS_SEND_ACCEPT_FDS }, NULL));
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	send.call = ev.call;
	if (_i)
		raw_close(&cli);
	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	objects[0] = object_fd(p[1]);
	assert_ok(raw_send(&srv, &send, NULL));
	close(p[1]);
	raw_close(&cli);
	expect_closed(p[0]);
}
END_TEST

/* Each oneway carries its own fds, even if many are queued. */
START_TEST(queued_oneways)
{
	enum { QUEUED = 12 };
	struct ipcbus_send send = fd_send(IPCBUS_SEND_ONEWAY, 1);
	int before = count_fds(), fds[QUEUED];
	struct ipcbus_event ev;

	for (uint32_t i = 0; i < QUEUED; i++) {
		fds[i] = memfd_create("queued", MFD_CLOEXEC);
		objects[0] = object_fd(fds[i]);
		send.code = i;
		assert_ok(raw_send(&cli, &send, NULL));
	}
	for (uint32_t i = 0; i < QUEUED; i++) {
		raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
		ck_assert_uint_eq(ev.code, i);
		assert_same_file(raw_objects(&srv, &ev)[0].value, fds[i]);
		close(raw_objects(&srv, &ev)[0].value);
		close(fds[i]);
		raw_release(&srv, &ev);
	}
	ck_assert_int_eq(count_fds(), before);
}
END_TEST

static int send_and_die(struct peer *self, void *arg)
{
	struct ipcbus_send send = fd_send(IPCBUS_SEND_ONEWAY, 1);

	(void)arg;
	raw_open(&cli, REGION);
	make_files(1);
	ck_assert_int_eq(write(sent[0], "left", 4), 4);
	assert_ok(raw_send(&cli, &send, NULL));
	peer_notify(self, 1);
	peer_hear(self);
	return 0;
}

START_TEST(sender_that_is_killed)
{
	struct ipcbus_event ev;
	char text[5] = "";
	struct peer p;
	int got;

	raw_open(&srv, REGION);
	assert_ok(raw_claim(&srv, raw_node(&srv, IPCBUS_NODE_ACCEPT_FDS, 1)));
	peer_start(&p, send_and_die, NULL);
	peer_hear(&p);
	peer_kill(&p);
	raw_wait(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	got = raw_objects(&srv, &ev)[0].value;
	ck_assert_int_eq(pread(got, text, 4, 0), 4);
	ck_assert_str_eq(text, "left");
	close(got);
	raw_release(&srv, &ev);
}
END_TEST

/* --- Closed by another thread at the same time ------------------------------------------ */

static struct {
	int number;
	bool stop;
} open_and_close;

static void *come_and_go(void *unused)
{
	while (!__atomic_load_n(&open_and_close.stop, __ATOMIC_RELAXED)) {
		int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

		dup3(fd, open_and_close.number, O_CLOEXEC);
		close(fd);
		sched_yield();
		close(open_and_close.number);
	}
	return unused;
}

/* Either the fd is bad, or it is this file. */
START_TEST(fd_is_closed_and_reopened_during_the_send)
{
	struct ipcbus_send send = fd_send(IPCBUS_SEND_ONEWAY, 1);
	uint64_t end = now_ms() + 200;
	int before = count_fds();
	struct ipcbus_event ev;
	struct stat st;
	struct helper h;
	int r;

	open_and_close.number = 200;
	objects[0] = object_fd(open_and_close.number);
	helper_start(&h, come_and_go, NULL);
	while (now_ms() < end) {
		r = raw_send(&cli, &send, NULL);
		ck_assert_msg(!r || r == -EBADF, "%s", errname(r));
		if (r)
			continue;
		raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
		/* The lowest free number is never 200. */
		ck_assert_int_eq(fstat(raw_objects(&srv, &ev)[0].value, &st), 0);
		ck_assert(S_ISCHR(st.st_mode));
		close(raw_objects(&srv, &ev)[0].value);
		raw_release(&srv, &ev);
	}
	__atomic_store_n(&open_and_close.stop, true, __ATOMIC_RELAXED);
	helper_end(&h);
	ck_assert_int_eq(count_fds(), before);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fd-kinds");
	TCase *tc = add_case(s, "numbers", setup_bus);

	tcase_add_loop_test(tc, any_number, 0, ARRAY_SIZE(numbers));
	tcase_add_test(tc, too_many_fds_are_refused);
	tcase_add_loop_test(tc, limit_in_the_middle, 0, 7);

	tc = add_case(s, "kinds", setup_bus);
	tcase_add_loop_test(tc, any_kind, 0, ARRAY_SIZE(kinds));
	tcase_add_test(tc, seals_are_kept);
	tcase_add_test(tc, modes_are_kept);
	tcase_add_test(tc, flags_are_shared);

	tc = add_case(s, "on the way", setup_bus);
	tcase_add_test(tc, fd_number_is_reused_before_delivery);
	tcase_add_test(tc, canceled_call);
	tcase_add_test(tc, expired_call);
	tcase_add_loop_test(tc, reply_without_a_receiver, 0, 2);
	tcase_add_test(tc, queued_oneways);
	tcase_add_test(tc, fd_is_closed_and_reopened_during_the_send);

	tc = add_case(s, "processes", setup_bare);
	tcase_add_test(tc, sender_that_is_killed);
	return suite_main(s);
}
