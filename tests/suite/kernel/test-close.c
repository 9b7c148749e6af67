// SPDX-License-Identifier: MIT
/*
 * Files that close slowly, in calls that another process or the driver ends: TCP sockets with
 * unsent data and SO_LINGER. They delay neither that process nor files of other users, and count
 * for their sender until they are closed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "users.h"

/* Longer than any case lasts. */
#define LINGER_SECONDS 60
/* A thread that does not wait for a slow file goes on within this time. */
#define SOON_MS 10000

static int listener, peer_end_of_slow = -1;

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

/* Returns a socket whose last close() lasts until end_linger(). */
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
	peer_end_of_slow = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(peer_end_of_slow, 0);
	fcntl(s, F_SETFL, O_NONBLOCK);
	while (write(s, data, sizeof(data)) > 0)
		;
	/* close() of a nonblocking socket does not wait. */
	fcntl(s, F_SETFL, 0);
	ck_assert_int_eq(setsockopt(s, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	return s;
}

static void end_linger(void)
{
	close(peer_end_of_slow);
	close(listener);
}

/* Sends a call with the fd, and closes the fd. A call with a timeout is async. */
static int send_file(const struct raw *r, uint32_t handle, int ms, int fd)
{
	struct ipcbus_object o = object_fd(fd);
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .handle = handle, .objects = PTR64(&o), .object_count = 1,
	};
	int e;

	/* On a slow machine the deadline may pass before the call is sent. */
	do {
		if (ms) {
			send.flags = IPCBUS_SEND_ASYNC;
			send.deadline = deadline_in(ms);
			ms *= 2;
		}
		e = raw_send(r, &send, NULL);
	} while (e == -ETIMEDOUT && ms < SOON_MS);
	close(fd);
	return e;
}

static bool is_closed_soon(int read_end)
{
	struct pollfd p = { .fd = read_end, .events = POLLIN };

	return poll(&p, 1, SOON_MS) == 1 && p.revents & POLLHUP;
}

static void wait_for_files(uid_t uid, long files)
{
	for (int i = 0; i < SOON_MS / 10 && account(uid, FILES) != files; i++)
		usleep(10000);
	ck_assert_int_eq(account(uid, FILES), files);
}

/* Serves a call of srv. In that call it sends the slow socket in a call of its own. */
static int hostile_server(struct peer *self, void *arg)
{
	struct ipcbus_object o;
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .objects = PTR64(&o), .object_count = 1,
	};
	struct ipcbus_event ev;
	struct raw r;

	raw_drop_inherited();
	end_linger();
	if (setresuid(1001, 1001, 1001))
		return 1;
	raw_open(&r, REGION);
	o = object_node(raw_node(&r, 0, 1));
	assert_ok(raw_send(&r, &send, NULL));
	raw_wait(&r, IPCBUS_EVENT_CALL, &ev);
	assert_ok(send_file(&r, raw_objects(&r, &ev)[0].value, 0, *(int *)arg));
	peer_notify(self, 1);
	for (;;)
		pause();
}

/* How the caller of the hostile server's call ends it. */
enum { DEADLINE, CANCEL, THREAD_EXIT, ENDS };

static void end_call(int how)
{
	struct ipcbus_event ev;

	if (how == DEADLINE) {
		assert_ok(raw_next(&srv, 0, &ev));
		ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_FAILED);
		ck_assert_int_eq(ev.error, -ETIMEDOUT);
	} else if (how == CANCEL) {
		assert_ok(raw_cancel(&srv, 9));
		raw_failed(&srv, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
	} else {
		assert_ok(dev_ioctl(srv.fd, IPCBUS_IOC_THREAD_EXIT, NULL));
	}
}

START_TEST(caller_does_not_wait_for_files_of_its_server)
{
	struct ipcbus_send call = { .kind = IPCBUS_SEND_CALL, .cookie = 9, .object_count = 1 };
	uint64_t begin, node = raw_node(&oth, IPCBUS_NODE_ACCEPT_FDS, 1);
	struct ipcbus_object o = object_handle(give_handle(&srv, &oth, node));
	int s = slow_socket();
	struct ipcbus_event ev;
	struct peer hostile;

	peer_start(&hostile, hostile_server, &s);
	close(s);
	raw_wait(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	call.handle = raw_objects(&srv, &ev)[0].value;
	raw_release(&srv, &ev);
	call.objects = PTR64(&o);
	if (_i == DEADLINE)
		call.deadline = deadline_in(2000);
	assert_ok(raw_send(&srv, &call, NULL));
	peer_hear(&hostile);
	ck_assert_int_eq(account(1001, FILES), 1);
	begin = now_ms();
	end_call(_i);
	ck_assert_uint_le(now_ms() - begin, SOON_MS);
	peer_kill(&hostile);
	end_linger();
	wait_for_files(1001, 0);
}
END_TEST

/* The deadline of a call passes while a thread waits at the other end of its file. The caller does
 * not take the end of the call. */
static void expect_closed_at_deadline(const struct raw *r)
{
	int p[2];

	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	assert_ok(send_file(r, 0, 20, p[1]));
	ck_assert(is_closed_soon(p[0]));
	close(p[0]);
}

START_TEST(files_of_others_are_closed_meanwhile)
{
	assert_ok(send_file(&cli, 0, 20, slow_socket()));
	for (int i = 0; i < 3; i++)
		expect_closed_at_deadline(&oth);
	end_linger();
	wait_for_files(1000, 0);
	wait_for_files(1001, 0);
	expect_closed_at_deadline(&cli);
	wait_for_files(1000, 0);
}
END_TEST

/* They wait for the slow file, and each of them counts, also after the death of the sender. */
START_TEST(waiting_files_stay_charged)
{
	struct ipcbus_event ev;
	int ends[3];

	set_limit("user_files", 4);
	assert_ok(send_file(&cli, 0, 20, slow_socket()));
	raw_wait(&cli, IPCBUS_EVENT_FAILED, &ev);
	for (int i = 0; i < 3; i++) {
		int p[2];

		ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
		assert_ok(send_file(&cli, 0, 20, p[1]));
		raw_wait(&cli, IPCBUS_EVENT_FAILED, &ev);
		ends[i] = p[0];
	}
	ck_assert_int_eq(account(1000, FILES), 4);
	assert_result(send_file(&cli, 0, 20, dup(0)), -EDQUOT);
	raw_close(&cli);
	ck_assert_int_eq(account(1000, FILES), 4);
	end_linger();
	wait_for_files(1000, 0);
	for (int i = 0; i < 3; i++) {
		ck_assert(is_closed_soon(ends[i]));
		close(ends[i]);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("close");
	TCase *tc = add_user_case(s, "slow");
	int tcp = socket(AF_INET, SOCK_STREAM, 0);

	if (tcp < 0)
		return 77;
	close(tcp);
	tcase_add_loop_test(tc, caller_does_not_wait_for_files_of_its_server, 0, ENDS);
	tcase_add_test(tc, files_of_others_are_closed_meanwhile);
	tcase_add_test(tc, waiting_files_stay_charged);
	return suite_main(s);
}
