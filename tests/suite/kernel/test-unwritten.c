// SPDX-License-Identifier: MIT
/*
 * Events that cannot be written, because the place for them is not there: the exchange fails
 * with EFAULT, and the thread's next wait gets the event.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fixture.h"
#include "scheduling.h"

#define PAGE 4096
#define COOKIE 0xc00c1eULL

/* --- Places ----------------------------------------------------------------------- */

static const struct {
	int protection;	/* of the page with the event, or with its end */
	size_t there;	/* so many bytes of the event can be written */
} places[] = {
	{ PROT_NONE, 0 },
	{ PROT_READ, 0 },
	{ PROT_NONE, 64 },
};

/* The exchange, with its event in such a place. */
static int exchange_into(int place, const struct raw *r, struct ipcbus_exchange *x)
{
	char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	char *at = pages + PAGE - offsetof(struct ipcbus_exchange, event) - places[place].there;
	int ret;

	ck_assert_ptr_ne(pages, MAP_FAILED);
	x->size = sizeof(*x);
	memcpy(at, x, sizeof(*x));
	ck_assert_int_eq(mprotect(pages + PAGE, PAGE, places[place].protection), 0);
	ret = dev_ioctl(r->fd, IPCBUS_IOC_EXCHANGE, at);
	munmap(pages, 2 * PAGE);
	return ret;
}

/* Takes an event that is there, in vain. */
static void take_in_vain(const struct raw *r)
{
	for (size_t place = 0; place < ARRAY_SIZE(places); place++) {
		struct ipcbus_exchange x = {
			.flags = IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK,
		};

		assert_result(exchange_into(place, r, &x), -EFAULT);
	}
}

/* --- Messages --------------------------------------------------------------------- */

/* With all that it has, once. */
START_TEST(call_comes_again)
{
	uint64_t node = raw_node(&cli, 0, 1);
	struct ipcbus_object objects[] = { object_node(node), object_fd(1) };
	struct ipcbus_send call = {
		.kind = IPCBUS_SEND_CALL, .code = 7, .data = PTR64("once"), .data_size = 4,
		.objects = PTR64(objects), .object_count = 2, .cookie = COOKIE,
		.deadline = deadline_in(3600000),
	};
	const struct ipcbus_object *o;
	struct ipcbus_event ev;
	int fds;

	assert_ok(raw_send(&cli, &call, NULL));
	fds = count_fds();
	take_in_vain(&srv);
	ck_assert_int_eq(count_fds(), fds + 1);
	raw_none(&cli);
	assert_ok(raw_next(&srv, IPCBUS_NONBLOCK, &ev));
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_CALL);
	ck_assert_uint_eq(ev.code, 7);
	ck_assert_uint_eq(ev.cookie, SRV_COOKIE);
	ck_assert_uint_eq(ev.deadline, call.deadline);
	ck_assert_uint_eq(ev.pid, getpid());
	raw_holds(&srv, &ev, "once", 4);
	o = raw_objects(&srv, &ev);
	ck_assert_int_eq(close(o[1].value), 0);
	ck_assert_int_eq(count_fds(), fds);
	raw_none(&srv);
	raw_reply(&srv, ev.call, "done", 4);
	assert_ok(raw_put(&srv, o[0].value, 1));
	raw_release(&srv, &ev);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	raw_release(&cli, &ev);
	assert_ok(raw_destroy(&cli, node, 0));
}
END_TEST

/* What the thread calls meanwhile is nested in it. */
START_TEST(thread_serves_the_call)
{
	uint32_t to_oth = give_handle(&srv, &oth, raw_node(&oth, 0, 1));
	struct ipcbus_send call = {
		.kind = IPCBUS_SEND_CALL, .deadline = deadline_in(3600000), .cookie = COOKIE,
	};
	struct ipcbus_event outer, inner;

	assert_ok(raw_send(&cli, &call, NULL));
	take_in_vain(&srv);
	raw_take(&srv, IPCBUS_EVENT_CALL, &outer);
	raw_call(&srv, to_oth, 1, NULL, 0);
	raw_take(&oth, IPCBUS_EVENT_CALL, &inner);
	ck_assert_uint_eq(inner.deadline, call.deadline);
	assert_ok(raw_cancel(&cli, COOKIE));
	raw_failed(&srv, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
	raw_failed(&cli, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
	raw_reply(&srv, outer.call, NULL, 0);
	raw_take(&oth, IPCBUS_EVENT_CANCELED, &inner);
	raw_reply(&oth, inner.call, NULL, 0);
}
END_TEST

/* It is over before the thread knows of it. */
START_TEST(call_that_ended_meanwhile)
{
	struct ipcbus_send call = { .kind = IPCBUS_SEND_CALL, .cookie = COOKIE };
	struct ipcbus_call_info info;
	struct ipcbus_event ev;

	assert_ok(raw_send(&cli, &call, NULL));
	take_in_vain(&srv);
	assert_ok(raw_cancel(&cli, COOKIE));
	raw_failed(&cli, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	assert_ok(raw_call_info(&srv, ev.call, &info));
	ck_assert_uint_eq(info.flags, IPCBUS_CALL_CANCELED);
	raw_take(&srv, IPCBUS_EVENT_CANCELED, &ev);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_none(&srv);
}
END_TEST

START_TEST(oneway_comes_again)
{
	struct ipcbus_event ev;

	raw_oneway(&cli, 0, 1, "first", 5);
	raw_oneway(&cli, 0, 2, "second", 6);
	take_in_vain(&srv);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	ck_assert_uint_eq(ev.code, 1);
	raw_holds(&srv, &ev, "first", 5);
	raw_none(&srv);
	raw_release(&srv, &ev);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	ck_assert_uint_eq(ev.code, 2);
	raw_release(&srv, &ev);
}
END_TEST

/* It was taken before, so it is not dropped, and the process knows the cookie. */
START_TEST(node_is_destroyed_meanwhile)
{
	uint64_t node = raw_node(&srv, 0, COOKIE);
	uint32_t handle = give_handle(&cli, &srv, node);
	struct ipcbus_event ev;

	raw_oneway(&cli, handle, 1, "taken", 5);
	raw_oneway(&cli, handle, 2, "waits", 5);
	take_in_vain(&srv);
	assert_ok(raw_destroy(&srv, node, 0));
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	ck_assert_uint_eq(ev.code, 1);
	ck_assert_uint_eq(ev.cookie, COOKIE);
	raw_holds(&srv, &ev, "taken", 5);
	raw_release(&srv, &ev);
	raw_none(&srv);
}
END_TEST

START_TEST(oneway_has_its_priority_again)
{
	struct ipcbus_node n = {
		.flags = IPCBUS_NODE_PRIORITY, .policy = SCHED_OTHER, .priority = -5,
	};
	struct ipcbus_event ev;
	uint32_t handle;

	assert_ok(raw_node_ioctl(&srv, IPCBUS_IOC_NODE_CREATE, &n));
	handle = give_handle(&cli, &srv, n.node);
	raw_oneway(&cli, handle, 1, "x", 1);
	take_in_vain(&srv);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	ck_assert_int_eq(nice_of(0), -5);
	raw_release(&srv, &ev);
	raw_none(&srv);
	ck_assert_int_eq(nice_of(0), 0);
}
END_TEST

/* Before everything else, and only the thread that waited for it. */
START_TEST(reply_comes_again)
{
	struct ipcbus_exchange x = {
		.flags = IPCBUS_WAIT | IPCBUS_NONBLOCK,
		.send = { .kind = IPCBUS_SEND_CALL, .code = 2, .cookie = 2 },
	};
	struct ipcbus_send call = { .kind = IPCBUS_SEND_CALL, .code = 1, .cookie = 1 };
	struct pollfd p = { .fd = cli.fd, .events = POLLIN };
	struct ipcbus_event ev;

	assert_ok(raw_send(&cli, &call, NULL));
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_reply(&srv, ev.call, "late", 4);
	take_in_vain(&cli);
	ck_assert_int_eq(poll(&p, 1, 0), 1);
	assert_ok(raw_exchange(&cli, &x));
	ck_assert_uint_eq(x.event.kind, IPCBUS_EVENT_REPLY);
	ck_assert_uint_eq(x.event.cookie, 1);
	raw_holds(&cli, &x.event, "late", 4);
	raw_release(&cli, &x.event);
	ck_assert_int_eq(poll(&p, 1, 0), 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	ck_assert_uint_eq(ev.code, 2);
	raw_error(&srv, ev.call, EIO, NULL, 0);
	take_in_vain(&cli);
	assert_ok(raw_next(&cli, IPCBUS_NONBLOCK, &ev));
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_ERROR);
	ck_assert_int_eq(ev.error, -EIO);
	ck_assert_uint_eq(ev.cookie, 2);
}
END_TEST

/* --- Notifications ---------------------------------------------------------------- */

START_TEST(notifications_come_again)
{
	uint64_t node = raw_node(&cli, 0, COOKIE);
	uint32_t to_oth = give_handle(&cli, &oth, raw_node(&oth, 0, 1));
	uint32_t back = give_handle(&srv, &cli, node);
	struct ipcbus_send call = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC, .handle = to_oth,
		.cookie = COOKIE + 1,
	};
	struct ipcbus_event ev;

	assert_ok(raw_put(&srv, back, 1));
	take_in_vain(&cli);
	raw_take(&cli, IPCBUS_EVENT_IDLE, &ev);
	ck_assert_uint_eq(ev.cookie, COOKIE);
	assert_ok(raw_send(&cli, &call, NULL));
	assert_ok(raw_watch(&cli, to_oth, COOKIE + 2));
	raw_close(&oth);
	/* In whatever order. */
	for (uint64_t seen = 0; seen != 3;) {
		bool dead;

		take_in_vain(&cli);
		assert_ok(raw_next(&cli, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev));
		dead = ev.kind == IPCBUS_EVENT_DEAD;
		ck_assert(dead || ev.kind == IPCBUS_EVENT_FAILED);
		ck_assert_uint_eq(ev.cookie, COOKIE + (dead ? 2 : 1));
		ck_assert_uint_eq(seen & (dead ? 1 : 2), 0);
		seen |= dead ? 1 : 2;
	}
	raw_none(&cli);
}
END_TEST

/* The flag is part of the event. */
START_TEST(request_for_a_thread_comes_again)
{
	struct ipcbus_event ev;

	assert_ok(raw_set_threads(&srv, 4));
	raw_call(&cli, 0, 1, NULL, 0);
	take_in_vain(&srv);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	ck_assert_uint_eq(ev.flags, IPCBUS_EVENT_SPAWN);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
}
END_TEST

/* --- Without an event ------------------------------------------------------------- */

START_TEST(message_was_sent)
{
	struct ipcbus_exchange x = { .send = { .kind = IPCBUS_SEND_ONEWAY, .code = 3 } };
	struct ipcbus_event ev;

	assert_result(exchange_into(_i, &cli, &x), -EFAULT);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	ck_assert_uint_eq(ev.code, 3);
	raw_release(&srv, &ev);
	raw_none(&srv);
	raw_none(&cli);
}
END_TEST

/* The error is the one that says that nothing was sent. */
START_TEST(message_was_not_sent)
{
	struct ipcbus_exchange x = {
		.flags = IPCBUS_WAIT | IPCBUS_NONBLOCK,
		.send = { .kind = IPCBUS_SEND_CALL, .handle = 4242 },
	};

	assert_result(exchange_into(_i, &cli, &x), -EBADF);
	raw_none(&cli);
}
END_TEST

/* --- The thread ends -------------------------------------------------------------- */

static void *take_and_exit(void *arg)
{
	take_in_vain(&srv);
	if (arg)
		assert_ok(dev_ioctl(srv.fd, IPCBUS_IOC_THREAD_EXIT, NULL));
	return NULL;
}

START_TEST(another_thread_gets_it)
{
	struct ipcbus_event ev;
	struct helper h;

	raw_call(&cli, 0, 1, "pass it on", 10);
	helper_start(&h, take_and_exit, &h);
	helper_end(&h);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_holds(&srv, &ev, "pass it on", 10);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_release(&srv, &ev);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
}
END_TEST

/* Without a word. Nobody else comes who would look for it, either. */
START_TEST(another_thread_gets_it_soon)
{
	struct ipcbus_event ev;
	struct helper h;

	raw_call(&cli, 0, 1, "left behind", 11);
	helper_start(&h, take_and_exit, NULL);
	helper_end(&h);
	raw_wait(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_holds(&srv, &ev, "left behind", 11);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_release(&srv, &ev);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
}
END_TEST

/* Neither are those of a thread that lives, however often it fails meanwhile. */
START_TEST(a_living_thread_keeps_its_own)
{
	uint64_t end = now_ms() + 2500;
	struct ipcbus_event ev;
	struct helper h;

	raw_oneway(&cli, give_handle(&cli, &srv, raw_node(&srv, 0, 1)), 1, "x", 1);
	helper_start(&h, take_and_exit, NULL);
	helper_end(&h);
	raw_oneway(&cli, 0, 2, "mine", 4);
	/* In user-mode Linux time goes only in sleep. */
	for (; now_ms() < end; usleep(1000))
		take_in_vain(&srv);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	ck_assert_uint_eq(ev.code, 2);
	raw_release(&srv, &ev);
	raw_wait(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	ck_assert_uint_eq(ev.code, 1);
	raw_release(&srv, &ev);
}
END_TEST

/* Each that another thread has not got yet counts as a thread. */
START_TEST(they_count_as_threads)
{
	struct ipcbus_event ev;
	uint32_t handles[3];
	struct helper h;
	long threads;

	for (int i = 0; i < 3; i++)
		handles[i] = give_handle(&cli, &srv, raw_node(&srv, 0, i));
	threads = live("threads");
	for (int i = 0; i < 3; i++)
		raw_oneway(&cli, handles[i], 1, "x", 1);
	for (int i = 0; i < 3; i++) {
		helper_start(&h, take_and_exit, &h);
		helper_end(&h);
	}
	ck_assert_int_eq(live("threads"), threads + 3);
	for (int i = 0; i < 3; i++) {
		raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
		raw_release(&srv, &ev);
	}
	ck_assert_int_eq(live("threads"), threads);
}
END_TEST

START_TEST(proc_ends_before)
{
	struct helper h;

	raw_call(&cli, 0, 1, "never seen", 10);
	helper_start(&h, take_and_exit, _i ? &h : NULL);
	helper_end(&h);
	raw_close(&srv);
	raw_failed(&cli, -EOWNERDEAD, IPCBUS_STAGE_QUEUE, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("unwritten");
	TCase *tc = add_case(s, "bus", setup_bus);

	tcase_add_test(tc, call_comes_again);
	tcase_add_test(tc, thread_serves_the_call);
	tcase_add_test(tc, call_that_ended_meanwhile);
	tcase_add_test(tc, oneway_comes_again);
	tcase_add_test(tc, node_is_destroyed_meanwhile);
	tcase_add_test(tc, oneway_has_its_priority_again);
	tcase_add_test(tc, reply_comes_again);
	tcase_add_test(tc, notifications_come_again);
	tcase_add_test(tc, request_for_a_thread_comes_again);
	tcase_add_loop_test(tc, message_was_sent, 0, ARRAY_SIZE(places));
	tcase_add_loop_test(tc, message_was_not_sent, 0, ARRAY_SIZE(places));
	tcase_add_test(tc, another_thread_gets_it);
	tcase_add_test(tc, another_thread_gets_it_soon);
	tcase_add_test(tc, a_living_thread_keeps_its_own);
	tcase_add_test(tc, they_count_as_threads);
	tcase_add_loop_test(tc, proc_ends_before, 0, 2);
	return suite_main(s);
}
