// SPDX-License-Identifier: MIT
/*
 * Async calls, calls that end before their reply, and oneways that find no space.
 */
#include <errno.h>
#include <string.h>

#include "content.h"
#include "scenarios.h"

#define COOKIE 77
#define LARGE (REGION / 8)	/* four of these fit, but from another user only a single one */
#define FOREVER (~0ULL >> 2)

static char large[LARGE];

/* --- Async calls ------------------------------------------------------------- */

static const struct content in_async = { "payload and objects", 5000, 0, "nf" };

static int send_async(struct state *s)
{
	s->x = (struct ipcbus_exchange){ .send = s->send };
	return exchange(s, &cli);
}

static void prepare_async(struct state *s)
{
	s->send = (struct ipcbus_send){
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC, .cookie = COOKIE,
		.deadline = FOREVER,
	};
	content_make(s, &cli, &srv);
}

static int cancel(const struct raw *r, uint64_t cookie)
{
	struct ipcbus_cancel args = { .size = sizeof(args), .cookie = cookie };

	return dev_ioctl(r->fd, IPCBUS_IOC_CANCEL, &args);
}

/* A failed call cannot be canceled, and causes no event. */
static void finish_async(struct state *s, int r)
{
	struct ipcbus_event ev;

	assert_may(s, r);
	next_past_idle(&srv, &ev);
	check_effect(s, r, ev.kind == IPCBUS_EVENT_CALL);
	if (ev.kind == IPCBUS_EVENT_NONE) {
		assert_result(cancel(&cli, COOKIE), -ENOENT);
		expect_undone(s, 1);
		assert_ok(send_async(s));
		take_past_idle(&srv, IPCBUS_EVENT_CALL, &ev);
	}
	raw_reply(&srv, ev.call, NULL, 0);
	content_check(s, &srv, &ev);
	take_past_idle(&cli, IPCBUS_EVENT_REPLY, &ev);
	ck_assert_uint_eq(ev.cookie, COOKIE);
	content_done(s);
}

/* --- Canceling -------------------------------------------------------------- */

static void prepare_cancel(struct state *s)
{
	s->send = (struct ipcbus_send){
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC, .cookie = COOKIE,
	};
	assert_ok(send_async(s));
	raw_take(&srv, IPCBUS_EVENT_CALL, &s->event);
	assert_ok(send_async(s));
}

static int act_cancel(struct state *s)
{
	(void)s;
	return cancel(&cli, COOKIE);
}

/* Both calls are canceled, or none. */
static void finish_cancel(struct state *s, int r)
{
	struct ipcbus_event ev;

	assert_may(s, r);
	if (r < 0)
		assert_ok(act_cancel(s));
	for (int i = 0; i < 2; i++)
		raw_failed(&cli, -ECANCELED, IPCBUS_STAGE_REPLY, 0);
	raw_take(&srv, IPCBUS_EVENT_CANCELED, &ev);
	ck_assert_uint_eq(ev.call, s->event.call);
	raw_reply(&srv, ev.call, NULL, 0);
	raw_none(&srv);
	raw_none(&cli);
}

static int act_call_info(struct state *s)
{
	struct ipcbus_call_info args = { .size = sizeof(args), .call = s->event.call };
	int r = dev_ioctl(srv.fd, IPCBUS_IOC_CALL_INFO, &args);

	ck_assert(r < 0 || !args.flags);
	return r;
}

static void finish_call_info(struct state *s, int r)
{
	assert_may(s, r);
	assert_ok(act_call_info(s));
	finish_cancel(s, cancel(&cli, COOKIE));
}

/* --- No space ----------------------------------------------------------------- */

static int send_large(void)
{
	struct ipcbus_exchange x = { .size = sizeof(x), .send = {
		.kind = IPCBUS_SEND_ONEWAY, .data = PTR64(large), .data_size = LARGE,
	} };

	return dev_ioctl(cli.fd, IPCBUS_IOC_EXCHANGE, &x);
}

static void fill(struct state *s, uint32_t n)
{
	for (s->done = 0; s->done < n; s->done++)
		assert_ok(send_large());
}

static void prepare_full(struct state *s)
{
	fill(s, 4);
}

static void prepare_full_quota(struct state *s)
{
	env_estrange(&cli);
	fill(s, 1);
}

/* Another oneway, which must be refused. */
static int act_refused(struct state *s)
{
	int r = send_large();

	(void)s;
	ck_assert_int_lt(r, 0);
	return r == -EAGAIN ? 0 : r;
}

/* No other message was sent. When there is space, poll reports it in every outcome. */
static void finish_full(struct state *s, int r)
{
	struct ipcbus_event ev;

	assert_may(s, r);
	while (s->done--) {
		raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
		raw_release(&srv, &ev);
	}
	raw_none(&srv);
	env_enter(&cli);
	ck_assert_int_ne(dev_poll(cli.fd, 0) & 4 /* POLLOUT */, 0);
	env_leave();
	assert_ok(send_large());
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	raw_release(&srv, &ev);
}

/* --- Empty messages that are charged ------------------------------------------ */

static void prepare_stranger(struct state *s)
{
	env_estrange(&cli);
	s->send = (struct ipcbus_send){
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC, .cookie = COOKIE,
	};
	s->done = live("quotas");
}

/* A sent message is charged to its sender. */
static void finish_empty(struct state *s, int r)
{
	struct ipcbus_event ev;

	assert_may(s, r);
	if (r == 0)
		ck_assert_int_eq(live("quotas"), s->done + 1);
	raw_next(&srv, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev);
	check_effect(s, r, ev.kind == IPCBUS_EVENT_CALL);
	if (ev.kind == IPCBUS_EVENT_NONE) {
		assert_ok(send_async(s));
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	}
	raw_reply(&srv, ev.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
}

const struct scenario early_scenarios[] = {
	{ "async call", &in_async, &cli, prepare_async, send_async, finish_async },
	{ "cancel", NULL, &cli, prepare_cancel, act_cancel, finish_cancel },
	{ "call info", NULL, &srv, prepare_cancel, act_call_info, finish_call_info },
	{ "a oneway that is refused", NULL, &cli, prepare_full, act_refused, finish_full },
	{ "a stranger's that is refused", NULL, &cli, prepare_full_quota, act_refused,
	  finish_full },
	{ "a stranger's empty call", NULL, &cli, prepare_stranger, send_async, finish_empty },
};
const size_t n_early_scenarios = ARRAY_SIZE(early_scenarios);
