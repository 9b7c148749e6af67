// SPDX-License-Identifier: MIT
/*
 * Memory that dead threads and procs occupy while other procs still refer to them: almost none.
 * That everything is freed after the last reference is checked after each case of every test.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fixture.h"

/* Threads */

static void *touch(void *arg)
{
	struct ipcbus_event ev;

	(void)arg;
	assert_ok(raw_next(&cli, IPCBUS_NONBLOCK, &ev));
	return NULL;
}

static void touch_by_turns(unsigned int n)
{
	struct helper h;

	while (n--) {
		helper_start(&h, touch, NULL);
		helper_end(&h);
	}
}

/* Threads that end without announcing it are removed when new threads arrive. */
START_TEST(ended_threads_are_removed)
{
	long before = live("threads");

	touch_by_turns(200);
	ck_assert_int_le(live("threads") - before, 40);
}
END_TEST

/* A kernel with KASAN delays the freeing of memory, and still counts it. */
static bool keeps_freed_memory(void)
{
	char line[512];
	bool keeps = false;
	FILE *f = fopen("/proc/kallsyms", "re");

	while (f && !keeps && fgets(line, sizeof(line), f))
		keeps = strstr(line, " kasan_quarantine_");
	if (f)
		fclose(f);
	return keeps;
}

static long count_tasks(void)
{
	char line[512];
	long n = -1;
	FILE *f = fopen("/proc/slabinfo", "re");

	/* Without KASAN it is never delayed. */
	while (f && n < 0 && fgets(line, sizeof(line), f))
		sscanf(line, "task_struct %ld", &n);
	if (f)
		fclose(f);
	return n;
}

static pthread_barrier_t all_are_there;

static void *touch_with_all(void *arg)
{
	touch(arg);
	pthread_barrier_wait(&all_are_there);
	return NULL;
}

/* However many there were, and even if no further thread arrives. */
START_TEST(ended_threads_keep_no_task)
{
	static struct helper h[400];
	long before = count_tasks(), now = 0;

	if (keeps_freed_memory())
		return;
	pthread_barrier_init(&all_are_there, NULL, ARRAY_SIZE(h));
	for (size_t i = 0; i < ARRAY_SIZE(h); i++)
		helper_start(&h[i], touch_with_all, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(h); i++)
		helper_end(&h[i]);
	for (uint64_t end = now_ms() + 5000; now_ms() < end; usleep(20000)) {
		now = count_tasks();
		if (now - before < 200)
			return;
	}
	ck_abort_msg("%ld tasks, were %ld", now, before);
}
END_TEST

/* Procs: a server ends that has closed its file, while another process holds it unusably. */

enum holder {
	CHILD,	  /* a forked child holds a copy of the fd */
	IMAGE,	  /* the program that the server executes */
	SOCKET,	  /* a message in a socket that is never received */
	IO_URING, /* a child, through a ring in which the file is registered */
};

struct server {
	enum holder holder;
	int socket[2];
};

/* -1: this kernel has no io_uring. */
static int ring_with(int fd)
{
	struct io_uring_params params = { 0 };
	int ring = syscall(SYS_io_uring_setup, 1, &params);

	if (ring < 0)
		return -1;
	ck_assert_int_eq(syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, &fd, 1), 0);
	return ring;
}

static pid_t fork_holder(void)
{
	pid_t child = fork();

	if (child == 0)
		for (;;)
			pause();
	return child;
}

/* Returns the process that then holds the file, if another process does; -1: impossible. */
static pid_t hand_over(const struct server *server)
{
	pid_t child = 0;
	int ring;

	switch (server->holder) {
	case CHILD:
		child = fork_holder();
		break;
	case IMAGE:
		fcntl(srv.fd, F_SETFD, 0);
		return getpid();
	case SOCKET:
		send_fd(server->socket[1], srv.fd);
		break;
	case IO_URING:
		ring = ring_with(srv.fd);
		if (ring < 0)
			return -1;
		dev_close(srv.fd);
		child = fork_holder();
		close(ring);
		return child;
	}
	dev_close(srv.fd);
	return child;
}

static int serve_and_end(struct peer *self, void *arg)
{
	const struct server *server = arg;
	struct ipcbus_event ev;
	pid_t holder;

	raw_open(&srv, REGION);
	assert_ok(raw_claim(&srv, raw_node(&srv, 0, SRV_COOKIE)));
	peer_notify(self, 1);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	dev_unmap((void *)(uintptr_t)srv.map, srv.size);
	holder = hand_over(server);
	peer_notify(self, holder);
	peer_hear(self);
	if (server->holder == IMAGE)
		execl("/proc/self/exe", "test-remains", "--hold", (char *)NULL);
	return 0;
}

/* The caller is notified of the end although the file stays, and most of the proc is freed. */
static void expect_end(const char *what)
{
	struct ipcbus_event ev = { 0 };
	uint64_t end = now_ms() + 3000;

	while (ev.kind != IPCBUS_EVENT_FAILED && now_ms() < end) {
		assert_ok(raw_next(&cli, IPCBUS_NONBLOCK, &ev));
		usleep(2000);
	}
	ck_assert_msg(ev.kind == IPCBUS_EVENT_FAILED, "%s: the caller waits", what);
	ck_assert_int_eq(ev.error, -EOWNERDEAD);
	raw_wait(&cli, IPCBUS_EVENT_DEAD, &ev);
	for (; now_ms() < end && live("pages"); usleep(2000))
		;
	ck_assert_msg(!live("pages") && !live("buffers"), "%s: memory stays", what);
	/* The dead proc's thread is freed. At most the dead proc itself stays with its file. */
	ck_assert_int_eq(live("threads"), 1);
	ck_assert_int_le(live("procs"), 2);
}

START_TEST(server_ends_while_other_processes_hold_its_file)
{
	static const char *const names[] = { "child", "image", "socket", "io_uring" };
	struct server server = { .holder = _i };
	struct peer p;
	pid_t holder;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, server.socket), 0);
	peer_start(&p, serve_and_end, &server);
	peer_hear(&p);
	raw_open(&cli, REGION);
	assert_ok(raw_watch(&cli, 0, 7));
	raw_call(&cli, 0, 1, "x", 1);
	holder = (pid_t)peer_hear(&p);
	if (holder < 0) {
		printf("# no io_uring here\n");
		peer_kill(&p);
		return;
	}
	/* The server lives, so the proc lives, whatever the server has closed. */
	raw_none(&cli);
	peer_notify(&p, 0);
	if (server.holder != IMAGE)
		peer_end(&p);
	expect_end(names[_i]);
	if (server.holder == IMAGE)
		peer_kill(&p);
	else if (holder)
		kill(holder, SIGKILL);
	close(server.socket[0]);
	close(server.socket[1]);
}
END_TEST

/* Bytes per proc: the node and the handle, plus noise of the rest of the machine. */
#define PROC_REMAINS 512
#define DEAD_PROCS 2000
#define NOISE (2L << 20)

/* Regardless of the size of their regions and tables. */
START_TEST(dead_procs_keep_little_memory)
{
	long before, holds, bound = DEAD_PROCS * PROC_REMAINS + NOISE;
	struct raw dead;
	uint64_t end;

	if (keeps_freed_memory()) {
		case_skip("this kernel keeps freed memory");
		return;
	}
	before = kernel_memory();
	for (int i = 0; i < DEAD_PROCS; i++) {
		raw_open(&dead, 16 * REGION);
		raw_hand(&srv, &cli, &dead, raw_node(&dead, 0, 1));
		raw_close(&dead);
	}
	ck_assert_int_eq(live("procs"), 3);
	ck_assert_int_eq(live("nodes"), DEAD_PROCS + 1);
	end = now_ms() + 5000;
	do {
		usleep(50000);
		holds = kernel_memory() - before;
	} while (holds > bound && now_ms() < end);
	ck_assert_msg(holds <= bound, "%d dead procs keep %ld bytes each", DEAD_PROCS,
		      holds / DEAD_PROCS);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s = suite_create("remains");
	TCase *tc = add_case(s, "threads", setup_bus);

	(void)argv;
	if (argc > 1)
		for (;;)
			pause();

	tcase_add_test(tc, ended_threads_are_removed);
	tcase_add_test(tc, ended_threads_keep_no_task);

	tcase_add_test(tc, dead_procs_keep_little_memory);

	tc = add_case(s, "procs", setup_bare);
	tcase_add_loop_test(tc, server_ends_while_other_processes_hold_its_file, CHILD,
			    IO_URING + 1);
	return suite_main(s);
}
