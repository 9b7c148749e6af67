// SPDX-License-Identifier: MIT
/*
 * Back-pressure: what a sender of oneways can do when its quota of the receiver's
 * region is full. Nothing is lost, and nobody has to ask again and again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fixture.h"

#define CHUNK (64 << 10)

static char payload[3 * CHUNK];

static struct ipcbus_send chunk(uint64_t deadline)
{
	return (struct ipcbus_send){
		.kind = IPCBUS_SEND_ONEWAY, .code = 1, .data = PTR64(payload),
		.data_size = CHUNK, .deadline = deadline,
	};
}

/* Until no more goes; how many went. */
static unsigned int fill(const struct raw *r, uint32_t handle)
{
	struct ipcbus_send send = chunk(0);
	unsigned int n = 0;
	int ret;

	send.handle = handle;
	while (!(ret = raw_send(r, &send, NULL)))
		n++;
	assert_result(ret, -EAGAIN);
	return n;
}

static void take_one(const struct raw *r)
{
	struct ipcbus_event ev;

	raw_wait(r, IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(r, &ev);
}

static bool writable(const struct raw *r, int timeout_ms)
{
	struct pollfd p = { .fd = r->fd, .events = POLLOUT };

	return poll(&p, 1, timeout_ms) == 1;
}

START_TEST(poll_notifies_when_to_try_again)
{
	struct ipcbus_send send = chunk(0);

	ck_assert(writable(&cli, 0));
	fill(&cli, 0);
	ck_assert(!writable(&cli, 0));
	ck_assert(!writable(&cli, 20));
	/* Others have not been refused anything. */
	ck_assert(writable(&oth, 0));
	take_one(&srv);
	ck_assert(writable(&cli, 0));
	ck_assert(writable(&cli, 0));
	assert_ok(raw_send(&cli, &send, NULL));
	assert_result(raw_send(&cli, &send, NULL), -EAGAIN);
	ck_assert(!writable(&cli, 0));
}
END_TEST

static void *slow_server(void *arg)
{
	(void)arg;
	usleep(50000);
	take_one(&srv);
	return NULL;
}

START_TEST(poll_wakes_up)
{
	struct helper h;

	fill(&cli, 0);
	helper_start(&h, slow_server, NULL);
	ck_assert(writable(&cli, 10000));
	helper_end(&h);
}
END_TEST

START_TEST(any_of_two_targets)
{
	uint32_t to_oth = give_handle(&cli, &oth, raw_node(&oth, 0, 1));

	fill(&cli, 0);
	fill(&cli, to_oth);
	ck_assert(!writable(&cli, 0));
	take_one(&srv);
	ck_assert(writable(&cli, 0));
	fill(&cli, 0);
	fill(&cli, to_oth);
	ck_assert(!writable(&cli, 0));
	take_one(&oth);
	ck_assert(writable(&cli, 0));
}
END_TEST

/* Space at one must not be forgotten over a refusal by the other. */
START_TEST(space_before_the_other_refused)
{
	uint32_t to_oth = give_handle(&cli, &oth, raw_node(&oth, 0, 1));
	struct pollfd reader = { .fd = cli.fd, .events = POLLIN };
	struct ipcbus_send send = chunk(0);

	fill(&cli, 0);
	take_one(&srv);
	fill(&cli, to_oth);
	ck_assert(writable(&cli, 0));
	ck_assert(writable(&cli, 0));
	assert_ok(raw_send(&cli, &send, NULL));
	send.handle = to_oth;
	assert_result(raw_send(&cli, &send, NULL), -EAGAIN);
	ck_assert(!writable(&cli, 0));
	take_one(&oth);
	/* Who asks for something else has not heard. */
	ck_assert_int_eq(poll(&reader, 1, 0), 0);
	fill(&cli, 0);
	ck_assert(writable(&cli, 0));
}
END_TEST

START_TEST(target_goes)
{
	uint32_t to_oth = give_handle(&cli, &oth, raw_node(&oth, 0, 1));
	struct ipcbus_send send = chunk(0);

	fill(&cli, to_oth);
	ck_assert(!writable(&cli, 0));
	raw_close(&oth);
	ck_assert(writable(&cli, 0));
	send.handle = to_oth;
	raw_fails(&cli, &send, -EOWNERDEAD, IPCBUS_STAGE_TARGET, 0);
}
END_TEST

/* Who was refused and has not asked again does not keep it. */
START_TEST(target_goes_for_good)
{
	uint32_t to_oth = give_handle(&cli, &oth, raw_node(&oth, 0, 1));
	long procs = live("procs");

	fill(&cli, to_oth);
	assert_ok(raw_put(&cli, to_oth, 1));
	raw_close(&oth);
	ck_assert_int_eq(live("procs"), procs - 1);
	ck_assert(writable(&cli, 0));
}
END_TEST

START_TEST(sender_goes)
{
	unsigned int n = fill(&oth, 0);

	raw_close(&oth);
	while (n--)
		take_one(&srv);
	raw_round_trip(&cli, 0, &srv, "x", 1);
}
END_TEST

START_TEST(waits_until_its_deadline)
{
	struct ipcbus_send send = chunk(deadline_in(200));

	fill(&cli, 0);
	raw_fails(&cli, &send, -ETIMEDOUT, IPCBUS_STAGE_BUFFER, 0);
	ck_assert_uint_ge(deadline_in(0), send.deadline);
	send.deadline = 1;
	raw_fails(&cli, &send, -ETIMEDOUT, IPCBUS_STAGE_BUFFER, 0);
}
END_TEST

START_TEST(deadline_is_not_asked_where_there_is_space)
{
	struct ipcbus_send send = chunk(1);

	assert_ok(raw_send(&cli, &send, NULL));
	take_one(&srv);
}
END_TEST

START_TEST(waits_for_space)
{
	const uint64_t deadlines[] = { deadline_in(60000), ~0ULL };

	for (size_t i = 0; i < ARRAY_SIZE(deadlines); i++) {
		struct ipcbus_send send = chunk(deadlines[i]);
		unsigned int n = fill(&cli, 0);
		struct helper h;

		helper_start(&h, slow_server, NULL);
		assert_ok(raw_send(&cli, &send, NULL));
		helper_end(&h);
		while (n--)
			take_one(&srv);
		raw_none(&srv);
	}
}
END_TEST

/* All of a batch, one by one as space comes. */
static void *batch_of_many(void *arg)
{
	struct ipcbus_send sends[64];
	struct ipcbus_batch batch;

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(sends); i++) {
		sends[i] = chunk(deadline_in(60000));
		sends[i].code = i;
	}
	assert_ok(raw_batch(&cli, sends, ARRAY_SIZE(sends), &batch));
	ck_assert_uint_eq(batch.done, ARRAY_SIZE(sends));
	return NULL;
}

START_TEST(batch_waits_for_space)
{
	struct ipcbus_event ev;
	struct helper h;

	helper_start(&h, batch_of_many, NULL);
	for (uint32_t i = 0; i < 64; i++) {
		raw_wait(&srv, IPCBUS_EVENT_ONEWAY, &ev);
		ck_assert_uint_eq(ev.code, i);
		raw_release(&srv, &ev);
	}
	helper_end(&h);
}
END_TEST

static void *blocked_sender(void *arg)
{
	struct ipcbus_send send = chunk(~0ULL);

	send.handle = *(uint32_t *)arg;
	return (void *)(long)raw_send(&cli, &send, NULL);
}

START_TEST(target_goes_over_a_wait)
{
	uint32_t to_oth = give_handle(&cli, &oth, raw_node(&oth, 0, 1));
	struct helper h;

	fill(&cli, to_oth);
	helper_start(&h, blocked_sender, &to_oth);
	wait_asleep(h.tid);
	raw_close(&oth);
	ck_assert_int_eq((long)helper_end(&h), -EOWNERDEAD);
}
END_TEST

static void nothing(int sig)
{
	(void)sig;
}

START_TEST(signal_over_a_wait)
{
	struct sigaction sa = { .sa_handler = nothing };
	uint32_t manager = 0;
	struct helper h;
	unsigned int n;

	sigaction(SIGUSR1, &sa, NULL);
	n = fill(&cli, 0);
	helper_start(&h, blocked_sender, &manager);
	wait_asleep(h.tid);
	pthread_kill(h.thread, SIGUSR1);
	ck_assert_int_eq((long)helper_end(&h), -EINTR);
	/* Nothing was sent. */
	while (n--)
		take_one(&srv);
	raw_none(&srv);
}
END_TEST

/* More senders than there is space for: each gets its turn. */
static void *one_of_many(void *arg)
{
	uint32_t manager = 0;

	(void)arg;
	for (int i = 0; i < 10; i++)
		ck_assert_ptr_null(blocked_sender(&manager));
	return NULL;
}

START_TEST(many_wait)
{
	struct helper h[4];

	for (size_t i = 0; i < ARRAY_SIZE(h); i++)
		helper_start(&h[i], one_of_many, NULL);
	for (size_t i = 0; i < 10 * ARRAY_SIZE(h); i++)
		take_one(&srv);
	for (size_t i = 0; i < ARRAY_SIZE(h); i++)
		helper_end(&h[i]);
	raw_none(&srv);
}
END_TEST

/* Senders that wait one behind the other, each with its own code. */
struct waiter {
	struct helper h;
	size_t size;
	uint32_t code;
	long switches;
};

static void *wait_in_line(void *arg)
{
	struct waiter *w = arg;
	struct ipcbus_send send = chunk(~0ULL);
	struct rusage before, after;

	send.code = w->code;
	send.data_size = w->size;
	getrusage(RUSAGE_THREAD, &before);
	assert_ok(raw_send(&cli, &send, NULL));
	getrusage(RUSAGE_THREAD, &after);
	w->switches = after.ru_nvcsw - before.ru_nvcsw;
	return NULL;
}

static void line_up(struct waiter *w, uint32_t code, size_t size)
{
	w->code = code;
	w->size = size;
	helper_start(&w->h, wait_in_line, w);
	wait_asleep(w->h.tid);
}

static void *wait_for_nothing(void *arg)
{
	struct ipcbus_send send = chunk(~0ULL);

	(void)arg;
	return (void *)(long)raw_send(&cli, &send, NULL);
}

static void take_code(uint32_t code)
{
	struct ipcbus_event ev;

	raw_wait(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	ck_assert_uint_eq(ev.code, code);
	raw_release(&srv, &ev);
}

START_TEST(first_come_first_served)
{
	unsigned int n = fill(&cli, 0);
	struct waiter w[16];
	long switches = 0;

	for (uint32_t i = 0; i < ARRAY_SIZE(w); i++)
		line_up(&w[i], 100 + i, CHUNK);
	for (uint32_t i = 0; i < ARRAY_SIZE(w); i++) {
		take_code(i < n ? 1 : 100 + i - n);
		helper_end(&w[i].h);
		switches += w[i].switches;
	}
	for (uint32_t i = 0; i < n; i++)
		take_code(100 + ARRAY_SIZE(w) - n + i);
	raw_none(&srv);
	/* And nobody was woken for the space of another one. */
	ck_assert_int_lt(switches, 3 * ARRAY_SIZE(w));
}
END_TEST

/* What is too large lets others by, and has its turn when there is space. */
START_TEST(who_fits_goes)
{
	struct waiter large, small[2];
	unsigned int n = fill(&cli, 0);

	line_up(&large, 100, 3 * CHUNK);
	line_up(&small[0], 101, CHUNK);
	line_up(&small[1], 102, CHUNK);
	take_code(1);
	helper_end(&small[0].h);
	take_code(1);
	helper_end(&small[1].h);
	for (unsigned int i = 2; i < n; i++)
		take_code(1);
	take_code(101);
	take_code(102);
	helper_end(&large.h);
	take_code(100);
	raw_none(&srv);
}
END_TEST

/* Also if so many are before it that the one who releases does not look at all of them. */
START_TEST(who_fits_goes_behind_many)
{
	struct waiter large[40], small;
	unsigned int n = fill(&cli, 0);

	for (size_t i = 0; i < ARRAY_SIZE(large); i++)
		line_up(&large[i], 100, 3 * CHUNK);
	line_up(&small, 101, CHUNK);
	take_code(1);
	helper_end(&small.h);
	for (unsigned int i = 1; i < n; i++)
		take_code(1);
	take_code(101);
	for (size_t i = 0; i < ARRAY_SIZE(large); i++)
		take_code(100);
	for (size_t i = 0; i < ARRAY_SIZE(large); i++)
		helper_end(&large[i].h);
	raw_none(&srv);
}
END_TEST

START_TEST(target_goes_over_many)
{
	struct waiter w[40];
	void *ret;

	fill(&cli, 0);
	for (size_t i = 0; i < ARRAY_SIZE(w); i++) {
		w[i] = (struct waiter){ .size = CHUNK };
		helper_start(&w[i].h, wait_for_nothing, &w[i]);
		wait_asleep(w[i].h.tid);
	}
	assert_ok(raw_destroy(&srv, srv_node, 0));
	for (size_t i = 0; i < ARRAY_SIZE(w); i++) {
		ret = helper_end(&w[i].h);
		ck_assert_int_eq((long)ret, -EOWNERDEAD);
	}
}
END_TEST

/* One release, and each of them may try again. */
START_TEST(many_poll)
{
	static struct raw sender[40];
	struct ipcbus_send send = chunk(0);

	fill(&cli, 0);
	for (size_t i = 0; i < ARRAY_SIZE(sender); i++) {
		raw_open(&sender[i], 0);
		assert_result(raw_send(&sender[i], &send, NULL), -EAGAIN);
		ck_assert(!writable(&sender[i], 0));
	}
	take_one(&srv);
	for (size_t i = 0; i < ARRAY_SIZE(sender); i++) {
		ck_assert(writable(&sender[i], 2000));
		raw_close(&sender[i]);
	}
}
END_TEST

/* Those behind one that gave up, too. */
START_TEST(who_gives_up_is_no_obstacle)
{
	struct sigaction sa = { .sa_handler = nothing };
	uint32_t manager = 0;
	struct waiter w;
	struct helper h;
	unsigned int n;

	sigaction(SIGUSR1, &sa, NULL);
	n = fill(&cli, 0);
	helper_start(&h, blocked_sender, &manager);
	wait_asleep(h.tid);
	line_up(&w, 100, CHUNK);
	pthread_kill(h.thread, SIGUSR1);
	ck_assert_int_eq((long)helper_end(&h), -EINTR);
	take_code(1);
	helper_end(&w.h);
	while (--n)
		take_code(1);
	take_code(100);
	raw_none(&srv);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("space");
	TCase *tc = add_case(s, "poll", setup_bus);

	tcase_add_test(tc, poll_notifies_when_to_try_again);
	tcase_add_test(tc, poll_wakes_up);
	tcase_add_test(tc, any_of_two_targets);
	tcase_add_test(tc, space_before_the_other_refused);
	tcase_add_test(tc, target_goes);
	tcase_add_test(tc, target_goes_for_good);
	tcase_add_test(tc, sender_goes);

	tc = add_case(s, "wait", setup_bus);
	tcase_add_test(tc, waits_until_its_deadline);
	tcase_add_test(tc, deadline_is_not_asked_where_there_is_space);
	tcase_add_test(tc, waits_for_space);
	tcase_add_test(tc, batch_waits_for_space);
	tcase_add_test(tc, target_goes_over_a_wait);
	tcase_add_test(tc, signal_over_a_wait);
	tcase_add_test(tc, many_wait);
	tcase_add_test(tc, first_come_first_served);
	tcase_add_test(tc, who_fits_goes);
	tcase_add_test(tc, who_fits_goes_behind_many);
	tcase_add_test(tc, target_goes_over_many);
	tcase_add_test(tc, many_poll);
	tcase_add_test(tc, who_gives_up_is_no_obstacle);
	return suite_main(s);
}
