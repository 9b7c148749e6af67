// SPDX-License-Identifier: MIT
/*
 * The sender's security label: the driver adds it to messages for a node that requests it. It
 * is the security module's label of the sender.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

/* The security module's label of this process, or empty. */
static char mine[4096];
static uint32_t handle;

static void read_mine(void)
{
	int fd = open("/proc/self/attr/current", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, mine, sizeof(mine) - 1);

	close(fd);
	mine[n > 0 ? n : 0] = 0;
	mine[strcspn(mine, "\n")] = 0;
}

static void setup_label(void)
{
	setup_bus();
	read_mine();
	handle = give_handle(&cli, &srv,
			     raw_node(&srv, IPCBUS_NODE_WANT_LABEL | IPCBUS_NODE_ACCEPT_FDS, 1));
}

static void expect_label(const struct ipcbus_event *ev)
{
	ck_assert_uint_eq(ev->label_size, strlen(mine));
	if (!mine[0])
		return;
	ck_assert_uint_lt(ev->label + ev->label_size, srv.size);
	ck_assert_str_eq((const char *)srv.map + ev->label, mine);
	/* The label is behind payload and objects. */
	ck_assert_uint_ge(ev->label, ev->offset + ev->data_size);
	ck_assert_uint_ge(ev->label, ev->objects + 32 * ev->object_count);
}

START_TEST(label_is_printed)
{
	fprintf(stderr, "the label is \"%s\"\n", mine);
}
END_TEST

START_TEST(call_brings_a_label)
{
	struct ipcbus_event ev;

	raw_call(&cli, handle, 1, "hello", 5);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_holds(&srv, &ev, "hello", 5);
	expect_label(&ev);
	raw_release(&srv, &ev);
	raw_reply(&srv, ev.call, "yes", 3);
	/* raw_take() asserts that other events have no label. */
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	raw_release(&cli, &ev);
}
END_TEST

/* If there is a label, even an empty message has a buffer. */
START_TEST(empty_call_brings_a_label)
{
	struct ipcbus_event ev;

	raw_call(&cli, handle, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	ck_assert_uint_eq(!ev.buffer, !mine[0]);
	ck_assert_uint_eq(ev.data_size, 0);
	expect_label(&ev);
	raw_release(&srv, &ev);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
}
END_TEST

START_TEST(oneways_bring_labels)
{
	struct ipcbus_event ev;

	raw_oneway(&cli, handle, 1, "a", 1);
	raw_oneway(&cli, handle, 2, NULL, 0);
	for (uint32_t i = 1; i <= 2; i++) {
		raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
		ck_assert_uint_eq(ev.code, i);
		expect_label(&ev);
		raw_release(&srv, &ev);
	}
}
END_TEST

START_TEST(no_label_without_a_request)
{
	struct ipcbus_event ev;

	raw_call(&cli, 0, 1, "hello", 5);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	ck_assert_uint_eq(ev.label, 0);
	ck_assert_uint_eq(ev.label_size, 0);
	raw_release(&srv, &ev);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
}
END_TEST

/* Payload, objects and label of each size, side by side without overlap. */
START_TEST(label_beside_the_rest)
{
	struct ipcbus_object o[3] = { object_fd(1), object_handle(0), object_fd(2) };
	struct ipcbus_event ev[2];
	char data[200];

	pattern_fill(data, sizeof(data), 5);
	for (size_t size = 0; size < sizeof(data); size++) {
		struct ipcbus_send send = {
			.kind = IPCBUS_SEND_CALL, .handle = handle, .data = PTR64(data),
			.data_size = size, .objects = PTR64(o), .object_count = size % 4,
		};

		for (int i = 0; i < 2; i++)
			assert_ok(raw_send(&cli, &send, NULL));
		for (int i = 0; i < 2; i++)
			raw_take(&srv, IPCBUS_EVENT_CALL, &ev[i]);
		for (int i = 0; i < 2; i++) {
			const struct ipcbus_object *got = raw_objects(&srv, &ev[i]);

			raw_holds(&srv, &ev[i], data, size);
			expect_label(&ev[i]);
			ck_assert_uint_eq(ev[i].object_count, size % 4);
			for (uint32_t k = 0; k < ev[i].object_count; k++)
				if (got[k].type == IPCBUS_OBJECT_FD)
					close(got[k].value);
		}
		for (int i = 1; i >= 0; i--) {
			raw_release(&srv, &ev[i]);
			raw_reply(&srv, ev[i].call, NULL, 0);
			raw_take(&cli, IPCBUS_EVENT_REPLY, &ev[i]);
		}
	}
}
END_TEST

/* The label needs space, and a failure frees it. */
START_TEST(label_needs_space)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL, .handle = handle };
	char *data = calloc(1, REGION);
	struct ipcbus_event ev;

	send.data = PTR64(data);
	send.data_size = REGION;
	if (mine[0])
		raw_fails(&cli, &send, -EMSGSIZE, IPCBUS_STAGE_BUFFER, 0);
	send.data_size = REGION - 4096;
	send.data = 8;
	raw_fails(&cli, &send, -EFAULT, IPCBUS_STAGE_COPY, 0);
	send.data = PTR64(data);
	assert_ok(raw_send(&cli, &send, NULL));
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	expect_label(&ev);
	raw_release(&srv, &ev);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	free(data);
}
END_TEST

START_TEST(only_new_nodes_are_asked)
{
	struct ipcbus_node n = { .node = srv_node, .flags = IPCBUS_NODE_WANT_LABEL };

	assert_result(raw_node_ioctl(&srv, IPCBUS_IOC_NODE_DESTROY, &n), -EINVAL);
	assert_result(raw_node_ioctl(&srv, IPCBUS_IOC_SET_MANAGER, &n), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("label");
	TCase *tc = add_case(s, "label", setup_label);

	tcase_add_test(tc, label_is_printed);
	tcase_add_test(tc, call_brings_a_label);
	tcase_add_test(tc, empty_call_brings_a_label);
	tcase_add_test(tc, oneways_bring_labels);
	tcase_add_test(tc, no_label_without_a_request);
	tcase_add_test(tc, label_beside_the_rest);
	tcase_add_test(tc, label_needs_space);
	tcase_add_test(tc, only_new_nodes_are_asked);
	return suite_main(s);
}
