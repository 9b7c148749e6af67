// SPDX-License-Identifier: MIT
/*
 * Nodes and handles: how the driver translates nodes in messages and counts handles, when an
 * owner is notified that a node is idle, and the effects of destroying. File descriptors are
 * in test-fd.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

#define COOKIE 0xc00c1eULL

/* @from sends a oneway with these objects to srv, which takes it. */
static void show(const struct raw *from, struct ipcbus_object *o, uint32_t n,
		 struct ipcbus_event *ev)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .objects = PTR64(o), .object_count = n,
	};

	assert_ok(raw_send(from, &send, NULL));
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, ev);
	ck_assert_uint_eq(ev->object_count, n);
}

static void table_fails(struct ipcbus_object *o, uint32_t n, int err, uint32_t index)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .objects = PTR64(o), .object_count = n,
	};

	raw_fails(&cli, &send, err, IPCBUS_STAGE_OBJECT, index);
	raw_none(&srv);
}

static void expect_idle(const struct raw *r, uint64_t cookie)
{
	struct ipcbus_event ev;

	raw_take(r, IPCBUS_EVENT_IDLE, &ev);
	ck_assert_uint_eq(ev.cookie, cookie);
}

START_TEST(node_becomes_a_handle_that_can_be_called)
{
	uint64_t node = raw_node(&cli, 0, COOKIE);
	struct ipcbus_object o = object_node(node);
	struct ipcbus_event ev;
	uint32_t handle;

	o.tag = 0x1122334455667788ULL;
	show(&cli, &o, 1, &ev);
	o = raw_objects(&srv, &ev)[0];
	ck_assert_uint_eq(o.type, IPCBUS_OBJECT_HANDLE);
	ck_assert_uint_eq(o.flags, 0);
	ck_assert_uint_eq(o.cookie, 0);
	ck_assert_uint_eq(o.tag, 0x1122334455667788ULL);
	handle = o.value;
	ck_assert_uint_ne(handle, 0);
	raw_release(&srv, &ev);

	/* The handle outlives the buffer of its message. */
	raw_call(&srv, handle, 5, "hello", 5);
	raw_take(&cli, IPCBUS_EVENT_CALL, &ev);
	ck_assert_uint_eq(ev.cookie, COOKIE);
	raw_holds(&cli, &ev, "hello", 5);
	raw_release(&cli, &ev);
	raw_reply(&cli, ev.call, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_REPLY, &ev);
	raw_release(&srv, &ev);
	assert_ok(raw_put(&srv, handle, 1));
	expect_idle(&cli, COOKIE);
}
END_TEST

START_TEST(handle_comes_home_as_the_node)
{
	uint64_t node = raw_node(&cli, 0, COOKIE);
	uint32_t handle = give_handle(&srv, &cli, node);
	struct ipcbus_object o = object_handle(handle);
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_REPLY, .objects = PTR64(&o), .object_count = 1,
	};
	struct ipcbus_event ev;

	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_release(&srv, &ev);
	send.call = ev.call;
	o.tag = 42;
	assert_ok(raw_send(&srv, &send, NULL));
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	o = raw_objects(&cli, &ev)[0];
	ck_assert_uint_eq(o.type, IPCBUS_OBJECT_NODE);
	ck_assert_uint_eq(o.value, node);
	ck_assert_uint_eq(o.cookie, COOKIE);
	ck_assert_uint_eq(o.tag, 42);
	raw_release(&cli, &ev);
}
END_TEST

START_TEST(same_node_same_handle_counted)
{
	uint64_t node = raw_node(&cli, 0, COOKIE);
	uint32_t handle = give_handle(&srv, &cli, node);
	struct ipcbus_object o[2] = { object_node(node), object_node(node) };
	struct ipcbus_event ev;

	ck_assert_uint_eq(give_handle(&srv, &cli, node), handle);
	show(&cli, o, 2, &ev);
	ck_assert_uint_eq(raw_objects(&srv, &ev)[0].value, handle);
	ck_assert_uint_eq(raw_objects(&srv, &ev)[1].value, handle);
	raw_release(&srv, &ev);

	/* Four references arrived; after three puts the handle must still work. */
	assert_ok(raw_put(&srv, handle, 1));
	assert_ok(raw_put(&srv, handle, 2));
	raw_none(&cli);
	raw_round_trip(&srv, handle, &cli, "x", 1);
	assert_ok(raw_put(&srv, handle, 1));
	expect_idle(&cli, COOKIE);
	assert_result(raw_put(&srv, handle, 1), -EBADF);
	raw_fails(&srv, &(struct ipcbus_send){ .kind = IPCBUS_SEND_CALL, .handle = handle }, -EBADF,
		  IPCBUS_STAGE_TARGET, 0);
}
END_TEST

START_TEST(putting_too_many_references_fails)
{
	uint64_t node = raw_node(&cli, 0, COOKIE);
	uint32_t handle = give_handle(&srv, &cli, node);

	ck_assert_int_lt(raw_put(&srv, handle, 2), 0);
	ck_assert_int_lt(raw_put(&srv, handle, ~0U), 0);
	raw_none(&cli);
	raw_round_trip(&srv, handle, &cli, "x", 1);
	assert_ok(raw_put(&srv, handle, 1));
	expect_idle(&cli, COOKIE);
}
END_TEST

START_TEST(manager_handle_is_never_put)
{
	ck_assert_int_lt(raw_put(&cli, 0, 1), 0);
	raw_round_trip(&cli, 0, &srv, "x", 1);
}
END_TEST

START_TEST(unknown_handles)
{
	static const uint32_t unknown[] = { 1, 2, 77, 65536, 0x7fffffff, 0x80000000, 0xffffffff };
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL, .handle = unknown[_i] };
	struct ipcbus_object o = object_handle(unknown[_i]);

	raw_fails(&cli, &send, -EBADF, IPCBUS_STAGE_TARGET, 0);
	send.kind = IPCBUS_SEND_ONEWAY;
	raw_fails(&cli, &send, -EBADF, IPCBUS_STAGE_TARGET, 0);
	assert_result(raw_put(&cli, unknown[_i], 1), -EBADF);
	assert_result(raw_watch(&cli, unknown[_i], 1), -EBADF);
	table_fails(&o, 1, -EBADF, 0);
}
END_TEST

/* However many handles there are, the next numbers are unknown. */
START_TEST(numbers_at_the_end_of_the_table)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL };

	for (uint32_t n = 1; n <= 100; n++) {
		uint32_t handle = give_handle(&oth, &cli, raw_node(&cli, 0, n));

		for (send.handle = handle + 1; send.handle <= 300; send.handle++) {
			assert_result(raw_put(&oth, send.handle, 1), -EBADF);
			raw_fails(&oth, &send, -EBADF, IPCBUS_STAGE_TARGET, 0);
		}
	}
}
END_TEST

START_TEST(handle_of_another_proc)
{
	uint64_t node = raw_node(&cli, 0, COOKIE);
	uint32_t handle = give_handle(&srv, &cli, node);

	raw_fails(&oth, &(struct ipcbus_send){ .kind = IPCBUS_SEND_CALL, .handle = handle }, -EBADF,
		  IPCBUS_STAGE_TARGET, 0);
	assert_result(raw_put(&oth, handle, 1), -EBADF);
}
END_TEST

START_TEST(node_that_is_not_mine)
{
	static const uint64_t unknown[] = { 0, 2, 1ULL << 32, 1ULL << 63, ~0ULL };
	struct ipcbus_object o = object_node(unknown[_i]);
	struct ipcbus_node n = { .node = unknown[_i] };

	table_fails(&o, 1, -EBADF, 0);
	assert_result(raw_node_ioctl(&cli, IPCBUS_IOC_NODE_DESTROY, &n), -ENOENT);
	assert_result(raw_claim(&cli, unknown[_i]), -ENOENT);
}
END_TEST

START_TEST(handle_values_are_not_cut_to_32_bits)
{
	uint64_t node = raw_node(&cli, 0, COOKIE);
	uint32_t handle = give_handle(&srv, &cli, node);
	struct ipcbus_object o = object_handle(handle);
	struct ipcbus_event ev;

	o.value |= 1ULL << 32;
	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_fails(&srv, &(struct ipcbus_send){ .kind = IPCBUS_SEND_REPLY, .call = ev.call,
					       .objects = PTR64(&o), .object_count = 1 },
		  -EBADF, IPCBUS_STAGE_OBJECT, 0);
	raw_release(&srv, &ev);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	raw_release(&cli, &ev);
}
END_TEST

/* The first invalid entry is reported, and valid entries before it are undone. */
START_TEST(bad_entry_names_its_index)
{
	uint64_t node = raw_node(&cli, 0, COOKIE);
	struct ipcbus_object o[8];

	for (size_t i = 0; i < ARRAY_SIZE(o); i++)
		o[i] = object_node(node);
	o[_i] = object_handle(999);
	table_fails(o, ARRAY_SIZE(o), -EBADF, _i);
	o[_i] = object_node(node + 50);
	table_fails(o, ARRAY_SIZE(o), -EBADF, _i);
	assert_ok(raw_destroy(&cli, node, IPCBUS_NODE_IF_IDLE));
}
END_TEST

START_TEST(full_table_keeps_order_and_tags)
{
	static struct ipcbus_object o[IPCBUS_MAX_OBJECTS];
	uint64_t nodes[8];
	struct ipcbus_event ev;
	const struct ipcbus_object *got;

	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
		nodes[i] = raw_node(&cli, 0, i);
	for (size_t i = 0; i < ARRAY_SIZE(o); i++) {
		o[i] = object_node(nodes[i * 5 % ARRAY_SIZE(nodes)]);
		o[i].tag = ~i;
	}
	show(&cli, o, ARRAY_SIZE(o), &ev);
	got = raw_objects(&srv, &ev);
	for (size_t i = 0; i < ARRAY_SIZE(o); i++) {
		ck_assert_uint_eq(got[i].type, IPCBUS_OBJECT_HANDLE);
		ck_assert_uint_eq(got[i].tag, ~i);
		ck_assert_uint_eq(got[i].value, got[i % ARRAY_SIZE(nodes)].value);
	}
	for (size_t i = 1; i < ARRAY_SIZE(nodes); i++)
		ck_assert_uint_ne(got[i].value, got[0].value);
	raw_release(&srv, &ev);
}
END_TEST

START_TEST(manager_handle_can_be_passed)
{
	struct ipcbus_object o = object_handle(0);
	struct ipcbus_event ev;
	uint32_t handle;
	uint64_t node = raw_node(&cli, 0, COOKIE);
	uint32_t to_cli = give_handle(&oth, &cli, node);

	/* The handle that cli gets for handle 0 of oth may be 0, too. It must lead to srv. */
	assert_ok(raw_send(&oth, &(struct ipcbus_send){ .kind = IPCBUS_SEND_ONEWAY,
							.handle = to_cli, .objects = PTR64(&o),
							.object_count = 1 }, NULL));
	raw_take(&cli, IPCBUS_EVENT_ONEWAY, &ev);
	ck_assert_uint_eq(raw_objects(&cli, &ev)[0].type, IPCBUS_OBJECT_HANDLE);
	handle = raw_objects(&cli, &ev)[0].value;
	raw_release(&cli, &ev);
	raw_round_trip(&cli, handle, &srv, "x", 1);
}
END_TEST

START_TEST(manager_handle_comes_home)
{
	struct ipcbus_object o = object_handle(0);
	struct ipcbus_event ev;

	show(&cli, &o, 1, &ev);
	ck_assert_uint_eq(raw_objects(&srv, &ev)[0].type, IPCBUS_OBJECT_NODE);
	ck_assert_uint_eq(raw_objects(&srv, &ev)[0].value, srv_node);
	ck_assert_uint_eq(raw_objects(&srv, &ev)[0].cookie, SRV_COOKIE);
	raw_release(&srv, &ev);
}
END_TEST

/* Undelivered objects */

START_TEST(queued_objects_go_with_the_receiver)
{
	struct ipcbus_object o[2] = { object_node(raw_node(&cli, 0, COOKIE)),
				      object_node(raw_node(&cli, 0, COOKIE + 1)) };

	assert_ok(raw_send(&cli, &(struct ipcbus_send){ .kind = IPCBUS_SEND_CALL,
							.objects = PTR64(o), .object_count = 2 },
			   NULL));
	raw_close(&srv);
	raw_failed(&cli, -EOWNERDEAD, IPCBUS_STAGE_QUEUE, 0);
	assert_ok(raw_destroy(&cli, o[0].value, IPCBUS_NODE_IF_IDLE));
	assert_ok(raw_destroy(&cli, o[1].value, IPCBUS_NODE_IF_IDLE));
	raw_none(&cli);
}
END_TEST

START_TEST(queued_objects_go_with_the_sender)
{
	struct ipcbus_object o = object_node(raw_node(&cli, 0, COOKIE));
	struct ipcbus_event ev;
	uint32_t handle;

	assert_ok(raw_send(&cli, &(struct ipcbus_send){ .kind = IPCBUS_SEND_ONEWAY,
							.objects = PTR64(&o), .object_count = 1 },
			   NULL));
	raw_close(&cli);

	/* The message is still delivered; its handle is for a dead node. */
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	handle = raw_objects(&srv, &ev)[0].value;
	raw_release(&srv, &ev);
	raw_fails(&srv, &(struct ipcbus_send){ .kind = IPCBUS_SEND_CALL, .handle = handle },
		  -EOWNERDEAD, IPCBUS_STAGE_TARGET, 0);
	assert_ok(raw_put(&srv, handle, 1));
}
END_TEST

START_TEST(reply_objects_to_a_gone_caller)
{
	uint64_t node = raw_node(&srv, 0, COOKIE);
	struct ipcbus_object o = object_node(node);
	struct ipcbus_event ev;

	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_release(&srv, &ev);
	raw_close(&cli);
	assert_ok(raw_send(&srv, &(struct ipcbus_send){ .kind = IPCBUS_SEND_REPLY, .call = ev.call,
							.objects = PTR64(&o), .object_count = 1 },
			   NULL));
	raw_fails(&srv, &(struct ipcbus_send){ .kind = IPCBUS_SEND_REPLY, .call = ev.call }, -ESRCH,
		  IPCBUS_STAGE_TARGET, 0);
	assert_ok(raw_destroy(&srv, node, IPCBUS_NODE_IF_IDLE));
}
END_TEST

/* IDLE and NODE_DESTROY */

START_TEST(idle_comes_with_the_last_reference)
{
	uint64_t node = raw_node(&cli, 0, COOKIE);
	uint32_t h1 = give_handle(&srv, &cli, node), h2 = give_handle(&oth, &cli, node);

	assert_result(raw_destroy(&cli, node, IPCBUS_NODE_IF_IDLE), -EBUSY);
	assert_ok(raw_put(&srv, h1, 1));
	raw_none(&cli);
	assert_ok(raw_put(&oth, h2, 1));
	expect_idle(&cli, COOKIE);
	raw_none(&cli);
	assert_ok(raw_destroy(&cli, node, IPCBUS_NODE_IF_IDLE));
	assert_result(raw_destroy(&cli, node, 0), -ENOENT);
}
END_TEST

START_TEST(idle_node_may_be_sent_again)
{
	uint64_t node = raw_node(&cli, 0, COOKIE);
	uint32_t handle;

	for (int i = 0; i < 20; i++) {
		handle = give_handle(&srv, &cli, node);
		raw_round_trip(&srv, handle, &cli, "x", 1);
		assert_ok(raw_put(&srv, handle, 1));
		expect_idle(&cli, COOKIE);
	}
}
END_TEST

START_TEST(message_in_flight_refers_to_the_node)
{
	uint64_t node = raw_node(&cli, 0, COOKIE);
	struct ipcbus_object o = object_node(node);
	struct ipcbus_event ev;

	assert_ok(raw_send(&cli, &(struct ipcbus_send){ .kind = IPCBUS_SEND_ONEWAY,
							.objects = PTR64(&o), .object_count = 1 },
			   NULL));
	assert_result(raw_destroy(&cli, node, IPCBUS_NODE_IF_IDLE), -EBUSY);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(&srv, &ev);
	assert_result(raw_destroy(&cli, node, IPCBUS_NODE_IF_IDLE), -EBUSY);
}
END_TEST

START_TEST(messages_on_their_way_keep_the_node)
{
	uint64_t node = raw_node(&cli, 0, COOKIE);
	uint32_t handle = give_handle(&oth, &cli, node);
	struct ipcbus_event ev;

	for (int i = 0; i < 3; i++)
		raw_oneway(&oth, handle, i, "x", 1);
	assert_ok(raw_put(&oth, handle, 1));
	for (uint32_t i = 0; i < 3; i++) {
		assert_result(raw_destroy(&cli, node, IPCBUS_NODE_IF_IDLE), -EBUSY);
		raw_take(&cli, IPCBUS_EVENT_ONEWAY, &ev);
		ck_assert_uint_eq(ev.code, i);
		raw_none(&cli);
		assert_result(raw_destroy(&cli, node, IPCBUS_NODE_IF_IDLE), -EBUSY);
		raw_release(&cli, &ev);
	}
	expect_idle(&cli, COOKIE);
	raw_none(&cli);
	assert_ok(raw_destroy(&cli, node, IPCBUS_NODE_IF_IDLE));
}
END_TEST

START_TEST(open_call_keeps_the_node)
{
	uint64_t node = raw_node(&cli, 0, COOKIE);
	uint32_t handle = give_handle(&oth, &cli, node);
	struct ipcbus_event ev;

	raw_call(&oth, handle, 1, NULL, 0);
	assert_ok(raw_put(&oth, handle, 1));
	assert_result(raw_destroy(&cli, node, IPCBUS_NODE_IF_IDLE), -EBUSY);
	raw_take(&cli, IPCBUS_EVENT_CALL, &ev);
	raw_none(&cli);
	assert_result(raw_destroy(&cli, node, IPCBUS_NODE_IF_IDLE), -EBUSY);

	/* A failed reply has no effect. */
	raw_fails(&cli, &(struct ipcbus_send){ .kind = IPCBUS_SEND_REPLY, .call = ev.call,
					       .data = 8, .data_size = 8 },
		  -EFAULT, IPCBUS_STAGE_COPY, 0);
	assert_result(raw_destroy(&cli, node, IPCBUS_NODE_IF_IDLE), -EBUSY);
	raw_none(&cli);
	raw_reply(&cli, ev.call, NULL, 0);
	expect_idle(&cli, COOKIE);
	assert_ok(raw_destroy(&cli, node, IPCBUS_NODE_IF_IDLE));
	raw_take(&oth, IPCBUS_EVENT_REPLY, &ev);
}
END_TEST

/* If a caller closes before its call was taken, the node becomes idle, at the latest after the
 * reply. */
START_TEST(call_taken_back_frees_the_node)
{
	uint64_t node = raw_node(&cli, 0, COOKIE);
	uint32_t handle = give_handle(&oth, &cli, node);
	struct ipcbus_event ev;

	raw_call(&oth, handle, 1, NULL, 0);
	raw_close(&oth);
	assert_ok(raw_next(&cli, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev));
	if (ev.kind == IPCBUS_EVENT_CALL) {
		raw_reply(&cli, ev.call, NULL, 0);
		expect_idle(&cli, COOKIE);
	} else {
		ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_IDLE);
	}
	assert_ok(raw_destroy(&cli, node, IPCBUS_NODE_IF_IDLE));
}
END_TEST

/* The node must exist until its owner has released the message that returned it. */
START_TEST(returning_reference_keeps_the_node)
{
	uint64_t node = raw_node(&cli, 0, COOKIE);
	uint32_t handle = give_handle(&srv, &cli, node);
	struct ipcbus_object o = object_handle(handle);
	struct ipcbus_event ev;

	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	assert_ok(raw_send(&srv, &(struct ipcbus_send){ .kind = IPCBUS_SEND_REPLY, .call = ev.call,
							.objects = PTR64(&o), .object_count = 1 },
			   NULL));
	assert_ok(raw_put(&srv, handle, 1));
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	assert_result(raw_destroy(&cli, node, IPCBUS_NODE_IF_IDLE), -EBUSY);
	raw_none(&cli);
	raw_release(&cli, &ev);
	expect_idle(&cli, COOKIE);
	assert_ok(raw_destroy(&cli, node, IPCBUS_NODE_IF_IDLE));
}
END_TEST

/* The only reference is a message that its receiver never releases. */
START_TEST(returning_reference_is_freed_with_the_proc)
{
	uint64_t node = raw_node(&cli, 0, COOKIE);
	struct ipcbus_object o = object_handle(give_handle(&srv, &cli, node));
	struct ipcbus_event ev;

	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	assert_ok(raw_send(&srv, &(struct ipcbus_send){ .kind = IPCBUS_SEND_REPLY, .call = ev.call,
							.objects = PTR64(&o), .object_count = 1 },
			   NULL));
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	raw_close(&cli);
}
END_TEST

START_TEST(destroyed_node_is_dead_for_all)
{
	uint64_t node = raw_node(&cli, 0, COOKIE);
	uint32_t handle = give_handle(&oth, &cli, node);
	struct ipcbus_object o = object_node(node);

	assert_ok(raw_destroy(&cli, node, 0));
	raw_fails(&oth, &(struct ipcbus_send){ .kind = IPCBUS_SEND_CALL, .handle = handle },
		  -EOWNERDEAD, IPCBUS_STAGE_TARGET, 0);
	raw_fails(&oth, &(struct ipcbus_send){ .kind = IPCBUS_SEND_ONEWAY, .handle = handle },
		  -EOWNERDEAD, IPCBUS_STAGE_TARGET, 0);
	assert_result(raw_destroy(&cli, node, 0), -ENOENT);
	table_fails(&o, 1, -EBADF, 0);
	assert_ok(raw_put(&oth, handle, 1));
}
END_TEST

/* Its id may belong to another node by now, and its cookie is invalid. */
START_TEST(dead_node_does_not_come_home)
{
	uint64_t node = raw_node(&cli, 0, COOKIE);
	uint32_t handle = give_handle(&srv, &cli, node);
	struct ipcbus_object o = object_handle(handle);
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_REPLY, .objects = PTR64(&o), .object_count = 1,
	};
	struct ipcbus_event ev;

	assert_ok(raw_destroy(&cli, node, 0));
	raw_node(&cli, 0, COOKIE + 1);
	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	send.call = ev.call;
	assert_ok(raw_send(&srv, &send, NULL));
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	o = raw_objects(&cli, &ev)[0];
	ck_assert_uint_eq(o.type, IPCBUS_OBJECT_HANDLE);
	ck_assert_uint_eq(o.cookie, 0);
	raw_release(&cli, &ev);
	raw_fails(&cli, &(struct ipcbus_send){ .kind = IPCBUS_SEND_CALL, .handle = o.value },
		  -EOWNERDEAD, IPCBUS_STAGE_TARGET, 0);
	assert_ok(raw_put(&cli, o.value, 1));
}
END_TEST

START_TEST(handle_numbers_are_not_reused_at_once)
{
	uint32_t first = give_handle(&oth, &cli, raw_node(&cli, 0, 1)), second;

	assert_ok(raw_put(&oth, first, 1));
	second = give_handle(&oth, &cli, raw_node(&cli, 0, 2));
	ck_assert_uint_ne(first, second);
	raw_fails(&oth, &(struct ipcbus_send){ .kind = IPCBUS_SEND_CALL, .handle = first }, -EBADF,
		  IPCBUS_STAGE_TARGET, 0);
}
END_TEST

START_TEST(destroying_fails_queued_calls)
{
	uint64_t node = raw_node(&cli, 0, COOKIE), stays = raw_node(&cli, 0, COOKIE + 1);
	uint32_t handle = give_handle(&oth, &cli, node), other = give_handle(&srv, &cli, stays);
	struct ipcbus_event ev;

	raw_call(&oth, handle, 1, "lost", 4);
	raw_call(&srv, other, 2, "kept", 4);
	assert_ok(raw_destroy(&cli, node, 0));
	raw_failed(&oth, -EOWNERDEAD, IPCBUS_STAGE_QUEUE, 0);
	raw_take(&cli, IPCBUS_EVENT_CALL, &ev);
	ck_assert_uint_eq(ev.cookie, COOKIE + 1);
	raw_release(&cli, &ev);
	raw_reply(&cli, ev.call, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_REPLY, &ev);
	raw_release(&srv, &ev);
	raw_none(&cli);
}
END_TEST

START_TEST(destroying_leaves_taken_calls_open)
{
	uint64_t node = raw_node(&cli, 0, COOKIE);
	uint32_t handle = give_handle(&oth, &cli, node);
	struct ipcbus_event ev;

	raw_call(&oth, handle, 1, "x", 1);
	raw_take(&cli, IPCBUS_EVENT_CALL, &ev);
	raw_release(&cli, &ev);
	assert_ok(raw_destroy(&cli, node, 0));
	raw_none(&oth);
	raw_reply(&cli, ev.call, "still", 5);
	raw_take(&oth, IPCBUS_EVENT_REPLY, &ev);
	raw_holds(&oth, &ev, "still", 5);
	raw_release(&oth, &ev);
	raw_none(&cli);
}
END_TEST

START_TEST(destroying_drops_queued_oneways)
{
	uint64_t node = raw_node(&cli, 0, COOKIE);
	uint32_t handle = give_handle(&oth, &cli, node);

	for (int i = 0; i < 10; i++)
		raw_oneway(&oth, handle, i, "x", 1);
	assert_ok(raw_destroy(&cli, node, 0));
	raw_none(&cli);
}
END_TEST

START_TEST(node_ids_are_distinct)
{
	uint64_t ids[200];

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		ids[i] = raw_node(&cli, 0, i);
		for (size_t k = 0; k < i; k++)
			ck_assert_uint_ne(ids[i], ids[k]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		assert_ok(raw_destroy(&cli, ids[i], i % 2 ? IPCBUS_NODE_IF_IDLE : 0));
}
END_TEST

START_TEST(many_handles_at_once)
{
	enum { N = 500 };
	uint32_t handles[N];

	for (int i = 0; i < N; i++)
		handles[i] = give_handle(&oth, &cli, raw_node(&cli, 0, i));
	for (int i = 0; i < N; i += 7) {
		struct ipcbus_event ev;

		raw_oneway(&oth, handles[i], 0, &i, sizeof(i));
		raw_take(&cli, IPCBUS_EVENT_ONEWAY, &ev);
		ck_assert_uint_eq(ev.cookie, i);
		raw_release(&cli, &ev);
	}
	for (int i = 0; i < N; i++)
		assert_ok(raw_put(&oth, handles[i], 1));
	for (int i = 0; i < N; i++)
		expect_idle(&cli, i);
}
END_TEST

START_TEST(limit_on_nodes)
{
	struct ipcbus_info info = raw_info(&cli);
	struct ipcbus_node n = { 0 };
	uint32_t made = 0;
	int r;

	ck_assert_uint_gt(info.max_nodes, 0);
	while (!(r = raw_node_ioctl(&cli, IPCBUS_IOC_NODE_CREATE, &n)) && made <= info.max_nodes) {
		n = (struct ipcbus_node){ 0 };
		made++;
	}
	assert_result(r, -EDQUOT);
	ck_assert_uint_eq(made, info.max_nodes);
	raw_round_trip(&cli, 0, &srv, "x", 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("object");
	TCase *tc = add_case(s, "translation", setup_bus);

	tcase_add_test(tc, node_becomes_a_handle_that_can_be_called);
	tcase_add_test(tc, handle_comes_home_as_the_node);
	tcase_add_test(tc, same_node_same_handle_counted);
	tcase_add_test(tc, putting_too_many_references_fails);
	tcase_add_test(tc, manager_handle_is_never_put);
	tcase_add_test(tc, manager_handle_can_be_passed);
	tcase_add_test(tc, manager_handle_comes_home);
	tcase_add_loop_test(tc, unknown_handles, 0, 7);
	tcase_add_test(tc, numbers_at_the_end_of_the_table);
	tcase_add_test(tc, handle_of_another_proc);
	tcase_add_loop_test(tc, node_that_is_not_mine, 0, 5);
	tcase_add_test(tc, handle_values_are_not_cut_to_32_bits);
	tcase_add_loop_test(tc, bad_entry_names_its_index, 0, 8);
	tcase_add_test(tc, full_table_keeps_order_and_tags);

	tc = add_case(s, "undelivered", setup_bus);
	tcase_add_test(tc, queued_objects_go_with_the_receiver);
	tcase_add_test(tc, queued_objects_go_with_the_sender);
	tcase_add_test(tc, reply_objects_to_a_gone_caller);

	tc = add_case(s, "life", setup_bus);
	tcase_add_test(tc, idle_comes_with_the_last_reference);
	tcase_add_test(tc, idle_node_may_be_sent_again);
	tcase_add_test(tc, message_in_flight_refers_to_the_node);
	tcase_add_test(tc, messages_on_their_way_keep_the_node);
	tcase_add_test(tc, open_call_keeps_the_node);
	tcase_add_test(tc, call_taken_back_frees_the_node);
	tcase_add_test(tc, returning_reference_keeps_the_node);
	tcase_add_test(tc, returning_reference_is_freed_with_the_proc);
	tcase_add_test(tc, destroyed_node_is_dead_for_all);
	tcase_add_test(tc, dead_node_does_not_come_home);
	tcase_add_test(tc, handle_numbers_are_not_reused_at_once);
	tcase_add_test(tc, destroying_fails_queued_calls);
	tcase_add_test(tc, destroying_leaves_taken_calls_open);
	tcase_add_test(tc, destroying_drops_queued_oneways);
	tcase_add_test(tc, node_ids_are_distinct);

	tc = add_case(s, "limits", setup_bus);
	tcase_set_tags(tc, "long");
	tcase_add_test(tc, many_handles_at_once);
	tcase_add_test(tc, limit_on_nodes);
	return suite_main(s);
}
