// SPDX-License-Identifier: MIT
/*
 * Exchanges that release, send and wait at once. If a step fails, earlier steps have been done and
 * later steps have not.
 */
#include <errno.h>
#include <string.h>

#include "content.h"
#include "scenarios.h"

/* --- Buffers are released -------------------------------------------------- */

enum { HELD = 5 };

/* srv holds that many buffers, of oneways from both clients. */
static void hold_buffers(struct state *s)
{
	struct ipcbus_event ev;

	for (uint32_t i = 0; i < HELD; i++) {
		raw_call(&oth, 0, i, "held", 4);
		take_past_idle(&srv, IPCBUS_EVENT_CALL, &ev);
		s->ids[i] = ev.buffer;
		raw_reply(&srv, ev.call, NULL, 0);
		take_past_idle(&oth, IPCBUS_EVENT_REPLY, &ev);
	}
}

/* Checks that exactly the first buffers were released. Returns their number. */
static uint32_t check_held(const struct state *s)
{
	uint32_t n = 0;

	while (n < HELD && raw_free(&srv, s->ids[n]) == -ESTALE)
		n++;
	for (uint32_t i = n + 1; i < HELD; i++)
		assert_ok(raw_free(&srv, s->ids[i]));
	return n;
}

static void prepare_give(struct state *s)
{
	hold_buffers(s);
}

static int act_give(struct state *s)
{
	s->x = (struct ipcbus_exchange){ .release_count = HELD, .release = PTR64(s->ids) };
	return exchange(s, &srv);
}

static void finish_give(struct state *s, int r)
{
	uint32_t n = check_held(s);

	assert_may(s, r);
	if (r < 0 && !is_silent(s))
		ck_assert_uint_eq(n, s->x.event.index);
	else
		check_effect(s, r, n == HELD);
}

/* The same with objects in the message: a node that returned home, and a file. */
static const struct content at_home = { "objects from home", 8, 0, "mmn" };

static void prepare_give_home(struct state *s)
{
	s->send = (struct ipcbus_send){ .kind = IPCBUS_SEND_ONEWAY };
	content_make(s, &cli, &srv);
	assert_ok(raw_send(&cli, &s->send, NULL));
	take_past_idle(&srv, IPCBUS_EVENT_ONEWAY, &s->event);
	s->ids[0] = s->event.buffer;
}

static int act_give_one(struct state *s)
{
	s->x = (struct ipcbus_exchange){ .release_count = 1, .release = s->ids[0] };
	return exchange(s, &srv);
}

static void finish_give_one(struct state *s, int r)
{
	int again = raw_free(&srv, s->ids[0]);

	ck_assert_msg(!again || again == -ESTALE, "%s", errname(again));
	check_effect(s, r, again == -ESTALE);
	raw_round_trip(&cli, 0, &srv, "on", 2);
}

/* --- The server's exchange: release, reply, wait for the next -------------- */

static const struct content in_replies = { "payload and objects", 5000, 0, "nfh" };

static void prepare_serve(struct state *s)
{
	struct ipcbus_send call = { .kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ACCEPT_FDS };

	s->send = (struct ipcbus_send){ .kind = IPCBUS_SEND_REPLY };
	content_make(s, &srv, &cli);
	hold_buffers(s);
	assert_ok(raw_send(&cli, &call, NULL));
	take_past_idle(&srv, IPCBUS_EVENT_CALL, &s->event);
	s->send.call = s->event.call;
	raw_call(&oth, 0, 77, "next", 4);
}

static int act_serve(struct state *s)
{
	s->x = (struct ipcbus_exchange){
		.flags = IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK,
		.release_count = HELD, .release = PTR64(s->ids), .send = s->send,
	};
	return exchange(s, &srv);
}

/* Checks which steps were done, and does the missing steps now. */
static void catch_up(struct state *s, int r, bool replied, uint32_t given)
{
	const struct ipcbus_event *ev = &s->x.event;

	if (r < 0 && !is_silent(s)) {
		ck_assert_msg(!replied, "%s at stage %u, and replied", errname(r), ev->stage);
		ck_assert_uint_eq(given, ev->stage == IPCBUS_STAGE_RELEASE ? ev->index : HELD);
	}
	if (r == 0 || replied)
		ck_assert_uint_eq(given, HELD);
	if (r == 0)
		ck_assert(replied);
	if (!replied)
		assert_ok(raw_send(&srv, &s->send, NULL));
}

static void end_next(const struct ipcbus_event *next)
{
	struct ipcbus_event ev;

	ck_assert_uint_eq(next->kind, IPCBUS_EVENT_CALL);
	ck_assert_uint_eq(next->code, 77);
	raw_holds(&srv, next, "next", 4);
	raw_reply(&srv, next->call, NULL, 0);
	raw_release(&srv, next);
	take_past_idle(&oth, IPCBUS_EVENT_REPLY, &ev);
}

static void finish_serve(struct state *s, int r)
{
	struct ipcbus_event next = s->x.event, reply;

	assert_may(s, r);
	assert_ok(raw_next(&cli, IPCBUS_NONBLOCK, &reply));
	catch_up(s, r, reply.kind == IPCBUS_EVENT_REPLY, check_held(s));
	if (reply.kind == IPCBUS_EVENT_NONE)
		assert_ok(raw_next(&cli, IPCBUS_NONBLOCK, &reply));
	ck_assert_uint_eq(reply.kind, IPCBUS_EVENT_REPLY);
	content_check(s, &cli, &reply);
	if (r < 0 || next.kind == IPCBUS_EVENT_IDLE)
		next_past_idle(&srv, &next);
	/* An event that could not be written is lost. */
	if (r != -EFAULT || !is_silent(s) || is_copy(s, 1) || next.kind != IPCBUS_EVENT_NONE)
		end_next(&next);
	content_done(s);
}

/* --- The client's exchange: release, call, wait ---------------------------- */

static const struct content in_calls = { "payload and objects", 5000, 0, "nfh" };

static void prepare_client(struct state *s)
{
	s->send = (struct ipcbus_send){ .kind = IPCBUS_SEND_CALL };
	content_make(s, &cli, &srv);
	raw_call(&cli, 0, 1, NULL, 0);
	take_past_idle(&srv, IPCBUS_EVENT_CALL, &s->event);
	raw_reply(&srv, s->event.call, "held", 4);
	take_past_idle(&cli, IPCBUS_EVENT_REPLY, &s->event);
	s->ids[0] = s->event.buffer;
}

static int act_client(struct state *s)
{
	s->x = (struct ipcbus_exchange){
		.flags = IPCBUS_WAIT | IPCBUS_NONBLOCK,
		.release_count = 1, .release = s->ids[0], .send = s->send,
	};
	return exchange(s, &cli);
}

static void finish_client(struct state *s, int r)
{
	struct ipcbus_event ev;

	next_past_idle(&srv, &ev);
	check_effect(s, r, ev.kind != IPCBUS_EVENT_NONE);
	/* The driver reports a failure after the release. The first copy fails before it. */
	if (r == 0 || !is_silent(s) || ev.kind != IPCBUS_EVENT_NONE)
		assert_result(raw_free(&cli, s->ids[0]), -ESTALE);
	if (is_copy(s, 1))
		assert_ok(raw_free(&cli, s->ids[0]));
	if (ev.kind == IPCBUS_EVENT_NONE) {
		assert_ok(raw_send(&cli, &s->send, NULL));
		take_past_idle(&srv, IPCBUS_EVENT_CALL, &ev);
	}
	content_check(s, &srv, &ev);
	raw_reply(&srv, ev.call, NULL, 0);
	take_past_idle(&cli, IPCBUS_EVENT_REPLY, &ev);
	content_done(s);
}

/* --- A reply without a receiver ----------------------------------------------- */

static void prepare_late_reply(struct state *s)
{
	struct ipcbus_send call = { .kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ACCEPT_FDS };

	s->send = (struct ipcbus_send){ .kind = IPCBUS_SEND_REPLY };
	content_make(s, &srv, &oth);
	assert_ok(raw_send(&cli, &call, NULL));
	take_past_idle(&srv, IPCBUS_EVENT_CALL, &s->event);
	s->send.call = s->event.call;
	raw_close(&cli);
	note_counts(s);
}

static int act_late_reply(struct state *s)
{
	s->x = (struct ipcbus_exchange){ .send = s->send };
	return exchange(s, &srv);
}

/* It is dropped without an error, if it can be built at all. */
static void finish_late_reply(struct state *s, int r)
{
	int again = raw_send(&srv, &s->send, NULL);

	ck_assert_msg(!again || again == -ESRCH, "%s", errname(again));
	check_effect(s, r, again == -ESRCH);
	s->counts[TRANSACTIONS]--;
	ck_assert_int_eq(live("buffers"), s->counts[BUFFERS]);
	ck_assert_int_eq(live("transactions"), s->counts[TRANSACTIONS]);
	wait_for_files(s->counts[FILES]);
	content_done(s);
}

const struct scenario combined_scenarios[] = {
	{ "release five buffers", NULL, &srv, prepare_give, act_give, finish_give },
	{ "release", &at_home, &srv, prepare_give_home, act_give_one, finish_give_one },
	{ "release, reply and wait", &in_replies, &srv, prepare_serve, act_serve, finish_serve },
	{ "release, call and wait", &in_calls, &cli, prepare_client, act_client, finish_client },
	{ "reply without a receiver", &in_replies, &srv, prepare_late_reply, act_late_reply,
	  finish_late_reply },
};
const size_t n_combined_scenarios = ARRAY_SIZE(combined_scenarios);
