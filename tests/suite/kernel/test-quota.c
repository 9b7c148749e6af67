// SPDX-License-Identifier: MIT
/*
 * Limits on the resources that a user can take from other users: on all procs of the user together,
 * and its quota in regions of other users. The user that exceeds a limit gets an error, and
 * other users are not affected. A single thread opens the device under several user ids.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "users.h"

#define BUFFER_STAGE IPCBUS_STAGE_BUFFER

static uint8_t data[REGION];

/* --- Limits of a user --------------------------------------------------------- */

static int create_node(const struct raw *r, uint64_t *ret_node)
{
	struct ipcbus_node n = {};
	int e = raw_node_ioctl(r, IPCBUS_IOC_NODE_CREATE, &n);

	*ret_node = n.node;
	return e;
}

START_TEST(nodes)
{
	uint64_t node, first = 0;
	struct raw more;

	open_as(&more, 1000);
	set_limit("user_nodes", 10);
	for (int i = 0; i < 10; i++) {
		assert_ok(create_node(i % 2 ? &cli : &more, &node));
		first = first ?: node;
	}
	assert_result(create_node(&cli, &node), -EDQUOT);
	assert_result(create_node(&more, &node), -EDQUOT);
	assert_ok(create_node(&oth, &node));
	assert_ok(raw_destroy(&more, first, 0));
	assert_ok(create_node(&cli, &node));
	assert_result(create_node(&cli, &node), -EDQUOT);
	raw_close(&more);
	assert_ok(create_node(&cli, &node));
}
END_TEST

/* A reply with a node of srv. */
static void reply_node(const struct raw *to)
{
	struct ipcbus_object o = object_node(raw_node(&srv, 0, 1));
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_REPLY, .objects = PTR64(&o), .object_count = 1,
	};
	struct ipcbus_event ev;

	raw_call(to, 0, 0, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	send.call = ev.call;
	assert_ok(raw_send(&srv, &send, NULL));
}

static uint32_t get_handle(const struct raw *to)
{
	struct ipcbus_event ev;
	uint32_t handle;

	reply_node(to);
	raw_take(to, IPCBUS_EVENT_REPLY, &ev);
	handle = raw_objects(to, &ev)[0].value;
	raw_release(to, &ev);
	return handle;
}

START_TEST(handles)
{
	struct ipcbus_event ev;
	uint32_t handle;

	/* Handle 0 counts like any other handle. */
	set_limit("user_handles", 4);
	for (int i = 0; i < 3; i++)
		handle = get_handle(&cli);
	reply_node(&cli);
	raw_failed(&cli, -EDQUOT, IPCBUS_STAGE_DELIVER, 0);
	raw_take(&srv, IPCBUS_EVENT_IDLE, &ev);
	get_handle(&oth);
	assert_ok(raw_put(&cli, handle, 1));
	raw_take(&srv, IPCBUS_EVENT_IDLE, &ev);
	get_handle(&cli);
}
END_TEST

START_TEST(watches)
{
	uint32_t a = get_handle(&cli), b = get_handle(&cli);

	/* The limit of watches is that of handles. */
	set_limit("user_handles", 1);
	assert_ok(raw_watch(&cli, a, 1));
	assert_result(raw_watch(&cli, b, 2), -EDQUOT);
	assert_result(raw_watch(&cli, 0, 3), -EDQUOT);
	assert_ok(raw_watch(&oth, 0, 4));
	assert_ok(raw_unwatch(&cli, a));
	assert_ok(raw_watch(&cli, b, 2));
}
END_TEST

START_TEST(calls)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_ONEWAY, .code = 2011 };
	struct ipcbus_event ev;

	set_limit("user_calls", 5);
	for (int i = 0; i < 5; i++)
		assert_ok(raw_send(&cli, &send, NULL));
	raw_fails(&cli, &send, -EDQUOT, IPCBUS_STAGE_TARGET, 0);
	assert_ok(raw_send(&oth, &send, NULL));
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(&srv, &ev);
	assert_ok(raw_send(&cli, &send, NULL));
	raw_fails(&cli, &send, -EDQUOT, IPCBUS_STAGE_TARGET, 0);
}
END_TEST

START_TEST(files)
{
	struct ipcbus_object o[3] = { object_fd(0), object_fd(1), object_fd(2) };
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .objects = PTR64(o), .object_count = 3,
	};
	struct ipcbus_event ev;

	set_limit("user_files", 2);
	raw_fails(&cli, &send, -EDQUOT, IPCBUS_STAGE_OBJECT, 2);
	send.object_count = 2;
	assert_ok(raw_send(&cli, &send, NULL));
	raw_fails(&cli, &send, -EDQUOT, IPCBUS_STAGE_OBJECT, 0);
	assert_ok(raw_send(&oth, &send, NULL));
	/* Once received, the fds are no longer in flight. */
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	close(raw_objects(&srv, &ev)[0].value);
	close(raw_objects(&srv, &ev)[1].value);
	raw_release(&srv, &ev);
	assert_ok(raw_send(&cli, &send, NULL));
}
END_TEST

/* Objects in flight may hold the last references to nodes. */
START_TEST(objects)
{
	struct ipcbus_object o[3] = {
		object_node(raw_node(&cli, 0, 1)), object_handle(0),
		object_node(raw_node(&cli, 0, 2)),
	};
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .objects = PTR64(o), .object_count = 2,
	};
	struct ipcbus_event ev;

	set_limit("user_handles", 2);
	assert_ok(raw_send(&cli, &send, NULL));
	raw_fails(&cli, &send, -EDQUOT, IPCBUS_STAGE_OBJECT, 0);
	assert_ok(raw_destroy(&cli, o[0].value, 0));
	o[0] = o[2];
	raw_fails(&cli, &send, -EDQUOT, IPCBUS_STAGE_OBJECT, 0);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	ck_assert_uint_eq(raw_objects(&srv, &ev)[1].type, IPCBUS_OBJECT_NODE);
	/* srv's node returned home, so it is charged to srv. */
	send.object_count = 3;
	raw_fails(&cli, &send, -EDQUOT, IPCBUS_STAGE_OBJECT, 2);
	send.object_count = 2;
	assert_ok(raw_send(&cli, &send, NULL));
	raw_release(&srv, &ev);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(&srv, &ev);
}
END_TEST

/* A receiver that keeps messages with its own nodes is charged for them. */
START_TEST(objects_at_home)
{
	struct ipcbus_object o = object_handle(0);
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC, .cookie = 1,
		.objects = PTR64(&o), .object_count = 1,
	};
	struct ipcbus_event kept, ev;

	set_limit("user_handles", 1);
	assert_ok(raw_send(&cli, &send, NULL));
	raw_take(&srv, IPCBUS_EVENT_CALL, &kept);
	assert_ok(raw_send(&cli, &send, NULL));
	raw_none(&srv);
	raw_failed(&cli, -EDQUOT, IPCBUS_STAGE_DELIVER, 0);
	raw_release(&srv, &kept);
	assert_ok(raw_send(&cli, &send, NULL));
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_release(&srv, &ev);
}
END_TEST

START_TEST(procs)
{
	struct raw more;
	int fd;

	set_limit("user_procs", 2);
	open_as(&more, 1000);
	ck_assert_int_eq(setresuid(-1, 1000, -1), 0);
	assert_result(dev_open(O_RDWR), -EDQUOT);
	ck_assert_int_eq(setresuid(-1, 0, -1), 0);
	ck_assert_int_eq(setresuid(-1, 1002, -1), 0);
	fd = dev_open(O_RDWR);
	ck_assert_int_ge(fd, 0);
	dev_close(fd);
	ck_assert_int_eq(setresuid(-1, 0, -1), 0);
	raw_close(&more);
	open_as(&more, 1000);
	raw_close(&more);
}
END_TEST

START_TEST(debugfs_shows_each_users_share)
{
	char text[4096];

	raw_node(&cli, 0, 1);
	assert_ok(dev_debug("users", text, sizeof(text)));
	ck_assert_ptr_nonnull(strstr(text, "1000 1 1 0 0 0 0 0 "));
	ck_assert_ptr_nonnull(strstr(text, "\n1001 1 0 0 0 0 0 0 "));
	ck_assert_int_eq(live("users"), 3);
}
END_TEST

/* --- Quotas of a region ------------------------------------------------------- */

#define PIECE 20000

static int try_send(const struct raw *r, uint32_t kind, size_t size)
{
	struct ipcbus_send send = { .kind = kind, .data = PTR64(data), .data_size = size };
	struct ipcbus_event ev;
	int e = raw_send(r, &send, &ev);

	if (e)
		ck_assert_uint_eq(ev.stage, BUFFER_STAGE);
	return e;
}

static int try_call(const struct raw *r, size_t size)
{
	return try_send(r, IPCBUS_SEND_CALL, size);
}

static int try_oneway(const struct raw *r, size_t size)
{
	return try_send(r, IPCBUS_SEND_ONEWAY, size);
}

/* Sends calls until a call fails. Returns the number of bytes sent. */
static size_t flood(const struct raw *r, int err)
{
	size_t n = 0;
	int e;

	while (!(e = try_call(r, PIECE)))
		n++;
	ck_assert_int_eq(e, err);
	return n * PIECE;
}

/* The part of a region, or of its half for oneways, that other users may fill together. */
#define PART(all) ((all) / 8 * 7)

START_TEST(flood_of_calls)
{
	struct ipcbus_event ev;
	size_t n = flood(&cli, -EDQUOT);

	ck_assert_uint_le(n, PART(REGION) / 2);
	ck_assert_uint_gt(n, PART(REGION) / 2 - 3 * PIECE);
	/* The next user gets half of the rest. */
	n = flood(&oth, -EDQUOT);
	ck_assert_uint_le(n, PART(REGION) / 4 + PIECE);
	ck_assert_uint_gt(n, PART(REGION) / 4 - 3 * PIECE);

	for (;;) {
		assert_ok(raw_next(&srv, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev));
		if (ev.kind == IPCBUS_EVENT_NONE)
			break;
		raw_release(&srv, &ev);
		raw_error(&srv, ev.call, EIO, NULL, 0);
	}
	/* The number of buffers is the limit here. */
	assert_ok(try_oneway(&cli, 100));
}
END_TEST

static size_t flood_with_both(const struct raw *r)
{
	size_t bytes = flood(r, -EDQUOT);

	while (!try_oneway(r, 4000))
		bytes += 4000;
	return bytes;
}

/* Calls and oneways of a user count together, in either order. */
START_TEST(flood_of_both)
{
	size_t n = 0;

	ck_assert_uint_le(flood_with_both(&cli), PART(REGION) / 2);
	while (!try_oneway(&oth, 4000))
		n += 4000;
	n += flood(&oth, -EDQUOT);
	ck_assert_uint_le(n, PART(REGION) / 4 + PIECE);
}
END_TEST

/* However many users flood a region, its owner keeps a part of it. */
START_TEST(strangers_leave_a_part)
{
	struct raw own, more[10];
	size_t bytes;

	raw_open(&own, REGION);
	bytes = flood_with_both(&cli) + flood_with_both(&oth);
	for (uid_t i = 0; i < 10; i++) {
		open_as(&more[i], 2000 + i);
		bytes += flood_with_both(&more[i]);
	}
	ck_assert_uint_le(bytes, PART(REGION));
	ck_assert_uint_gt(bytes, PART(REGION) - 3 * PIECE);
	assert_ok(try_oneway(&own, REGION / 20));
	assert_ok(try_call(&own, REGION / 16));
	for (uid_t i = 0; i < 10; i++)
		raw_close(&more[i]);
	raw_close(&own);
}
END_TEST

/* Sends a call for which its thread does not wait, so that it is not nested in another call. */
static int try_async(const struct raw *r)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC, .data = PTR64(data),
		.data_size = 1, .cookie = 1,
	};

	return raw_send(r, &send, NULL);
}

/* Tiny messages: their number is limited. */
START_TEST(strangers_leave_buffers)
{
	size_t n = 0, all = PART((size_t)raw_info(&srv).max_buffers);
	struct raw own;

	raw_open(&own, REGION);
	while (!try_async(&cli))
		n++;
	while (!try_oneway(&cli, 1))
		n++;
	ck_assert_uint_le(n, all / 2);
	while (!try_oneway(&oth, 1))
		n++;
	while (!try_async(&oth))
		n++;
	ck_assert_uint_le(n, all / 4 * 3 + 1);
	assert_ok(try_oneway(&own, 1));
	assert_ok(try_async(&own));
	raw_close(&own);
}
END_TEST

/* Sends empty async calls until a call fails. Returns their number. */
static size_t flood_empty(const struct raw *r, uint32_t handle)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC, .handle = handle, .cookie = 5,
	};
	struct ipcbus_event ev;
	size_t n = 0;
	int e;

	while (!(e = raw_send(r, &send, &ev)))
		n++;
	ck_assert_int_eq(e, -EDQUOT);
	ck_assert_uint_eq(ev.stage, BUFFER_STAGE);
	return n;
}

/* Empty calls take no space, but places in a queue. Each counts until it is delivered or ends. */
START_TEST(empty_calls_count)
{
	size_t all = raw_info(&srv).max_buffers, fair = PART(all) / 2;
	uint64_t node = raw_node(&srv, 0, 7);
	uint32_t handle = give_handle(&cli, &srv, node);
	struct ipcbus_event ev;

	ck_assert_uint_eq(flood_empty(&cli, handle), fair);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_error(&srv, ev.call, EIO, NULL, 0);
	ck_assert_uint_eq(flood_empty(&cli, handle), 1);
	/* Other users have half of the rest. Calls with a payload count as well. */
	ck_assert_uint_eq(flood_empty(&oth, 0), (PART(all) - fair) / 2);
	assert_result(try_async(&cli), -EDQUOT);

	/* All calls end: discarded, canceled, or with their sender. */
	assert_ok(raw_destroy(&srv, node, 0));
	ck_assert_uint_ge(flood_empty(&cli, 0), fair / 2);
	assert_ok(raw_cancel(&cli, 5));
	raw_close(&oth);
	while (!raw_next(&cli, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev) && ev.kind)
		;
	ck_assert_uint_eq(flood_empty(&cli, 0), fair);
}
END_TEST

/* The region's own user may fill the whole region with them. */
START_TEST(empty_calls_of_the_owner_count)
{
	struct raw own[2];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		raw_open(&own[i], REGION);
	assert_ok(try_async(&own[0]));
	n = flood_empty(&own[1], 0);
	ck_assert_uint_eq(n, raw_info(&srv).max_buffers - 1);
	raw_close(&own[1]);
	ck_assert_uint_gt(flood_empty(&own[0], 0), n - 100);
	raw_close(&own[0]);
}
END_TEST

/* Another user gets half of the buffers that the owner leaves, however few. */
START_TEST(the_owner_leaves_few_buffers)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC };
	size_t few = 100, all = raw_info(&srv).max_buffers;
	struct raw own;

	raw_open(&own, REGION);
	for (size_t i = few; i < all; i++)
		assert_ok(raw_send(&own, &send, NULL));
	ck_assert_uint_eq(flood_empty(&cli, 0), few / 2);
	ck_assert_uint_eq(flood_empty(&oth, 0), few / 4);
	raw_close(&own);
}
END_TEST

START_TEST(owner_is_not_limited)
{
	struct raw own;

	raw_open(&own, REGION);
	assert_ok(try_call(&own, REGION - 4096));
	raw_close(&own);
}
END_TEST

START_TEST(too_large_for_a_quota)
{
	assert_result(try_call(&cli, PART(REGION) / 2 + 1), -EMSGSIZE);
	assert_result(try_oneway(&cli, PART(REGION / 2) / 2 + 1), -EMSGSIZE);
	assert_ok(try_oneway(&cli, PART(REGION / 2) / 2));
}
END_TEST

START_TEST(replies_are_not_charged)
{
	struct raw own;
	uint32_t handle;
	struct ipcbus_event ev;

	raw_open(&own, REGION);
	handle = give_handle(&own, &cli, raw_node(&cli, 0, 1));
	raw_call(&own, handle, 1, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_CALL, &ev);
	raw_reply(&cli, ev.call, data, REGION - 4096);
	raw_take(&own, IPCBUS_EVENT_REPLY, &ev);
	raw_release(&own, &ev);
	raw_close(&own);
}
END_TEST

START_TEST(flood_of_oneways)
{
	struct ipcbus_event ev;
	size_t n = 0;
	int e;

	while (!(e = try_oneway(&cli, 4000)))
		n++;
	ck_assert_int_eq(e, -EAGAIN);
	ck_assert_uint_le(n * 4000, PART(REGION / 2) / 2);
	ck_assert_uint_gt(n * 4000, PART(REGION / 2) / 2 - 3 * 4096);
	ck_assert(!(dev_poll(cli.fd, 0) & POLLOUT));
	for (int i = 0; i < 3; i++)
		assert_ok(try_oneway(&oth, 4000));
	ck_assert(dev_poll(oth.fd, 0) & POLLOUT);

	/* This user has no claim to half of the buffers that the other user took. */
	for (int i = 0; i < 2; i++) {
		raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
		raw_release(&srv, &ev);
		ck_assert(dev_poll(cli.fd, 0) & POLLOUT);
	}
	assert_ok(try_oneway(&cli, 4000));
	assert_result(try_oneway(&cli, 4000), -EAGAIN);
	assert_ok(try_call(&cli, PIECE));
	assert_ok(try_call(&oth, PIECE));
}
END_TEST

static void send_when_writable(void)
{
	int e;

	while ((e = try_oneway(&cli, 4000)) == -EAGAIN)
		ck_assert(dev_poll(cli.fd, 5000) & POLLOUT);
	assert_ok(e);
}

/* Its quota is full of calls: a released call makes space. */
static void *give_a_call_back(void *unused)
{
	struct ipcbus_event ev;

	(void)unused;
	usleep(20000);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_release(&srv, &ev);
	return NULL;
}

START_TEST(oneway_waits_for_its_calls)
{
	struct helper helper;

	flood(&cli, -EDQUOT);
	while (!try_oneway(&cli, 4000))
		;
	ck_assert(!(dev_poll(cli.fd, 0) & POLLOUT));
	helper_start(&helper, give_a_call_back, NULL);
	send_when_writable();
	helper_end(&helper);
	ck_assert(dev_poll(cli.fd, 0) & POLLOUT);
}
END_TEST

static void *give_one_back(void *unused)
{
	struct ipcbus_event ev;

	(void)unused;
	usleep(20000);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(&srv, &ev);
	return NULL;
}

START_TEST(oneway_waits_for_its_quota)
{
	struct helper helper;

	while (!try_oneway(&cli, 4000))
		;
	helper_start(&helper, give_one_back, NULL);
	send_when_writable();
	helper_end(&helper);
}
END_TEST

/* A send that fails for another reason is not charged. */
START_TEST(failures_are_not_charged)
{
	struct ipcbus_object o = object_handle(4711);
	struct ipcbus_send bad = {
		.kind = IPCBUS_SEND_CALL, .data = PTR64(data), .data_size = REGION / 4,
		.objects = PTR64(&o), .object_count = 1,
	};

	for (int i = 0; i < 100; i++)
		raw_fails(&cli, &bad, -EBADF, IPCBUS_STAGE_OBJECT, 0);
	bad.object_count = 0;
	bad.data = 8;
	for (int i = 0; i < 100; i++)
		raw_fails(&cli, &bad, -EFAULT, IPCBUS_STAGE_COPY, 0);
	assert_ok(try_call(&cli, PART(REGION) / 2 - 4096));
}
END_TEST

static void oneway_as(uid_t uid)
{
	struct raw r;

	open_as(&r, uid);
	raw_oneway(&r, 0, uid, data, 100);
	raw_close(&r);
}

/* Unused quotas are freed. A quota with messages in the region stays. */
START_TEST(many_users)
{
	struct ipcbus_event ev, kept;

	assert_ok(try_async(&cli));
	assert_ok(try_async(&cli));
	raw_take(&srv, IPCBUS_EVENT_CALL, &kept);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_release(&srv, &ev);
	for (uid_t uid = 2000; uid < 2100; uid++) {
		oneway_as(uid);
		raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
		raw_release(&srv, &ev);
	}
	raw_release(&srv, &kept);
	ck_assert_int_le(live("quotas"), 66);
}
END_TEST

/* Each user has a quota as long as it has messages in the region. */
START_TEST(many_users_at_once)
{
	struct ipcbus_event ev;

	for (uid_t uid = 2000; uid < 2100; uid++)
		oneway_as(uid);
	ck_assert_int_eq(live("quotas"), 100);
	for (uid_t uid = 2000; uid < 2100; uid++) {
		raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
		ck_assert_uint_eq(ev.code, uid);
		raw_release(&srv, &ev);
	}
	/* Some quotas stay cached for users that send again. */
	ck_assert_int_le(live("quotas"), 64);
}
END_TEST

/* A user floods from all its threads. Calls of another user succeed. */
static bool stop;

static int flood_as_peer(struct peer *self, void *arg)
{
	struct raw me;

	(void)arg;
	open_as(&me, 1000);
	peer_notify(self, 0);
	while (!__atomic_load_n((bool *)arg, __ATOMIC_ACQUIRE)) {
		int e = try_oneway(&me, 4000);

		if (e && e != -EAGAIN)
			return 1;
	}
	raw_close(&me);
	return 0;
}

static void *serve(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		struct ipcbus_event ev;

		assert_ok(raw_next(&srv, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev));
		if (ev.kind == IPCBUS_EVENT_CALL)
			raw_reply(&srv, ev.call, NULL, 0);
		if (ev.kind == IPCBUS_EVENT_NONE)
			usleep(100);
		raw_release(&srv, &ev);
	}
	return NULL;
}

START_TEST(victims_keep_their_service)
{
	bool *end = shared_memory(sizeof(*end));
	struct helper server;
	struct peer flooder;

	peer_start(&flooder, flood_as_peer, end);
	peer_hear(&flooder);
	helper_start(&server, serve, NULL);
	for (int i = 0; i < 500; i++) {
		struct ipcbus_event ev;

		assert_ok(try_call(&oth, 10000));
		raw_wait(&oth, IPCBUS_EVENT_REPLY, &ev);
	}
	__atomic_store_n(end, true, __ATOMIC_RELEASE);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	helper_end(&server);
	peer_end(&flooder);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("quota");
	TCase *tc;

	if (geteuid()) {
		fprintf(stderr, "not root, no tests run\n");
		return 77;
	}
	tc = add_user_case(s, "limits");
	tcase_add_test(tc, nodes);
	tcase_add_test(tc, handles);
	tcase_add_test(tc, watches);
	tcase_add_test(tc, calls);
	tcase_add_test(tc, files);
	tcase_add_test(tc, objects);
	tcase_add_test(tc, objects_at_home);
	tcase_add_test(tc, procs);
	tcase_add_test(tc, debugfs_shows_each_users_share);

	tc = add_user_case(s, "quotas");
	tcase_add_test(tc, flood_of_calls);
	tcase_add_test(tc, flood_of_both);
	tcase_add_test(tc, strangers_leave_a_part);
	tcase_add_test(tc, strangers_leave_buffers);
	tcase_add_test(tc, empty_calls_count);
	tcase_add_test(tc, empty_calls_of_the_owner_count);
	tcase_add_test(tc, the_owner_leaves_few_buffers);
	tcase_add_test(tc, owner_is_not_limited);
	tcase_add_test(tc, too_large_for_a_quota);
	tcase_add_test(tc, replies_are_not_charged);
	tcase_add_test(tc, flood_of_oneways);
	tcase_add_test(tc, oneway_waits_for_its_quota);
	tcase_add_test(tc, oneway_waits_for_its_calls);
	tcase_add_test(tc, failures_are_not_charged);
	tcase_add_test(tc, many_users);
	tcase_add_test(tc, many_users_at_once);
	tcase_add_test(tc, victims_keep_their_service);
	return suite_main(s);
}
