// SPDX-License-Identifier: MIT
/*
 * Information about a node for its owner: references, messages on their way to it, watches.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

static void expect_info(uint64_t node, uint32_t refs, uint32_t pending, uint32_t oneways,
			uint32_t watches)
{
	struct ipcbus_node_info info;

	assert_ok(raw_node_info(&cli, node, &info));
	ck_assert_uint_eq(info.refs, refs);
	ck_assert_uint_eq(info.pending, pending);
	ck_assert_uint_eq(info.oneways, oneways);
	ck_assert_uint_eq(info.watches, watches);
}

/* References to a node: each handle, each object in flight, and the role of manager. */
START_TEST(info_counts_references)
{
	uint64_t node = raw_node(&cli, 0, 7);
	struct ipcbus_object o = object_node(node);
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .objects = PTR64(&o), .object_count = 1,
	};
	struct ipcbus_node_info info;
	struct ipcbus_event ev;
	uint32_t handle;

	expect_info(node, 0, 0, 0, 0);
	assert_ok(raw_node_info(&cli, node, &info));
	ck_assert_uint_eq(info.cookie, 7);
	ck_assert_uint_eq(info.node, node);
	assert_ok(raw_send(&cli, &send, NULL));
	expect_info(node, 1, 0, 0, 0);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	handle = raw_objects(&srv, &ev)[0].value;
	raw_release(&srv, &ev);
	expect_info(node, 1, 0, 0, 0);
	assert_result(raw_destroy(&cli, node, IPCBUS_NODE_IF_IDLE), -EBUSY);
	assert_ok(raw_put(&srv, handle, 1));
	expect_info(node, 0, 0, 0, 0);
	raw_take(&cli, IPCBUS_EVENT_IDLE, &ev);
	ck_assert_uint_eq(ev.cookie, 7);
	assert_ok(raw_destroy(&cli, node, IPCBUS_NODE_IF_IDLE));
	assert_result(raw_node_info(&cli, node, &info), -ENOENT);
	assert_ok(raw_node_info(&srv, srv_node, &info));
	ck_assert_uint_eq(info.refs, 2); /* the bus's, and handle 0, which cli used */
}
END_TEST

START_TEST(info_counts_messages_and_watches)
{
	uint64_t node = raw_node(&cli, 0, 7);
	uint32_t handle = give_handle(&srv, &cli, node);
	struct ipcbus_event ev, call;

	assert_ok(raw_watch(&srv, handle, 1));
	expect_info(node, 1, 0, 0, 1);
	for (int i = 0; i < 3; i++)
		raw_oneway(&srv, handle, i, NULL, 0);
	expect_info(node, 1, 3, 2, 1);
	raw_call(&srv, handle, 9, NULL, 0);
	expect_info(node, 1, 4, 2, 1);
	raw_take(&cli, IPCBUS_EVENT_ONEWAY, &ev);
	expect_info(node, 1, 4, 2, 1);
	raw_release(&cli, &ev);
	expect_info(node, 1, 3, 1, 1);
	raw_take(&cli, IPCBUS_EVENT_CALL, &call);
	expect_info(node, 1, 3, 1, 1);
	raw_reply(&cli, call.call, NULL, 0);
	expect_info(node, 1, 2, 1, 1);
	raw_take(&srv, IPCBUS_EVENT_REPLY, &ev);
	assert_ok(raw_unwatch(&srv, handle));
	expect_info(node, 1, 2, 1, 0);
	for (int i = 0; i < 2; i++) {
		raw_take(&cli, IPCBUS_EVENT_ONEWAY, &ev);
		raw_release(&cli, &ev);
	}
	expect_info(node, 1, 0, 0, 0);
}
END_TEST

START_TEST(info_of_a_foreign_node)
{
	struct ipcbus_node_info info;
	uint64_t node = raw_node(&cli, 0, 1);

	while (node == srv_node)
		node = raw_node(&cli, 0, 1);
	assert_result(raw_node_info(&srv, node, &info), -ENOENT);
	assert_ok(raw_node_info(&cli, node, &info));
	ck_assert_uint_eq(info.cookie, 1);
}
END_TEST

/* A single invalid field each in an otherwise valid request. */
static const struct ipcbus_node_info bad_questions[] = {
	{ .flags = 1 }, { .flags = 1U << 31 }, { .cookie = 1 }, { .refs = 1 },
	{ .pending = 1 }, { .oneways = 1 }, { .watches = 1 },
};

START_TEST(bad_question)
{
	struct ipcbus_node_info info = bad_questions[_i];

	info.size = sizeof(info);
	info.node = srv_node;
	assert_result(dev_ioctl(srv.fd, IPCBUS_IOC_NODE_INFO, &info), -EINVAL);
}
END_TEST

START_TEST(info_of_no_node)
{
	const uint64_t ids[] = { 0, srv_node + 1, srv_node | 1ULL << 32, ~0ULL };
	struct ipcbus_node_info info;

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		assert_result(raw_node_info(&srv, ids[i], &info), -ENOENT);
	assert_ok(raw_node_info(&srv, srv_node, &info));
}
END_TEST

/* --- /proc/PID/fdinfo/FD ------------------------------------------------------- */

/* Returns the value of the line "ipcbus-NAME:" for the file r->fd. */
static unsigned long fdinfo(const struct raw *r, const char *name)
{
	char path[64], text[1024], key[64];
	const char *line;
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", r->fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	size = read(fd, text, sizeof(text) - 1);
	ck_assert_int_gt(size, 0);
	close(fd);
	text[size] = 0;
	snprintf(key, sizeof(key), "ipcbus-%s:\t", name);
	line = strstr(text, key);
	ck_assert_msg(line, "no %s in %s", key, text);
	return strtoul(line + strlen(key), NULL, 10);
}

static void *look(void *arg)
{
	raw_none(arg);
	return NULL;
}

START_TEST(fdinfo_counts_threads)
{
	unsigned long threads;
	struct helper h;

	raw_none(&cli);
	threads = fdinfo(&cli, "threads");
	ck_assert_uint_ge(threads, 1);
	ck_assert_uint_lt(threads, 10);
	helper_start(&h, look, &cli);
	helper_end(&h);
	ck_assert_uint_eq(fdinfo(&cli, "threads"), threads + 1);
	/* The place of an ended thread is reused. */
	helper_start(&h, look, &cli);
	helper_end(&h);
	ck_assert_uint_le(fdinfo(&cli, "threads"), threads + 2);
}
END_TEST

START_TEST(fdinfo_of_a_proc)
{
	unsigned long space = fdinfo(&srv, "space"), nodes = fdinfo(&srv, "nodes");
	struct ipcbus_event ev;
	unsigned long handles;
	uint64_t node;

	ck_assert_uint_eq(fdinfo(&srv, "region"), raw_info(&srv).region_size);
	ck_assert_uint_eq(space, raw_info(&srv).region_size);
	ck_assert_uint_eq(fdinfo(&srv, "buffers"), 0);
	ck_assert_uint_eq(fdinfo(&srv, "queued"), 0);
	raw_oneway(&cli, 0, 1, "x", 1);
	ck_assert_uint_eq(fdinfo(&srv, "queued"), 1);
	ck_assert_uint_eq(fdinfo(&srv, "buffers"), 1);
	ck_assert_uint_lt(fdinfo(&srv, "space"), space);
	ck_assert_uint_ge(fdinfo(&cli, "threads"), 1);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	ck_assert_uint_eq(fdinfo(&srv, "queued"), 0);
	ck_assert_uint_eq(fdinfo(&srv, "buffers"), 1);
	raw_release(&srv, &ev);
	ck_assert_uint_eq(fdinfo(&srv, "buffers"), 0);
	ck_assert_uint_eq(fdinfo(&srv, "space"), space);

	handles = fdinfo(&cli, "handles");
	node = raw_node(&srv, 0, 7);
	ck_assert_uint_eq(fdinfo(&srv, "nodes"), nodes + 1);
	give_handle(&cli, &srv, node);
	ck_assert_uint_eq(fdinfo(&cli, "handles"), handles + 1);
}
END_TEST

START_TEST(fdinfo_without_a_region)
{
	struct raw r = { .fd = dev_open(O_RDWR) };

	ck_assert_uint_eq(fdinfo(&r, "region"), 0);
	ck_assert_uint_eq(fdinfo(&r, "space"), 0);
	ck_assert_uint_eq(fdinfo(&r, "threads"), 0);
	close(r.fd);
}
END_TEST

/* cli sends these objects to srv. Returns the handle of the last one. */
static uint32_t show(struct ipcbus_object *o, uint32_t n)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .objects = PTR64(o), .object_count = n,
	};
	struct ipcbus_event ev;
	uint32_t handle;

	assert_ok(raw_send(&cli, &send, NULL));
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	handle = (uint32_t)raw_objects(&srv, &ev)[n - 1].value;
	raw_release(&srv, &ev);
	return handle;
}

/* Also those with the largest numbers, which come after as many handles were put. */
START_TEST(all_handles_can_be_sent)
{
	struct ipcbus_object o[IPCBUS_MAX_OBJECTS], node;
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .objects = PTR64(o), .object_count = 1,
	};
	uint32_t max = raw_info(&srv).max_handles;
	struct ipcbus_event ev;

	for (uint32_t i = 0; i < max; i += ARRAY_SIZE(o)) {
		for (uint32_t k = 0; k < ARRAY_SIZE(o); k++)
			o[k] = object_node(raw_node(&cli, 0, i));
		send.handle = show(o, ARRAY_SIZE(o));
	}
	node = o[ARRAY_SIZE(o) - 1];
	for (uint32_t i = 0; i < max + 5; i++) {
		assert_ok(raw_put(&srv, send.handle, 1));
		raw_take(&cli, IPCBUS_EVENT_IDLE, &ev);
		send.handle = show(&node, 1);
	}
	o[0] = object_handle((uint32_t)send.handle);
	assert_ok(raw_send(&srv, &send, NULL));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("info");
	TCase *tc = add_case(s, "node", setup_bus);

	tcase_add_test(tc, info_counts_references);
	tcase_add_test(tc, info_counts_messages_and_watches);
	tcase_add_test(tc, info_of_a_foreign_node);
	tcase_add_test(tc, info_of_no_node);
	tcase_add_loop_test(tc, bad_question, 0, ARRAY_SIZE(bad_questions));
	tc = add_case(s, "limits", setup_bus);
	tcase_set_tags(tc, "long");
	tcase_add_test(tc, all_handles_can_be_sent);
	tc = add_case(s, "fdinfo", setup_bus);
	tcase_add_test(tc, fdinfo_counts_threads);
	tcase_add_test(tc, fdinfo_of_a_proc);
	tcase_add_test(tc, fdinfo_without_a_region);
	return suite_main(s);
}
