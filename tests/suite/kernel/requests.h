/* SPDX-License-Identifier: MIT */
/*
 * A working request of each kind, for the three test-bad-*.c, which damage them or send them
 * in a wrong state. Only these tests include this file. Each request depends only on the
 * objects from make_there().
 */
#ifndef TESTS_KERNEL_REQUESTS_H
#define TESTS_KERNEL_REQUESTS_H

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "ipcbus-monitor.h"

#define COOKIE 7
#define NOT_THERE 4242

/* The objects that requests refer to. Table rows damage some of them temporarily. */
static struct {
	uint64_t call;		/* open in srv, from oth */
	uint64_t async_call;	/* open in srv, from cli, with COOKIE */
	uint64_t buffers[2];	/* oneways that srv holds */
	uint64_t node;		/* of cli */
	uint64_t reply_node;	/* of srv */
	uint64_t oth_node;	/* of oth */
	uint32_t handle;	/* in cli, for reply_node */
	uint32_t watched;	/* in cli, for reply_node, and watched */
	uint32_t back;		/* in srv, for oth_node */
	uint32_t target;	/* the target of messages; 0: the manager */
	struct ipcbus_object objects[4];
	struct ipcbus_object in_reply;
	struct ipcbus_iovec parts[3];
	char text[16];
} there;

static uint64_t hold_a_oneway(void)
{
	struct ipcbus_event ev;

	raw_oneway(&oth, 0, 1, "held", 4);
	raw_take(&srv, IPCBUS_EVENT_ONEWAY, &ev);
	return ev.buffer;
}

/* Creates the objects on a bus whose manager is srv. */
static void make_there(void)
{
	struct ipcbus_send async = {
		.kind = IPCBUS_SEND_CALL, .flags = IPCBUS_SEND_ASYNC, .cookie = COOKIE,
		.data = PTR64("held"), .data_size = 4,
	};
	struct ipcbus_event ev;

	memset(&there, 0, sizeof(there));
	there.node = raw_node(&cli, 0, 1);
	there.reply_node = raw_node(&srv, 0, 1);
	there.oth_node = raw_node(&oth, IPCBUS_NODE_ACCEPT_FDS, 2);
	there.handle = give_handle(&cli, &oth, there.oth_node);
	there.back = give_handle(&srv, &oth, there.oth_node);
	there.watched = give_handle(&cli, &oth, raw_node(&oth, 0, 3));
	assert_ok(raw_watch(&cli, there.watched, 1));
	raw_call(&oth, 0, 1, NULL, 0);
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	there.call = ev.call;
	assert_ok(raw_send(&cli, &async, NULL));
	raw_take(&srv, IPCBUS_EVENT_CALL, &ev);
	there.async_call = ev.call;
	/* A node gets the next oneway only after the previous buffer is released. */
	there.buffers[0] = hold_a_oneway();
	there.buffers[1] = ev.buffer;
	there.objects[0] = object_node(there.node);
	there.objects[1] = object_handle(there.handle);
	there.objects[2] = object_fd(1);
	there.in_reply = object_node(there.reply_node);
	there.parts[0] = (struct ipcbus_iovec){ PTR64(there.text), 10 };
	there.parts[1] = (struct ipcbus_iovec){ PTR64(there.text), 0 };
	there.parts[2] = (struct ipcbus_iovec){ PTR64(there.text), 6 };
}

static inline void setup_there(void)
{
	setup_bus();
	make_there();
}

/* --- Working requests ----------------------------------------------------------- */

union any {
	struct ipcbus_info info;
	struct ipcbus_exchange exchange;
	struct ipcbus_node node;
	struct ipcbus_node_info node_info;
	struct ipcbus_handle handle;
	struct ipcbus_cancel cancel;
	struct ipcbus_call_info call_info;
	struct ipcbus_sender_info caller;
	struct ipcbus_monitor monitor;
	struct ipcbus_freeze freeze;
};

static void make_call(union any *a)
{
	a->exchange.send = (struct ipcbus_send){
		.kind = IPCBUS_SEND_CALL, .handle = there.target, .data = PTR64(there.text),
		.data_size = sizeof(there.text), .objects = PTR64(there.objects),
		.object_count = 3, .cookie = COOKIE,
	};
}

static void make_oneway(union any *a)
{
	make_call(a);
	a->exchange.send.kind = IPCBUS_SEND_ONEWAY;
	a->exchange.send.cookie = 0;
}

static void make_parts(union any *a)
{
	make_call(a);
	a->exchange.send.flags = IPCBUS_SEND_IOV;
	a->exchange.send.data = PTR64(there.parts);
	a->exchange.send.iov_count = ARRAY_SIZE(there.parts);
}

static void make_reply(union any *a)
{
	a->exchange.send = (struct ipcbus_send){
		.kind = IPCBUS_SEND_REPLY, .call = there.call, .data = PTR64(there.text),
		.data_size = sizeof(there.text), .objects = PTR64(&there.in_reply),
		.object_count = 1,
	};
}

static void make_error(union any *a)
{
	make_reply(a);
	a->exchange.send.kind = IPCBUS_SEND_ERROR;
	a->exchange.send.code = EIO;
}

static void make_give_one(union any *a)
{
	a->exchange.release_count = 1;
	a->exchange.release = there.buffers[0];
}

static void make_give_array(union any *a)
{
	a->exchange.release_count = 1 + !!there.buffers[1];
	a->exchange.release =
		a->exchange.release_count == 1 ? there.buffers[0] : PTR64(there.buffers);
}

static void make_wait(union any *a)
{
	a->exchange.flags = IPCBUS_WAIT | IPCBUS_SERVE | IPCBUS_NONBLOCK;
}

static void make_priority(union any *a)
{
	a->node.flags = IPCBUS_NODE_PRIORITY;
	a->node.sched_policy = SCHED_OTHER;
	a->node.priority = 5;
}

static void make_realtime(union any *a)
{
	a->node.flags = IPCBUS_NODE_PRIORITY;
	a->node.sched_policy = SCHED_FIFO;
	a->node.priority = 5;
}

static void make_own_node(union any *a)
{
	a->node.node = there.node;
}

static void make_put(union any *a)
{
	a->handle.handle = there.handle;
	a->handle.count = 1;
}

static void make_watch(union any *a)
{
	a->handle.handle = there.handle;
	a->handle.cookie = 5;
}

static void make_unwatch(union any *a)
{
	a->handle.handle = there.watched;
}

static void make_cancel(union any *a)
{
	a->cancel.cookie = COOKIE;
}

static void make_call_info(union any *a)
{
	a->call_info.call = there.call;
}

static void make_node_info(union any *a)
{
	a->node_info.node = there.node;
}

static void make_caller(union any *a)
{
	a->caller.call = there.call;
}

static void make_sender(union any *a)
{
	a->caller.buffer = there.buffers[0];
}

static void make_monitor(union any *a)
{
	a->monitor.flags = IPCBUS_MONITOR_MESSAGES;
	a->monitor.max_data = 100;
}

static void make_query(union any *a)
{
	a->freeze.flags = IPCBUS_FREEZE_QUERY;
	a->freeze.pid = getpid();
}

static void make_nothing(union any *a)
{
	(void)a;
}

/*
 * Pure queries come first; requests that end other objects come last. A call can be replied to
 * once, and a buffer released once, so the last two requests have objects of their own.
 */
enum request {
	WAIT, INFO, CALL_INFO, NODE_INFO, CALLER, SENDER, QUERY, MONITOR, NODE_CREATE,
	NODE_PRIORITY, NODE_REALTIME, CALL, ONEWAY, PARTS, WATCH, UNWATCH, HANDLE_PUT,
	SET_MANAGER, NODE_DESTROY, CANCEL, REPLY, GIVE_ONE, ERROR, GIVE_ARRAY, REQUESTS,
};

static const struct {
	const char *name;
	unsigned int cmd;
	size_t size;
	enum { SRV, CLI, OTH } by;
	void (*make)(union any *a);
	int result;
} requests[REQUESTS] = {
#define REQUEST(name, cmd, type, by, make, result) \
	[name] = { #name, IPCBUS_IOC_##cmd, sizeof(struct ipcbus_##type), by, make, result }
	REQUEST(CALL, EXCHANGE, exchange, CLI, make_call, 0),
	REQUEST(ONEWAY, EXCHANGE, exchange, CLI, make_oneway, 0),
	REQUEST(PARTS, EXCHANGE, exchange, CLI, make_parts, 0),
	REQUEST(REPLY, EXCHANGE, exchange, SRV, make_reply, 0),
	REQUEST(ERROR, EXCHANGE, exchange, SRV, make_error, 0),
	REQUEST(GIVE_ONE, EXCHANGE, exchange, SRV, make_give_one, 0),
	REQUEST(GIVE_ARRAY, EXCHANGE, exchange, SRV, make_give_array, 0),
	REQUEST(WAIT, EXCHANGE, exchange, SRV, make_wait, 0),
	REQUEST(NODE_CREATE, NODE_CREATE, node, CLI, make_nothing, 0),
	REQUEST(NODE_PRIORITY, NODE_CREATE, node, CLI, make_priority, 0),
	REQUEST(NODE_REALTIME, NODE_CREATE, node, CLI, make_realtime, 0),
	REQUEST(NODE_DESTROY, NODE_DESTROY, node, CLI, make_own_node, 0),
	REQUEST(SET_MANAGER, SET_MANAGER, node, CLI, make_own_node, -EBUSY),
	REQUEST(HANDLE_PUT, HANDLE_PUT, handle, CLI, make_put, 0),
	REQUEST(WATCH, WATCH, handle, CLI, make_watch, 0),
	REQUEST(UNWATCH, UNWATCH, handle, CLI, make_unwatch, 0),
	REQUEST(CANCEL, CANCEL, cancel, CLI, make_cancel, 0),
	REQUEST(CALL_INFO, CALL_INFO, call_info, SRV, make_call_info, 0),
	REQUEST(NODE_INFO, NODE_INFO, node_info, CLI, make_node_info, 0),
	REQUEST(CALLER, SENDER_INFO, sender_info, SRV, make_caller, 0),
	REQUEST(SENDER, SENDER_INFO, sender_info, SRV, make_sender, 0),
	REQUEST(MONITOR, MONITOR, monitor, OTH, make_monitor, 0),
	REQUEST(QUERY, FREEZE, freeze, CLI, make_query, 0),
	REQUEST(INFO, INFO, info, CLI, make_nothing, 0),
};

static void make(enum request which, union any *ret)
{
	memset(ret, 0, sizeof(*ret));
	requests[which].make(ret);
	ret->exchange.size = requests[which].size; /* the first field of each structure */
}

static const struct raw *maker(enum request which)
{
	return requests[which].by == SRV ? &srv : requests[which].by == CLI ? &cli : &oth;
}

static int issue(enum request which, void *args)
{
	return dev_ioctl(maker(which)->fd, requests[which].cmd, args);
}

/* --- The state between requests ------------------------------------------------- */

static const char *const counted[] = {
	"nodes", "handles", "watches", "transactions", "buffers", "files", "threads",
};

static long counts[ARRAY_SIZE(counted)];

/* Allows only the IDLE event of a node that was not sent after all. */
static inline void none_but_idle(const struct raw *r)
{
	struct ipcbus_event ev;

	do
		assert_ok(raw_next(r, IPCBUS_SERVE | IPCBUS_NONBLOCK, &ev));
	while (ev.kind == IPCBUS_EVENT_IDLE);
	ck_assert_msg(ev.kind == IPCBUS_EVENT_NONE, "event %u", ev.kind);
}

static inline void none_for_anybody(void)
{
	none_but_idle(&srv);
	none_but_idle(&cli);
	none_but_idle(&oth);
}

static void count_all(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(counted); i++)
		counts[i] = live(counted[i]);
}

/* The failed request delivered no event and left no object. */
static void expect_untouched(const char *what)
{
	for (size_t i = 0; i < ARRAY_SIZE(counted); i++)
		ck_assert_msg(live(counted[i]) == counts[i], "%s: %ld %s, were %ld", what,
			      live(counted[i]), counted[i], counts[i]);
}

#endif /* TESTS_KERNEL_REQUESTS_H */
