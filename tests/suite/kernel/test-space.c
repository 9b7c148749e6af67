// SPDX-License-Identifier: MIT
/*
 * Back-pressure: if its quota of the receiver's region is full, a sender of oneways polls, and
 * tries again when there may be space.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "fixture.h"

#define CHUNK (64 << 10)

static char payload[CHUNK];

static struct ipcbus_send chunk(void)
{
	return (struct ipcbus_send){
		.kind = IPCBUS_SEND_ONEWAY, .code = 1, .data = PTR64(payload),
		.data_size = CHUNK,
	};
}

/* Sends until the region is full. Returns the number of messages. */
static unsigned int fill(const struct raw *r, uint32_t handle)
{
	struct ipcbus_send send = chunk();
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
	struct ipcbus_send send = chunk();

	ck_assert(writable(&cli, 0));
	fill(&cli, 0);
	ck_assert(!writable(&cli, 0));
	ck_assert(!writable(&cli, 20));
	/* Senders that were not refused stay writable. */
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

/* Space at one target must not be forgotten after a refusal by the other. */
START_TEST(space_before_the_other_refused)
{
	uint32_t to_oth = give_handle(&cli, &oth, raw_node(&oth, 0, 1));
	struct pollfd reader = { .fd = cli.fd, .events = POLLIN };
	struct ipcbus_send send = chunk();

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
	/* poll for other events does not consume the report. */
	ck_assert_int_eq(poll(&reader, 1, 0), 0);
	fill(&cli, 0);
	ck_assert(writable(&cli, 0));
}
END_TEST

START_TEST(target_closes)
{
	uint32_t to_oth = give_handle(&cli, &oth, raw_node(&oth, 0, 1));
	struct ipcbus_send send = chunk();

	fill(&cli, to_oth);
	ck_assert(!writable(&cli, 0));
	raw_close(&oth);
	ck_assert(writable(&cli, 0));
	send.handle = to_oth;
	raw_fails(&cli, &send, -EOWNERDEAD, IPCBUS_STAGE_TARGET, 0);
}
END_TEST

/* A sender that was refused and never polled does not keep the target alive. */
START_TEST(target_closes_without_a_handle)
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

START_TEST(sender_closes)
{
	unsigned int n = fill(&oth, 0);

	raw_close(&oth);
	while (n--)
		take_one(&srv);
	raw_round_trip(&cli, 0, &srv, "x", 1);
}
END_TEST

/* A single release, or the end of the node or target, makes every sender try again. */
START_TEST(many_poll)
{
	static struct raw sender[40];
	struct ipcbus_send send = chunk();

	fill(&cli, 0);
	for (size_t i = 0; i < ARRAY_SIZE(sender); i++) {
		raw_open(&sender[i], 0);
		assert_result(raw_send(&sender[i], &send, NULL), -EAGAIN);
		ck_assert(!writable(&sender[i], 0));
	}
	if (_i == 0)
		take_one(&srv);
	else if (_i == 1)
		assert_ok(raw_destroy(&srv, srv_node, 0));
	else
		raw_close(&srv);
	for (size_t i = 0; i < ARRAY_SIZE(sender); i++) {
		ck_assert(writable(&sender[i], 2000));
		raw_close(&sender[i]);
	}
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
	tcase_add_test(tc, target_closes);
	tcase_add_test(tc, target_closes_without_a_handle);
	tcase_add_test(tc, sender_closes);

	tcase_add_loop_test(tc, many_poll, 0, 3);
	return suite_main(s);
}
