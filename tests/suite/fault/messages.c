// SPDX-License-Identifier: MIT
/*
 * Messages of each content, sent and taken: calls, oneways, replies, errors, and calls back to a
 * waiting caller.
 */
#include <errno.h>

#include "content.h"
#include "scenarios.h"

/* --- Common steps ------------------------------------------------------------ */

static int act_send_from(struct state *s, const struct raw *who)
{
	s->x = (struct ipcbus_exchange){ .send = s->send };
	return exchange(s, who);
}

static int act_take_by(struct state *s, const struct raw *who, uint32_t flags)
{
	s->x = (struct ipcbus_exchange){ .flags = IPCBUS_WAIT | IPCBUS_NONBLOCK | flags };
	return exchange(s, who);
}

/* Before the receiver is checked, the sender uses handle 0 once, which creates a handle. */
static void send_it(struct state *s, const struct raw *from)
{
	assert_ok(raw_send(from, &s->send, NULL));
	s->counts[HANDLES] = live("handles");
}

/* The event about a message for which its receiver had no space. */
static void check_refused(const struct state *s, const struct ipcbus_event *ev)
{
	ck_assert_uint_eq(ev->kind, IPCBUS_EVENT_FAILED);
	ck_assert_uint_eq(ev->stage, IPCBUS_STAGE_DELIVER);
	ck_assert_msg(may_fail_with(s, ev->error), "refused with %s", errname(ev->error));
	ck_assert_uint_lt(ev->index, s->send.object_count);
}

static void reply(const struct raw *from, const struct raw *to, uint64_t call)
{
	struct ipcbus_event ev;

	raw_reply(from, call, "yes", 3);
	take_past_idle(to, IPCBUS_EVENT_REPLY, &ev);
	raw_holds(to, &ev, "yes", 3);
	raw_release(to, &ev);
}

/* Everything succeeded and was reported: no more events come, and calls succeed. */
static void finish_all(struct state *s)
{
	struct ipcbus_event ev;

	next_past_idle(&cli, &ev);
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_NONE);
	next_past_idle(&srv, &ev);
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_NONE);
	raw_round_trip(&cli, 0, &srv, "on", 2);
	content_done(s);
}

/* --- A call is sent ---------------------------------------------------------- */

static void prepare_call(struct state *s)
{
	s->send = (struct ipcbus_send){ .kind = IPCBUS_SEND_CALL };
	content_make(s, &cli, &srv);
}

static int act_call(struct state *s)
{
	return act_send_from(s, &cli);
}

static void finish_call(struct state *s, int r)
{
	struct ipcbus_event ev;

	next_past_idle(&srv, &ev);
	check_effect(s, r, ev.kind != IPCBUS_EVENT_NONE);
	if (ev.kind == IPCBUS_EVENT_NONE) {
		expect_undone(s, 1);
		assert_ok(raw_send(&cli, &s->send, NULL));
		take_past_idle(&srv, IPCBUS_EVENT_CALL, &ev);
	}
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_CALL);
	content_check(s, &srv, &ev);
	reply(&srv, &cli, ev.call);
	finish_all(s);
}

/* --- A call is taken --------------------------------------------------------- */

static void prepare_take(struct state *s)
{
	prepare_call(s);
	send_it(s, &cli);
}

static int act_take(struct state *s)
{
	return act_take_by(s, &srv, IPCBUS_SERVE);
}

static void finish_take(struct state *s, int r)
{
	struct ipcbus_event ev;

	if (!event_came(s, &srv, r, &ev))
		return;
	if (ev.kind == IPCBUS_EVENT_NONE) {
		raw_next(&cli, IPCBUS_NONBLOCK, &ev);
		check_refused(s, &ev);
		expect_undone(s, 0);
		assert_ok(raw_send(&cli, &s->send, NULL));
		take_past_idle(&srv, IPCBUS_EVENT_CALL, &ev);
	}
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_CALL);
	content_check(s, &srv, &ev);
	reply(&srv, &cli, ev.call);
	finish_all(s);
}

/* --- A oneway is sent, and taken --------------------------------------------- */

static void prepare_oneway(struct state *s)
{
	s->send = (struct ipcbus_send){ .kind = IPCBUS_SEND_ONEWAY };
	content_make(s, &cli, &srv);
}

static void finish_oneway(struct state *s, int r)
{
	struct ipcbus_event ev;

	next_past_idle(&srv, &ev);
	check_effect(s, r, ev.kind != IPCBUS_EVENT_NONE);
	if (ev.kind == IPCBUS_EVENT_NONE) {
		expect_undone(s, 1);
		assert_ok(raw_send(&cli, &s->send, NULL));
		take_past_idle(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	}
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_ONEWAY);
	content_check(s, &srv, &ev);
	finish_all(s);
}

/* Two oneways, of which the second waits for the end of the first. */
static void prepare_take_oneway(struct state *s)
{
	prepare_oneway(s);
	send_it(s, &cli);
	raw_oneway(&cli, 0, 1, "next", 4);
	s->done = total("discarded");
}

/* The first oneway was discarded and counted, and the next was delivered instead. */
static void check_lost(struct state *s, const struct ipcbus_event *ev)
{
	ck_assert_uint_eq(ev->kind, IPCBUS_EVENT_ONEWAY);
	ck_assert_uint_eq(ev->code, 1);
	ck_assert_int_eq(total("discarded"), s->done + 1);
	raw_holds(&srv, ev, "next", 4);
	raw_release(&srv, ev);
	expect_undone(s, 0);
	assert_ok(raw_send(&cli, &s->send, NULL));
	raw_oneway(&cli, 0, 1, "next", 4);
}

static void finish_take_oneway(struct state *s, int r)
{
	struct ipcbus_event ev;

	if (!event_came(s, &srv, r, &ev))
		return;
	if (ev.code == 1) {
		ck_assert_msg(s->send.object_count, "lost without a reason");
		check_lost(s, &ev);
		take_past_idle(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	}
	ck_assert_int_eq(ev.code, 0);
	content_check(s, &srv, &ev);
	take_past_idle(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	ck_assert_int_eq(ev.code, 1);
	raw_release(&srv, &ev);
	finish_all(s);
}

/* --- A reply, or an error, is sent and taken --------------------------------- */

static void open_call(struct state *s)
{
	struct ipcbus_send call = { .kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ACCEPT_FDS };

	assert_ok(raw_send(&cli, &call, NULL));
	take_past_idle(&srv, IPCBUS_EVENT_CALL, &s->event);
	s->send.call = s->event.call;
	note_counts(s);
}

static void prepare_reply(struct state *s)
{
	s->send = (struct ipcbus_send){ .kind = IPCBUS_SEND_REPLY };
	content_make(s, &srv, &cli);
	open_call(s);
}

static void prepare_error(struct state *s)
{
	s->send = (struct ipcbus_send){ .kind = IPCBUS_SEND_ERROR, .code = EIO };
	content_make(s, &srv, &cli);
	open_call(s);
}

static int act_reply(struct state *s)
{
	return act_send_from(s, &srv);
}

static void check_reply(struct state *s, const struct ipcbus_event *ev)
{
	bool error = s->send.kind == IPCBUS_SEND_ERROR;

	ck_assert_uint_eq(ev->kind, error ? IPCBUS_EVENT_ERROR : IPCBUS_EVENT_REPLY);
	ck_assert_int_eq(ev->error, error ? -EIO : 0);
	content_check(s, &cli, ev);
}

/* If a reply fails, its call stays open and can be replied to once more. */
static void finish_reply(struct state *s, int r)
{
	struct ipcbus_event ev;

	assert_ok(raw_next(&cli, IPCBUS_NONBLOCK, &ev));
	check_effect(s, r, ev.kind != IPCBUS_EVENT_NONE);
	if (ev.kind == IPCBUS_EVENT_NONE) {
		expect_undone(s, 0);
		assert_ok(raw_send(&srv, &s->send, NULL));
		assert_ok(raw_next(&cli, IPCBUS_NONBLOCK, &ev));
	}
	check_reply(s, &ev);
	assert_result(raw_send(&srv, &s->send, NULL), -ESRCH);
	finish_all(s);
}

static void prepare_take_reply(struct state *s)
{
	prepare_reply(s);
	send_it(s, &srv);
}

static void prepare_take_error(struct state *s)
{
	prepare_error(s);
	send_it(s, &srv);
}

static int act_take_reply(struct state *s)
{
	return act_take_by(s, &cli, 0);
}

/* The call has ended in any case; another call succeeds. */
static void finish_take_reply(struct state *s, int r)
{
	struct ipcbus_event ev;

	if (!event_came(s, &cli, r, &ev))
		return;
	if (ev.kind == IPCBUS_EVENT_FAILED) {
		check_refused(s, &ev);
		s->counts[TRANSACTIONS]--;
		expect_undone(s, 0);
	} else {
		check_reply(s, &ev);
	}
	finish_all(s);
}

/* --- Calls back to the caller ---------------------------------------------------- */

/* cli calls srv, which will call a node of cli's before it replies. */
static void prepare_nested(struct state *s)
{
	s->send = (struct ipcbus_send){ .kind = IPCBUS_SEND_CALL };
	s->send.handle = give_handle(&srv, &cli, raw_node(&cli, IPCBUS_NODE_ACCEPT_FDS, 9));
	content_make(s, &srv, &cli);
	raw_call(&cli, 0, 1, NULL, 0);
	take_past_idle(&srv, IPCBUS_EVENT_CALL, &s->event);
	note_counts(s);
}

static int act_nested(struct state *s)
{
	return act_send_from(s, &srv);
}

static void end_nested(struct state *s, const struct ipcbus_event *inner)
{
	ck_assert_uint_eq(inner->kind, IPCBUS_EVENT_CALL);
	ck_assert_uint_eq(inner->cookie, 9);
	content_check(s, &cli, inner);
	reply(&cli, &srv, inner->call);
	reply(&srv, &cli, s->event.call);
	finish_all(s);
}

static void finish_nested(struct state *s, int r)
{
	struct ipcbus_event ev;

	assert_ok(raw_next(&cli, IPCBUS_NONBLOCK, &ev));
	check_effect(s, r, ev.kind != IPCBUS_EVENT_NONE);
	if (ev.kind == IPCBUS_EVENT_NONE) {
		expect_undone(s, 0);
		assert_ok(raw_send(&srv, &s->send, NULL));
		assert_ok(raw_next(&cli, IPCBUS_NONBLOCK, &ev));
	}
	end_nested(s, &ev);
}

static void prepare_take_nested(struct state *s)
{
	prepare_nested(s);
	send_it(s, &srv);
}

static void finish_take_nested(struct state *s, int r)
{
	struct ipcbus_event ev;

	if (!event_came(s, &cli, r, &ev))
		return;
	if (ev.kind == IPCBUS_EVENT_NONE) {
		assert_ok(raw_next(&srv, IPCBUS_NONBLOCK, &ev));
		check_refused(s, &ev);
		expect_undone(s, 0);
		assert_ok(raw_send(&srv, &s->send, NULL));
		assert_ok(raw_next(&cli, IPCBUS_NONBLOCK, &ev));
	}
	end_nested(s, &ev);
}

/* --- A region without descriptors for one more buffer ------------------------- */

enum { DESCRIPTORS = 32, GIVEN = 4 };

/* Holds all buffers but the last, which stands for the remaining space. */
static void hold_all(struct state *s)
{
	struct ipcbus_event ev;

	for (int i = 0; i < DESCRIPTORS - 1; i++) {
		raw_call(&oth, 0, i, "held", 4);
		take_past_idle(&srv, IPCBUS_EVENT_CALL, &ev);
		s->ids[i % GIVEN] = ev.buffer;
		raw_reply(&srv, ev.call, NULL, 0);
		take_past_idle(&oth, IPCBUS_EVENT_REPLY, &ev);
	}
}

static void prepare_full(struct state *s)
{
	hold_all(s);
	prepare_call(s);
}

/* Some buffers were released and are cached, of another size than needed. */
static void prepare_spare(struct state *s)
{
	hold_all(s);
	for (int i = 0; i < GIVEN; i++)
		assert_ok(raw_free(&srv, s->ids[i]));
	prepare_call(s);
}

static void prepare_full_oneway(struct state *s)
{
	hold_all(s);
	prepare_oneway(s);
}

static const struct scenario crowded[] = {
	{ "oneway into a full region", &contents[CONTENT_SMALL], &cli, prepare_full_oneway,
	  act_call, finish_oneway },
	{ "call into a full region", &contents[CONTENT_SMALL], &cli, prepare_full, act_call,
	  finish_call },
	{ "call into a nearly full region", &contents[CONTENT_SMALL], &cli, prepare_spare, act_call,
	  finish_call },
};

/* --- From another user ------------------------------------------------------- */

static void prepare_strange_call(struct state *s)
{
	env_estrange(&cli);
	prepare_call(s);
}

static void prepare_strange_oneway(struct state *s)
{
	env_estrange(&cli);
	prepare_oneway(s);
}

static void prepare_take_strange_oneway(struct state *s)
{
	env_estrange(&cli);
	prepare_take_oneway(s);
}

/* The quota exists already. */
static void prepare_next_call(struct state *s)
{
	env_estrange(&cli);
	raw_round_trip(&cli, 0, &srv, "first", 5);
	prepare_call(s);
}

static const struct scenario strange[] = {
	{ "a stranger's call", &contents[CONTENT_MIXED], &cli, prepare_strange_call, act_call,
	  finish_call },
	{ "a stranger's next call", &contents[CONTENT_MIXED], &cli, prepare_next_call, act_call,
	  finish_call },
	{ "a stranger's oneway", &contents[CONTENT_MIXED], &cli, prepare_strange_oneway, act_call,
	  finish_oneway },
	{ "take a stranger's oneway", &contents[CONTENT_MIXED], &srv, prepare_take_strange_oneway,
	  act_take, finish_take_oneway },
};

/* --- All of them ------------------------------------------------------------- */

static const struct scenario verbs[] = {
	{ "call", NULL, &cli, prepare_call, act_call, finish_call },
	{ "take a call", NULL, &srv, prepare_take, act_take, finish_take },
	{ "reply", NULL, &srv, prepare_reply, act_reply, finish_reply },
	{ "take a reply", NULL, &cli, prepare_take_reply, act_take_reply, finish_take_reply },
	{ "oneway", NULL, &cli, prepare_oneway, act_call, finish_oneway },
	{ "take a oneway", NULL, &srv, prepare_take_oneway, act_take, finish_take_oneway },
	{ "error", NULL, &srv, prepare_error, act_reply, finish_reply },
	{ "take an error", NULL, &cli, prepare_take_error, act_take_reply, finish_take_reply },
	{ "nested call", NULL, &srv, prepare_nested, act_nested, finish_nested },
	{ "take a nested call", NULL, &cli, prepare_take_nested, act_take_reply,
	  finish_take_nested },
};

/* Errors and nested calls use the same code: a few contents suffice. */
enum { FULL_VERBS = 6 };

static bool is_walked(size_t verb, size_t content)
{
	return verb < FULL_VERBS || content <= CONTENT_SMALL || content == CONTENT_MIXED;
}

size_t message_scenarios(struct scenario *ret)
{
	size_t n = 0;

	for (size_t verb = 0; verb < ARRAY_SIZE(verbs); verb++)
		for (size_t content = 0; content < CONTENTS; content++) {
			if (!is_walked(verb, content))
				continue;
			ret[n] = verbs[verb];
			ret[n++].content = &contents[content];
		}
	for (size_t i = 0; i < ARRAY_SIZE(crowded); i++)
		ret[n++] = crowded[i];
	for (size_t i = 0; i < ARRAY_SIZE(strange); i++)
		ret[n++] = strange[i];
	return n;
}
