// SPDX-License-Identifier: MIT
/*
 * What an owner is notified about its node: who refers to it, what is on its way to
 * it, who watches it.
 */
#include <errno.h>

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

/* Who refers to a node: each handle, each object on its way, being the manager. */
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

START_TEST(info_of_what_is_not_mine)
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

/* One field each of an otherwise good question. */
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

int main(void)
{
	Suite *s = suite_create("info");
	TCase *tc = add_case(s, "node", setup_bus);

	tcase_add_test(tc, info_counts_references);
	tcase_add_test(tc, info_counts_messages_and_watches);
	tcase_add_test(tc, info_of_what_is_not_mine);
	tcase_add_test(tc, info_of_no_node);
	tcase_add_loop_test(tc, bad_question, 0, ARRAY_SIZE(bad_questions));
	return suite_main(s);
}
