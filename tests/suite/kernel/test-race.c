// SPDX-License-Identifier: MIT
/*
 * Races: two CPUs, two threads, the same object. Each case runs two operations at the same moment,
 * many times, and checks an invariant that holds in either order.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fixture.h"

#define ROUNDS 150

/*
 * Runs two functions at once: both spin until the other is ready, then either lags by a number of
 * steps that changes every round. The result of b is that of the last round.
 */
struct duel {
	int (*a)(void *), (*b)(void *);
	void *arg;
	unsigned int at_start; /* threads of all rounds that are ready */
	unsigned int round;
	int result_b;
	bool over;
	struct helper helper; /* runs b */
};

static void both_ready(struct duel *d, unsigned int round)
{
	__atomic_add_fetch(&d->at_start, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&d->at_start, __ATOMIC_SEQ_CST) < 2 * round)
		sched_yield();
}

static void lag(unsigned int steps)
{
	for (volatile unsigned int i = 0; i < steps; i++)
		;
}

static void *second(void *arg)
{
	struct duel *d = arg;
	unsigned int seen = 0;

	for (;;) {
		while (__atomic_load_n(&d->round, __ATOMIC_ACQUIRE) == seen &&
		       !__atomic_load_n(&d->over, __ATOMIC_ACQUIRE))
			sched_yield();
		if (d->over)
			return NULL;
		seen++;
		both_ready(d, 2 * seen - 1);
		if (seen % 2)
			lag(seen * 7 % 600);
		d->result_b = d->b(d->arg);
		both_ready(d, 2 * seen);
	}
}

static void duel_start(struct duel *d)
{
	helper_start(&d->helper, second, d);
}

static int duel_fight(struct duel *d)
{
	unsigned int round = d->round + 1;
	int result;

	__atomic_store_n(&d->round, round, __ATOMIC_RELEASE);
	both_ready(d, 2 * round - 1);
	if (round % 2 == 0)
		lag(round * 7 % 600);
	result = d->a(d->arg);
	both_ready(d, 2 * round);
	return result;
}

/* Exactly one must succeed, and the other must fail with @error. */
static void duel_for_one(struct duel *d, int error)
{
	int a = duel_fight(d);

	ck_assert_msg((a == 0 && d->result_b == error) || (a == error && d->result_b == 0),
		      "%s and %s", errname(a), errname(d->result_b));
}

/* Returns whether another round follows. After the last round it ends the helper. */
static bool duel_goes_on(struct duel *d, unsigned int rounds)
{
	if (d->round < rounds)
		return true;
	__atomic_store_n(&d->over, true, __ATOMIC_RELEASE);
	helper_end(&d->helper);
	return false;
}

/* Two threads release the same buffer, reply to the same call, or put the same handle. */

static int release_it(void *arg)
{
	return raw_free(&srv, *(uint64_t *)arg);
}

START_TEST(two_threads_release_one_buffer)
{
	uint64_t id;
	struct duel d = { .a = release_it, .b = release_it, .arg = &id };
	struct ipcbus_event ev, reply;

	for (duel_start(&d); duel_goes_on(&d, ROUNDS);) {
		raw_call(&cli, 0, 1, "x", 1);
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
		id = ev.buffer;
		raw_reply(&srv, ev.call, NULL, 0);
		raw_take(&cli, IPCBUS_EVENT_REPLY, &reply);
		duel_for_one(&d, -ESTALE);
	}
}
END_TEST

static int reply_it(void *arg)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_REPLY, .call = *(uint64_t *)arg, .data = PTR64("yes"),
		.data_size = 3,
	};

	return raw_send(&srv, &send, NULL);
}

static int reply_it_badly(void *arg)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_REPLY, .call = *(uint64_t *)arg, .data = 8, .data_size = 3,
	};

	return raw_send(&srv, &send, NULL);
}

START_TEST(one_call_with_two_replies)
{
	uint64_t call;
	struct duel d = { .a = reply_it, .b = reply_it, .arg = &call };
	struct ipcbus_event ev;

	for (duel_start(&d); duel_goes_on(&d, ROUNDS);) {
		raw_call(&cli, 0, 1, NULL, 0);
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
		call = ev.call;
		duel_for_one(&d, -ESRCH);
		raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
		raw_holds(&cli, &ev, "yes", 3);
		raw_release(&cli, &ev);
		raw_none(&cli);
	}
}
END_TEST

/* The bad reply fails half-way and must leave the call to the good reply. */
START_TEST(one_call_with_a_good_and_a_bad_reply)
{
	uint64_t call;
	struct duel d = { .a = reply_it, .b = reply_it_badly, .arg = &call };
	struct ipcbus_event ev;

	for (duel_start(&d); duel_goes_on(&d, ROUNDS);) {
		raw_call(&cli, 0, 1, NULL, 0);
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
		call = ev.call;
		int a = duel_fight(&d);

		ck_assert(d.result_b == -EFAULT || d.result_b == -ESRCH);
		if (a == -ESRCH) /* the failing reply held the call at that moment */
			raw_reply(&srv, call, "yes", 3);
		else
			assert_ok(a);
		raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
		raw_holds(&cli, &ev, "yes", 3);
		raw_release(&cli, &ev);
	}
}
END_TEST

static int put_it(void *arg)
{
	return raw_put(&cli, *(uint32_t *)arg, 1);
}

START_TEST(two_threads_put_one_handle)
{
	uint64_t node = raw_node(&srv, 0, 5);
	uint32_t handle;
	struct duel d = { .a = put_it, .b = put_it, .arg = &handle };
	struct ipcbus_event ev;

	for (duel_start(&d); duel_goes_on(&d, ROUNDS);) {
		handle = give_handle(&cli, &srv, node);
		duel_for_one(&d, -EBADF);
		raw_take(&srv, IPCBUS_EVENT_IDLE, &ev);
	}
}
END_TEST

/* A handle is put while it is used. */

static int oneway_to_it(void *arg)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_ONEWAY, .handle = *(uint32_t *)arg };

	return raw_send(&cli, &send, NULL);
}

static void drain(const struct raw *r)
{
	struct ipcbus_event ev;

	for (;;) {
		assert_ok(raw_next(r, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev));
		if (ev.kind == IPCBUS_EVENT_NONE)
			return;
		raw_release(r, &ev);
	}
}

START_TEST(handle_put_while_used)
{
	uint64_t node = raw_node(&srv, 0, 5);
	uint32_t handle;
	struct duel d = { .a = put_it, .b = oneway_to_it, .arg = &handle };

	for (duel_start(&d); duel_goes_on(&d, ROUNDS);) {
		handle = give_handle(&cli, &srv, node);
		assert_ok(duel_fight(&d));
		ck_assert(d.result_b == 0 || d.result_b == -EBADF);
		drain(&srv);
		assert_result(raw_put(&cli, handle, 1), -EBADF);
	}
}
END_TEST

/* The last handle is put while the node is sent again: one of the two must report IDLE. */

struct settle {
	uint64_t node;
	uint32_t handle;
};

static int put_settled(void *arg)
{
	return raw_put(&cli, ((struct settle *)arg)->handle, 1);
}

static int destroy_if_idle(void *arg)
{
	return raw_destroy(&srv, ((struct settle *)arg)->node, IPCBUS_NODE_IF_IDLE);
}

START_TEST(node_destroyed_if_idle_while_it_becomes_so)
{
	struct settle s;
	struct duel d = { .a = put_settled, .b = destroy_if_idle, .arg = &s };

	for (duel_start(&d); duel_goes_on(&d, ROUNDS);) {
		s.node = raw_node(&srv, 0, 7);
		s.handle = give_handle(&cli, &srv, s.node);
		assert_ok(duel_fight(&d));
		if (d.result_b) {
			struct ipcbus_event ev;

			assert_result(d.result_b, -EBUSY);
			raw_take(&srv, IPCBUS_EVENT_IDLE, &ev);
			assert_ok(raw_destroy(&srv, s.node, IPCBUS_NODE_IF_IDLE));
		}
		raw_none(&srv);
	}
}
END_TEST

/* A node is destroyed while it is called. */

static int destroy_it(void *arg)
{
	return raw_destroy(&srv, ((struct settle *)arg)->node, 0);
}

static int call_it(void *arg)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_CALL, .handle = ((struct settle *)arg)->handle,
		.data = PTR64("x"), .data_size = 1,
	};
	struct ipcbus_exchange x = { .flags = IPCBUS_WAIT, .send = send };
	int e = raw_exchange(&cli, &x);

	if (e)
		return e;
	return x.event.kind == IPCBUS_EVENT_FAILED ? x.event.error : 1;
}

START_TEST(node_destroyed_while_called)
{
	struct settle s;
	struct duel d = { .a = destroy_it, .b = call_it, .arg = &s };

	for (duel_start(&d); duel_goes_on(&d, ROUNDS);) {
		s.node = raw_node(&srv, 0, 7);
		s.handle = give_handle(&cli, &srv, s.node);
		assert_ok(duel_fight(&d));
		assert_result(d.result_b, -EOWNERDEAD);
		assert_ok(raw_put(&cli, s.handle, 1));
		raw_none(&srv);
	}
}
END_TEST

/* A proc is closed while another proc calls it, sends to it, watches it or replies to it. */

static int close_oth(void *arg)
{
	(void)arg;
	raw_close(&oth);
	return 0;
}

START_TEST(proc_closed_while_called)
{
	struct settle s;
	struct duel d = { .a = close_oth, .b = call_it, .arg = &s };

	for (duel_start(&d); duel_goes_on(&d, ROUNDS);) {
		s.handle = give_handle(&cli, &oth, raw_node(&oth, 0, 1));
		assert_ok(duel_fight(&d));
		assert_result(d.result_b, -EOWNERDEAD);
		assert_ok(raw_put(&cli, s.handle, 1));
		raw_open(&oth, 65536);
	}
}
END_TEST

static int oneway_and_put(void *arg)
{
	struct settle *s = arg;
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .handle = s->handle, .data = PTR64("x"), .data_size = 1,
	};
	int e = raw_send(&cli, &send, NULL);

	return e ? e : raw_put(&cli, s->handle, 1);
}

/* The sender drops its own reference immediately after the message. */
START_TEST(proc_closed_while_sent_to)
{
	struct settle s;
	struct duel d = { .a = close_oth, .b = oneway_and_put, .arg = &s };

	for (duel_start(&d); duel_goes_on(&d, ROUNDS);) {
		s.handle = give_handle(&cli, &oth, raw_node(&oth, 0, 1));
		assert_ok(duel_fight(&d));
		if (d.result_b) {
			assert_result(d.result_b, -EOWNERDEAD);
			assert_ok(raw_put(&cli, s.handle, 1));
		}
		raw_open(&oth, 65536);
	}
}
END_TEST

static int watch_it(void *arg)
{
	return raw_watch(&cli, ((struct settle *)arg)->handle, 99);
}

START_TEST(proc_closed_while_watched)
{
	struct settle s;
	struct duel d = { .a = close_oth, .b = watch_it, .arg = &s };
	struct ipcbus_event ev;

	for (duel_start(&d); duel_goes_on(&d, ROUNDS);) {
		s.handle = give_handle(&cli, &oth, raw_node(&oth, 0, 1));
		assert_ok(duel_fight(&d));
		assert_ok(d.result_b);
		raw_take(&cli, IPCBUS_EVENT_DEAD, &ev);
		raw_none(&cli);
		assert_ok(raw_put(&cli, s.handle, 1));
		raw_open(&oth, 65536);
	}
}
END_TEST

static int unwatch_it(void *arg)
{
	return raw_unwatch(&cli, ((struct settle *)arg)->handle);
}

/* 0 promises that no event follows. ENOENT means that an event is queued for this thread. */
START_TEST(proc_closed_while_unwatched)
{
	struct settle s;
	struct duel d = { .a = close_oth, .b = unwatch_it, .arg = &s };

	for (duel_start(&d); duel_goes_on(&d, ROUNDS);) {
		s.handle = give_handle(&cli, &oth, raw_node(&oth, 0, 1));
		assert_ok(raw_watch(&cli, s.handle, 5));
		assert_ok(duel_fight(&d));
		assert_ok(d.result_b);
		raw_none(&cli);
		assert_ok(raw_put(&cli, s.handle, 1));
		raw_open(&oth, 65536);
	}
}
END_TEST

START_TEST(proc_closed_while_its_handle_is_put)
{
	struct settle s;
	struct duel d = { .a = close_oth, .b = put_settled, .arg = &s };

	for (duel_start(&d); duel_goes_on(&d, ROUNDS);) {
		s.handle = give_handle(&cli, &oth, raw_node(&oth, 0, 1));
		assert_ok(raw_watch(&cli, s.handle, 5));
		assert_ok(duel_fight(&d));
		assert_ok(d.result_b);
		raw_none(&cli);
		raw_open(&oth, 65536);
	}
}
END_TEST

/* The caller closes during the reply, which carries objects and fds. */

static int reply_with_everything(void *arg)
{
	static char data[30000];
	struct ipcbus_object o[3] = { object_node(srv_node), object_fd(1), object_fd(1) };
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_REPLY, .call = *(uint64_t *)arg, .data = PTR64(data),
		.data_size = sizeof(data), .objects = PTR64(o), .object_count = 3,
	};

	return raw_send(&srv, &send, NULL);
}

START_TEST(caller_closed_during_the_reply)
{
	uint64_t call;
	struct duel d = { .a = close_oth, .b = reply_with_everything, .arg = &call };
	struct ipcbus_event ev;

	for (duel_start(&d); duel_goes_on(&d, ROUNDS);) {
		assert_ok(raw_send(&oth, &(struct ipcbus_send){ .kind = IPCBUS_SEND_CALL,
								.flags = IPCBUS_SEND_ACCEPT_FDS },
				   NULL));
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
		call = ev.call;
		assert_ok(duel_fight(&d));
		assert_ok(d.result_b);
		raw_open(&oth, 65536);
	}
}
END_TEST

/* The caller's call is taken while the caller closes. */

static int take_whatever(void *arg)
{
	struct ipcbus_event ev;
	int e = raw_next(&srv, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev);

	(void)arg;
	if (e)
		return e;
	if (ev.kind == IPCBUS_EVENT_CALL)
		raw_reply(&srv, ev.call, NULL, 0);
	raw_release(&srv, &ev);
	return 0;
}

START_TEST(caller_closed_while_its_call_is_taken)
{
	struct duel d = { .a = close_oth, .b = take_whatever, .arg = NULL };
	static char data[5000];

	for (duel_start(&d); duel_goes_on(&d, ROUNDS);) {
		raw_call(&oth, 0, 1, data, sizeof(data));
		assert_ok(duel_fight(&d));
		assert_ok(d.result_b);
		drain(&srv);
		raw_open(&oth, 65536);
	}
}
END_TEST

/* A thread exits while its reply arrives. */

static int exit_cli(void *arg)
{
	(void)arg;
	return dev_ioctl(cli.fd, IPCBUS_IOC_THREAD_EXIT, NULL);
}

START_TEST(thread_exit_against_a_reply)
{
	uint64_t call;
	struct duel d = { .a = exit_cli, .b = reply_it, .arg = &call };
	struct ipcbus_event ev;

	for (duel_start(&d); duel_goes_on(&d, ROUNDS);) {
		raw_call(&cli, 0, 1, NULL, 0);
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
		call = ev.call;
		assert_ok(duel_fight(&d));
		assert_ok(d.result_b);
		raw_none(&cli);
	}
}
END_TEST

/* Claiming the bus */

static int claim_as_cli(void *arg)
{
	return raw_claim(&cli, ((uint64_t *)arg)[0]);
}

static int claim_as_oth(void *arg)
{
	return raw_claim(&oth, ((uint64_t *)arg)[1]);
}

START_TEST(two_claim_the_bus)
{
	uint64_t nodes[2];
	struct duel d = { .a = claim_as_cli, .b = claim_as_oth, .arg = nodes };

	raw_open(&cli, 65536);
	raw_open(&oth, 65536);
	for (duel_start(&d); duel_goes_on(&d, ROUNDS);) {
		nodes[0] = raw_node(&cli, 0, 1);
		nodes[1] = raw_node(&oth, 0, 1);
		duel_for_one(&d, -EBUSY);
		assert_ok(raw_destroy(&cli, nodes[0], 0));
		assert_ok(raw_destroy(&oth, nodes[1], 0));
	}
}
END_TEST

static int map_it(void *arg)
{
	void *m;
	int e = dev_map(((struct raw *)arg)->fd, 65536, PROT_READ, MAP_SHARED, 0, &m);

	if (!e)
		dev_unmap(m, 65536);
	return e;
}

START_TEST(two_map_the_region)
{
	struct raw r;
	struct duel d = { .a = map_it, .b = map_it, .arg = &r };

	for (duel_start(&d); duel_goes_on(&d, ROUNDS);) {
		raw_open(&r, 0);
		duel_for_one(&d, -EBUSY);
		raw_close(&r);
	}
}
END_TEST

/* The receiver touches pages that a sender is filling. */

static int send_large(void *arg)
{
	struct ipcbus_send send = {
		.kind = IPCBUS_SEND_ONEWAY, .data = PTR64(arg), .data_size = 300000,
	};

	return raw_send(&cli, &send, NULL);
}

static int read_all(void *arg)
{
	const volatile uint8_t *map = srv.map;
	unsigned int sum = 0;

	(void)arg;
	/* Reads only pages that are certainly mapped: a fault elsewhere is SIGBUS. */
	for (size_t i = 0; i < 8192; i += 64)
		sum += map[i];
	return sum ? 0 : 1;
}

START_TEST(region_read_while_written)
{
	char *data = malloc(300000);
	struct duel d = { .a = send_large, .b = read_all, .arg = data };
	static char first[8192];
	struct ipcbus_event ev;

	memset(first, 1, sizeof(first));
	raw_call(&oth, 0, 1, first, sizeof(first));
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	raw_release(&srv, &ev);
	if (ev.offset)
		goto out; /* the allocator starts elsewhere, so no page is certainly mapped */
	for (duel_start(&d); duel_goes_on(&d, 60);) {
		pattern_fill(data, 300000, d.round);
		madvise((void *)(uintptr_t)srv.map, REGION, MADV_DONTNEED);
		assert_ok(duel_fight(&d));
		raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
		raw_holds(&srv, &ev, data, 300000);
		raw_release(&srv, &ev);
	}
out:
	free(data);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("race");
	TCase *tc = add_case(s, "duels", setup_bus);

	tcase_add_test(tc, two_threads_release_one_buffer);
	tcase_add_test(tc, one_call_with_two_replies);
	tcase_add_test(tc, one_call_with_a_good_and_a_bad_reply);
	tcase_add_test(tc, two_threads_put_one_handle);
	tcase_add_test(tc, handle_put_while_used);
	tcase_add_test(tc, node_destroyed_if_idle_while_it_becomes_so);
	tcase_add_test(tc, node_destroyed_while_called);
	tcase_add_test(tc, proc_closed_while_called);
	tcase_add_test(tc, proc_closed_while_sent_to);
	tcase_add_test(tc, proc_closed_while_watched);
	tcase_add_test(tc, proc_closed_while_unwatched);
	tcase_add_test(tc, proc_closed_while_its_handle_is_put);
	tcase_add_test(tc, caller_closed_during_the_reply);
	tcase_add_test(tc, caller_closed_while_its_call_is_taken);
	tcase_add_test(tc, thread_exit_against_a_reply);
	tcase_add_test(tc, region_read_while_written);

	tc = add_case(s, "alone", setup_bare);
	tcase_add_test(tc, two_claim_the_bus);
	tcase_add_test(tc, two_map_the_region);
	return suite_main(s);
}
