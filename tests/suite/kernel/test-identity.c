// SPDX-License-Identifier: MIT
/*
 * The sender of a message as its receiver sees it, across users and namespaces. Also that a
 * message is copied once: the receiver reads the very page that the driver wrote.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "namespace.h"

/* Sends a call under each of several uids and gids, then ends. */
static int call_as_many(struct peer *self, void *arg)
{
	struct raw r;
	struct ipcbus_event ev;

	(void)self, (void)arg;
	raw_open(&r, 65536);
	raw_call_wait(&r, 0, 0, NULL, 0, &ev);
	if (setgroups(0, NULL) < 0 || setresgid(-1, 2000, -1) < 0 || setresuid(-1, 1000, -1) < 0)
		return 98;
	raw_call_wait(&r, 0, 1, NULL, 0, &ev);
	if (setresuid(-1, 0, -1) < 0 || setresuid(1001, 1002, 1003) < 0)
		return 98;
	raw_call_wait(&r, 0, 2, NULL, 0, &ev);
	return 0;
}

static void expect_sender(const struct ipcbus_event *ev, pid_t pid, uid_t uid, gid_t gid)
{
	ck_assert_uint_eq(ev->pid, pid);
	ck_assert_uint_eq(ev->uid, uid);
	ck_assert_uint_eq(ev->gid, gid);
}

/* The effective ids at the moment of sending. */
START_TEST(ids_are_read_at_each_send)
{
	static const uid_t uids[] = { 0, 1000, 1002 };
	static const gid_t gids[] = { 0, 2000, 2000 };
	struct ipcbus_event ev;
	struct peer p;

	peer_start(&p, call_as_many, NULL);
	for (uint32_t i = 0; i < 3; i++) {
		raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
		ck_assert_uint_eq(ev.code, i);
		expect_sender(&ev, p.pid, uids[i], gids[i]);
		ck_assert_uint_eq(ev.tid, p.pid);
		raw_reply(&srv, ev.call, NULL, 0);
	}
	peer_end(&p);
}
END_TEST

static void *oneway_from_a_thread(void *arg)
{
	raw_oneway(&cli, 0, 1, "x", 1);
	return arg;
}

START_TEST(thread_id_is_the_threads)
{
	struct ipcbus_event ev;
	struct helper h;

	helper_start(&h, oneway_from_a_thread, NULL);
	helper_end(&h);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	ck_assert_uint_eq(ev.pid, getpid());
	ck_assert_uint_eq(ev.tid, h.tid);
	ck_assert_uint_ne(ev.tid, ev.pid);
	raw_release(&srv, &ev);
}
END_TEST

/* The reply carries the server's ids. */
static int serve_as_user(struct peer *self, void *arg)
{
	struct ipcbus_event ev;

	(void)arg;
	raw_open(&srv, REGION);
	assert_ok(raw_claim(&srv, raw_node(&srv, 0, 1)));
	if (setresgid(3000, 3000, 3000) < 0 || setresuid(1000, 1000, 1000) < 0)
		return 98;
	peer_notify(self, 1);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_error(&srv, ev.call, EIO, NULL, 0);
	return 0;
}

START_TEST(reply_names_the_server)
{
	struct ipcbus_event ev;
	struct peer p;

	peer_start(&p, serve_as_user, NULL);
	peer_hear(&p);
	raw_open(&cli, REGION);
	raw_call_wait(&cli, 0, 1, NULL, 0, &ev);
	expect_sender(&ev, p.pid, 1000, 3000);
	raw_call_wait(&cli, 0, 2, NULL, 0, &ev);
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_ERROR);
	expect_sender(&ev, p.pid, 1000, 3000);
	peer_end(&p);
}
END_TEST

/* The sender information in a message never changes, even after the sender's end. */

static int send_as_user(struct peer *self, void *arg)
{
	struct raw r;

	(void)arg;
	raw_open(&r, 65536);
	raw_oneway(&r, 0, 1, NULL, 0);
	if (setgroups(0, NULL) < 0 || setresgid(2000, 2000, 2000) < 0 ||
	    setresuid(1000, 1000, 1000) < 0)
		return 98;
	raw_oneway(&r, 0, 2, NULL, 0);
	peer_notify(self, 1);
	peer_hear(self);
	return 0;
}

START_TEST(oneways_of_a_dead_sender)
{
	struct ipcbus_sender_info caller;
	struct ipcbus_event ev;
	struct peer p;

	peer_start(&p, send_as_user, NULL);
	peer_hear(&p);
	peer_kill(&p);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	expect_sender(&ev, p.pid, 0, 0);
	assert_ok(raw_caller(&srv, 0, ev.buffer, &caller));
	ck_assert_uint_eq(caller.flags, 0);
	ck_assert_uint_eq(caller.pid, 0);
	raw_release(&srv, &ev);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	expect_sender(&ev, p.pid, 1000, 2000);
	ck_assert_uint_eq(ev.tid, p.pid);
	raw_release(&srv, &ev);
}
END_TEST

static void expect_caller(uint64_t call, uint64_t buffer, uint32_t flags, pid_t pid)
{
	struct ipcbus_sender_info caller;

	assert_ok(raw_caller(&srv, call, buffer, &caller));
	ck_assert_uint_eq(caller.flags, flags);
	ck_assert_uint_eq(caller.pid, pid);
}

START_TEST(sender_of_a_oneway_is_there_or_gone)
{
	struct ipcbus_sender_info caller;
	struct ipcbus_event ev;
	struct peer p;

	peer_start(&p, send_as_user, NULL);
	raw_wait(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	expect_caller(0, ev.buffer, IPCBUS_SENDER_ALIVE, p.pid);
	peer_hear(&p);
	peer_kill(&p);
	expect_caller(0, ev.buffer, 0, 0);
	raw_release(&srv, &ev);
	assert_result(raw_caller(&srv, 0, ev.buffer, &caller), -ESTALE);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(&srv, &ev);
}
END_TEST

static int call_for_ever(struct peer *self, void *arg)
{
	struct ipcbus_event ev;
	struct raw r;

	(void)self, (void)arg;
	raw_open(&r, 65536);
	raw_call_wait(&r, 0, 0, NULL, 0, &ev);
	return 93;
}

/* A call without a caller can still be replied to, and its state says that. */
START_TEST(sender_of_a_call_is_there_or_gone)
{
	struct ipcbus_sender_info caller;
	struct ipcbus_event ev;
	struct peer p;

	peer_start(&p, call_for_ever, NULL);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	expect_caller(ev.call, 0, IPCBUS_SENDER_ALIVE, p.pid);
	assert_result(raw_caller(&cli, ev.call, 0, &caller), -ESRCH);
	peer_kill(&p);
	expect_caller(ev.call, 0, 0, 0);
	raw_reply(&srv, ev.call, NULL, 0);
	assert_result(raw_caller(&srv, ev.call, 0, &caller), -ESRCH);
}
END_TEST

/* The pid identifies the process, not the sending thread, which may end. */
START_TEST(sender_thread_may_end)
{
	struct ipcbus_event ev;
	struct helper h;

	helper_start(&h, oneway_from_a_thread, NULL);
	helper_end(&h);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	expect_caller(0, ev.buffer, IPCBUS_SENDER_ALIVE, getpid());
	raw_release(&srv, &ev);
}
END_TEST

static const struct ipcbus_sender_info bad_questions[] = {
	{ .flags = 1 }, { .flags = 1U << 31 }, { .pid = 1 }, { .reserved = 1 }, { .buffer = 1 },
};

START_TEST(bad_question)
{
	struct ipcbus_sender_info caller = bad_questions[_i];
	struct ipcbus_event ev;

	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	caller.size = sizeof(caller);
	caller.call = ev.call;
	assert_result(dev_ioctl(srv.fd, IPCBUS_IOC_SENDER_INFO, &caller), -EINVAL);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
}
END_TEST

START_TEST(sender_of_no_message)
{
	struct ipcbus_sender_info caller;
	struct ipcbus_event ev;

	raw_call(&cli, 0, 1, "x", 1);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	assert_result(raw_caller(&srv, 0, 0, &caller), -EINVAL);
	assert_result(raw_caller(&srv, ev.call + 1, 0, &caller), -ESRCH);
	assert_result(raw_caller(&srv, ~0ULL, 0, &caller), -ESRCH);
	/* An open call is looked up by its number alone. */
	assert_result(raw_caller(&srv, 0, ev.buffer, &caller), -EINVAL);
	assert_result(raw_caller(&srv, 0, ev.buffer + 1, &caller), -ENOENT);
	assert_result(raw_caller(&srv, 0, ~0ULL, &caller), -ENOENT);
	raw_release(&srv, &ev);
	assert_result(raw_caller(&srv, 0, ev.buffer, &caller), -ESTALE);
	expect_caller(ev.call, 0, IPCBUS_SENDER_ALIVE, getpid());
	raw_reply(&srv, ev.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
}
END_TEST

/* A set-user-ID program, which runs as another user than its parent: argv[1] is --send. */
static int send_one(void)
{
	struct ipcbus_exchange x = { .size = sizeof(x), .send = { .kind = IPCBUS_SEND_ONEWAY } };
	int fd = dev_open(O_RDWR), e = fd < 0 ? fd : dev_ioctl(fd, IPCBUS_IOC_EXCHANGE, &x);

	if (e)
		fprintf(stderr, "%s as another user: %s\n", fd < 0 ? "open" : "send", errname(e));
	return !!e;
}

static int copy_myself(const char *path)
{
	char buffer[65536];
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	ssize_t n;

	ck_assert_int_ge(from, 0);
	ck_assert_int_ge(to, 0);
	while ((n = read(from, buffer, sizeof(buffer))) > 0)
		ck_assert_int_eq(write(to, buffer, n), n);
	close(from);
	/* A file that is open for writing cannot be executed. */
	ck_assert_int_eq(fchown(to, 1000, 2000), 0);
	ck_assert_int_eq(fchmod(to, 06755), 0);
	close(to);
	return n;
}

static int exec_setuid(struct peer *self, void *path)
{
	struct raw r;

	(void)self;
	raw_open(&r, 65536);
	raw_oneway(&r, 0, 0, NULL, 0);
	execl(path, path, "--send", NULL);
	return 98;
}

START_TEST(setuid_program)
{
	static char path[] = "/tmp/identity-setuid";
	int mode = dev_set_mode(0666);
	struct ipcbus_event ev;
	struct peer p;

	if (mode < 0) {
		case_skip("needs root");
		return;
	}
	assert_ok(copy_myself(path));
	peer_start(&p, exec_setuid, path);
	raw_wait(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	expect_sender(&ev, p.pid, 0, 0);
	raw_release(&srv, &ev);
	raw_wait(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	expect_sender(&ev, p.pid, 1000, 2000);
	raw_release(&srv, &ev);
	peer_end(&p);
	unlink(path);
	dev_set_mode(mode);
}
END_TEST

/* Process namespaces */

static int wait_for(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return 97;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 96;
}

/* Pid 1 of a new namespace calls out. The receiver sees its outer pid. */
static int call_from_inside(struct peer *self, void *arg)
{
	struct ipcbus_event ev;
	struct raw r;
	pid_t pid;

	(void)arg;
	if (unshare(CLONE_NEWPID) < 0)
		return 98;
	pid = fork();
	if (pid) {
		peer_notify(self, pid);
		return wait_for(pid);
	}
	if (getpid() != 1)
		_exit(95);
	raw_open(&r, 65536);
	raw_oneway(&r, 0, 2, NULL, 0);
	raw_call_wait(&r, 0, 1, NULL, 0, &ev);
	/* The server is outside, so it has no pid here. */
	_exit(ev.kind == IPCBUS_EVENT_REPLY && !ev.pid && !ev.tid ? 0 : 94);
}

START_TEST(sender_in_an_inner_namespace)
{
	struct ipcbus_event ev;
	struct peer p;
	pid_t inner;

	peer_start(&p, call_from_inside, NULL);
	inner = peer_hear(&p);
	raw_wait(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	ck_assert_uint_eq(ev.pid, inner);
	ck_assert_uint_eq(ev.tid, inner);
	expect_caller(0, ev.buffer, IPCBUS_SENDER_ALIVE, inner);
	raw_release(&srv, &ev);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	ck_assert_uint_eq(ev.pid, inner);
	ck_assert_uint_eq(ev.tid, inner);
	expect_caller(ev.call, 0, IPCBUS_SENDER_ALIVE, inner);
	raw_reply(&srv, ev.call, NULL, 0);
	peer_end(&p);
}
END_TEST

/* If the receiver is inside and the sender outside, the pid is 0, not that of another process. */
static int serve_inside(struct peer *self, void *arg)
{
	struct ipcbus_event ev;
	pid_t pid;

	(void)arg;
	if (unshare(CLONE_NEWPID) < 0)
		return 98;
	pid = fork();
	if (pid)
		return wait_for(pid);
	raw_open(&srv, REGION);
	assert_ok(raw_claim(&srv, raw_node(&srv, 0, 1)));
	peer_notify(self, 1);
	raw_wait(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	if (ev.pid || ev.tid || ev.uid)
		_exit(93);
	expect_caller(0, ev.buffer, IPCBUS_SENDER_ALIVE, 0);
	raw_release(&srv, &ev);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	expect_caller(ev.call, 0, IPCBUS_SENDER_ALIVE, 0);
	raw_reply(&srv, ev.call, NULL, 0);
	_exit(!ev.pid && !ev.tid && !ev.uid ? 0 : 94);
}

START_TEST(sender_outside_the_receivers_namespace)
{
	struct ipcbus_event ev;
	struct peer p;

	peer_start(&p, serve_inside, NULL);
	peer_hear(&p);
	raw_open(&cli, REGION);
	raw_oneway(&cli, 0, 1, NULL, 0);
	raw_call_wait(&cli, 0, 1, NULL, 0, &ev);
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_REPLY);
	ck_assert_uint_ne(ev.pid, 0);
	ck_assert_uint_ne(ev.pid, 1);
	peer_end(&p);
}
END_TEST

/* Both are pid 1 in separate namespaces. Neither has a pid in the other's namespace. */
static int call_from_a_sibling(struct peer *self, void *arg)
{
	struct ipcbus_event ev;
	pid_t pid;

	(void)self, (void)arg;
	if (unshare(CLONE_NEWPID) < 0)
		return 98;
	pid = fork();
	if (pid)
		return wait_for(pid);
	raw_open(&cli, 65536);
	raw_oneway(&cli, 0, 1, NULL, 0);
	raw_call_wait(&cli, 0, 1, NULL, 0, &ev);
	_exit(ev.kind == IPCBUS_EVENT_REPLY && !ev.pid && !ev.tid ? 0 : 94);
}

START_TEST(sender_in_a_sibling_namespace)
{
	struct peer server, client;

	peer_start(&server, serve_inside, NULL);
	peer_hear(&server);
	peer_start(&client, call_from_a_sibling, NULL);
	peer_end(&client);
	peer_end(&server);
}
END_TEST

/* A receiver in a user namespace sees users without an id there as the overflow user. */
static int serve_in_user_namespace(struct peer *self, void *arg)
{
	struct ipcbus_event ev;

	(void)arg;
	if (unshare(CLONE_NEWUSER) < 0) {
		peer_notify(self, 0);
		return 0;
	}
	raw_open(&oth, REGION);
	peer_notify(self, 1);
	raw_call_wait(&oth, 0, 1, NULL, 0, &ev);
	return ev.kind == IPCBUS_EVENT_REPLY && ev.uid == 65534 && ev.gid == 65534 ? 0 : 94;
}

START_TEST(user_namespace_of_the_receiver)
{
	struct ipcbus_event ev;
	struct peer p;

	peer_start(&p, serve_in_user_namespace, NULL);
	if (!peer_hear(&p)) {
		case_skip("no user namespaces in this kernel");
		peer_end(&p);
		return;
	}
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	ck_assert_uint_eq(ev.uid, 0);
	raw_reply(&srv, ev.call, NULL, 0);
	peer_end(&p);
}
END_TEST

/* In this namespace, user 1000 is root, and no other user has an id. */
static int serve_as_root_of_few(struct peer *self, void *arg)
{
	struct ipcbus_event ev;

	(void)arg;
	if (!enter_namespace(self, 0))
		return 0;
	raw_open(&srv, REGION);
	assert_ok(raw_claim(&srv, raw_node(&srv, 0, 1)));
	peer_notify(self, 1);
	raw_wait(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	if (ev.uid != 65534 || ev.gid != 65534)
		return 94;
	raw_release(&srv, &ev);
	raw_wait(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	return ev.uid == 0 && ev.gid == 7 ? 0 : 95;
}

START_TEST(users_with_an_id_in_the_namespace)
{
	struct peer server, client;

	peer_start(&server, serve_as_root_of_few, NULL);
	if (!give_users(&server, "0 1000 1", "7 2000 1")) {
		case_skip("no user namespaces in this kernel");
		peer_end(&server);
		return;
	}
	peer_hear(&server);
	peer_start(&client, send_as_user, NULL);
	peer_hear(&client);
	peer_notify(&client, 1);
	peer_end(&client);
	peer_end(&server);
}
END_TEST

/* The page frame behind an address of this process, or 0 if it cannot be read. */
static uint64_t frame_of(const void *at)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pread(fd, &entry, 8, (uintptr_t)at / 4096 * 8), 8);
	close(fd);
	ck_assert_msg(entry >> 63, "the page is not there");
	return entry & ((1ULL << 55) - 1);
}

/* Checks whether the driver reports a write to this frame, among all procs of this process. */
static bool driver_wrote(uint64_t offset, uint64_t frame)
{
	static char text[1 << 20];
	char *line, *rest = text;
	int pid;
	unsigned long long at, pfn;

	assert_ok(dev_debug("pages", text, sizeof(text)));
	while ((line = strsep(&rest, "\n")))
		if (sscanf(line, "%d %llx %llx", &pid, &at, &pfn) == 3 && pid == getpid() &&
		    at == offset && pfn == frame)
			return true;
	return false;
}

START_TEST(received_page_is_the_page_written)
{
	static const size_t sizes[] = { 1, 4096, 65536, 300000 };
	size_t size = sizes[_i];
	char *data = malloc(size);
	struct ipcbus_event ev;

	if (geteuid()) {
		case_skip("needs root");
		return;
	}
	pattern_fill(data, size, 4);
	raw_call(&cli, 0, 1, data, size);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_holds(&srv, &ev, data, size);
	for (uint64_t at = ev.offset & ~4095ULL; at < ev.offset + size; at += 4096) {
		uint64_t frame = frame_of(srv.map + at);

		ck_assert_uint_ne(frame, 0);
		ck_assert_msg(driver_wrote(at, frame), "page %#llx of the region is frame %#llx",
			      (unsigned long long)at, (unsigned long long)frame);
		ck_assert_uint_ne(frame, frame_of(data));
	}
	raw_release(&srv, &ev);
	free(data);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s = suite_create("identity");
	TCase *tc = add_case(s, "users", setup_bus);

	if (argc == 2 && !strcmp(argv[1], "--send"))
		return send_one();
	tcase_add_test(tc, ids_are_read_at_each_send);
	tcase_add_test(tc, thread_id_is_the_threads);
	tcase_add_test(tc, oneways_of_a_dead_sender);
	tcase_add_test(tc, setuid_program);

	tc = add_case(s, "still there", setup_bus);
	tcase_add_test(tc, sender_of_a_oneway_is_there_or_gone);
	tcase_add_test(tc, sender_of_a_call_is_there_or_gone);
	tcase_add_test(tc, sender_thread_may_end);
	tcase_add_test(tc, sender_of_no_message);
	tcase_add_loop_test(tc, bad_question, 0, ARRAY_SIZE(bad_questions));

	tc = add_case(s, "server", setup_bare);
	tcase_add_test(tc, reply_names_the_server);
	tcase_add_test(tc, sender_outside_the_receivers_namespace);
	tcase_add_test(tc, sender_in_a_sibling_namespace);
	tcase_add_test(tc, users_with_an_id_in_the_namespace);

	tc = add_case(s, "namespaces", setup_bus);
	tcase_add_test(tc, sender_in_an_inner_namespace);
	tcase_add_test(tc, user_namespace_of_the_receiver);

	tc = add_case(s, "one copy", setup_bus);
	tcase_add_loop_test(tc, received_page_is_the_page_written, 0, 4);
	return suite_main(s);
}
