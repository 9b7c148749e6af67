// SPDX-License-Identifier: MIT
/*
 * File descriptors in the object table: they arrive as new fds of the receiver, only if the
 * node accepts them, all or none, and never leak.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"

static struct ipcbus_send fd_send(uint32_t kind, struct ipcbus_object *o, uint32_t n)
{
	return (struct ipcbus_send){ .kind = kind, .objects = PTR64(o), .object_count = n };
}

/* cli sends the fd in a oneway, srv takes it. Returns the new number. */
static int pass(int fd)
{
	struct ipcbus_object o = object_fd(fd);
	struct ipcbus_send send = fd_send(IPCBUS_SEND_ONEWAY, &o, 1);
	struct ipcbus_event ev;

	o.tag = 7;
	assert_ok(raw_send(&cli, &send, NULL));
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	ck_assert_uint_eq(ev.object_count, 1);
	o = raw_objects(&srv, &ev)[0];
	ck_assert_uint_eq(o.type, IPCBUS_OBJECT_FD);
	ck_assert_uint_eq(o.tag, 7);
	ck_assert_uint_eq(o.cookie, 0);
	raw_release(&srv, &ev);
	return o.value;
}

/* Checks by the shared offset that both fds are of the same open file. */
static void assert_same_file(int a, int b)
{
	struct stat sa, sb;

	ck_assert_int_eq(fstat(a, &sa), 0);
	ck_assert_int_eq(fstat(b, &sb), 0);
	ck_assert_uint_eq(sa.st_dev, sb.st_dev);
	ck_assert_uint_eq(sa.st_ino, sb.st_ino);
}

START_TEST(file_arrives_open)
{
	int fd = memfd_create("passed", 0), got;
	char text[6] = "";

	ck_assert_int_eq(write(fd, "hello", 5), 5);
	got = pass(fd);
	ck_assert_int_ne(got, fd);
	assert_same_file(fd, got);
	ck_assert_int_eq(fcntl(got, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	ck_assert_int_eq(lseek(got, 0, SEEK_SET), 0);
	ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 0);
	close(fd);
	ck_assert_int_eq(read(got, text, 5), 5);
	ck_assert_str_eq(text, "hello");
	close(got);
}
END_TEST

START_TEST(sender_may_close_at_once)
{
	struct ipcbus_object o;
	struct ipcbus_send send = fd_send(IPCBUS_SEND_ONEWAY, &o, 1);
	struct ipcbus_event ev;
	int p[2], got;
	char c;

	ck_assert_int_eq(pipe(p), 0);
	o = object_fd(p[1]);
	assert_ok(raw_send(&cli, &send, NULL));
	close(p[1]);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	got = raw_objects(&srv, &ev)[0].value;
	raw_release(&srv, &ev);
	ck_assert_int_eq(write(got, "x", 1), 1);
	ck_assert_int_eq(read(p[0], &c, 1), 1);
	close(got);
	ck_assert_int_eq(read(p[0], &c, 1), 0); /* all fds of the other end are closed */
	close(p[0]);
}
END_TEST

/* Payload and fds between other objects; order and tags are kept. */
START_TEST(fds_among_other_objects)
{
	int fds[10], before = count_fds();
	struct ipcbus_object o[30];
	struct ipcbus_send send = fd_send(IPCBUS_SEND_CALL, o, 30);
	struct ipcbus_event ev;
	const struct ipcbus_object *got;

	for (int i = 0; i < 10; i++)
		fds[i] = memfd_create("many", MFD_CLOEXEC);
	for (int i = 0; i < 30; i++) {
		o[i] = i % 3 ? object_node(raw_node(&cli, 0, i)) : object_fd(fds[i / 3]);
		o[i].tag = i * 3;
	}
	send.data = PTR64("with text");
	send.data_size = 9;
	assert_ok(raw_send(&cli, &send, NULL));
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_holds(&srv, &ev, "with text", 9);
	ck_assert_uint_eq(ev.object_count, 30);
	got = raw_objects(&srv, &ev);
	for (int i = 0; i < 30; i++) {
		ck_assert_uint_eq(got[i].tag, i * 3);
		ck_assert_uint_eq(got[i].type, i % 3 ? IPCBUS_OBJECT_HANDLE : IPCBUS_OBJECT_FD);
		if (i % 3)
			continue;
		assert_same_file(got[i].value, fds[i / 3]);
		close(got[i].value);
		close(fds[i / 3]);
	}
	ck_assert_int_eq(count_fds(), before);
	raw_release(&srv, &ev);
}
END_TEST

START_TEST(node_that_takes_no_fds)
{
	uint32_t handle = give_handle(&cli, &srv, raw_node(&srv, 0, 1));
	struct ipcbus_object o[2] = { object_node(raw_node(&cli, 0, 1)), object_fd(1) };
	struct ipcbus_send send = fd_send(IPCBUS_SEND_CALL, o, 2);

	send.handle = handle;
	raw_fails(&cli, &send, -EPERM, IPCBUS_STAGE_OBJECT, 1);
	send.kind = IPCBUS_SEND_ONEWAY;
	raw_fails(&cli, &send, -EPERM, IPCBUS_STAGE_OBJECT, 1);
	raw_none(&srv);
	send.object_count = 1;
	assert_ok(raw_send(&cli, &send, NULL));
}
END_TEST

static void reply_with_fd(uint32_t call_flags, uint32_t reply_kind, int want)
{
	struct ipcbus_object o = object_fd(1);
	struct ipcbus_send send = fd_send(reply_kind, &o, 1);
	struct ipcbus_event ev;

	assert_ok(raw_send(&cli, &(struct ipcbus_send){ .kind = IPCBUS_SEND_CALL,
							.flags = call_flags }, NULL));
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	ck_assert_uint_eq(ev.flags & IPCBUS_EVENT_ACCEPT_FDS,
			  call_flags ? IPCBUS_EVENT_ACCEPT_FDS : 0);
	raw_release(&srv, &ev);
	send.call = ev.call;
	if (reply_kind == IPCBUS_SEND_ERROR)
		send.code = EIO;
	if (want) {
		raw_fails(&srv, &send, want, IPCBUS_STAGE_OBJECT, 0);
		send.object_count = 0;
		send.objects = 0;
		assert_ok(raw_send(&srv, &send, NULL));
	} else {
		assert_ok(raw_send(&srv, &send, NULL));
	}
	raw_take(&cli, reply_kind == IPCBUS_SEND_REPLY ? IPCBUS_EVENT_REPLY : IPCBUS_EVENT_ERROR,
		 &ev);
	if (!want)
		ck_assert_int_eq(close(raw_objects(&cli, &ev)[0].value), 0);
	raw_release(&cli, &ev);
}

START_TEST(reply_may_bring_fds_where_asked_for)
{
	reply_with_fd(IPCBUS_SEND_ACCEPT_FDS, IPCBUS_SEND_REPLY, 0);
	reply_with_fd(IPCBUS_SEND_ACCEPT_FDS, IPCBUS_SEND_ERROR, 0);
}
END_TEST

START_TEST(reply_brings_no_fds_unasked)
{
	reply_with_fd(0, IPCBUS_SEND_REPLY, -EPERM);
	reply_with_fd(0, IPCBUS_SEND_ERROR, -EPERM);
}
END_TEST

START_TEST(bad_fds)
{
	static const uint64_t bad[] = { 900, 1 << 20, 0x7fffffff, 0x80000000, 0xffffffff,
					1ULL << 32 | 1, ~0ULL };
	struct ipcbus_object o[3] = { object_fd(1), object_fd(1), object_fd(1) };
	struct ipcbus_send send = fd_send(IPCBUS_SEND_CALL, o, 3);
	int before = count_fds();

	o[2].value = bad[_i];
	raw_fails(&cli, &send, -EBADF, IPCBUS_STAGE_OBJECT, 2);
	raw_none(&srv);
	ck_assert_int_eq(count_fds(), before);
}
END_TEST

START_TEST(path_only_fd)
{
	int fd = open("/", O_PATH | O_CLOEXEC);
	struct ipcbus_object o = object_fd(fd);
	struct ipcbus_send send = fd_send(IPCBUS_SEND_CALL, &o, 1);

	raw_fails(&cli, &send, -EBADF, IPCBUS_STAGE_OBJECT, 0);
	close(fd);
}
END_TEST

/* A bus fd in a message on the same bus could keep itself alive forever. */
START_TEST(own_device_is_refused)
{
	struct ipcbus_object o[2] = { object_fd(1), object_fd(-1) };
	struct ipcbus_send send = fd_send(IPCBUS_SEND_ONEWAY, o, 2);
	const int fds[] = { cli.fd, srv.fd, oth.fd };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		o[1] = object_fd(fds[i]);
		raw_fails(&cli, &send, -ELOOP, IPCBUS_STAGE_OBJECT, 1);
	}
	raw_none(&srv);
}
END_TEST

/* The receiver */

START_TEST(receiver_without_space_for_a_calls_fds)
{
	struct ipcbus_object o[5];
	struct ipcbus_send send = fd_send(IPCBUS_SEND_CALL, o, 5);
	uint64_t node = raw_node(&cli, 0, 1);
	int before = count_fds();

	for (int i = 0; i < 5; i++)
		o[i] = object_fd(1);
	o[1] = object_node(node);
	assert_ok(raw_send(&cli, &send, NULL));
	limit_fds(2);
	raw_none(&srv);
	limit_fds(50);
	raw_failed(&cli, -EMFILE, IPCBUS_STAGE_DELIVER, 3);
	raw_none(&srv);
	ck_assert_int_eq(count_fds(), before);
	assert_ok(raw_destroy(&cli, node, IPCBUS_NODE_IF_IDLE));
	raw_round_trip(&cli, 0, &srv, "still here", 10);
}
END_TEST

/* A call that could not be delivered no longer refers to its node. */
START_TEST(refused_call_leaves_its_node_idle)
{
	struct ipcbus_object o = object_fd(1);
	struct ipcbus_send send = fd_send(IPCBUS_SEND_CALL, &o, 1);
	uint64_t node = raw_node(&srv, IPCBUS_NODE_ACCEPT_FDS, 9);
	struct ipcbus_node_info info;
	struct ipcbus_event ev;

	send.handle = give_handle(&cli, &srv, node);
	assert_ok(raw_send(&cli, &send, NULL));
	assert_ok(raw_put(&cli, send.handle, 1));
	raw_none(&cli);
	limit_fds(0);
	raw_take(&srv, IPCBUS_EVENT_IDLE, &ev);
	limit_fds(50);
	ck_assert_uint_eq(ev.cookie, 9);
	raw_failed(&cli, -EMFILE, IPCBUS_STAGE_DELIVER, 0);
	assert_ok(raw_node_info(&srv, node, &info));
	ck_assert_uint_eq(info.refs, 0);
	ck_assert_uint_eq(info.pending, 0);
	assert_ok(raw_destroy(&srv, node, IPCBUS_NODE_IF_IDLE));
}
END_TEST

START_TEST(receiver_without_space_for_a_oneways_fds)
{
	struct ipcbus_object o = object_fd(1);
	struct ipcbus_send send = fd_send(IPCBUS_SEND_ONEWAY, &o, 1);
	struct ipcbus_event ev;

	assert_ok(raw_send(&cli, &send, NULL));
	raw_oneway(&cli, 0, 55, "next", 4);
	limit_fds(0);
	/* the failed message is gone, and the next is delivered */
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	ck_assert_uint_eq(ev.code, 55);
	raw_release(&srv, &ev);
	limit_fds(50);
	raw_none(&srv);
}
END_TEST

START_TEST(caller_without_space_for_a_replys_fds)
{
	struct ipcbus_object o = object_fd(1);
	struct ipcbus_send send = fd_send(IPCBUS_SEND_REPLY, &o, 1);
	struct ipcbus_event ev;

	assert_ok(raw_send(&cli, &(struct ipcbus_send){ .kind = IPCBUS_SEND_CALL,
							.flags = IPCBUS_SEND_ACCEPT_FDS }, NULL));
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_release(&srv, &ev);
	send.call = ev.call;
	assert_ok(raw_send(&srv, &send, NULL));
	limit_fds(0);
	raw_failed(&cli, -EMFILE, IPCBUS_STAGE_DELIVER, 0);
	limit_fds(50);
	raw_none(&cli);
	raw_round_trip(&cli, 0, &srv, "still here", 10);
}
END_TEST

static int pipe_is_closed(int fd)
{
	char c;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	return read(fd, &c, 1) == 0;
}

/* The driver closes files a moment later, ipcbusd on another thread. */
static void is_closed_soon(int fd)
{
	for (int i = 0; i < 2000 && !pipe_is_closed(fd); i++)
		usleep(5000);
	ck_assert_int_eq(pipe_is_closed(fd), 1);
}

/* The only writing end is in a queued message. */
static void send_pipe_end(int *ret_read_end)
{
	struct ipcbus_object o;
	struct ipcbus_send send = fd_send(IPCBUS_SEND_ONEWAY, &o, 1);
	int p[2];

	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	o = object_fd(p[1]);
	assert_ok(raw_send(&cli, &send, NULL));
	close(p[1]);
	ck_assert_int_eq(pipe_is_closed(p[0]), 0);
	*ret_read_end = p[0];
}

START_TEST(undelivered_fd_is_closed_with_the_receiver)
{
	int end;

	send_pipe_end(&end);
	raw_close(&srv);
	is_closed_soon(end);
}
END_TEST

START_TEST(undelivered_fd_is_closed_with_the_node)
{
	int end;

	send_pipe_end(&end);
	assert_ok(raw_destroy(&srv, srv_node, 0));
	is_closed_soon(end);
}
END_TEST

START_TEST(failed_send_holds_no_fd)
{
	struct ipcbus_object o[2];
	struct ipcbus_send send = fd_send(IPCBUS_SEND_ONEWAY, o, 2);
	int p[2];

	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	o[0] = object_fd(p[1]);
	o[1] = object_handle(4242);
	raw_fails(&cli, &send, -EBADF, IPCBUS_STAGE_OBJECT, 1);
	close(p[1]);
	is_closed_soon(p[0]);
}
END_TEST

START_TEST(thousand_failures_do_not_leak)
{
	struct ipcbus_object o[3] = { object_fd(1), object_fd(1), object_fd(999) };
	struct ipcbus_send send = fd_send(IPCBUS_SEND_ONEWAY, o, 3);
	int before = count_fds();

	for (int i = 0; i < 1000; i++)
		assert_result(raw_send(&cli, &send, NULL), -EBADF);
	ck_assert_int_eq(count_fds(), before);
	raw_none(&srv);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fd");
	TCase *tc = add_case(s, "passing", setup_bus);

	tcase_add_test(tc, file_arrives_open);
	tcase_add_test(tc, sender_may_close_at_once);
	tcase_add_test(tc, fds_among_other_objects);

	tc = add_case(s, "refusal", setup_bus);
	tcase_add_test(tc, node_that_takes_no_fds);
	tcase_add_test(tc, reply_may_bring_fds_where_asked_for);
	tcase_add_test(tc, reply_brings_no_fds_unasked);
	tcase_add_loop_test(tc, bad_fds, 0, 7);
	tcase_add_test(tc, path_only_fd);
	tcase_add_test(tc, own_device_is_refused);

	tc = add_case(s, "delivery", setup_bus);
	tcase_add_test(tc, receiver_without_space_for_a_calls_fds);
	tcase_add_test(tc, refused_call_leaves_its_node_idle);
	tcase_add_test(tc, receiver_without_space_for_a_oneways_fds);
	tcase_add_test(tc, caller_without_space_for_a_replys_fds);
	tcase_add_test(tc, undelivered_fd_is_closed_with_the_receiver);
	tcase_add_test(tc, undelivered_fd_is_closed_with_the_node);
	tcase_add_test(tc, failed_send_holds_no_fd);
	tcase_add_test(tc, thousand_failures_do_not_leak);
	return suite_main(s);
}
