// SPDX-License-Identifier: MIT
/*
 * Freezing: OTH, or CLI, freezes and thaws SRV.
 */
#include "scenarios.h"

static void prepare_taken(void)
{
	take_a_call(1);
}

/* The owner may die in the meantime. */
static void freeze_and_thaw(void *unused)
{
	struct ipcbus_freeze f;
	int r = ioctl_freeze(SRV, 0, &f);

	(void)unused;
	CHECK(!r || r == -EAGAIN || r == -ESRCH || r == -EBUSY);
	CHECK(r || !f.pending);
	r = ioctl_freeze(SRV, IPCBUS_FREEZE_THAW, &f);
	CHECK(!r || r == -ESRCH);
}

static void freeze_or_thaw(void *unused)
{
	struct ipcbus_freeze f;
	int r = ioctl_freeze(SRV, 0, &f);

	(void)unused;
	CHECK(!r || r == -EAGAIN || r == -EBUSY);
	CHECK(r || f.received & IPCBUS_FROZEN_NOW);
	if (!r)
		CHECK(!ioctl_freeze(SRV, IPCBUS_FREEZE_THAW, &f));
}

/* Tries a few times. A process that closed, or was thawed, is not frozen. */
static void freeze_wait(void *unused)
{
	struct ipcbus_freeze f = {
		.size = sizeof(f), .pid = pid_nr(sides[SRV].process->pid), .timeout_ms = 10,
	};
	int r = shim_ioctl(sides[OTH].fd, IPCBUS_IOC_FREEZE, &f);

	(void)unused;
	CHECK(!r || r == -ESRCH || r == -EAGAIN);
}

static u64 own_node;
static u32 other;		/* CLI's handle for it */

/* The scenario's second thread made a call that is still queued. SRV may destroy its node. */
static void prepare_freeze_queued(void)
{
	be_side(SRV);
	own_node = node_create(9);
	other = hand_over(CLI, SRV, own_node);
	be(1);
	CHECK(!call(other, 1));
}

static void freeze_destroy(void *unused)
{
	(void)unused;
	CHECK(!ioctl_node(IPCBUS_IOC_NODE_DESTROY, own_node, 0));
}

static void freeze_caller_leaves(void *unused)
{
	(void)unused;
	CHECK(!shim_ioctl(sides[CLI].fd, IPCBUS_IOC_THREAD_EXIT, NULL));
}

static void freeze_thaw(void *unused)
{
	struct ipcbus_freeze f;

	(void)unused;
	CHECK(!ioctl_freeze(SRV, IPCBUS_FREEZE_THAW, &f));
}

static void wait_for_failure(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	wait_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_FAILED && event.error == -EOWNERDEAD);
}

static void call_while_freezing(void *unused)
{
	(void)unused;
	call_through(0, -EHOSTDOWN);
}

/* Serves as many calls as were sent. All other calls were refused. */
static void serve_while_freezing(void *unused)
{
	struct ipcbus_event event;
	int oneways = 0;

	(void)unused;
	do {
		wait_event(&event);
		oneways += event.kind == IPCBUS_EVENT_ONEWAY;
		reply_to(&event);
	} while (oneways < 2);
}

static void call_and_two_oneways(void *unused)
{
	call_while_freezing(unused);
	CHECK(!oneway(0, 1));
	CHECK(!oneway(0, 2));
}

/* FREEZE stops this many threads before it releases the lock. */
#define AT_ONCE 64

static struct task_struct *behind;

/* Behind the numbers of AT_ONCE threads, which have ended, comes the first thread's number. */
static void prepare_freeze_crowd(void)
{
	struct task_struct *crowd[AT_ONCE];
	struct ipcbus_event event;

	for (int i = 0; i < AT_ONCE; i++) {
		crowd[i] = shim_task_new(sides[SRV].process, 0);
		shim_task = crowd[i];
		next_event(&event);
	}
	be(0);
	behind = current;
	next_event(&event);
	for (int i = 0; i < AT_ONCE; i++) {
		shim_task = crowd[i];
		shim_task_exit();
	}
}

/* Once the wait was interrupted, a oneway is for the next thread that asks. */
static void wait_then_poll(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	CHECK(!exchange(IPCBUS_WAIT | IPCBUS_SERVE, NULL, 0, &event));
	while (event.kind != IPCBUS_EVENT_ONEWAY) {
		while (!(shim_poll(sides[SRV].fd, EPOLLIN, -1) & EPOLLIN))
			;
		next_event(&event);
	}
	reply_to(&event);
	behind = NULL;
}

static void freeze_then_thaw(void *unused)
{
	struct ipcbus_freeze f;
	int r = ioctl_freeze(SRV, 0, &f);

	CHECK(!r || r == -EAGAIN);
	freeze_thaw(unused);
}

static void interrupt_and_thaw(void *unused)
{
	if (behind)
		shim_signal(behind);
	freeze_thaw(unused);
	CHECK(!oneway(0, 1));
}

/* The process stays frozen: messages it sends do not matter. */
static void prepare_frozen(void)
{
	struct ipcbus_freeze f;

	be_side(CLI);
	CHECK(!oneway(0, 1));
	CHECK(!ioctl_freeze(SRV, 0, &f));
}

static void thaw_it(void *unused)
{
	struct ipcbus_freeze f;

	(void)unused;
	CHECK(!ioctl_freeze(SRV, IPCBUS_FREEZE_THAW, &f));
	CHECK(!(f.received & IPCBUS_FROZEN_NOW));
}

static void poll_and_take(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	CHECK(shim_poll(sides[SRV].fd, EPOLLIN, -1) & EPOLLIN);
	next_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_ONEWAY);
	reply_to(&event);
}

/* FREEZE succeeds only if the process has replied to all calls; otherwise it is not frozen. */
static void freeze_without_calls(void *unused)
{
	struct ipcbus_freeze f;
	int r = ioctl_freeze(SRV, 0, &f);

	(void)unused;
	CHECK(!r || r == -EAGAIN);
	CHECK(!r == !f.pending);
	CHECK(f.pending <= 2);
	if (r)
		return;
	CHECK(!ioctl_freeze(SRV, IPCBUS_FREEZE_QUERY, &f));
	CHECK(!f.pending);
	CHECK(!ioctl_freeze(SRV, IPCBUS_FREEZE_THAW, &f));
}

static void reply_twice(void *unused)
{
	reply_in_vain(unused);
	reply_and_free(unused);
}

const struct scenario frozen_scenarios[] = {
	{ "freeze_call", "a process is frozen and thawed while it is called", NULL,
	  { { "serve", SRV, serve_while_freezing }, { "call", CLI, call_and_two_oneways },
	    { "freeze", OTH, freeze_and_thaw } }, 0 },
	{ "freeze_reply", "the same, while it replies", prepare_taken,
	  { { "reply", SRV, reply_and_free }, { "wait", CLI, wait_for_reply },
	    { "freeze", OTH, freeze_and_thaw } }, 0 },
	{ "freeze_close", "the same, while it closes", NULL,
	  { { "close", SRV, close_file }, { "serve", SRV, serve_what_is_there },
	    { "freeze", OTH, freeze_and_thaw } }, 0 },
	{ "freeze_die", "the same, while it dies over a call", prepare_taken,
	  { { "die", SRV, leave }, { "wait", CLI, wait_for_failure },
	    { "freeze", OTH, freeze_and_thaw } }, 1U << SRV },
	{ "freeze_freeze", "two threads freeze and thaw a process", NULL,
	  { { "freeze", OTH, freeze_and_thaw }, { "freeze2", CLI, freeze_or_thaw },
	    { "serve", SRV, serve_what_is_there } }, 0 },
	{ "freeze_wait", "a process is frozen after its reply", prepare_taken,
	  { { "reply", SRV, reply_and_free }, { "wait", CLI, wait_for_reply },
	    { "freeze", OTH, freeze_wait } }, 0 },
	{ "freeze_wait_close", "the same, while the process closes", prepare_taken,
	  { { "close", SRV, close_file }, { "wait", CLI, wait_for_failure },
	    { "freeze", OTH, freeze_wait } }, 0 },
	{ "freeze_wait_destroy", "the same, while the node is destroyed", prepare_freeze_queued,
	  { { "destroy", SRV, freeze_destroy }, { "wait", CLI, wait_for_failure },
	    { "freeze", OTH, freeze_wait } }, 0 },
	{ "freeze_wait_cancel", "the same, while the caller exits", prepare_freeze_queued,
	  { { "freeze", OTH, freeze_wait }, { "leave", CLI, freeze_caller_leaves } }, 0 },
	{ "freeze_wait_thaw", "the same, while it is thawed", prepare_freeze_queued,
	  { { "freeze", OTH, freeze_wait }, { "thaw", CLI, freeze_thaw },
	    { "serve", SRV, serve_one } }, 0 },
	{ "freeze_crowd", "a thread is interrupted before FREEZE reaches it", prepare_freeze_crowd,
	  { { "serve", SRV, wait_then_poll }, { "freeze", OTH, freeze_then_thaw },
	    { "thaw", CLI, interrupt_and_thaw } }, 0 },
	{ "thaw_wait", "a waiting thread is thawed", prepare_frozen,
	  { { "serve", SRV, serve_one }, { "thaw", OTH, thaw_it } }, 0 },
	{ "thaw_poll", "a polling thread is thawed", prepare_frozen,
	  { { "poll", SRV, poll_and_take }, { "thaw", OTH, thaw_it } }, 0 },
	{ "freeze_reply_again", "a process is frozen while its reply fails", prepare_taken,
	  { { "reply", SRV, reply_twice }, { "wait", CLI, wait_for_reply },
	    { "freeze", OTH, freeze_without_calls } }, 0 },
	{ "freeze_replies", "the same, with replies of two threads", prepare_taken,
	  { { "vain", SRV, reply_in_vain }, { "leave", CLI, leave },
	    { "reply", SRV, reply_twice }, { "freeze", OTH, freeze_without_calls } }, 0 },
};

const size_t n_frozen_scenarios = ARRAY_SIZE(frozen_scenarios);
