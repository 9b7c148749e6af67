// SPDX-License-Identifier: MIT
/*
 * IPCBUS_MORE: oneways that are delivered together with the oneway before them, and events
 * that never are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fixture.h"

#define PAGE 4096
#define SERVE_NOW (IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK)

/* The result of an exchange: first.more is the number of additional events. */
struct taken {
	struct ipcbus_event first;
	struct ipcbus_event more[IPCBUS_MAX_MORE];
};

static int try_to_take(const struct raw *r, uint32_t flags, unsigned int want, struct taken *t)
{
	struct ipcbus_exchange x = {
		.flags = flags | IPCBUS_MORE, .more = PTR64(t->more), .more_count = want,
	};
	int e = raw_exchange(r, &x);

	t->first = x.event;
	return e;
}

/* must: requests @want more, and gets a oneway with this code and @more with the following codes */
static void take(const struct raw *r, unsigned int want, uint32_t code, unsigned int more,
		 struct taken *t)
{
	memset(t, 0xee, sizeof(*t));
	assert_ok(try_to_take(r, SERVE_NOW, want, t));
	ck_assert_uint_eq(t->first.kind, IPCBUS_EVENT_ONEWAY);
	ck_assert_uint_eq(t->first.code, code);
	ck_assert_uint_eq(t->first.more, more);
	for (unsigned int i = 0; i < more; i++) {
		ck_assert_uint_eq(t->more[i].kind, IPCBUS_EVENT_ONEWAY);
		ck_assert_uint_eq(t->more[i].code, code + 1 + i);
		ck_assert_uint_eq(t->more[i].cookie, t->first.cookie);
		ck_assert_uint_eq(t->more[i].thread, t->first.thread);
		ck_assert_uint_eq(t->more[i].pid, t->first.pid);
		ck_assert_uint_eq(t->more[i].more, 0);
	}
	/* The entry behind the last event is not written. */
	if (more < IPCBUS_MAX_MORE)
		ck_assert_uint_eq(t->more[more].code, 0xeeeeeeee);
}

static void release_all(const struct raw *r, const struct taken *t)
{
	for (unsigned int i = 0; i < t->first.more; i++)
		raw_release(r, &t->more[i]);
	raw_release(r, &t->first);
}

/* oth and cli send in turn. Codes count from 0. */
static void send_oneways(uint32_t handle, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		raw_oneway(i % 2 ? &cli : &oth, handle, i, &i, sizeof(i));
}

/* --- Events delivered together ------------------------------------------------------ */

START_TEST(oneways_of_a_node_come_together)
{
	struct taken t;

	send_oneways(0, 5);
	take(&srv, IPCBUS_MAX_MORE, 0, 4, &t);
	raw_holds(&srv, &t.first, &(uint32_t){ 0 }, 4);
	for (uint32_t i = 0; i < 4; i++)
		raw_holds(&srv, &t.more[i], &(uint32_t){ i + 1 }, 4);
	raw_none(&srv);
	release_all(&srv, &t);
	raw_none(&srv);
}
END_TEST

/* The node is busy until all of them are released, in any order. */
START_TEST(next_oneway_waits_for_all_of_them)
{
	struct ipcbus_node_info info;
	struct taken t, next;

	send_oneways(0, 4);
	take(&srv, IPCBUS_MAX_MORE, 0, 3, &t);
	raw_oneway(&cli, 0, 4, NULL, 0);
	raw_release(&srv, &t.more[(_i + 1) % 3]);
	raw_release(&srv, &t.first);
	raw_none(&srv);
	raw_release(&srv, &t.more[(_i + 2) % 3]);
	raw_none(&srv);
	assert_ok(raw_node_info(&srv, srv_node, &info));
	ck_assert_uint_eq(info.pending, 2);
	ck_assert_uint_eq(info.oneways, 1);
	raw_release(&srv, &t.more[_i]);
	take(&srv, IPCBUS_MAX_MORE, 4, 0, &next);
	release_all(&srv, &next);
	assert_ok(raw_node_info(&srv, srv_node, &info));
	ck_assert_uint_eq(info.pending, 0);
}
END_TEST

START_TEST(requested_number_is_not_exceeded)
{
	struct taken t;

	send_oneways(0, 2 * IPCBUS_MAX_MORE + 4);
	take(&srv, 0, 0, 0, &t);
	release_all(&srv, &t);
	take(&srv, 2, 1, 2, &t);
	release_all(&srv, &t);
	take(&srv, IPCBUS_MAX_MORE, 4, IPCBUS_MAX_MORE, &t);
	release_all(&srv, &t);
	take(&srv, IPCBUS_MAX_MORE, IPCBUS_MAX_MORE + 5, IPCBUS_MAX_MORE - 2, &t);
	release_all(&srv, &t);
	raw_none(&srv);
}
END_TEST

START_TEST(objects_come_with_each)
{
	struct ipcbus_object o = object_fd(1);
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .object_count = 1, .objects = PTR64(&o),
	};
	int before = count_fds();
	struct taken t;

	for (send.code = 0; send.code < 3; send.code++)
		assert_ok(raw_send(&cli, &send, NULL));
	take(&srv, IPCBUS_MAX_MORE, 0, 2, &t);
	ck_assert_int_eq(count_fds(), before + 3);
	ck_assert_int_eq(close(raw_objects(&srv, &t.first)->value), 0);
	ck_assert_int_eq(close(raw_objects(&srv, &t.more[0])->value), 0);
	ck_assert_int_eq(close(raw_objects(&srv, &t.more[1])->value), 0);
	release_all(&srv, &t);
}
END_TEST

static void *take_ten(void *unused)
{
	uint32_t n = 0;

	while (n < 10) {
		struct taken t;

		ck_assert_int_eq(try_to_take(&srv, IPCBUS_WAIT | IPCBUS_SERVE, IPCBUS_MAX_MORE, &t),
				 0);
		if (t.first.kind == IPCBUS_EVENT_INTERRUPTED)
			continue;
		ck_assert_uint_eq(t.first.code, n);
		for (uint32_t i = 0; i < t.first.more; i++)
			ck_assert_uint_eq(t.more[i].code, n + 1 + i);
		n += 1 + t.first.more;
		release_all(&srv, &t);
	}
	return unused;
}

START_TEST(sleeping_thread_gets_several_oneways)
{
	struct helper h;

	helper_start(&h, take_ten, NULL);
	wait_asleep(h.tid);
	send_oneways(0, 10);
	helper_end(&h);
	raw_none(&srv);
}
END_TEST

/* --- Events delivered alone --------------------------------------------------------- */

START_TEST(queued_work_goes_first)
{
	struct ipcbus_event call;
	struct taken t;

	send_oneways(0, 3);
	raw_call(&cli, 0, 9, NULL, 0);
	take(&srv, IPCBUS_MAX_MORE, 0, 0, &t);
	raw_release(&srv, &t.first);
	raw_take(&srv, IPCBUS_EVENT_CALL, &call);
	take(&srv, IPCBUS_MAX_MORE, 1, 1, &t);
	release_all(&srv, &t);
	raw_reply(&srv, call.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &call);
}
END_TEST

START_TEST(call_is_delivered_alone)
{
	struct taken t;

	raw_call(&cli, 0, 9, NULL, 0);
	send_oneways(0, 3);
	assert_ok(try_to_take(&srv, SERVE_NOW, IPCBUS_MAX_MORE, &t));
	ck_assert_uint_eq(t.first.kind, IPCBUS_EVENT_CALL);
	ck_assert_uint_eq(t.first.more, 0);
	raw_reply(&srv, t.first.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &t.first);
	take(&srv, IPCBUS_MAX_MORE, 0, 2, &t);
	release_all(&srv, &t);
}
END_TEST

START_TEST(other_nodes_do_not_follow)
{
	uint32_t other = give_handle(&oth, &srv, raw_node(&srv, 0, 1));
	struct taken t, u;

	send_oneways(0, 2);
	take(&srv, 0, 0, 0, &t);
	raw_oneway(&oth, other, 7, NULL, 0);
	raw_oneway(&oth, other, 8, NULL, 0);
	take(&srv, IPCBUS_MAX_MORE, 7, 1, &u);
	raw_none(&srv);
	release_all(&srv, &u);
	release_all(&srv, &t);
	take(&srv, IPCBUS_MAX_MORE, 1, 0, &t);
	release_all(&srv, &t);
}
END_TEST

START_TEST(replaceable_oneway_comes_alone)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .flags = IPCBUS_SEND_REPLACE, .code = 2,
	};
	struct taken t;

	send_oneways(0, 2);
	assert_ok(raw_send(&cli, &send, NULL));
	raw_oneway(&cli, 0, 3, NULL, 0);
	take(&srv, IPCBUS_MAX_MORE, 0, 1, &t);
	/* The new oneway replaces the queued oneway with code 2, and is behind code 3. */
	assert_ok(raw_send(&cli, &send, NULL));
	release_all(&srv, &t);
	take(&srv, IPCBUS_MAX_MORE, 3, 0, &t);
	release_all(&srv, &t);
	take(&srv, IPCBUS_MAX_MORE, 2, 0, &t);
	release_all(&srv, &t);
	raw_none(&srv);
}
END_TEST

/* The thread has the node's priority for a single oneway. */
START_TEST(oneways_of_a_node_with_a_priority_come_alone)
{
	struct ipcbus_node node = { .cookie = 1, .flags = IPCBUS_NODE_PRIORITY, .priority = -5 };
	struct taken t;
	uint32_t handle;

	assert_ok(raw_node_ioctl(&srv, IPCBUS_IOC_NODE_CREATE, &node));
	handle = give_handle(&cli, &srv, node.node);
	raw_oneway(&cli, handle, 1, NULL, 0);
	raw_oneway(&cli, handle, 2, NULL, 0);
	for (uint32_t code = 1; code <= 2; code++) {
		take(&srv, IPCBUS_MAX_MORE, code, 0, &t);
		release_all(&srv, &t);
	}
}
END_TEST

START_TEST(frozen_process_gets_no_oneways)
{
	struct ipcbus_freeze freeze;
	struct taken t;

	send_oneways(0, 3);
	assert_ok(raw_freeze(&cli, 0, getpid(), 0, &freeze));
	assert_ok(try_to_take(&srv, SERVE_NOW, IPCBUS_MAX_MORE, &t));
	ck_assert_uint_eq(t.first.kind, IPCBUS_EVENT_NONE);
	ck_assert_uint_eq(t.first.more, 0);
	assert_ok(raw_freeze(&cli, IPCBUS_FREEZE_THAW, getpid(), 0, &freeze));
	take(&srv, IPCBUS_MAX_MORE, 0, 2, &t);
	release_all(&srv, &t);
}
END_TEST

START_TEST(dead_node_gets_no_further_oneways)
{
	uint64_t node = raw_node(&srv, 0, 1);
	uint32_t handle = give_handle(&oth, &srv, node);
	struct taken t;

	for (uint32_t i = 0; i < 4; i++)
		raw_oneway(&oth, handle, i, NULL, 0);
	take(&srv, 1, 0, 1, &t);
	assert_ok(raw_destroy(&srv, node, 0));
	release_all(&srv, &t);
	raw_none(&srv);
}
END_TEST

/* --- Oneways that cannot be delivered ------------------------------------------------- */

/* One of the three is lost, because srv has no fd for its file. The other two are delivered. */
START_TEST(lost_oneway_does_not_delay_others)
{
	struct ipcbus_object o = object_fd(1);
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .object_count = 1, .objects = PTR64(&o),
	};
	struct taken t;

	for (uint32_t i = 0; i < 3; i++) {
		send.code = i;
		send.object_count = i == (uint32_t)_i;
		assert_ok(raw_send(&cli, &send, NULL));
	}
	limit_fds(0);
	assert_ok(try_to_take(&srv, SERVE_NOW, IPCBUS_MAX_MORE, &t));
	limit_fds(50);
	ck_assert_uint_eq(t.first.code, _i == 0 ? 1 : 0);
	ck_assert_uint_eq(t.first.more, 1);
	ck_assert_uint_eq(t.more[0].code, _i == 2 ? 1 : 2);
	raw_oneway(&cli, 0, 3, NULL, 0);
	raw_none(&srv);
	release_all(&srv, &t);
	take(&srv, IPCBUS_MAX_MORE, 3, 0, &t);
	release_all(&srv, &t);
}
END_TEST

START_TEST(lost_oneways_produce_no_event)
{
	struct ipcbus_object o = object_fd(1);
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .object_count = 1, .objects = PTR64(&o),
	};
	struct taken t;

	for (uint32_t i = 0; i < 3; i++)
		assert_ok(raw_send(&cli, &send, NULL));
	limit_fds(0);
	assert_ok(try_to_take(&srv, SERVE_NOW, IPCBUS_MAX_MORE, &t));
	limit_fds(50);
	ck_assert_uint_eq(t.first.kind, IPCBUS_EVENT_NONE);
	ck_assert_uint_eq(t.first.more, 0);
	raw_oneway(&cli, 0, 0, NULL, 0);
	take(&srv, IPCBUS_MAX_MORE, 0, 0, &t);
	release_all(&srv, &t);
}
END_TEST

/* Returns an array. Its entries from @entries on are not writable. */
static struct ipcbus_event *short_array(char **ret_pages, unsigned int entries)
{
	char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);

	ck_assert_ptr_ne(pages, MAP_FAILED);
	ck_assert_int_eq(mprotect(pages + PAGE, PAGE, PROT_READ), 0);
	*ret_pages = pages;
	return (void *)(pages + PAGE - entries * sizeof(struct ipcbus_event));
}

START_TEST(unwritable_array_takes_no_oneways)
{
	struct ipcbus_exchange x = { .flags = SERVE_NOW | IPCBUS_MORE, .more_count = 5 };
	struct taken t;
	char *pages;

	send_oneways(0, 6);
	x.more = PTR64(short_array(&pages, _i));
	assert_result(raw_exchange(&srv, &x), -EFAULT);
	munmap(pages, 2 * PAGE);
	take(&srv, IPCBUS_MAX_MORE, 0, 5, &t);
	raw_none(&srv);
	release_all(&srv, &t);
}
END_TEST

/* --- The structure ------------------------------------------------------------------ */

START_TEST(fields_are_checked)
{
	static const struct {
		uint64_t more;
		uint32_t more_count, reserved;
		int error;
	} tries[] = {
		{ 0, IPCBUS_MAX_MORE + 1, 0, -E2BIG },
		{ 4096, 0xffffffff, 0, -E2BIG },
		{ 4096, 1, 1, -EINVAL },
		{ 4096, 1, 1U << 31, -EINVAL },
	};
	struct ipcbus_event ev;

	send_oneways(0, 1);
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		struct ipcbus_exchange x = {
			.flags = SERVE_NOW | IPCBUS_MORE, .more = tries[i].more,
			.more_count = tries[i].more_count, .reserved = tries[i].reserved,
		};

		assert_result(raw_exchange(&srv, &x), tries[i].error);
	}
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(&srv, &ev);
}
END_TEST

START_TEST(fields_are_ignored_without_the_flag)
{
	struct ipcbus_exchange x = {
		.flags = SERVE_NOW, .more = 8, .more_count = 5, .reserved = 1,
	};

	send_oneways(0, 1);
	assert_ok(raw_exchange(&srv, &x));
	ck_assert_uint_eq(x.event.kind, IPCBUS_EVENT_ONEWAY);
	raw_release(&srv, &x.event);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("more");
	TCase *tc;

	tc = add_case(s, "comes", setup_bus);
	tcase_add_test(tc, oneways_of_a_node_come_together);
	tcase_add_loop_test(tc, next_oneway_waits_for_all_of_them, 0, 3);
	tcase_add_test(tc, requested_number_is_not_exceeded);
	tcase_add_test(tc, objects_come_with_each);
	tcase_add_test(tc, sleeping_thread_gets_several_oneways);
	tc = add_case(s, "does not come", setup_bus);
	tcase_add_test(tc, queued_work_goes_first);
	tcase_add_test(tc, call_is_delivered_alone);
	tcase_add_test(tc, other_nodes_do_not_follow);
	tcase_add_test(tc, replaceable_oneway_comes_alone);
	tcase_add_test(tc, oneways_of_a_node_with_a_priority_come_alone);
	tcase_add_test(tc, frozen_process_gets_no_oneways);
	tcase_add_test(tc, dead_node_gets_no_further_oneways);
	tc = add_case(s, "is not delivered", setup_bus);
	tcase_add_loop_test(tc, lost_oneway_does_not_delay_others, 0, 3);
	tcase_add_test(tc, lost_oneways_produce_no_event);
	tcase_add_loop_test(tc, unwritable_array_takes_no_oneways, 0, 4);
	tc = add_case(s, "structure", setup_bus);
	tcase_add_test(tc, fields_are_checked);
	tcase_add_test(tc, fields_are_ignored_without_the_flag);
	return suite_main(s);
}
