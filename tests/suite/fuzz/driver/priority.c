// SPDX-License-Identifier: MIT
/*
 * Priorities: threads set their own, and the driver passes on the priorities of their callers. See
 * world.h; called by ops.c and judge.c.
 */
#include <linux/sched/rt.h>

#include "world.h"

static int now(const struct thread *t)
{
	return t->task->normal_prio;
}

/* Not during a boost: a priority set then stays as the thread's own. */
void op_priority(struct thread *t, const u8 *arg)
{
	int e = 0;

	if (now(t) != t->own || t->indebted)
		return;
	if ((arg[2] & 0xc0) == 0xc0) {
		e = shim_set_group(t->task, arg[3] & 1);
		must(e == (arg[3] & 1 && t->own < MAX_RT_PRIO ? -EINVAL : 0), "moved: %d", e);
	} else if (arg[2] % 3 == 2) {
		e = shim_set_policy(t->task, arg[2] & 4 ? SCHED_RR : SCHED_FIFO, 1 + arg[3] % 99);
		must(e == (t->task->never_realtime ? -EPERM : 0), "became realtime: %d", e);
	} else {
		shim_set_policy(t->task, SCHED_NORMAL, 0);
		shim_set_nice(t->task, MIN_NICE + arg[3] % 40);
	}
	t->own = now(t);
	trace("%u: runs by %d%s\n", t->index, t->own,
	      t->task->never_realtime ? ", never as realtime" : "");
}

int priority_of_node(struct ipcbus_node *args, u8 pick)
{
	if (!(args->flags & IPCBUS_NODE_PRIORITY))
		return MAX_PRIO;
	args->sched_policy = pick % 3;
	if (args->sched_policy == SCHED_NORMAL) {
		args->priority = MIN_NICE + pick / 3 % 40;
		return NICE_TO_PRIO(args->priority);
	}
	args->priority = 1 + pick / 3;
	return MAX_RT_PRIO - 1 - args->priority;
}

/* Returns the priority of a thread that serves a call with that priority. */
static int inherited(const struct thread *t, int prio)
{
	/* For a call of another user, the thread's limits are 0. */
	if (world.strangers)
		return t->own;
	if (t->task->never_realtime)
		prio = max(prio, NICE_TO_PRIO(MIN_NICE));
	return min(t->own, prio);
}

void priority_of_call(const struct thread *t, const struct message *m, const struct node *node)
{
	int want = inherited(t, min(m->prio, node->prio));

	if (t->proc->killed || t->indebted || world.any_odd)
		return;
	/* A thread in a call of its own may serve a higher-priority call below it. */
	must(now(t) == want || (t->n_stack && now(t) < want),
	     "serves message %u by %d: its own is %d, its caller's %d, its node's %d",
	     message_number(m), now(t), t->own, m->prio, node->prio);
}

void priority_of_waiter(const struct thread *t, const struct ipcbus_event *event)
{
	switch (event->kind) {
	case IPCBUS_EVENT_CALL:
	case IPCBUS_EVENT_ONEWAY:
	case IPCBUS_EVENT_REPLY:
	case IPCBUS_EVENT_ERROR:
	case IPCBUS_EVENT_FAILED:
		/* These events start a boost, or may come between inherited calls. */
		return;
	default:
		must(now(t) == t->own || t->indebted || world.any_odd,
		     "waited, got event %u, and runs by %d, not %d", event->kind, now(t), t->own);
	}
}
