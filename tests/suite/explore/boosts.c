// SPDX-License-Identifier: MIT
/*
 * Inherited priorities: CLI has the highest priority. Its calls end in all possible
 * ways while SRV, and OTH behind it, serve them. A thread that has replied, waited again or left
 * its file has its own priority again, whatever happens to the call.
 */
#include <linux/sched/prio.h>

#include "ipcbus.h"
#include "scenarios.h"

#define COOKIE 7
#define BETTER NICE_TO_PRIO(-10)
#define THE_END 0xe4d
#define BEST (MAX_RT_PRIO - 1 - 20) /* a realtime priority of 20 */

static u64 taken;			/* a call that SRV took before the run */
static u32 next;			/* SRV's handle for OTH */
/* CLI's handle for a node of SRV's with a minimum priority */
static u32 lifted;
static u64 lifted_node;

static int runs_by(const struct task_struct *task)
{
	return __atomic_load_n(&task->normal_prio, __ATOMIC_RELAXED);
}

static void runs_by_its_own(void)
{
	CHECK(runs_by(current) == DEFAULT_PRIO);
}

/* The call may have ended already, but no other priority can be inherited. */
static void runs_by_own_or(int prio)
{
	CHECK(runs_by(current) == DEFAULT_PRIO || runs_by(current) == prio);
}

/* --- Before ------------------------------------------------------------------ */

static void lift(int thread)
{
	be(thread);
	shim_set_nice(current, -10);
}

static void prepare_callers(void)
{
	lift(1);
	next = hand_over(SRV, OTH, sides[OTH].node);
}

/* SRV's thread takes a call of CLI's and inherits its priority. */
static void take_one(void)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL, .code = 1, .cookie = COOKIE };
	struct task_struct *taker = current;
	struct ipcbus_event event;

	be(1);
	CHECK(!exchange(0, &send, 0, NULL));
	shim_task = taker;
	next_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_CALL && runs_by(current) == BETTER);
	taken = event.call;
}

static void prepare_taken(void)
{
	prepare_callers();
	be(0);
	take_one();
}

static void prepare_lifted(void)
{
	struct ipcbus_node arg = {
		.size = sizeof(arg), .flags = IPCBUS_NODE_PRIORITY, .sched_policy = SCHED_FIFO,
		.priority = 20,
	};

	prepare_callers();
	be_side(SRV);
	CHECK(!shim_ioctl(sides[SRV].fd, IPCBUS_IOC_NODE_CREATE, &arg));
	lifted_node = arg.node;
	lifted = hand_over(CLI, SRV, arg.node);
}

/* --- CLI --------------------------------------------------------------------- */

static void say_the_end(void)
{
	int r = oneway(0, THE_END);

	CHECK(!r || r == -EOWNERDEAD || r == -ENOTCONN);
}

static void call_with_cookie(void *unused)
{
	struct ipcbus_send send = { .kind = IPCBUS_SEND_CALL, .code = 1, .cookie = COOKIE };
	struct ipcbus_event event;
	int r = exchange(0, &send, 0, NULL);

	(void)unused;
	CHECK(!r || r == -EOWNERDEAD || r == -ENOTCONN);
	if (r)
		return;
	wait_event(&event);
	CHECK(event.kind == IPCBUS_EVENT_REPLY || event.kind == IPCBUS_EVENT_FAILED);
	if (event.buffer)
		CHECK(!release(event.buffer));
	say_the_end();
}

static void cancel(void *unused)
{
	struct ipcbus_cancel args = { .size = sizeof(args), .cookie = COOKIE };
	int r = shim_ioctl(sides[CLI].fd, IPCBUS_IOC_CANCEL, &args);

	(void)unused;
	CHECK(!r || r == -ENOENT);
}

static void two_lifted(void *unused)
{
	(void)unused;
	for (int i = 0; i < 2; i++) {
		int r = oneway(lifted, i);

		CHECK(!r || r == -EOWNERDEAD);
	}
}

/* --- SRV --------------------------------------------------------------------- */

/* Takes a call and replies. Returns false if the file was closed: a boost may then last. */
static bool serve(const struct ipcbus_event *event)
{
	int r = 0;

	runs_by_own_or(event->kind == IPCBUS_EVENT_ONEWAY ? BEST : BETTER);
	if (event->kind == IPCBUS_EVENT_CALL) {
		r = reply(event->call);
		CHECK(!r || r == -EBADF);
		if (!r)
			runs_by_its_own();
	}
	if (!r && event->buffer)
		r = release(event->buffer);
	return !r;
}

/* Serves the events that are queued now, without waiting. */
static void serve_all(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	do {
		next_event(&event);
		if (event.kind == IPCBUS_EVENT_CANCELED || event.kind == IPCBUS_EVENT_NONE)
			runs_by_its_own();
	} while (event.kind != IPCBUS_EVENT_NONE && serve(&event));
}

/* Serves until the caller's last message, or until the file is closed. */
static void serve_to_the_end(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	do
		wait_event(&event);
	while (event.kind != IPCBUS_EVENT_NONE && serve(&event) && event.code != THE_END);
}

/* A thread replies to a call that another thread took. */
static void reply_for_another(void *unused)
{
	int r = reply(taken);

	(void)unused;
	CHECK(!r || r == -ESRCH);
	runs_by_its_own();
}

static void reply_own(void *unused)
{
	int r;

	CHECK(runs_by(current) == BETTER);
	r = reply(taken);
	CHECK(!r || r == -ESRCH);
	runs_by_its_own();
	serve_all(unused);
}

/* Waits again without a reply. From then on, another thread must reply. */
static void wait_again(void *unused)
{
	CHECK(runs_by(current) == BETTER);
	serve_all(unused);
}

static void thread_exit(void *unused)
{
	(void)unused;
	CHECK(!shim_ioctl(sides[SRV].fd, IPCBUS_IOC_THREAD_EXIT, NULL));
	runs_by_its_own();
}

/* Makes a call with the caller's priority before it replies. */
static void serve_by_another(void *unused)
{
	struct ipcbus_event event;

	(void)unused;
	do {
		wait_event(&event);
		if (event.kind == IPCBUS_EVENT_CALL)
			call_through(next, -ECANCELED);
	} while (event.kind != IPCBUS_EVENT_NONE && serve(&event) && event.code != THE_END);
}

/* OTH: serves as long as events are queued. */
static void serve_the_next(void *unused)
{
	serve_all(unused);
	runs_by_its_own();
}

static void destroy_lifted(void *unused)
{
	(void)unused;
	CHECK(!ioctl_node(IPCBUS_IOC_NODE_DESTROY, lifted_node, 0));
}

const struct scenario boost_scenarios[] = {
	{ "boost_cancel", "a call is canceled while its server is to inherit its priority", prepare_callers,
	  { { "serve", SRV, serve_to_the_end }, { "call", CLI, call_with_cookie },
	    { "cancel", CLI, cancel } }, 0 },
	{ "boost_replies", "the boosted thread replies during another reply and a cancel",
	  prepare_taken,
	  { { "borrower", SRV, reply_own }, { "call", CLI, leave },
	    { "another", SRV, reply_for_another }, { "cancel", CLI, cancel } }, 0 },
	{ "boost_waits", "the boosted thread waits again while the call ends", prepare_taken,
	  { { "borrower", SRV, wait_again }, { "call", CLI, leave },
	    { "another", SRV, reply_for_another }, { "cancel", CLI, cancel } }, 0 },
	{ "boost_exit", "the boosted thread exits while the call ends", prepare_taken,
	  { { "borrower", SRV, thread_exit }, { "call", CLI, leave },
	    { "another", SRV, reply_for_another }, { "cancel", CLI, cancel } }, 0 },
	{ "boost_caller_dies", "a caller dies while the boosted thread replies", prepare_taken,
	  { { "borrower", SRV, reply_own }, { "die", CLI, leave } }, 1U << CLI },
	{ "boost_chain", "a priority is inherited through two servers, and the call is canceled", prepare_callers,
	  { { "serve", SRV, serve_by_another }, { "call", CLI, call_with_cookie },
	    { "next", OTH, serve_the_next }, { "cancel", CLI, cancel } }, 1U << OTH },
	{ "boost_chain_dies", "the same, and the middle server closes", prepare_callers,
	  { { "serve", SRV, serve_by_another }, { "call", CLI, call_with_cookie },
	    { "next", OTH, serve_the_next }, { "close", SRV, close_file } }, 1U << OTH },
	{ "boost_oneways", "a thread gets a node's minimum while the node is destroyed", prepare_lifted,
	  { { "serve", SRV, serve_all }, { "send", CLI, two_lifted },
	    { "destroy", SRV, destroy_lifted } }, 0 },
};

const size_t n_boost_scenarios = ARRAY_SIZE(boost_scenarios);
