// SPDX-License-Identifier: MIT
/*
 * Features beside plain messages: labels, secrets, monitor records, queries about senders and
 * nodes, and replaced oneways.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "content.h"
#include "ipcbus-monitor.h"
#include "scenarios.h"

#define COOKIE 78

static int send_it(struct state *s)
{
	s->x = (struct ipcbus_exchange){ .send = s->send };
	return exchange(s, s->sc->actor);
}

static int take_it(struct state *s)
{
	s->x = (struct ipcbus_exchange){
		.flags = IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK,
	};
	return exchange(s, s->sc->actor);
}

/* --- Labels ------------------------------------------------------------------ */

static const struct content label_alone = { "nothing else", 0, 0, "" };
static const struct content label_of_text = { "behind a payload", 5000, 0, "" };
static const struct content label_of_mixed = { "behind objects", 100, 0, "fnh" };

static void prepare_label(struct state *s)
{
	uint32_t flags = IPCBUS_NODE_WANT_LABEL | IPCBUS_NODE_ACCEPT_FDS;

	s->send = (struct ipcbus_send){
		.kind = IPCBUS_SEND_CALL,
		.handle = give_handle(&cli, &srv, raw_node(&srv, flags, 1)),
	};
	content_make(s, &cli, &srv);
}

static void prepare_take_label(struct state *s)
{
	prepare_label(s);
	assert_ok(raw_send(&cli, &s->send, NULL));
}

static void check_label(struct state *s, const struct ipcbus_event *ev)
{
	const char *label = (const char *)srv.map + ev->label;
	struct ipcbus_event reply;

	ck_assert_uint_eq(ev->kind, IPCBUS_EVENT_CALL);
	ck_assert_uint_gt(ev->label_size, 4);
	ck_assert_uint_eq(strlen(label), ev->label_size);
	ck_assert_mem_eq(label, "shim", 4);
	content_check(s, &srv, ev);
	raw_reply(&srv, ev->call, NULL, 0);
	take_past_idle(&cli, IPCBUS_EVENT_REPLY, &reply);
	content_done(s);
}

static void finish_label(struct state *s, int r)
{
	struct ipcbus_event ev;

	next_past_idle(&srv, &ev);
	check_effect(s, r, ev.kind != IPCBUS_EVENT_NONE);
	if (ev.kind == IPCBUS_EVENT_NONE) {
		expect_undone(s, 0);
		assert_ok(send_it(s));
		take_past_idle(&srv, IPCBUS_EVENT_CALL, &ev);
	}
	check_label(s, &ev);
}

static void finish_take_label(struct state *s, int r)
{
	struct ipcbus_event ev;

	if (!event_came(s, &srv, r, &ev))
		return;
	if (ev.kind == IPCBUS_EVENT_NONE) {
		assert_ok(raw_next(&cli, IPCBUS_NONBLOCK, &ev));
		ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_FAILED);
		ck_assert_uint_eq(ev.stage, IPCBUS_STAGE_DELIVER);
		assert_may(s, ev.error);
		assert_ok(raw_send(&cli, &s->send, NULL));
		take_past_idle(&srv, IPCBUS_EVENT_CALL, &ev);
	}
	check_label(s, &ev);
}

/* --- Secrets ----------------------------------------------------------------- */

static const struct content secret = { "payload and objects", 5000, 0, "nf" };

/* Offsets of messages of that size: no secret may be left there. */
static size_t place, table;

static bool is_clear(void)
{
	const uint8_t *at = srv.map + place;

	for (size_t i = 0; i < secret.size; i++)
		if (at[i])
			return false;
	at = srv.map + table;
	for (size_t i = 0; i < 2 * sizeof(struct ipcbus_object); i++)
		if (at[i])
			return false;
	return true;
}

/* Releases the message: the receiver keeps its objects, and the secret must be cleared. */
static void take_secret(struct state *s)
{
	struct ipcbus_event ev;

	take_past_idle(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	ck_assert_uint_eq(ev.offset, place);
	content_check(s, &srv, &ev);
	ck_assert(is_clear());
}

/* An earlier message of the same kind shows the offsets. */
static void prepare_secret(struct state *s)
{
	struct ipcbus_event ev;

	s->send = (struct ipcbus_send){ .kind = IPCBUS_SEND_ONEWAY, .flags = IPCBUS_SEND_CLEAR };
	content_make(s, &cli, &srv);
	files_note(&s->files);
	assert_ok(raw_send(&cli, &s->send, NULL));
	take_past_idle(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	place = ev.offset;
	table = ev.objects;
	content_check(s, &srv, &ev);
	ck_assert(is_clear());
	next_past_idle(&cli, &ev);
	note_counts(s);
}

static void finish_secret(struct state *s, int r)
{
	bool sent = live("buffers") > s->counts[BUFFERS];

	check_effect(s, r, sent);
	if (!sent) {
		ck_assert(is_clear());
		expect_undone(s, 0);
		assert_ok(send_it(s));
	}
	take_secret(s);
	content_done(s);
}

static void prepare_give_secret(struct state *s)
{
	prepare_secret(s);
	assert_ok(raw_send(&cli, &s->send, NULL));
	take_past_idle(&srv, IPCBUS_EVENT_ONEWAY, &s->event);
	ck_assert_uint_eq(s->event.offset, place);
	assert_ok(raw_put(&srv, raw_objects(&srv, &s->event)[0].value, 1));
	close(raw_objects(&srv, &s->event)[1].value);
}

static int give_secret(struct state *s)
{
	s->x = (struct ipcbus_exchange){ .release_count = 1, .release = s->event.buffer };
	return exchange(s, &srv);
}

static void finish_give_secret(struct state *s, int r)
{
	bool given = is_clear();

	check_effect(s, r, given);
	assert_result(raw_free(&srv, s->event.buffer), given ? -ESTALE : 0);
	ck_assert(is_clear());
	content_done(s);
}

/* --- A oneway with objects that replaces another ------------------------------- */

static const struct content newer = { "payload and objects", 5000, 0, "nfh" };

#define OLD_SIZE 10

static void prepare_newer(struct state *s)
{
	struct ipcbus_send old;

	s->send = (struct ipcbus_send){
		.kind = IPCBUS_SEND_ONEWAY, .flags = IPCBUS_SEND_REPLACE,
	};
	content_make(s, &cli, &srv);
	old = s->send;
	old.data_size = OLD_SIZE;
	assert_ok(raw_send(&cli, &old, NULL));
	note_counts(s);
}

/* The old oneway's objects are all dropped with it, and only if the new oneway was sent. */
static void finish_newer(struct state *s, int r)
{
	struct ipcbus_event ev;

	expect_undone(s, 0);
	assert_ok(raw_next(&srv, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev));
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_ONEWAY);
	check_effect(s, r, ev.data_size != OLD_SIZE);
	if (ev.data_size == OLD_SIZE) {
		files_close_new(&s->files);
		raw_release(&srv, &ev);
		assert_ok(send_it(s));
		take_past_idle(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	}
	content_check(s, &srv, &ev);
	raw_none(&srv);
	content_done(s);
}

/* --- Replies to async calls -------------------------------------------------- */

static const struct content in_replies = { "payload and objects", 5000, 0, "nf" };

static void prepare_async_reply(struct state *s)
{
	struct ipcbus_send call = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC | IPCBUS_SEND_ACCEPT_FDS,
		.cookie = COOKIE,
	};

	s->send = (struct ipcbus_send){ .kind = IPCBUS_SEND_REPLY };
	content_make(s, &srv, &cli);
	assert_ok(raw_send(&cli, &call, NULL));
	take_past_idle(&srv, IPCBUS_EVENT_CALL, &s->event);
	s->send.call = s->event.call;
	note_counts(s);
}

static void check_async_reply(struct state *s, const struct ipcbus_event *ev)
{
	ck_assert_uint_eq(ev->kind, IPCBUS_EVENT_REPLY);
	ck_assert_uint_eq(ev->cookie, COOKIE);
	content_check(s, &cli, ev);
}

static void finish_async_reply(struct state *s, int r)
{
	struct ipcbus_event ev;

	next_past_idle(&cli, &ev);
	check_effect(s, r, ev.kind != IPCBUS_EVENT_NONE);
	if (ev.kind == IPCBUS_EVENT_NONE) {
		expect_undone(s, 0);
		assert_ok(send_it(s));
		next_past_idle(&cli, &ev);
	}
	check_async_reply(s, &ev);
	assert_result(raw_cancel(&cli, COOKIE), -ENOENT);
	content_done(s);
}

static void prepare_take_async(struct state *s)
{
	prepare_async_reply(s);
	assert_ok(raw_send(&srv, &s->send, NULL));
}

static void finish_take_async(struct state *s, int r)
{
	struct ipcbus_event ev;

	if (!event_came(s, &cli, r, &ev))
		return;
	if (ev.kind == IPCBUS_EVENT_FAILED) {
		ck_assert_uint_eq(ev.stage, IPCBUS_STAGE_DELIVER);
		ck_assert_uint_eq(ev.cookie, COOKIE);
		assert_may(s, ev.error);
		s->counts[TRANSACTIONS]--;
		expect_undone(s, 0);
	} else {
		check_async_reply(s, &ev);
	}
	assert_result(raw_cancel(&cli, COOKIE), -ENOENT);
	next_past_idle(&cli, &ev);
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_NONE);
	content_done(s);
}

/* --- Monitors ---------------------------------------------------------------- */

#define EVERYTHING (IPCBUS_MONITOR_MESSAGES | IPCBUS_MONITOR_FAILURES)

static const struct content monitored = { "payload and objects", 5000, 0, "nfh" };

/* The records that the monitor got. Fails at impossible records. */
struct notified {
	uint32_t n;
	uint32_t last;	/* its kind */
	uint64_t lost;
};

static struct notified listen_to(const struct state *s)
{
	struct notified notified = { 0 };
	const struct ipcbus_monitor_record *record;
	struct ipcbus_event ev;

	for (;;) {
		next_past_idle(&oth, &ev);
		if (ev.kind == IPCBUS_EVENT_NONE)
			return notified;
		ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_RECORD);
		record = raw_payload(&oth, &ev);
		notified.n++;
		notified.last = record->kind;
		notified.lost += record->lost;
		if (record->kind == IPCBUS_RECORD_FAILED)
			assert_may(s, record->error);
		if (record->data_kept > 3)
			ck_assert(pattern_is((const uint8_t *)record + record->size,
					     record->data_kept, 3));
		raw_release(&oth, &ev);
	}
}

static void prepare_monitored(struct state *s)
{
	s->send = (struct ipcbus_send){ .kind = IPCBUS_SEND_ONEWAY };
	content_make(s, &cli, &srv);
	assert_ok(raw_monitor(&oth, EVERYTHING, 0, 8192));
}

/* In every outcome, the monitor gets a record or a lost count. */
static void finish_monitored(struct state *s, int r)
{
	struct ipcbus_event ev;
	struct notified seen, more;

	next_past_idle(&srv, &ev);
	check_effect(s, r, ev.kind != IPCBUS_EVENT_NONE);
	seen = listen_to(s);
	if (seen.n)
		ck_assert_uint_eq(seen.last, ev.kind ? IPCBUS_RECORD_ONEWAY : IPCBUS_RECORD_FAILED);
	if (ev.kind != IPCBUS_EVENT_NONE)
		content_check(s, &srv, &ev);
	raw_oneway(&cli, 0, 1, "on", 2);
	more = listen_to(s);
	ck_assert_uint_eq(more.n, 1);
	seen.n += seen.lost + more.lost;
	if (ev.kind != IPCBUS_EVENT_NONE || !is_silent(s))
		ck_assert_uint_eq(seen.n, 1);
	else /* the send had not begun, or its failure could not be reported to its sender */
		ck_assert_uint_le(seen.n, !is_single(s));
	content_done(s);
}

static void prepare_record(struct state *s)
{
	prepare_monitored(s);
	assert_ok(raw_send(&cli, &s->send, NULL));
}

static void finish_record(struct state *s, int r)
{
	struct ipcbus_event ev;

	if (!event_came(s, &oth, r, &ev))
		return;
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_RECORD);
	take_past_idle(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	content_check(s, &srv, &ev);
	content_done(s);
}

static void prepare_no_monitor(struct state *s)
{
	raw_round_trip(&cli, 0, &srv, "hi", 2);
	note_counts(s);
}

static int act_monitor(struct state *s)
{
	(void)s;
	return raw_monitor(&oth, EVERYTHING, 0, 100);
}

static void finish_monitor(struct state *s, int r)
{
	assert_may(s, r);
	raw_oneway(&cli, 0, 1, NULL, 0);
	ck_assert_uint_eq(listen_to(s).n, r == 0);
	assert_ok(act_monitor(s));
	raw_oneway(&cli, 0, 1, NULL, 0);
	ck_assert_uint_eq(listen_to(s).n, 1);
}

/* A monitor of a single process, which the driver must look up. */
static void prepare_monitor_one(struct state *s)
{
	struct ipcbus_event ev;

	raw_call(&cli, 0, 0, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &s->event);
	raw_reply(&srv, s->event.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
}

static int act_monitor_one(struct state *s)
{
	return raw_monitor(&oth, EVERYTHING, s->event.pid, 100);
}

static void prepare_monitor_end(struct state *s)
{
	assert_ok(act_monitor(s));
}

static int act_monitor_end(struct state *s)
{
	(void)s;
	return raw_monitor(&oth, 0, 0, 0);
}

static void finish_monitor_end(struct state *s, int r)
{
	assert_may(s, r);
	raw_oneway(&cli, 0, 1, NULL, 0);
	ck_assert_uint_eq(listen_to(s).n, r < 0);
	assert_ok(act_monitor_end(s));
}

/* Some records are queued, and the monitor holds a record. */
static void prepare_monitor_close(struct state *s)
{
	assert_ok(act_monitor(s));
	for (int i = 0; i < 3; i++)
		raw_oneway(&cli, 0, 1, "seen", 4);
	raw_take(&oth, IPCBUS_EVENT_RECORD, &s->event);
}

static int act_monitor_close(struct state *s)
{
	(void)s;
	raw_close(&oth);
	return 0;
}

static void finish_monitor_close(struct state *s, int r)
{
	(void)s;
	assert_ok(r);
	raw_oneway(&cli, 0, 1, "unseen", 6);
}

/* --- Queries ----------------------------------------------------------------- */

static void prepare_caller_of_call(struct state *s)
{
	raw_call(&cli, 0, 0, "who?", 4);
	raw_take(&srv, IPCBUS_EVENT_CALL, &s->event);
}

static void prepare_caller_of_oneway(struct state *s)
{
	raw_oneway(&cli, 0, 0, "who?", 4);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &s->event);
}

static int act_caller(struct state *s)
{
	bool call = s->event.kind == IPCBUS_EVENT_CALL;
	struct ipcbus_sender_info caller;
	int r = raw_caller(&srv, call ? s->event.call : 0, call ? 0 : s->event.buffer, &caller);

	if (r == 0) {
		ck_assert_uint_eq(caller.flags, IPCBUS_SENDER_ALIVE);
		ck_assert_uint_eq(caller.pid, s->event.pid);
	}
	return r;
}

static void finish_caller(struct state *s, int r)
{
	assert_may(s, r);
	assert_ok(act_caller(s));
	raw_release(&srv, &s->event);
}

static void prepare_node_info(struct state *s)
{
	s->node = raw_node(&oth, 0, COOKIE);
	s->handle = give_handle(&cli, &oth, s->node);
	assert_ok(raw_watch(&cli, s->handle, 1));
	raw_oneway(&cli, s->handle, 1, NULL, 0);
	raw_oneway(&cli, s->handle, 2, NULL, 0);
}

static int act_node_info(struct state *s)
{
	struct ipcbus_node_info info;
	int r = raw_node_info(&oth, s->node, &info);

	if (r == 0) {
		ck_assert_uint_eq(info.cookie, COOKIE);
		ck_assert_uint_eq(info.refs, 1);
		ck_assert_uint_eq(info.pending, 2);
		ck_assert_uint_eq(info.oneways, 1);
		ck_assert_uint_eq(info.watches, 1);
	}
	return r;
}

static void finish_node_info(struct state *s, int r)
{
	assert_may(s, r);
	assert_ok(act_node_info(s));
}

/* --- Freezing a process during its call ----------------------------------------- */

static void prepare_freeze_busy(struct state *s)
{
	struct ipcbus_event ev;

	prepare_monitor_one(s);
	raw_call(&srv, give_handle(&srv, &cli, raw_node(&cli, 0, 1)), 1, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_CALL, &ev);
	s->ids[0] = ev.call;
}

/* The expected result is that the freeze fails. */
static int act_freeze_busy(struct state *s)
{
	struct ipcbus_freeze f;
	int r = raw_freeze(&srv, 0, s->event.pid, 0, &f);

	ck_assert_int_lt(r, 0);
	if (r == -EAGAIN)
		ck_assert_uint_eq(f.pending, 1);
	return r == -EAGAIN ? 0 : r;
}

static void finish_freeze_busy(struct state *s, int r)
{
	struct ipcbus_freeze f;
	struct ipcbus_event ev;

	assert_may(s, r);
	assert_ok(raw_freeze(&srv, IPCBUS_FREEZE_QUERY, s->event.pid, 0, &f));
	ck_assert_uint_eq(f.received & IPCBUS_FROZEN_NOW, 0);
	assert_ok(act_freeze_busy(s));
	raw_reply(&cli, s->ids[0], NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_REPLY, &ev);
}

const struct scenario beside_scenarios[] = {
	{ "a label", &label_alone, &cli, prepare_label, send_it, finish_label },
	{ "a label", &label_of_text, &cli, prepare_label, send_it, finish_label },
	{ "a label", &label_of_mixed, &cli, prepare_label, send_it, finish_label },
	{ "take a label", &label_alone, &srv, prepare_take_label, take_it, finish_take_label },
	{ "take a label", &label_of_mixed, &srv, prepare_take_label, take_it, finish_take_label },
	{ "a secret", &secret, &cli, prepare_secret, send_it, finish_secret },
	{ "release a secret", &secret, &srv, prepare_give_secret, give_secret,
	  finish_give_secret },
	{ "a newer oneway", &newer, &cli, prepare_newer, send_it, finish_newer },
	{ "reply an async call", &in_replies, &srv, prepare_async_reply, send_it,
	  finish_async_reply },
	{ "take the reply to an async call", &in_replies, &cli, prepare_take_async, take_it,
	  finish_take_async },
	{ "a monitored message", &monitored, &cli, prepare_monitored, send_it, finish_monitored },
	{ "take a record", &monitored, &oth, prepare_record, take_it, finish_record },
	{ "monitor", NULL, &oth, prepare_no_monitor, act_monitor, finish_monitor },
	{ "monitor one process", NULL, &oth, prepare_monitor_one, act_monitor_one, finish_monitor },
	{ "end monitoring", NULL, &oth, prepare_monitor_end, act_monitor_end, finish_monitor_end },
	{ "close a monitor", NULL, &oth, prepare_monitor_close, act_monitor_close,
	  finish_monitor_close },
	{ "query the caller", NULL, &srv, prepare_caller_of_call, act_caller, finish_caller },
	{ "query the sender of a oneway", NULL, &srv, prepare_caller_of_oneway, act_caller, finish_caller },
	{ "query the references of a node", NULL, &oth, prepare_node_info, act_node_info, finish_node_info },
	{ "freeze in the middle of a call", NULL, &srv, prepare_freeze_busy, act_freeze_busy,
	  finish_freeze_busy },
};
const size_t n_beside_scenarios = ARRAY_SIZE(beside_scenarios);
