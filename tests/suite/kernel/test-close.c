// SPDX-License-Identifier: MIT
/*
 * Files that nobody took and that close slowly: TCP sockets with unsent data and SO_LINGER. They
 * cost nobody time, and count for their sender until they are closed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "namespace.h"
#include "users.h"

/* Which no test lasts. */
#define LINGER_SECONDS 60
/* Nobody is held up who goes on within this. */
#define SOON_MS 10000

static int listener, peer = -1;

static void bring_loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	ck_assert_int_ge(s, 0);
	ck_assert_int_eq(ioctl(s, SIOCGIFFLAGS, &request), 0);
	if (!(request.ifr_flags & IFF_UP)) {
		request.ifr_flags |= IFF_UP;
		ck_assert_int_eq(ioctl(s, SIOCSIFFLAGS, &request), 0);
	}
	close(s);
}

/* To be closed by others; end_linger() lets that end. */
static int slow_socket(void)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct linger linger = { 1, LINGER_SECONDS };
	static const char data[65536];
	socklen_t size = sizeof(at);
	int s;

	bring_loopback_up();
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&at, size), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&at, &size), 0);
	s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(s, (struct sockaddr *)&at, size), 0);
	peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(peer, 0);
	fcntl(s, F_SETFL, O_NONBLOCK);
	while (write(s, data, sizeof(data)) > 0)
		;
	ck_assert_int_eq(setsockopt(s, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	return s;
}

static void end_linger(void)
{
	close(peer);
	close(listener);
}

static int send_file(const struct raw *r, uint32_t kind, int fd)
{
	struct ipcbus_object o = object_fd(fd);
	struct ipcbus_send send = { .kind = kind, .objects = PTR64(&o), .object_count = 1 };
	int e;

	/* Its time may be over before it is sent. */
	do {
		if (kind == IPCBUS_SEND_CALL) {
			send.flags = IPCBUS_SEND_ASYNC;
			send.deadline = deadline_in(20);
		}
		e = raw_send(r, &send, NULL);
	} while (e == -ETIMEDOUT);
	close(fd);
	return e;
}

/* A call of r's brings the only writing end, and nobody takes it: the other end. */
static int send_pipe_end(const struct raw *r)
{
	int p[2];

	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	assert_ok(send_file(r, IPCBUS_SEND_CALL, p[1]));
	return p[0];
}

static void wait_for_timeout(const struct raw *r)
{
	struct pollfd p = { .fd = r->fd, .events = POLLIN };

	ck_assert_int_eq(poll(&p, 1, SOON_MS), 1);
	raw_failed(r, -ETIMEDOUT, IPCBUS_STAGE_REPLY, 0);
}

static bool is_closed_within(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1 && p.revents & POLLHUP;
}

static void wait_for_files(uid_t uid, long files)
{
	for (int i = 0; i < SOON_MS / 10 && account(uid, FILES) != files; i++)
		usleep(10000);
	ck_assert_int_eq(account(uid, FILES), files);
}

/* What began then has not waited for the slow file, which that user sent. */
static void expect_no_wait(uint64_t begin, uid_t uid)
{
	ck_assert_uint_le(now_ms() - begin, SOON_MS);
	end_linger();
	wait_for_files(uid, 0);
}

START_TEST(owner_of_the_node_does_not_wait)
{
	uint64_t begin;

	assert_ok(send_file(&cli, IPCBUS_SEND_ONEWAY, slow_socket()));
	begin = now_ms();
	assert_ok(raw_destroy(&srv, srv_node, 0));
	expect_no_wait(begin, 1000);
}
END_TEST

/* As a service that acts for its client. */
START_TEST(owner_with_the_senders_euid_does_not_wait)
{
	uint64_t begin;
	int e;

	assert_ok(send_file(&cli, IPCBUS_SEND_ONEWAY, slow_socket()));
	begin = now_ms();
	ck_assert_int_eq(setresuid(-1, 1000, -1), 0);
	e = raw_destroy(&srv, srv_node, 0);
	ck_assert_int_eq(setresuid(-1, 0, -1), 0);
	assert_ok(e);
	expect_no_wait(begin, 1000);
}
END_TEST

START_TEST(closing_receiver_does_not_wait)
{
	uint64_t begin;

	assert_ok(send_file(&cli, IPCBUS_SEND_ONEWAY, slow_socket()));
	begin = now_ms();
	raw_close(&srv);
	expect_no_wait(begin, 1000);
}
END_TEST

/* There is space for the call, and none for the number of its file. */
START_TEST(receiver_without_numbers_does_not_wait)
{
	struct rlimit before;
	uint64_t begin;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	assert_ok(send_file(&cli, IPCBUS_SEND_ONEWAY, slow_socket()));
	limit_fds(0);
	begin = now_ms();
	raw_none(&srv);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	expect_no_wait(begin, 1000);
}
END_TEST

/* A file of the server's, in a reply, for which the caller has no number. */
START_TEST(caller_without_numbers_does_not_wait)
{
	struct ipcbus_send call = { .kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ACCEPT_FDS };
	struct ipcbus_object o = object_fd(slow_socket());
	struct ipcbus_send reply = {
		.kind = IPCBUS_SEND_REPLY, .objects = PTR64(&o), .object_count = 1,
	};
	struct ipcbus_event ev;
	struct rlimit before;
	uint64_t begin, node;

	/* cli serves: its node goes to oth by way of srv. */
	node = raw_node(&cli, 0, 1);
	call.handle = give_handle(&oth, &cli, node);
	assert_ok(raw_send(&oth, &call, NULL));
	raw_take(&cli, IPCBUS_EVENT_CALL, &ev);
	reply.call = ev.call;
	assert_ok(raw_send(&cli, &reply, NULL));
	close(o.value);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit_fds(0);
	begin = now_ms();
	raw_failed(&oth, -EMFILE, IPCBUS_STAGE_DELIVER, 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	expect_no_wait(begin, 1000);
}
END_TEST

START_TEST(files_of_others_are_closed_meanwhile)
{
	assert_ok(send_file(&cli, IPCBUS_SEND_CALL, slow_socket()));
	wait_for_timeout(&cli);
	for (int i = 0; i < 3; i++) {
		int end = send_pipe_end(&oth);

		wait_for_timeout(&oth);
		ck_assert(is_closed_within(end, SOON_MS));
		close(end);
	}
	end_linger();
	wait_for_files(1000, 0);
}
END_TEST

/* They stand behind the slow one, and each of them counts. */
START_TEST(waiting_files_stay_charged)
{
	int s = slow_socket(), ends[4], n;

	set_limit("user_files", 4);
	assert_ok(send_file(&cli, IPCBUS_SEND_CALL, s));
	wait_for_timeout(&cli);
	for (n = 0; n < 3; n++) {
		ends[n] = send_pipe_end(&cli);
		wait_for_timeout(&cli);
	}
	ck_assert_int_eq(account(1000, FILES), 4);
	assert_result(send_file(&cli, IPCBUS_SEND_CALL, dup(0)), -EDQUOT);
	end_linger();
	wait_for_files(1000, 0);
	while (n--) {
		ck_assert(is_closed_within(ends[n], SOON_MS));
		close(ends[n]);
	}
}
END_TEST

START_TEST(every_file_is_closed)
{
	int ends[32];

	for (int i = 0; i < 32; i++)
		ends[i] = send_pipe_end(i % 2 ? &cli : &oth);
	assert_ok(raw_destroy(&srv, srv_node, 0));
	for (int i = 0; i < 32; i++) {
		ck_assert(is_closed_within(ends[i], SOON_MS));
		close(ends[i]);
	}
	wait_for_files(1000, 0);
	wait_for_files(1001, 0);
}
END_TEST

static int send_and_exit(struct peer *self, void *unused)
{
	struct raw r;

	(void)unused;
	if (setresuid(1002, 1002, 1002))
		return 1;
	raw_open(&r, REGION);
	if (send_file(&r, IPCBUS_SEND_ONEWAY, (int)peer_hear(self)))
		return 2;
	return 0;
}

START_TEST(sender_may_be_dead)
{
	int s = slow_socket();
	struct peer sender;
	uint64_t begin;

	peer_start(&sender, send_and_exit, NULL);
	peer_notify(&sender, s);
	peer_end(&sender);
	close(s);
	begin = now_ms();
	assert_ok(raw_destroy(&srv, srv_node, 0));
	expect_no_wait(begin, 1002);
}
END_TEST

/* In a namespace that root made and where 1002 is itself: sends that file, which nobody takes. */
static int send_in_a_namespace(struct peer *self, void *s)
{
	struct raw r;

	if (!enter_namespace(self, 0))
		return 0;
	if (setresuid(1002, 1002, 1002))
		return 1;
	raw_open(&r, REGION);
	assert_ok(send_file(&r, IPCBUS_SEND_CALL, *(int *)s));
	wait_for_timeout(&r);
	peer_notify(self, 1);
	for (;;)
		pause();
}

/* 1002 is still 1002, and not root, whose worker would close the file. */
static void root_does_not_wait_for_users_of(const char *users)
{
	int s = slow_socket(), end;
	struct peer sender;
	struct raw r;

	peer_start(&sender, send_in_a_namespace, &s);
	close(s);
	if (!give_users(&sender, users, "0 0 1")) {
		case_skip("no user namespaces in this kernel");
		peer_end(&sender);
		end_linger();
		return;
	}
	peer_hear(&sender);
	raw_open(&r, REGION);
	end = send_pipe_end(&r);
	wait_for_timeout(&r);
	ck_assert(is_closed_within(end, SOON_MS));
	close(end);
	ck_assert_int_eq(account(1002, FILES), 1);
	end_linger();
	peer_kill(&sender);
	wait_for_files(1002, 0);
	raw_close(&r);
}

START_TEST(root_does_not_wait_for_its_namespace)
{
	root_does_not_wait_for_users_of("0 0 1\n1002 1002 1\n");
}
END_TEST

START_TEST(root_does_not_wait_for_a_namespace_without_root)
{
	root_does_not_wait_for_users_of("1002 1002 1\n");
}
END_TEST

static bool has_tcp(void)
{
	int s = socket(AF_INET, SOCK_STREAM, 0);

	if (s < 0)
		fprintf(stderr, "no TCP: without files that close slowly\n");
	else
		close(s);
	return s >= 0;
}

static void add_slow(Suite *s)
{
	TCase *tc = add_user_case(s, "slow");

	tcase_add_test(tc, owner_of_the_node_does_not_wait);
	tcase_add_test(tc, owner_with_the_senders_euid_does_not_wait);
	tcase_add_test(tc, closing_receiver_does_not_wait);
	tcase_add_test(tc, receiver_without_numbers_does_not_wait);
	tcase_add_test(tc, caller_without_numbers_does_not_wait);
	tcase_add_test(tc, files_of_others_are_closed_meanwhile);
	tcase_add_test(tc, sender_may_be_dead);
	tcase_add_test(tc, waiting_files_stay_charged);
	tcase_add_test(tc, root_does_not_wait_for_its_namespace);
	tcase_add_test(tc, root_does_not_wait_for_a_namespace_without_root);
}

int main(void)
{
	Suite *s = suite_create("close");
	TCase *tc = add_user_case(s, "all");

	if (has_tcp())
		add_slow(s);
	tcase_add_test(tc, every_file_is_closed);
	return suite_main(s);
}
