// SPDX-License-Identifier: MIT
/*
 * Everything except the contents of messages: open, mount, map, poll, nodes, the manager, handles,
 * watches, threads, close, replacing a oneway, freezing, reading.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "scenarios.h"

static void prepare_nothing(struct state *s)
{
	(void)s;
}

/* --- The file ---------------------------------------------------------------- */

static int act_open(struct state *s)
{
	env_enter(&cli);
	s->fd = dev_open(2 /* O_RDWR */);
	env_leave();
	return s->fd;
}

static void finish_open(struct state *s, int r)
{
	assert_may(s, r);
	if (r < 0)
		ck_assert_int_ge(act_open(s), 0);
	assert_ok(dev_close(s->fd));
}

/* --- Mounted buses ----------------------------------------------------------- */

static int act_mount(struct state *s)
{
	int r;

	(void)s;
	env_enter(&cli);
	r = dev_mount(BUS_DIR, 0, "uid=0,mode=600");
	env_leave();
	return r;
}

static int act_open_mounted(struct state *s)
{
	env_enter(&cli);
	s->fd = dev_open_at(BUS_DIR "/bus", 2 /* O_RDWR */);
	env_leave();
	return s->fd;
}

/* Checks that the mounted bus is a separate one, without a manager, and unmounts it. */
static void end_mounted(struct state *s)
{
	struct raw r = { .fd = s->fd };

	assert_ok(raw_claim(&r, raw_node(&r, 0, 1)));
	assert_ok(dev_close(s->fd));
	assert_ok(dev_umount(BUS_DIR, 0));
}

static void finish_mount(struct state *s, int r)
{
	assert_may(s, r);
	ck_assert_int_eq(live("buses"), r == 0);
	if (r < 0)
		assert_ok(act_mount(s));
	ck_assert_int_ge(act_open_mounted(s), 0);
	end_mounted(s);
}

static void prepare_open_mounted(struct state *s)
{
	assert_ok(act_mount(s));
}

static void finish_open_mounted(struct state *s, int r)
{
	assert_may(s, r);
	if (r < 0)
		ck_assert_int_ge(act_open_mounted(s), 0);
	end_mounted(s);
}

static void prepare_map(struct state *s)
{
	ck_assert_int_ge(act_open(s), 0);
}

static int act_map(struct state *s)
{
	return dev_map(s->fd, REGION, PROT_READ, MAP_SHARED, 0, &s->map);
}

static void finish_map(struct state *s, int r)
{
	struct raw r2 = { .fd = s->fd, .size = REGION };

	assert_may(s, r);
	ck_assert_uint_eq(raw_info(&r2).region_size, r < 0 ? 0 : REGION);
	if (r < 0)
		assert_ok(act_map(s));
	r2.map = s->map;
	raw_round_trip(&r2, 0, &srv, "mapped", 6);
	env_enter(&cli);
	assert_ok(dev_unmap(s->map, REGION));
	env_leave();
	assert_ok(dev_close(s->fd));
}

/* A user has a quota of a region that is not mapped yet. */
static void prepare_map_shared(struct state *s)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL, .data = PTR64("x"), .data_size = 1 };
	struct raw r2;

	prepare_map(s);
	r2 = (struct raw){ .fd = s->fd };
	env_estrange(&oth);
	send.handle = give_handle(&oth, &r2, raw_node(&r2, 0, 1));
	s->handle = send.handle;
	ck_assert_int_lt(raw_send(&oth, &send, NULL), 0);
}

static void finish_map_shared(struct state *s, int r)
{
	struct raw r2 = { .fd = s->fd, .size = REGION };

	assert_may(s, r);
	if (r < 0)
		assert_ok(act_map(s));
	r2.map = s->map;
	raw_round_trip(&oth, s->handle, &r2, "mapped", 6);
	env_enter(&cli);
	assert_ok(dev_unmap(s->map, REGION));
	env_leave();
	assert_ok(dev_close(s->fd));
}

/* The driver does not know this user yet. */
static void prepare_strange_open(struct state *s)
{
	(void)s;
	env_estrange(&cli);
	raw_close(&cli);
}

static void finish_strange_open(struct state *s, int r)
{
	finish_open(s, r);
	env_enter(&cli);
	raw_open(&cli, REGION);
	env_leave();
}

static int act_info(struct state *s)
{
	struct ipcbus_info info = { .size = sizeof(info) };

	(void)s;
	return dev_ioctl(cli.fd, IPCBUS_IOC_INFO, &info);
}

static void finish_info(struct state *s, int r)
{
	assert_may(s, r);
	ck_assert_uint_eq(raw_info(&cli).region_size, REGION);
}

static int act_poll(struct state *s)
{
	(void)s;
	return dev_poll(srv.fd, 0);
}

static void finish_poll(struct state *s, int r)
{
	assert_may(s, r);
	raw_round_trip(&cli, 0, &srv, "on", 2);
}

/* --- Nodes and the manager --------------------------------------------------- */

static void prepare_node(struct state *s)
{
	raw_round_trip(&cli, 0, &srv, "hi", 2);
	note_counts(s);
}

static int act_node(struct state *s)
{
	struct ipcbus_node n = { .cookie = 5 };
	int r = raw_node_ioctl(&cli, IPCBUS_IOC_NODE_CREATE, &n);

	s->node = n.node;
	return r;
}

/* If the id of a node cannot be returned, the node is destroyed. */
static void finish_node(struct state *s, int r)
{
	assert_may(s, r);
	if (r < 0) {
		expect_undone(s, 0);
		assert_ok(act_node(s));
	}
	ck_assert_int_eq(live("nodes"), s->counts[NODES] + 1);
	raw_round_trip(&oth, give_handle(&oth, &cli, s->node), &cli, "new", 3);
	assert_ok(raw_destroy(&cli, s->node, 0));
}

static void prepare_claim(struct state *s)
{
	raw_round_trip(&cli, 0, &srv, "old", 3);
	assert_ok(raw_destroy(&srv, srv_node, 0));
	s->node = raw_node(&oth, 0, 1);
}

static int act_claim(struct state *s)
{
	return raw_claim(&oth, s->node);
}

static void finish_claim(struct state *s, int r)
{
	assert_may(s, r);
	if (r < 0) {
		raw_fails(&cli, &(struct ipcbus_send){ .kind = IPCBUS_SEND_CALL }, -ENOTCONN,
			  IPCBUS_STAGE_TARGET, 0);
		assert_ok(act_claim(s));
	}
	raw_round_trip(&cli, 0, &oth, "new", 3);
}

/* cli has a handle 0 for the previous manager. */
static void prepare_new_manager(struct state *s)
{
	prepare_claim(s);
	assert_ok(act_claim(s));
}

static int act_call_manager(struct state *s)
{
	s->x = (struct ipcbus_exchange){ .send = { .kind = IPCBUS_SEND_CALL } };
	return exchange(s, &cli);
}

static void finish_call_manager(struct state *s, int r)
{
	struct ipcbus_event ev;

	assert_ok(raw_next(&oth, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev));
	check_effect(s, r, ev.kind == IPCBUS_EVENT_CALL);
	if (ev.kind == IPCBUS_EVENT_NONE) {
		assert_ok(act_call_manager(s));
		raw_take(&oth, IPCBUS_EVENT_CALL, &ev);
	}
	raw_reply(&oth, ev.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
}

/* --- Handles and watches ----------------------------------------------------- */

static void prepare_handle(struct state *s)
{
	s->node = raw_node(&oth, 0, 8);
	s->handle = give_handle(&cli, &oth, s->node);
}

static void prepare_watched(struct state *s)
{
	prepare_handle(s);
	assert_ok(raw_watch(&cli, s->handle, 99));
}

static int act_put(struct state *s)
{
	return raw_put(&cli, s->handle, 1);
}

static void finish_put(struct state *s, int r)
{
	struct ipcbus_event ev;

	assert_may(s, r);
	if (r < 0)
		assert_ok(act_put(s));
	assert_result(act_put(s), -EBADF);
	ck_assert_int_eq(live("watches"), 0);
	raw_take(&oth, IPCBUS_EVENT_IDLE, &ev);
	ck_assert_uint_eq(ev.cookie, 8);
}

static int act_watch(struct state *s)
{
	return raw_watch(&cli, s->handle, 99);
}

static void check_death(struct state *s)
{
	struct ipcbus_event ev;

	raw_take(&cli, IPCBUS_EVENT_DEAD, &ev);
	ck_assert_uint_eq(ev.cookie, 99);
	raw_none(&cli);
	assert_result(raw_unwatch(&cli, s->handle), -ENOENT);
}

static void finish_watch(struct state *s, int r)
{
	assert_may(s, r);
	ck_assert_int_eq(live("watches"), r == 0);
	assert_result(act_watch(s), r == 0 ? -EBUSY : 0);
	assert_ok(raw_destroy(&oth, s->node, 0));
	check_death(s);
}

static void prepare_dead(struct state *s)
{
	prepare_handle(s);
	assert_ok(raw_destroy(&oth, s->node, 0));
}

static void finish_watch_dead(struct state *s, int r)
{
	assert_may(s, r);
	if (r < 0) {
		raw_none(&cli);
		assert_ok(act_watch(s));
	}
	check_death(s);
}

/* Watches the manager from a proc that has not called it before. */
static int act_watch_manager(struct state *s)
{
	(void)s;
	return raw_watch(&cli, 0, 99);
}

static void finish_watch_manager(struct state *s, int r)
{
	assert_may(s, r);
	assert_result(act_watch_manager(s), r == 0 ? -EBUSY : 0);
	raw_close(&srv);
	check_death(s);
}

static int act_unwatch(struct state *s)
{
	return raw_unwatch(&cli, s->handle);
}

static void finish_unwatch(struct state *s, int r)
{
	assert_may(s, r);
	ck_assert_int_eq(live("watches"), r < 0);
	assert_result(act_unwatch(s), r == 0 ? -ENOENT : 0);
	assert_ok(raw_destroy(&oth, s->node, 0));
	raw_none(&cli);
}

static int act_watch_manager_watch(struct state *s)
{
	(void)s;
	return raw_watch_for(&cli, 0, IPCBUS_WATCH_MANAGER, 77);
}

static void finish_watch_manager_watch(struct state *s, int r)
{
	struct ipcbus_event ev;

	assert_may(s, r);
	ck_assert_int_eq(live("watches"), r == 0);
	assert_result(act_watch_manager_watch(s), r == 0 ? -EBUSY : 0);
	raw_take(&cli, IPCBUS_EVENT_MANAGER, &ev);
	ck_assert_uint_eq(ev.cookie, 77);
	raw_none(&cli);
	assert_ok(raw_unwatch_for(&cli, 0, IPCBUS_WATCH_MANAGER));
}

static void prepare_fired(struct state *s)
{
	prepare_watched(s);
	assert_ok(raw_destroy(&oth, s->node, 0));
}

static int act_take(struct state *s)
{
	s->x = (struct ipcbus_exchange){
		.flags = IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK,
	};
	return exchange(s, s->sc->actor);
}

static void finish_fired(struct state *s, int r)
{
	struct ipcbus_event ev;

	if (!event_came(s, &cli, r, &ev))
		return;
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_DEAD);
	raw_none(&cli);
	assert_result(act_unwatch(s), -ENOENT);
}

static void prepare_idle(struct state *s)
{
	prepare_handle(s);
	assert_ok(act_put(s));
}

static void finish_idle(struct state *s, int r)
{
	struct ipcbus_event ev;

	if (!event_came(s, &oth, r, &ev))
		return;
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_IDLE);
	assert_ok(raw_destroy(&oth, s->node, IPCBUS_NODE_IF_IDLE));
}

/* --- The end of a node ------------------------------------------------------- */

/* cli watches the node; srv has called it and sent it a oneway. */
static void prepare_busy_node(struct state *s)
{
	uint32_t handle;

	prepare_watched(s);
	handle = give_handle(&srv, &oth, s->node);
	raw_oneway(&srv, handle, 1, "lost", 4);
	raw_oneway(&srv, handle, 1, "lost too", 8);
	raw_call(&srv, handle, 1, "failed", 6);
}

static int act_destroy(struct state *s)
{
	return raw_destroy(&oth, s->node, 0);
}

static void finish_destroy(struct state *s, int r)
{
	assert_may(s, r);
	if (r < 0) {
		raw_none(&cli);
		raw_none(&srv);
		assert_ok(act_destroy(s));
	}
	assert_result(act_destroy(s), -ENOENT);
	check_death(s);
	raw_failed(&srv, -EOWNERDEAD, IPCBUS_STAGE_QUEUE, 0);
	raw_none(&oth);
	ck_assert_int_eq(live("buffers"), 0);
}

/* --- Threads ----------------------------------------------------------------- */

static void prepare_register(struct state *s)
{
	s->done = live("threads");
}

/* The first exchange of a thread registers it in the driver. */
static void finish_register(struct state *s, int r)
{
	long more = live("threads") - s->done;

	assert_may(s, r);
	if (r == 0)
		ck_assert_uint_eq(s->x.event.thread, 1);
	if (r == 0 || is_single(s))
		ck_assert_int_eq(more, r == 0 || (r == -EFAULT && !is_copy(s, 1)));
	raw_none(&oth);
	ck_assert_int_eq(live("threads"), s->done + 1);
}

/* The thread waits in a call, and serves another. */
static void prepare_thread_exit(struct state *s)
{
	prepare_handle(s);
	raw_call(&cli, 0, 0, "x", 1);
	raw_take(&srv, IPCBUS_EVENT_CALL, &s->event);
	raw_call(&srv, give_handle(&srv, &oth, s->node), 1, "y", 1);
}

static int act_thread_exit(struct state *s)
{
	(void)s;
	return dev_ioctl(srv.fd, IPCBUS_IOC_THREAD_EXIT, NULL);
}

static void finish_thread_exit(struct state *s, int r)
{
	struct ipcbus_event ev;

	assert_may(s, r);
	raw_none(&oth);
	raw_reply(&srv, s->event.call, "z", 1);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
}

/* --- The end of a proc ------------------------------------------------------- */

/* srv has everything: calls in both directions, watches, handles, buffers, a queue. */
static void prepare_close(struct state *s)
{
	uint32_t handle;

	prepare_watched(s);
	handle = give_handle(&srv, &oth, s->node);
	assert_ok(raw_watch(&srv, handle, 1));
	assert_ok(raw_watch(&cli, 0, 98));
	raw_call(&cli, 0, 0, "taken", 5);
	raw_take(&srv, IPCBUS_EVENT_CALL, &s->event);
	raw_call(&oth, 0, 0, "queued", 6);
	raw_call(&srv, handle, 0, "out", 3);
}

static int act_close(struct state *s)
{
	(void)s;
	raw_close(&srv);
	return 0;
}

static void finish_close(struct state *s, int r)
{
	struct ipcbus_event ev;

	(void)s;
	assert_ok(r);
	raw_failed(&cli, -EOWNERDEAD, IPCBUS_STAGE_QUEUE, 0);
	raw_failed(&oth, -EOWNERDEAD, IPCBUS_STAGE_QUEUE, 0);
	raw_take(&cli, IPCBUS_EVENT_DEAD, &ev);
	ck_assert_uint_eq(ev.cookie, 98);
	raw_none(&cli);
	raw_none(&oth);
}

/* --- A oneway that replaces another ---------------------------------------------- */

static int send_replacing(struct state *s, const char *text)
{
	s->send = (struct ipcbus_send){
		.kind = IPCBUS_SEND_ONEWAY, .flags = IPCBUS_SEND_REPLACE,
		.data = PTR64(text), .data_size = 3,
	};
	s->x = (struct ipcbus_exchange){ .send = s->send };
	return exchange(s, &cli);
}

static void prepare_replace(struct state *s)
{
	assert_ok(send_replacing(s, "old"));
}

static int act_replace(struct state *s)
{
	return send_replacing(s, "new");
}

static void finish_replace(struct state *s, int r)
{
	struct ipcbus_event ev;
	bool sent;

	assert_may(s, r);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	ck_assert_uint_eq(ev.data_size, 3);
	sent = *(const char *)raw_payload(&srv, &ev) == 'n';
	check_effect(s, r, sent);
	raw_release(&srv, &ev);
	raw_none(&srv);
}

/* --- Freezing --------------------------------------------------------------- */

/* Stores cli's process id in s->event. */
static void prepare_freeze(struct state *s)
{
	struct ipcbus_event ev;

	raw_call(&cli, 0, 0, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &s->event);
	raw_reply(&srv, s->event.call, NULL, 0);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
}

static int act_freeze(struct state *s)
{
	struct ipcbus_freeze f;

	return raw_freeze(&srv, 0, s->event.pid, 0, &f);
}

static int act_thaw(struct state *s)
{
	struct ipcbus_freeze f;

	return raw_freeze(&srv, IPCBUS_FREEZE_THAW, s->event.pid, 0, &f);
}

/* If act_freeze() failed, cli may be frozen nevertheless: only returning the result failed. */
static void finish_freeze(struct state *s, int r)
{
	struct ipcbus_freeze f;

	assert_may(s, r);
	assert_ok(raw_freeze(&srv, IPCBUS_FREEZE_QUERY, s->event.pid, 0, &f));
	ck_assert(r < 0 || f.received == IPCBUS_FROZEN_NOW);
	assert_ok(act_freeze(s));
	assert_ok(act_thaw(s));
}

static void prepare_thaw(struct state *s)
{
	prepare_freeze(s);
	assert_ok(act_freeze(s));
}

static void finish_thaw(struct state *s, int r)
{
	struct ipcbus_freeze f;

	assert_may(s, r);
	assert_ok(act_thaw(s));
	assert_ok(raw_freeze(&srv, IPCBUS_FREEZE_QUERY, s->event.pid, 0, &f));
	ck_assert_uint_eq(f.received, 0);
}

/* --- Reading ----------------------------------------------------------------- */

static char text[100000];

static void prepare_read(struct state *s)
{
	pattern_fill(text, sizeof(text), 7);
	raw_call(&cli, 0, 0, text, sizeof(text));
	raw_take(&srv, IPCBUS_EVENT_CALL, &s->event);
}

/* The receiver's first access to each page. */
static int act_read(struct state *s)
{
	return pattern_is(raw_payload(&srv, &s->event), sizeof(text), 7) ? 0 : -EIO;
}

static void finish_read(struct state *s, int r)
{
	assert_ok(r);
	raw_release(&srv, &s->event);
}

const struct scenario plain_scenarios[] = {
	{ "open", NULL, &cli, prepare_nothing, act_open, finish_open },
	{ "mount", NULL, &cli, prepare_nothing, act_mount, finish_mount },
	{ "open: a mounted bus", NULL, &cli, prepare_open_mounted, act_open_mounted,
	  finish_open_mounted },
	{ "map", NULL, &cli, prepare_map, act_map, finish_map },
	{ "map after a message", NULL, &cli, prepare_map_shared, act_map, finish_map_shared },
	{ "open as somebody new", NULL, &cli, prepare_strange_open, act_open,
	  finish_strange_open },
	{ "info", NULL, &cli, prepare_nothing, act_info, finish_info },
	{ "poll", NULL, &srv, prepare_nothing, act_poll, finish_poll },
	{ "node create", NULL, &cli, prepare_node, act_node, finish_node },
	{ "claim handle 0", NULL, &oth, prepare_claim, act_claim, finish_claim },
	{ "call a new manager", NULL, &cli, prepare_new_manager, act_call_manager,
	  finish_call_manager },
	{ "handle put", NULL, &cli, prepare_watched, act_put, finish_put },
	{ "watch", NULL, &cli, prepare_handle, act_watch, finish_watch },
	{ "watch a dead node", NULL, &cli, prepare_dead, act_watch, finish_watch_dead },
	{ "watch the manager", NULL, &cli, prepare_nothing, act_watch_manager,
	  finish_watch_manager },
	{ "watch for a manager", NULL, &cli, prepare_nothing, act_watch_manager_watch,
	  finish_watch_manager_watch },
	{ "unwatch", NULL, &cli, prepare_watched, act_unwatch, finish_unwatch },
	{ "take a death", NULL, &cli, prepare_fired, act_take, finish_fired },
	{ "take an idle node", NULL, &oth, prepare_idle, act_take, finish_idle },
	{ "node destroy", NULL, &oth, prepare_busy_node, act_destroy, finish_destroy },
	{ "a new thread", NULL, &oth, prepare_register, act_take, finish_register },
	{ "thread exit", NULL, &srv, prepare_thread_exit, act_thread_exit, finish_thread_exit },
	{ "close with everything open", NULL, &srv, prepare_close, act_close, finish_close },
	{ "freeze", NULL, &srv, prepare_freeze, act_freeze, finish_freeze },
	{ "thaw", NULL, &srv, prepare_thaw, act_thaw, finish_thaw },
	{ "a oneway instead of another", NULL, &cli, prepare_replace, act_replace, finish_replace },
	{ "read", NULL, &srv, prepare_read, act_read, finish_read },
};
const size_t n_plain_scenarios = ARRAY_SIZE(plain_scenarios);
