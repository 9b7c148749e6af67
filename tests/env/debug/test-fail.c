// SPDX-License-Identifier: MIT
/*
 * Every operation of the driver at every point where the kernel can fail: the
 * error must be the right one, nothing may stay behind, and nobody else may
 * notice. Each scenario runs again and again, with the first point failing, the
 * second, and so on, until there is none left. Runs in kernels of tests/env/debug.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../../suite/kernel/fixture.h"
#include "fail.h"

#define LARGE (200 * 1024)
#define MOST_POINTS 2000

/* What a scenario's three steps share. */
struct state {
	struct ipcbus_send send;
	struct ipcbus_object objects[3];
	struct ipcbus_iovec parts[64];
	struct ipcbus_exchange exchange;
	struct ipcbus_event event;
	uint64_t node;
	uint32_t handle;
	int fd;
	void *map;
};

/*
 * prepare brings things to where act, the only step in which something fails,
 * is next; act returns its result or -errno; finish looks at what came of it,
 * does again what did not happen, and ends the conversation.
 */
struct scenario {
	const char *name;
	void (*prepare)(struct state *s);
	int (*act)(struct state *s);
	void (*finish)(struct state *s, int r);
};

static char data[LARGE];

/* Without memory, or with a copy that failed: nothing else can be said. */
static bool may_fail_with(int r)
{
	return r == -ENOMEM || r == -EFAULT;
}

/* Sending */

/* Exactly that what raw_exchange() does, without its opinion of the event. */
static int exchange(const struct raw *r, struct state *s)
{
	s->exchange.size = sizeof(s->exchange);
	return dev_ioctl(r->fd, IPCBUS_IOC_EXCHANGE, &s->exchange);
}

static void prepare_call(struct state *s)
{
	s->send = (struct ipcbus_send){ .kind = IPCBUS_SEND_CALL, .data = PTR64(data),
					.data_size = 100 };
}

static void prepare_large(struct state *s)
{
	prepare_call(s);
	s->send.data_size = LARGE;
}

static void prepare_parts(struct state *s)
{
	prepare_call(s);
	for (size_t i = 0; i < ARRAY_SIZE(s->parts); i++)
		s->parts[i] = (struct ipcbus_iovec){ .base = PTR64(data + 300 * i), .size = 200 };
	s->send.flags = IPCBUS_SEND_IOV;
	s->send.data = PTR64(s->parts);
	s->send.iov_count = ARRAY_SIZE(s->parts);
	s->send.data_size = 200 * ARRAY_SIZE(s->parts);
}

static void add_objects(struct state *s)
{
	s->objects[0] = object_node(s->node);
	s->objects[1] = object_handle(s->handle);
	s->objects[2] = object_fd(s->fd);
	s->send.objects = PTR64(s->objects);
	s->send.object_count = 3;
}

/* A node and a handle of cli's own, and a file. */
static void prepare_objects(struct state *s)
{
	prepare_call(s);
	s->node = raw_node(&cli, 0, 7);
	s->handle = give_handle(&cli, &oth, raw_node(&oth, 0, 8));
	s->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(s->fd, 0);
	add_objects(s);
}

static int act_send(struct state *s)
{
	s->exchange = (struct ipcbus_exchange){ .send = s->send };
	return exchange(&cli, s);
}

static void close_objects(const struct raw *r, const struct ipcbus_event *ev)
{
	const struct ipcbus_object *o = raw_objects(r, ev);

	for (uint32_t i = 0; i < ev->object_count; i++)
		if (o[i].type == IPCBUS_OBJECT_FD)
			close(o[i].value);
}

/* All of what was sent is there: take it, look at it, give it back. */
static void serve(struct state *s, const struct ipcbus_event *ev)
{
	ck_assert_uint_eq(ev->data_size, s->send.data_size);
	ck_assert_uint_eq(ev->object_count, s->send.object_count);
	if (!(s->send.flags & IPCBUS_SEND_IOV) && ev->data_size)
		ck_assert_int_eq(memcmp(raw_payload(&srv, ev), data, ev->data_size), 0);
	close_objects(&srv, ev);
	raw_release(&srv, ev);
}

static void answer(const struct ipcbus_event *call)
{
	struct ipcbus_event ev;

	raw_reply(&srv, call->call, "yes", 3);
	raw_take(&cli, IPCBUS_EVENT_REPLY, &ev);
	raw_holds(&cli, &ev, "yes", 3);
	raw_release(&cli, &ev);
}

/*
 * Without memory nothing was sent. With a copy that failed it may have been: the
 * last of them is that of the event.
 */
static void finish_call(struct state *s, int r)
{
	struct ipcbus_event ev;

	ck_assert_msg(r == 0 || may_fail_with(r), "%s", errname(r));
	assert_ok(raw_next(&srv, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev));
	if (ev.kind == IPCBUS_EVENT_NONE) {
		ck_assert_msg(r < 0, "nothing arrived, but the sender was told so");
		assert_ok(raw_send(&cli, &s->send, NULL));
		raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	} else {
		ck_assert_msg(r == 0 || r == -EFAULT, "it arrived, and failed: %s", errname(r));
	}
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_CALL);
	serve(s, &ev);
	answer(&ev);
}

static void finish_objects(struct state *s, int r)
{
	finish_call(s, r);
	close(s->fd);
}

static void prepare_oneway(struct state *s)
{
	prepare_call(s);
	s->send.kind = IPCBUS_SEND_ONEWAY;
}

static void prepare_oneway_objects(struct state *s)
{
	prepare_objects(s);
	s->send.kind = IPCBUS_SEND_ONEWAY;
}

static void finish_oneway(struct state *s, int r)
{
	struct ipcbus_event ev;

	ck_assert_msg(r == 0 || may_fail_with(r), "%s", errname(r));
	assert_ok(raw_next(&srv, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev));
	if (ev.kind == IPCBUS_EVENT_NONE) {
		ck_assert_msg(r < 0, "nothing arrived, but the sender was told so");
		assert_ok(raw_send(&cli, &s->send, NULL));
		raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	}
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_ONEWAY);
	serve(s, &ev);
	raw_none(&srv);
	if (s->fd >= 0)
		close(s->fd);
}

enum { BATCH = 5 };

static int act_batch(struct state *s)
{
	struct ipcbus_send sends[BATCH];
	struct ipcbus_batch batch = { .size = sizeof(batch), .count = BATCH,
				      .sends = PTR64(sends) };
	int r;

	for (size_t i = 0; i < BATCH; i++) {
		sends[i] = s->send;
		sends[i].code = i;
	}
	r = dev_ioctl(cli.fd, IPCBUS_IOC_SEND_BATCH, &batch);
	s->handle = batch.done;
	return r;
}

/* As many as the driver said, or was about to say, in order. */
static void finish_batch(struct state *s, int r)
{
	struct ipcbus_event ev;
	uint32_t n;

	ck_assert_msg(r == 0 || may_fail_with(r), "%s", errname(r));
	for (n = 0;; n++) {
		assert_ok(raw_next(&srv, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev));
		if (ev.kind == IPCBUS_EVENT_NONE)
			break;
		ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_ONEWAY);
		ck_assert_uint_eq(ev.code, n);
		serve(s, &ev);
	}
	if (r == 0)
		ck_assert_uint_eq(n, BATCH);
	if (r == 0 || r == -ENOMEM)
		ck_assert_msg(n == s->handle || s->handle == 0, "%u arrived, %u said", n,
			      s->handle);
}

/* Receiving */

static void prepare_take(struct state *s)
{
	prepare_call(s);
	assert_ok(raw_send(&cli, &s->send, NULL));
}

static void prepare_take_objects(struct state *s)
{
	prepare_objects(s);
	assert_ok(raw_send(&cli, &s->send, NULL));
}

static int act_take(struct state *s)
{
	s->exchange = (struct ipcbus_exchange){
		.flags = IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK,
	};
	return exchange(&srv, s);
}

/* The call that could not be handed over fails; its sender may send it again. */
static void not_delivered(struct state *s, struct ipcbus_event *ev)
{
	raw_take(&cli, IPCBUS_EVENT_FAILED, ev);
	ck_assert_uint_eq(ev->stage, IPCBUS_STAGE_DELIVER);
	ck_assert_msg(may_fail_with(ev->error), "%s", errname(ev->error));
	assert_ok(raw_send(&cli, &s->send, NULL));
	raw_take(&srv, IPCBUS_EVENT_CALL, ev);
}

static void finish_take(struct state *s, int r)
{
	struct ipcbus_event ev = s->exchange.event;

	ck_assert_msg(r == 0 || may_fail_with(r), "%s", errname(r));
	if (r < 0) {
		assert_ok(raw_next(&srv, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev));
		/* Taken, and the event not written: it is lost, as the contract says. */
		if (r == -EFAULT && ev.kind == IPCBUS_EVENT_NONE)
			return;
	}
	if (ev.kind == IPCBUS_EVENT_NONE)
		not_delivered(s, &ev);
	ck_assert_uint_eq(ev.kind, IPCBUS_EVENT_CALL);
	serve(s, &ev);
	answer(&ev);
}

static void finish_take_objects(struct state *s, int r)
{
	finish_take(s, r);
	close(s->fd);
}

/* Replies */

static void prepare_reply(struct state *s)
{
	raw_call(&cli, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &s->event);
	raw_release(&srv, &s->event);
	s->send = (struct ipcbus_send){ .kind = IPCBUS_SEND_REPLY, .call = s->event.call,
					.data = PTR64(data), .data_size = 5000 };
}

static void prepare_reply_objects(struct state *s)
{
	struct ipcbus_send call = { .kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ACCEPT_FDS };

	s->node = raw_node(&srv, 0, 7);
	s->handle = give_handle(&srv, &oth, raw_node(&oth, 0, 8));
	s->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_ok(raw_send(&cli, &call, NULL));
	raw_take(&srv, IPCBUS_EVENT_CALL, &s->event);
	raw_release(&srv, &s->event);
	s->send = (struct ipcbus_send){ .kind = IPCBUS_SEND_REPLY, .call = s->event.call,
					.data = PTR64(data), .data_size = 50 };
	add_objects(s);
}

static void prepare_error(struct state *s)
{
	prepare_reply(s);
	s->send.kind = IPCBUS_SEND_ERROR;
	s->send.code = EIO;
}

static int act_reply(struct state *s)
{
	s->exchange = (struct ipcbus_exchange){ .send = s->send };
	return exchange(&srv, s);
}

/* A reply that failed leaves the call open: it can be answered again, once. */
static void finish_reply(struct state *s, int r)
{
	struct ipcbus_event ev;
	int again = raw_send(&srv, &s->send, NULL);

	ck_assert_msg(r == 0 || may_fail_with(r), "%s", errname(r));
	if (r == 0)
		assert_result(again, -ESRCH);
	else
		ck_assert_msg(again == 0 || (r == -EFAULT && again == -ESRCH), "%s after %s",
			      errname(again), errname(r));
	raw_take(&cli, s->send.kind == IPCBUS_SEND_ERROR ? IPCBUS_EVENT_ERROR : IPCBUS_EVENT_REPLY,
		 &ev);
	ck_assert_uint_eq(ev.data_size, s->send.data_size);
	ck_assert_uint_eq(ev.object_count, s->send.object_count);
	close_objects(&cli, &ev);
	raw_release(&cli, &ev);
	if (s->fd >= 0)
		close(s->fd);
}

static void prepare_take_reply(struct state *s)
{
	prepare_reply_objects(s);
	assert_ok(raw_send(&srv, &s->send, NULL));
}

static int act_take_reply(struct state *s)
{
	s->exchange = (struct ipcbus_exchange){ .flags = IPCBUS_WAIT | IPCBUS_NONBLOCK };
	return exchange(&cli, s);
}

/* The owner of a node that did not arrive hears that nobody has it. */
static void drain_idle(const struct raw *r)
{
	struct ipcbus_event ev;

	do {
		assert_ok(raw_next(r, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev));
		ck_assert(ev.kind == IPCBUS_EVENT_IDLE || ev.kind == IPCBUS_EVENT_NONE);
	} while (ev.kind != IPCBUS_EVENT_NONE);
}

/* It arrives, or its failure does, or the event was lost: the caller is free. */
static void finish_take_reply(struct state *s, int r)
{
	struct ipcbus_event ev = s->exchange.event;

	ck_assert_msg(r == 0 || may_fail_with(r), "%s", errname(r));
	if (r < 0)
		assert_ok(raw_next(&cli, IPCBUS_NONBLOCK, &ev));
	if (ev.kind == IPCBUS_EVENT_REPLY) {
		ck_assert_uint_eq(ev.object_count, 3);
		close_objects(&cli, &ev);
		raw_release(&cli, &ev);
	} else if (ev.kind == IPCBUS_EVENT_FAILED) {
		ck_assert_uint_eq(ev.stage, IPCBUS_STAGE_DELIVER);
		ck_assert_msg(may_fail_with(ev.error), "%s", errname(ev.error));
	} else {
		ck_assert_msg(r == -EFAULT && ev.kind == IPCBUS_EVENT_NONE, "event %u after %s",
			      ev.kind, errname(r));
	}
	drain_idle(&srv);
	raw_round_trip(&cli, 0, &srv, "on", 2);
	close(s->fd);
}

/* Giving back */

static void prepare_give(struct state *s)
{
	for (size_t i = 0; i < 3; i++) {
		raw_oneway(&cli, 0, i, data, 10);
		raw_call(&oth, 0, i, data, 10);
		raw_take(&srv, i ? IPCBUS_EVENT_CALL : IPCBUS_EVENT_ONEWAY, &s->event);
		if (!i)
			raw_take(&srv, IPCBUS_EVENT_CALL, &s->event);
		s->parts[i].base = s->event.buffer;
		raw_reply(&srv, s->event.call, NULL, 0);
		raw_take(&oth, IPCBUS_EVENT_REPLY, &s->event);
		raw_release(&oth, &s->event);
	}
}

static int act_give(struct state *s)
{
	uint64_t ids[3] = { s->parts[0].base, s->parts[1].base, s->parts[2].base };

	s->exchange = (struct ipcbus_exchange){ .release_count = 3, .release = PTR64(ids) };
	return exchange(&srv, s);
}

/* Those before the failure are given back, as the contract says. */
static void finish_give(struct state *s, int r)
{
	bool before = true;

	ck_assert_msg(r == 0 || may_fail_with(r), "%s", errname(r));
	for (size_t i = 0; i < 3; i++) {
		int e = raw_free(&srv, s->parts[i].base);

		ck_assert_msg(e == 0 || e == -ESTALE, "%s", errname(e));
		ck_assert_msg(r < 0 || e == -ESTALE, "buffer %zu was not given back", i);
		ck_assert_msg(before || e == 0, "buffer %zu was given back out of order", i);
		before = e == -ESTALE;
	}
}

/* Everything but messages */

static void prepare_nothing(struct state *s)
{
	(void)s;
}

static int act_open(struct state *s)
{
	s->fd = dev_open(O_RDWR);
	return s->fd;
}

static void finish_open(struct state *s, int r)
{
	ck_assert_msg(r >= 0 || may_fail_with(r), "%s", errname(r));
	if (r >= 0)
		close(s->fd);
}

static void prepare_open_only(struct state *s)
{
	s->fd = dev_open(O_RDWR);
	ck_assert_int_ge(s->fd, 0);
}

static int act_map(struct state *s)
{
	return dev_map(s->fd, REGION, PROT_READ, MAP_SHARED, 0, &s->map);
}

static void finish_map(struct state *s, int r)
{
	ck_assert_msg(r == 0 || r == -ENOMEM, "%s", errname(r));
	if (r < 0)
		assert_ok(act_map(s));
	dev_unmap(s->map, REGION);
	close(s->fd);
}

static int act_info(struct state *s)
{
	struct ipcbus_info info = { .size = sizeof(info) };

	(void)s;
	return dev_ioctl(cli.fd, IPCBUS_IOC_INFO, &info);
}

static void finish_plain(struct state *s, int r)
{
	(void)s;
	ck_assert_msg(r == 0 || may_fail_with(r), "%s", errname(r));
}

static int act_node(struct state *s)
{
	struct ipcbus_node n = { .cookie = 5 };
	int r = raw_node_ioctl(&cli, IPCBUS_IOC_NODE_CREATE, &n);

	s->node = n.node;
	return r;
}

/* A node whose number nobody was told cannot be destroyed: there is none. */
static void finish_node(struct state *s, int r)
{
	ck_assert_msg(r == 0 || may_fail_with(r), "%s", errname(r));
	ck_assert_int_eq(live("nodes"), r == 0 ? 2 : 1);
	if (r == 0)
		assert_ok(raw_destroy(&cli, s->node, 0));
}

static void prepare_claim(struct state *s)
{
	assert_ok(raw_destroy(&srv, srv_node, 0));
	s->node = raw_node(&srv, 0, 1);
}

static int act_claim(struct state *s)
{
	return raw_claim(&srv, s->node);
}

static void finish_claim(struct state *s, int r)
{
	ck_assert_msg(r == 0 || may_fail_with(r), "%s", errname(r));
	if (r < 0)
		assert_ok(raw_claim(&srv, s->node));
	raw_round_trip(&cli, 0, &srv, "new", 3);
}

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

static int act_watch(struct state *s)
{
	return raw_watch(&cli, s->handle, 99);
}

/* Whatever happened: a watch is there or can be made, and then it fires once. */
static void finish_watch(struct state *s, int r)
{
	struct ipcbus_event ev;
	int again = raw_watch(&cli, s->handle, 99);

	ck_assert_msg(r == 0 || may_fail_with(r), "%s", errname(r));
	assert_result(again, r == 0 ? -EBUSY : 0);
	assert_ok(raw_destroy(&oth, s->node, 0));
	raw_take(&cli, IPCBUS_EVENT_DEAD, &ev);
	ck_assert_uint_eq(ev.cookie, 99);
	raw_none(&cli);
}

static int act_unwatch(struct state *s)
{
	return raw_unwatch(&cli, s->handle);
}

static void finish_unwatch(struct state *s, int r)
{
	ck_assert_msg(r == 0 || may_fail_with(r), "%s", errname(r));
	assert_result(raw_unwatch(&cli, s->handle), r == 0 ? -ENOENT : 0);
}

static int act_put(struct state *s)
{
	return raw_put(&cli, s->handle, 1);
}

static void finish_put(struct state *s, int r)
{
	ck_assert_msg(r == 0 || may_fail_with(r), "%s", errname(r));
	assert_result(raw_put(&cli, s->handle, 1), r == 0 ? -EBADF : 0);
}

static int act_destroy(struct state *s)
{
	return raw_destroy(&oth, s->node, 0);
}

static void finish_destroy(struct state *s, int r)
{
	struct ipcbus_event ev;

	ck_assert_msg(r == 0 || may_fail_with(r), "%s", errname(r));
	assert_result(raw_destroy(&oth, s->node, 0), r == 0 ? -ENOENT : 0);
	raw_take(&cli, IPCBUS_EVENT_DEAD, &ev);
}

static int act_threads(struct state *s)
{
	(void)s;
	return raw_set_threads(&srv, 4);
}

static int act_thread_exit(struct state *s)
{
	(void)s;
	return dev_ioctl(srv.fd, IPCBUS_IOC_THREAD_EXIT, NULL);
}

static int act_poll(struct state *s)
{
	(void)s;
	return dev_poll(cli.fd, 0);
}

static void finish_poll(struct state *s, int r)
{
	(void)s;
	ck_assert_msg(r >= 0 || may_fail_with(r), "%s", errname(r));
}

/* What a message left in the region, seen through a mapping of its own. */
static void prepare_read(struct state *s)
{
	prepare_large(s);
	assert_ok(raw_send(&cli, &s->send, NULL));
	raw_take(&srv, IPCBUS_EVENT_CALL, &s->event);
}

/* Faults that fail for want of memory are tried again. */
static int act_read(struct state *s)
{
	return memcmp(raw_payload(&srv, &s->event), data, s->event.data_size) ? -EIO : 0;
}

static void finish_read(struct state *s, int r)
{
	assert_ok(r);
	serve(s, &s->event);
	answer(&s->event);
}

static void prepare_close(struct state *s)
{
	prepare_watched(s);
	raw_call(&oth, 0, 0, data, 100);
	raw_call(&cli, 0, 0, data, 100);
	raw_take(&srv, IPCBUS_EVENT_CALL, &s->event);
	s->fd = dup(srv.fd);
	raw_close(&srv);
}

static int act_close(struct state *s)
{
	return dev_close(s->fd);
}

/* Nothing stops the end of a proc, and those who waited for it hear of it. */
static void finish_close(struct state *s, int r)
{
	(void)s;
	assert_ok(r);
	raw_failed(&cli, -EOWNERDEAD, IPCBUS_STAGE_QUEUE, 0);
	raw_failed(&oth, -EOWNERDEAD, IPCBUS_STAGE_QUEUE, 0);
}

static const struct scenario scenarios[] = {
	{ "open", prepare_nothing, act_open, finish_open },
	{ "map", prepare_open_only, act_map, finish_map },
	{ "info", prepare_nothing, act_info, finish_plain },
	{ "node_create", prepare_nothing, act_node, finish_node },
	{ "set_manager", prepare_claim, act_claim, finish_claim },
	{ "call", prepare_call, act_send, finish_call },
	{ "call_large", prepare_large, act_send, finish_call },
	{ "call_parts", prepare_parts, act_send, finish_call },
	{ "call_objects", prepare_objects, act_send, finish_objects },
	{ "oneway", prepare_oneway, act_send, finish_oneway },
	{ "oneway_objects", prepare_oneway_objects, act_send, finish_oneway },
	{ "batch", prepare_oneway, act_batch, finish_batch },
	{ "take_call", prepare_take, act_take, finish_take },
	{ "take_objects", prepare_take_objects, act_take, finish_take_objects },
	{ "reply", prepare_reply, act_reply, finish_reply },
	{ "reply_objects", prepare_reply_objects, act_reply, finish_reply },
	{ "error", prepare_error, act_reply, finish_reply },
	{ "take_reply", prepare_take_reply, act_take_reply, finish_take_reply },
	{ "give_back", prepare_give, act_give, finish_give },
	{ "watch", prepare_handle, act_watch, finish_watch },
	{ "unwatch", prepare_watched, act_unwatch, finish_unwatch },
	{ "handle_put", prepare_watched, act_put, finish_put },
	{ "node_destroy", prepare_watched, act_destroy, finish_destroy },
	{ "set_threads", prepare_nothing, act_threads, finish_plain },
	{ "thread_exit", prepare_nothing, act_thread_exit, finish_plain },
	{ "poll", prepare_nothing, act_poll, finish_poll },
	{ "read", prepare_read, act_read, finish_read },
	{ "close", prepare_close, act_close, finish_close },
};

/* One life of the bus with the nth point failing; says if there was one. */
static bool run(const struct scenario *sc, unsigned int nth)
{
	struct state s = { .fd = -1 };
	bool failed;
	int r;

	setup_bus();
	sc->prepare(&s);
	fail_arm(nth);
	r = sc->act(&s);
	failed = fail_disarm();
	if (!failed)
		ck_assert_msg(r >= 0, "%s: %s, and nothing was made to fail", sc->name, errname(r));
	sc->finish(&s, r);
	teardown();
	return failed;
}

START_TEST(every_point)
{
	const struct scenario *sc = &scenarios[_i];
	unsigned int nth = 1;

	pattern_fill(data, sizeof(data), 3);
	/* Once without: what is touched for the first time is not to fail later. */
	run(sc, 0);
	while (run(sc, nth))
		ck_assert_msg(++nth < MOST_POINTS, "%s has no end", sc->name);
	printf("%s: %u points\n", sc->name, nth - 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fail");
	TCase *tc;
	int r = fail_init();

	if (r < 0) {
		printf("this kernel cannot be made to fail: %s\n", errname(r));
		return 77;
	}
	tc = add_case(suite, "every_point", setup_bare);
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, every_point, 0, ARRAY_SIZE(scenarios));
	return suite_main(suite);
}
